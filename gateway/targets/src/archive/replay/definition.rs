//! What a replay is and how far it is, as it is kept.

use bus::TargetName;
use journal::Offset;
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its name, which consumers see with each event.
    pub name: String,
    /// The archive.
    pub archive: String,
    /// Events accepted at this time or later, milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// Events accepted before this time.
    pub to_ms: u64,
    /// Only events of these rules; all when empty.
    pub rules: Vec<String>,
    /// Where they go.
    pub targets: Vec<TargetName>,
    /// At most so many events each second.
    pub per_second_max: Option<u32>,
}

/// Whether it runs, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It runs, or goes on after the next start.
    Running,
    /// Everything was sent.
    Completed,
    /// Somebody ended it.
    Cancelled,
    /// It can't go on; why.
    Failed(String),
}

impl State {
    /// The state as a word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed(_) => "failed",
        }
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Events of the archive looked at.
    pub looked_at: u64,
    /// Events of the archive to be looked at in all.
    pub in_all: u64,
    /// Events sent, those that a crash repeated counted again.
    pub sent: u64,
    /// Whether retention gave up events before they were looked at.
    pub is_behind_retention: bool,
}

/// A replay as it is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What was asked for.
    pub definition: Definition,
    /// Whether it runs.
    pub state: State,
    /// How far it is.
    pub progress: Progress,
    /// When it was begun, milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
}

/// A row of the table can't be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the replay `{name}` can't be read: {reason}; start the gateway that wrote it, or restore the state directory from a copy"
)]
pub struct RowError {
    name: String,
    reason: String,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    version: u32,
    pub(super) name: String,
    pub(super) archive: String,
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
    pub(super) rules: Vec<String>,
    targets: Vec<String>,
    pub(super) per_second_max: Option<u32>,
    pub(super) state: State,
    begin: u64,
    pub(super) end: u64,
    /// Everything before it was sent, as far as it is meant.
    pub(super) position: u64,
    pub(super) sent: u64,
    pub(super) is_behind_retention: bool,
    started_ms: u64,
    pub(super) ended_ms: Option<u64>,
}

impl Row {
    pub(super) fn new(definition: Definition, now_ms: u64, begin: Offset, end: Offset) -> Self {
        Self {
            version: VERSION,
            name: definition.name,
            archive: definition.archive,
            from_ms: definition.from_ms,
            to_ms: definition.to_ms,
            rules: definition.rules,
            targets: definition.targets.iter().map(ToString::to_string).collect(),
            per_second_max: definition.per_second_max,
            state: State::Running,
            begin: begin.0,
            end: end.0,
            position: begin.0,
            sent: 0,
            is_behind_retention: false,
            started_ms: now_ms,
            ended_ms: None,
        }
    }

    pub(super) fn parse(key: &[u8], value: &[u8]) -> Result<Self, RowError> {
        let damaged = |reason: String| RowError { name: String::from_utf8_lossy(key).into_owned(), reason };
        let row: Self = serde_json::from_slice(value).map_err(|error| damaged(error.to_string()))?;
        if row.version != VERSION {
            return Err(damaged(format!("its version `{}` is not known", row.version)));
        }
        if row.targets.iter().any(|target| TargetName::parse(target).is_err()) {
            return Err(damaged("it names a target that can't exist".to_owned()));
        }
        Ok(row)
    }

    pub(super) fn render(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a struct of texts and numbers is always JSON")
    }

    pub(super) fn is_running(&self) -> bool {
        self.state == State::Running
    }

    pub(super) fn targets(&self) -> Vec<TargetName> {
        self.targets.iter().filter_map(|target| TargetName::parse(target).ok()).collect()
    }

    pub(super) fn status(&self) -> Status {
        Status {
            definition: Definition {
                name: self.name.clone(),
                archive: self.archive.clone(),
                from_ms: self.from_ms,
                to_ms: self.to_ms,
                rules: self.rules.clone(),
                targets: self.targets(),
                per_second_max: self.per_second_max,
            },
            state: self.state.clone(),
            progress: Progress {
                looked_at: self.position.saturating_sub(self.begin),
                in_all: self.end.saturating_sub(self.begin),
                sent: self.sent,
                is_behind_retention: self.is_behind_retention,
            },
            started_ms: self.started_ms,
            ended_ms: self.ended_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let definition = Definition {
            name: "again".to_owned(),
            archive: "plant".to_owned(),
            from_ms: 1,
            to_ms: 2,
            rules: vec!["hot".to_owned()],
            targets: vec![TargetName::parse("queue/a").expect("a name")],
            per_second_max: Some(7),
        };
        Row { state: State::Failed("no".to_owned()), ..Row::new(definition, 3, Offset(4), Offset(5)) }
    }

    /// The first version as it is on disk; it must never change.
    const VERSION_1: &str = r#"{"version":1,"name":"again","archive":"plant","from_ms":1,"to_ms":2,"rules":["hot"],"targets":["queue/a"],"per_second_max":7,"state":{"failed":"no"},"begin":4,"end":5,"position":4,"sent":0,"is_behind_retention":false,"started_ms":3,"ended_ms":null}"#;

    #[test]
    fn a_row_of_version_1_is_read_and_written_as_ever() {
        assert_eq!(String::from_utf8(row().render()).expect("JSON"), VERSION_1);
        assert_eq!(Row::parse(b"again", VERSION_1.as_bytes()), Ok(row()));
    }

    #[test]
    fn rows_of_later_versions_and_damaged_ones_are_refused() {
        let later = VERSION_1.replace("\"version\":1", "\"version\":2");
        let error = Row::parse(b"again", later.as_bytes()).expect_err("too new");
        assert!(error.to_string().contains("its version `2` is not known"), "{error}");
        for damaged in [&VERSION_1[..40], "", "[]", &VERSION_1.replace("queue/a", "queue")] {
            assert!(Row::parse(b"again", damaged.as_bytes()).is_err(), "{damaged}");
        }
    }
}
