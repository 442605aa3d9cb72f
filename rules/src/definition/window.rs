//! The table `[window]`: how long the windows of a statement wait, and how much they hold.

use toml::de::{DeTable, DeValue};

use super::reader::{Reader, listed, span_of};
use crate::diagnostic::nearest;
use crate::statement::Statement;
use crate::window::{LateEvents, Limits};

/// A whole number of the table.
struct Entry {
    key: &'static str,
    /// The smallest and the largest value.
    range: (i64, i64),
    /// Whether it means something only with TIMESTAMP BY.
    is_about_time: bool,
    set: fn(&mut Limits, u64),
}

const DAY_SECS: i64 = 86_400;

fn count(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Every number the table may have; what each means is documented at [`Limits`].
const ENTRIES: &[Entry] = &[
    Entry {
        key: "lateness_secs",
        range: (0, 21 * DAY_SECS),
        is_about_time: true,
        set: |limits, secs| limits.lateness_ms = secs * 1000,
    },
    Entry {
        key: "future_secs_max",
        range: (0, 366 * DAY_SECS),
        is_about_time: true,
        set: |limits, secs| limits.future_ms_max = secs * 1000,
    },
    Entry {
        key: "idle_secs",
        range: (0, 366 * DAY_SECS),
        is_about_time: true,
        set: |limits, secs| limits.idle_ms = secs * 1000,
    },
    Entry {
        key: "groups_max",
        range: (1, 10_000_000),
        is_about_time: false,
        set: |limits, groups| limits.groups_max = count(groups),
    },
    Entry {
        key: "state_bytes_max",
        range: (64 * 1024, 16 * 1024 * 1024 * 1024),
        is_about_time: false,
        set: |limits, bytes| limits.state_bytes_max = count(bytes),
    },
];

/// The one text of the table.
const LATE_EVENTS: &str = "late_events";

impl<'t> Reader<'t> {
    /// The limits of the statement's windows; `None` when it has none.
    pub(super) fn window(&mut self, table: &DeTable<'t>, statement: Option<&Statement>) -> Option<Limits> {
        let mut limits = Limits::default();
        let is_windowed = statement.is_none_or(Statement::is_windowed);
        if let Some(value) = self.get(table, "window") {
            let span = span_of(value);
            match value.get_ref() {
                DeValue::Table(inner) if is_windowed => self.limits(inner, statement, &mut limits),
                DeValue::Table(_) => {
                    let hint =
                        "remove the table, or group in the SQL: `GROUP BY deviceId, TUMBLINGWINDOW(ss, 10)`";
                    self.error(span, "`window` is for statements with a window", hint.to_owned());
                }
                _ => self.error(span, "`window` is a table", "write `[window]`".to_owned()),
            }
        }
        is_windowed.then_some(limits)
    }

    fn limits(&mut self, table: &DeTable<'t>, statement: Option<&Statement>, limits: &mut Limits) {
        let known: Vec<&str> = ENTRIES.iter().map(|entry| entry.key).chain([LATE_EVENTS]).collect();
        self.check_keys(table, &known, "`window`");
        let has_time = statement.is_none_or(Statement::has_event_time);
        for entry in ENTRIES {
            if let Some(value) = self.whole_number(table, entry) {
                (entry.set)(limits, value);
            }
            if entry.is_about_time && !has_time {
                self.meaningless(table, entry.key);
            }
        }
        if !has_time {
            self.meaningless(table, LATE_EVENTS);
        }
        let Some((text, span)) = self.string(table, LATE_EVENTS) else { return };
        match LateEvents::ALL.iter().find(|(name, _)| *name == text) {
            Some((_, late_events)) => limits.late_events = *late_events,
            None => {
                let names = LateEvents::ALL.map(|(name, _)| name);
                let hint = match nearest(text, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are {}", listed(&names)),
                };
                self.error(span, format!("unknown `{LATE_EVENTS}` `{text}`"), hint);
            }
        }
    }

    fn meaningless(&mut self, table: &DeTable<'t>, key: &str) {
        if let Some(value) = self.get(table, key) {
            let span = span_of(value);
            let message = format!(
                "`{key}` changes nothing: without TIMESTAMP BY messages have the time at which they arrive"
            );
            self.warn(span, message, "remove it, or say in the SQL where the time of an event is");
        }
    }

    fn whole_number(&mut self, table: &DeTable<'t>, entry: &Entry) -> Option<u64> {
        let value = self.get(table, entry.key)?;
        let number = match value.get_ref() {
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        };
        let (least, most) = entry.range;
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => u64::try_from(number).ok(),
            None => {
                let message = format!("`{}` is a whole number from {least} to {most}", entry.key);
                self.error(span_of(value), message, None);
                None
            }
        }
    }
}
