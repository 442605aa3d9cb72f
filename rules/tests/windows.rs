//! Windows over random messages, out of order and with crashes, against windows computed by their definition from all
//! messages that ever came.

mod window_reference;

use std::collections::BTreeMap;

use proptest::prelude::*;
use rules::window::{Added, LateEvents, Limits, Row, RowError, Windows};
use rules::{CompileOptions, Message, Outcome, Statement};

use window_reference::{Event, Kind, Reference};

#[derive(Debug, Clone)]
enum Step {
    /// A message: after how long, of which group, how far its time is before now, with which value.
    Message { after_ms: u64, group: u8, age_ms: i64, value: Option<i64> },
    /// Nothing happens for a while.
    Silence { for_ms: u64 },
    /// What changed is written away.
    Commit,
    /// Everything since the last commit is lost and done again.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop::option::weighted(0.8, -20i64..20);
    prop_oneof![
        10 => (0u64..30, 0u8..3, -40i64..150, value)
            .prop_map(|(after_ms, group, age_ms, value)| Step::Message { after_ms, group, age_ms, value }),
        2 => (0u64..200).prop_map(|for_ms| Step::Silence { for_ms }),
        2 => Just(Step::Commit),
        1 => Just(Step::Crash),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        (1i64..80, -90i64..90).prop_map(|(size, offset)| Kind::Fixed { size, hop: size, offset }),
        (1i64..80, 1i64..80, -90i64..90).prop_map(|(a, b, offset)| Kind::Fixed {
            size: a.max(b),
            hop: a.min(b),
            offset
        }),
        (1i64..60, prop::option::of(60i64..200)).prop_map(|(timeout, max)| Kind::Session { timeout, max }),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    (0u64..60, 0u64..100, any::<bool>()).prop_map(|(lateness_ms, idle_ms, adjust)| Limits {
        lateness_ms,
        idle_ms,
        future_ms_max: 20,
        late_events: if adjust { LateEvents::Adjust } else { LateEvents::LeaveOut },
        ..Limits::default()
    })
}

fn statement(kind: Kind, by_time: bool) -> Statement {
    let window = match kind {
        Kind::Fixed { size, hop, offset } if size == hop => format!("TUMBLINGWINDOW(ms, {size}, {offset})"),
        Kind::Fixed { size, hop, offset } => format!("HoppingWindow(millisecond, {size}, {hop}, {offset})"),
        Kind::Session { timeout, max: None } => format!("SESSIONWINDOW(ms, {timeout})"),
        Kind::Session { timeout, max: Some(max) } => format!("SESSIONWINDOW(ms, {timeout}, {max})"),
    };
    let time = if by_time { "TIMESTAMP BY t" } else { "" };
    let sql = format!(
        "SELECT k, count(*) AS n, count(x) AS c, sum(x) AS s, min(x) AS lo, max(x) AS hi, first(x) AS f, last(x) AS l, \
         percentile(x, 0.5) * 2 AS m, window_start() AS a, window_end() AS b FROM '#' {time} GROUP BY {window}, k"
    );
    Statement::compile(&sql, CompileOptions::default()).unwrap_or_else(|errors| panic!("{sql}: {errors}"))
}

struct Played<'s> {
    statement: &'s Statement,
    limits: Limits,
    windows: Windows,
    kept: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What was done since the last commit.
    since: Vec<Done>,
    /// The results of what was committed, and those that a crash would lose.
    results: Vec<String>,
    unsafe_results: Vec<String>,
}

#[derive(Clone)]
enum Done {
    Added(Row, u64, Added),
    Advanced(u64),
}

impl<'s> Played<'s> {
    fn new(statement: &'s Statement, limits: Limits) -> Self {
        let windows = Windows::new(statement, limits).expect("the statement has a window");
        let (kept, since) = (BTreeMap::new(), Vec::new());
        Self { statement, limits, windows, kept, since, results: Vec::new(), unsafe_results: Vec::new() }
    }

    fn add(&mut self, payload: &str, arrived_ms: u64) -> Added {
        let randomness = || [7; 16];
        let message = Message::new("a", payload.as_bytes(), arrived_ms, &randomness);
        let Ok(Outcome::Row(row)) = self.statement.evaluate(&message) else {
            panic!("{payload} makes no row")
        };
        let row = Row::decode(&row.encode()).expect("a row that was written is read");
        let added = self.windows.add(&row, arrived_ms);
        self.since.push(Done::Added(row, arrived_ms, added));
        added
    }

    fn advance(&mut self, now_ms: u64) {
        self.since.push(Done::Advanced(now_ms));
        let due = self.windows.next_due();
        let mut found = 0;
        loop {
            // In small portions, as a writer with bounded transactions would.
            let closed = self.windows.advance(now_ms, 2);
            found += closed.len();
            let is_last = closed.len() < 2;
            self.unsafe_results.extend(closed.into_iter().map(|closed| match closed.outcome {
                Ok(Outcome::Match(output)) => String::from_utf8_lossy(output.bytes()).into_owned(),
                other => panic!("{other:?}"),
            }));
            if is_last {
                break;
            }
        }
        assert_eq!(
            found > 0,
            due.is_some_and(|due| due <= now_ms),
            "due {due:?} at {now_ms}, closed {found}"
        );
    }

    fn commit(&mut self) {
        for change in self.windows.changes() {
            match change.value {
                Some(value) => self.kept.insert(change.key, value),
                None => self.kept.remove(&change.key),
            };
        }
        self.since.clear();
        self.results.append(&mut self.unsafe_results);
    }

    fn crash(&mut self) {
        self.unsafe_results.clear();
        self.windows =
            Windows::restore(self.statement, self.limits, &self.kept).expect("what was written is read");
        for done in std::mem::take(&mut self.since) {
            match done {
                Done::Added(row, arrived_ms, before) => {
                    let added = self.windows.add(&row, arrived_ms);
                    assert_eq!(added, before);
                    self.since.push(Done::Added(row, arrived_ms, added));
                }
                Done::Advanced(now_ms) => self.advance(now_ms),
            }
        }
    }
}

fn play(kind: Kind, by_time: bool, limits: Limits, steps: &[Step]) {
    let statement = statement(kind, by_time);
    let mut played = Played::new(&statement, limits);
    let mut reference = Reference::new(kind, by_time, limits);
    let mut now = 1_000u64;
    for step in steps {
        match step {
            Step::Message { after_ms, group, age_ms, value } => {
                now += after_ms;
                let time = now as i64 - age_ms;
                let value_text = value.map_or("null".to_owned(), |value| value.to_string());
                let payload = format!(r#"{{"k":{group},"t":{time},"x":{value_text}}}"#);
                let event = Event { group: *group, time, value: *value };
                assert_eq!(played.add(&payload, now), reference.add(event, now as i64), "{payload} at {now}");
                if value.is_some_and(|value| value % 3 == 0) {
                    continue;
                }
                played.advance(now);
                reference.advance(now as i64);
            }
            Step::Silence { for_ms } => {
                now += for_ms;
                played.advance(now);
                reference.advance(now as i64);
            }
            Step::Commit => played.commit(),
            Step::Crash => played.crash(),
        }
    }
    played.advance(now + 10_000);
    reference.advance(now as i64 + 10_000);
    played.commit();
    assert_eq!(played.windows.groups(), 0);
    assert_eq!(played.windows.state_bytes(), 0);
    assert_eq!(played.kept.len(), usize::from(reference.has_seen_events()), "only the clock is kept");
    assert_eq!(played.results, reference.results);
}

/// Every statement and every case of `WINDOWS.md` is right.
#[test]
fn what_the_page_shows_is_so() {
    let page = include_str!("../WINDOWS.md");
    let blocks = |language: &str| -> Vec<&str> {
        let opened = format!("```{language}\n");
        page.split(&opened).skip(1).filter_map(|rest| rest.split("```").next()).collect()
    };
    let statements = blocks("sql");
    for sql in &statements {
        let compiled = Statement::compile(sql, CompileOptions::default());
        assert!(compiled.is_ok_and(|statement| statement.is_windowed()), "{sql}");
    }
    let cases = blocks("json").concat();
    let report = rules::cases::run(&cases, None);
    assert_eq!((report.passed, report.failures, report.remarks), (3, vec![], vec![]));
    let settings = blocks("toml");
    for table in &settings {
        let text = format!(
            "sql = \"SELECT count(*) AS n FROM 'a' TIMESTAMP BY t GROUP BY SESSION(ss, 5)\"\n{table}"
        );
        let definition =
            rules::definition::Definition::parse("page", "rule.toml", &text).expect("the table is right");
        assert_eq!(
            definition.window,
            Some(Limits::default()),
            "the page shows what holds where nothing is said"
        );
    }
    assert_eq!((statements.len(), settings.len()), (1, 1));
    for aggregate in rules::window::AGGREGATES {
        assert!(aggregate.names().all(|name| page.contains(&format!("`{name}"))), "{}", aggregate.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn windows_are_what_their_definition_says(
        kind in kind(), by_time: bool, limits in limits(), steps in prop::collection::vec(step(), 0..60),
    ) {
        play(kind, by_time, limits, &steps);
    }

    #[test]
    fn any_bytes_are_a_row_or_refused(bytes: Vec<u8>, cut in 0usize..64, flipped in 0usize..512) {
        let _ = Row::decode(&bytes);
        let statement = statement(Kind::Session { timeout: 5, max: None }, true);
        let mut played = Played::new(&statement, Limits::default());
        played.add(r#"{"k":{"a":[1,2.5]},"t":5,"x":"12.5"}"#, 10);
        let Some(Done::Added(row, ..)) = played.since.first() else { unreachable!("one was added") };
        let mut damaged = row.encode().to_vec();
        let place = flipped / 8 % damaged.len();
        damaged[place] ^= 1 << (flipped % 8);
        // Whatever a changed row says it is counted or not, but nothing breaks.
        if let Ok(row) = Row::decode(&damaged) {
            prop_assert_eq!(row.encode(), damaged.clone());
            let mut windows = Windows::new(&statement, Limits::default()).expect("it has a window");
            let _ = windows.add(&row, 10);
            let _ = windows.advance(u64::MAX, usize::MAX);
        }
        let encoded = row.encode();
        let cut = cut % encoded.len();
        prop_assert_eq!(Row::decode(&encoded[..cut]), Err(RowError::Damaged));
    }

    #[test]
    fn any_state_is_restored_or_refused(
        kind in kind(), key: Vec<u8>, value: Vec<u8>, flipped in 0usize..4096, which in 0usize..4,
    ) {
        let statement = statement(kind, true);
        let mut played = Played::new(&statement, Limits::default());
        played.add(r#"{"k":1,"t":5,"x":12.5}"#, 10);
        played.add(r#"{"k":"b","t":7,"x":null}"#, 10);
        played.commit();
        let mut rows: Vec<(Vec<u8>, Vec<u8>)> = played.kept.into_iter().collect();
        let which = which % rows.len();
        let (damaged_key, damaged_value) = &mut rows[which];
        let place = flipped / 8 % (damaged_key.len() + damaged_value.len());
        let byte = match place.checked_sub(damaged_key.len()) {
            None => &mut damaged_key[place],
            Some(place) => &mut damaged_value[place],
        };
        *byte ^= 1 << (flipped % 8);
        rows.push((key, value));
        for rows in [&rows[..rows.len() - 1], &rows[..]] {
            let rows = rows.iter().map(|(key, value)| (key, value));
            if let Ok(mut windows) = Windows::restore(&statement, Limits::default(), rows) {
                let _ = (windows.next_due(), windows.changes());
                let _ = windows.advance(20, usize::MAX);
                let _ = windows.advance(u64::MAX, usize::MAX);
            }
        }
    }
}
