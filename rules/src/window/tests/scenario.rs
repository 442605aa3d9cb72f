//! A statement, messages and moments, played line by line.
//!
//! ```text
//! SELECT count(*) AS n FROM '#' GROUP BY TUMBLINGWINDOW(ss, 10)
//! lateness 2000
//! ----
//! 1500 {"x":1}                   a message that arrives then
//! now 20000                      the time of day
//! restart                        everything is written away and restored
//! ```
//!
//! Each line is repeated with what came of it behind `=>`: how the row was added, and the windows that closed.

use std::collections::BTreeMap;

use crate::window::{Added, LateEvents, Limits, Row, Windows};
use crate::{CompileOptions, Message, Outcome, Statement};

pub(super) struct Scenario {
    pub(super) statement: Statement,
    pub(super) windows: Windows,
    limits: Limits,
    kept: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Scenario {
    pub(super) fn of(sql: &str) -> Self {
        Self::with_limits(sql, Limits { lateness_ms: 0, ..Limits::default() })
    }

    pub(super) fn with_limits(sql: &str, limits: Limits) -> Self {
        let statement = Statement::compile(sql, CompileOptions::default())
            .unwrap_or_else(|errors| panic!("{}", errors.render(sql, "sql")));
        let windows = Windows::new(&statement, limits).unwrap();
        Self { statement, windows, limits, kept: BTreeMap::new() }
    }

    /// The row of a message, which has been bytes.
    pub(super) fn row(&self, payload: &str, arrived_ms: u64) -> Result<Row, String> {
        let randomness = || [7; 16];
        let message = Message::new("plant/kiln/telemetry", payload.as_bytes(), arrived_ms, &randomness);
        match self.statement.evaluate(&message) {
            Ok(Outcome::Row(row)) => {
                assert_eq!(Row::decode(&row.encode()), Ok(row.clone()));
                Ok(row)
            }
            Ok(_) => Err("no match".to_owned()),
            Err(fault) => Err(fault.to_string()),
        }
    }

    /// Writes away what changed and goes on with what is restored.
    pub(super) fn restart(&mut self) {
        for change in self.windows.changes() {
            match change.value {
                Some(value) => self.kept.insert(change.key, value),
                None => self.kept.remove(&change.key),
            };
        }
        let restored = Windows::restore(&self.statement, self.limits, &self.kept).unwrap();
        assert_eq!(restored.groups(), self.windows.groups());
        assert_eq!(restored.state_bytes(), self.windows.state_bytes());
        assert_eq!(restored.next_due(), self.windows.next_due());
        assert_eq!(restored.watermark_ms(), self.windows.watermark_ms());
        self.windows = restored;
    }

    fn play(&mut self, line: &str) -> String {
        if line == "restart" {
            self.restart();
            return format!("{} groups, {} rows kept", self.windows.groups(), self.kept.len());
        }
        let (at, payload) = line.split_once(' ').unwrap();
        let mut told = Vec::new();
        let now = match at {
            "now" => payload.parse().unwrap(),
            arrived => {
                let arrived: u64 = arrived.parse().unwrap();
                told.push(match self.row(payload, arrived) {
                    Err(reason) => reason,
                    Ok(row) => match self.windows.add(&row, arrived) {
                        Added::Counted { windows: 1, missed: 0, adjusted: false } => "counted".to_owned(),
                        other => format!("{other:?}"),
                    },
                });
                arrived
            }
        };
        let due = self.windows.next_due();
        let closed = self.windows.advance(now, usize::MAX);
        // What is told to be due is due then and not before.
        assert_eq!(closed.is_empty(), due.is_none_or(|due| due > now), "due {due:?} at {now}");
        told.extend(closed.into_iter().map(|closed| {
            let result = match closed.outcome {
                Ok(Outcome::Match(output)) => String::from_utf8(output.bytes().to_vec()).unwrap(),
                Ok(_) => "nothing".to_owned(),
                Err(fault) => fault.to_string(),
            };
            format!("({}..{}] {}: {result}", closed.window_start_ms, closed.window_end_ms, closed.rows)
        }));
        told.join("\n   ")
    }
}

fn limits(settings: &[&str]) -> Limits {
    let mut limits = Limits { lateness_ms: 0, ..Limits::default() };
    for setting in settings {
        let (name, value) = setting.split_once(' ').unwrap();
        match name {
            "lateness" => limits.lateness_ms = value.parse().unwrap(),
            "future" => limits.future_ms_max = value.parse().unwrap(),
            "idle" => limits.idle_ms = value.parse().unwrap(),
            "groups" => limits.groups_max = value.parse().unwrap(),
            "bytes" => limits.state_bytes_max = value.parse().unwrap(),
            "late" => {
                limits.late_events = LateEvents::ALL.iter().find(|(name, _)| *name == value).unwrap().1;
            }
            other => panic!("unknown setting {other}"),
        }
    }
    limits
}

/// Plays every scenario of a file; `UPDATE_SNAPSHOTS=1` rewrites what comes of it.
pub(super) fn check(file: &str) {
    let path = format!("{}/src/window/tests/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut rewritten = Vec::new();
    for scenario in text.trim_end().split("\n====\n") {
        let (head, steps) = scenario.split_once("\n----\n").unwrap();
        let head_lines: Vec<&str> = head.lines().filter(|line| !line.starts_with('#')).collect();
        let settings =
            head_lines.iter().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
        let settings: Vec<&str> = settings.copied().collect();
        let sql: Vec<&str> = head_lines.into_iter().filter(|line| !settings.contains(line)).collect();
        let mut played = Scenario::with_limits(&sql.join("\n"), limits(&settings));
        let steps = steps.lines().filter(|line| !line.starts_with(' '));
        let lines = steps.map(|line| line.split(" =>").next().unwrap().trim());
        let lines: Vec<String> =
            lines.map(|line| format!("{line} => {}", played.play(line)).trim_end().to_owned()).collect();
        rewritten.push(format!("{head}\n----\n{}", lines.join("\n")));
    }
    let rewritten = rewritten.join("\n====\n") + "\n";
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &rewritten).unwrap();
    }
    assert_eq!(text, rewritten);
}
