//! What of the windows is on disk.
//!
//! | Table | Key | Value |
//! | --- | --- | --- |
//! | `window_rules` | rule | [`RuleRow`]: up to which position its rows are folded, and their counts |
//! | `window_statements` | number | [`StatementRow`]: the definition, as its author wrote it |
//! | `window_clocks` | number | [`ClockRow`]: how far time has come for its windows |
//! | `window_groups` | number, key | the state of one group in one window, in the words of `rules` |
//! | `window_results` | number, sequence | u8 version = 1 and the record that is to be appended to the journal |
//!
//! Numbers are `u64`, big endian, and stand for one statement of one rule. All that one batch of rows changes is one
//! [`Transaction`], written as a whole: whoever finds a position finds the state and the results that belong to it.

use std::collections::BTreeMap;

use bus::{Offset, Position, Record};
use bytes::Bytes;
use journal::state::{Batch, Slice, StateError, StateStore, Table};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::counts::Counts;

const ROW_VERSION: u32 = 1;
const RESULT_VERSION: u8 = 1;

/// Why what is kept of the windows can't be read.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The store failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// A row was written by another version.
    #[error(
        "the row `{key}` of `{table}` has version {version}, this program reads version {ROW_VERSION}; start the program that wrote it"
    )]
    Version {
        /// Which table.
        table: &'static str,
        /// Which row.
        key: String,
        /// Its version.
        version: u32,
    },
    /// A row is not what was written.
    #[error("the row `{key}` of `{table}` is damaged: {reason}; restore the state directory from a copy")]
    Damaged {
        /// Which table.
        table: &'static str,
        /// Which row.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// The state of a group was written by another version of the rules' engine.
    #[error("the windows of rule `{rule}` can't be taken up again: {reason}")]
    Groups {
        /// Whose.
        rule: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The thread that folds can't be started.
    #[error("the thread of the windows can't be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The lane can't be declared.
    #[error(transparent)]
    Lane(#[from] bus::DeclareError),
}

/// Up to where the rows of a rule are folded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RuleRow {
    /// The last position folded; none before the first.
    pub(crate) position: Option<(u64, u16)>,
    pub(crate) counts: Counts,
}

impl RuleRow {
    pub(crate) fn position(&self) -> Option<Position> {
        self.position.map(|(offset, ordinal)| Position { offset: Offset(offset), ordinal })
    }
}

/// One statement of a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StatementRow {
    pub(crate) rule: String,
    /// Which statement, as rows name it.
    pub(crate) statement: u64,
    /// The whole definition, with its actions.
    pub(crate) definition: String,
    /// When it went out of force; none while it is in force.
    pub(crate) retired_at_ms: Option<u64>,
}

/// How far time has come for the windows of a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClockRow {
    pub(crate) now_ms: u64,
    /// When the newest row was accepted.
    pub(crate) newest_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    row: T,
}

/// The tables.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    state: StateStore,
    rules: Table,
    statements: Table,
    clocks: Table,
    groups: Table,
    results: Table,
    #[cfg(test)]
    pub(crate) fuse: crate::tests::Fuse,
}

/// Everything that is to change at once.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Change {
    table: Which,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug)]
enum Which {
    Rules,
    Statements,
    Clocks,
    Groups,
    Results,
}

/// Everything that was found on disk.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) rules: BTreeMap<String, RuleRow>,
    pub(crate) statements: BTreeMap<u64, FoundStatement>,
}

/// What was found of one statement.
#[derive(Debug)]
pub(crate) struct FoundStatement {
    pub(crate) row: StatementRow,
    pub(crate) clock: ClockRow,
    pub(crate) groups: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) results: Waiting,
}

/// Results that wait to be sent on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) results: u64,
    pub(crate) bytes: u64,
    /// The highest sequence.
    pub(crate) last: u64,
}

impl Store {
    pub(crate) fn open(state: &StateStore) -> Result<Self, StateError> {
        Ok(Self {
            state: state.clone(),
            rules: state.table("window_rules")?,
            statements: state.table("window_statements")?,
            clocks: state.table("window_clocks")?,
            groups: state.table("window_groups")?,
            results: state.table("window_results")?,
            #[cfg(test)]
            fuse: crate::tests::Fuse::default(),
        })
    }

    /// Reads everything. Blocks.
    pub(crate) fn read(&self) -> Result<Found, RestoreError> {
        let mut found = Found::default();
        for entry in self.rules.iter() {
            let (key, value) = entry?;
            let rule = String::from_utf8_lossy(&key).into_owned();
            found.rules.insert(rule.clone(), parse("window_rules", &rule, &value)?);
        }
        for entry in self.statements.iter() {
            let (key, value) = entry?;
            let number = number("window_statements", &key)?;
            let row = parse("window_statements", &number.to_string(), &value)?;
            found.statements.insert(number, self.read_statement(number, row)?);
        }
        Ok(found)
    }

    /// Reads what there is of one statement. Blocks.
    pub(crate) fn read_statement(
        &self,
        number: u64,
        row: StatementRow,
    ) -> Result<FoundStatement, RestoreError> {
        let clock = self.clocks.get(number.to_be_bytes())?;
        let clock = clock.map(|bytes| parse("window_clocks", &number.to_string(), &bytes)).transpose()?;
        let mut groups = Vec::new();
        for entry in self.groups.prefix(number.to_be_bytes()) {
            let (key, value) = entry?;
            groups.push((key[8..].to_vec(), value.to_vec()));
        }
        let mut results = Waiting::default();
        for entry in self.results.prefix(number.to_be_bytes()) {
            let (key, value) = entry?;
            results.results += 1;
            results.bytes += value.len() as u64;
            results.last = results.last.max(sequence(&key)?);
        }
        Ok(FoundStatement { row, clock: clock.unwrap_or_default(), groups, results })
    }

    /// The keys of what is kept of a statement's windows.
    pub(crate) fn group_keys(&self, number: u64) -> Result<Vec<Vec<u8>>, StateError> {
        let rows = self.groups.prefix(number.to_be_bytes());
        rows.map(|row| row.map(|(key, _)| key[8..].to_vec())).collect()
    }

    /// Writes the changes, and returns once they are on disk. Blocks.
    pub(crate) fn commit(&self, transaction: &Transaction) -> Result<(), StateError> {
        #[cfg(test)]
        self.fuse.step("commit").map_err(|()| StateError::Poisoned { path: "the fuse".into() })?;
        let mut batch = self.state.batch();
        for Change { table, key, value } in &transaction.changes {
            let table = self.table(*table);
            match value {
                Some(value) => batch.insert(table, key, value)?,
                None => batch.remove(table, key)?,
            }
        }
        batch.commit_durable()
    }

    fn table(&self, which: Which) -> &Table {
        match which {
            Which::Rules => &self.rules,
            Which::Statements => &self.statements,
            Which::Clocks => &self.clocks,
            Which::Groups => &self.groups,
            Which::Results => &self.results,
        }
    }

    /// The oldest results of a statement, at most `results_max`. Blocks.
    pub(crate) fn results(&self, number: u64, results_max: usize) -> Result<Vec<KeptResult>, RestoreError> {
        let rows = self.results.prefix(number.to_be_bytes()).take(results_max);
        rows.map(|row| {
            row.map_err(RestoreError::from).and_then(|(key, value)| KeptResult::read(&key, &value))
        })
        .collect()
    }

    /// Forgets results that were sent on, lazily: what comes back after a crash has the id it had. Blocks.
    pub(crate) fn forget(&self, number: u64, sequences: &[u64]) -> Result<(), StateError> {
        #[cfg(test)]
        self.fuse.step("forget").map_err(|()| StateError::Poisoned { path: "the fuse".into() })?;
        let mut batch: Batch = self.state.batch();
        for sequence in sequences {
            batch.remove(&self.results, pair(number, &sequence.to_be_bytes()))?;
        }
        batch.commit_lazily()
    }
}

/// A result that waits.
#[derive(Debug)]
pub(crate) struct KeptResult {
    pub(crate) sequence: u64,
    pub(crate) bytes: u64,
    pub(crate) record: Record,
}

impl KeptResult {
    fn read(key: &[u8], value: &Slice) -> Result<Self, RestoreError> {
        let sequence = sequence(key)?;
        let damaged = |reason: String| RestoreError::Damaged {
            table: "window_results",
            key: sequence.to_string(),
            reason,
        };
        let record = match value.split_first() {
            Some((&RESULT_VERSION, record)) => Record::decode(&Bytes::copy_from_slice(record)),
            Some((&version, _)) => {
                let (table, key) = ("window_results", sequence.to_string());
                return Err(RestoreError::Version { table, key, version: u32::from(version) });
            }
            None => return Err(damaged("it is empty".to_owned())),
        };
        let record = record.map_err(|error| damaged(error.to_string()))?;
        Ok(Self { sequence, bytes: value.len() as u64, record })
    }
}

impl Transaction {
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(crate) fn put_rule(&mut self, rule: &str, row: &RuleRow) {
        self.put(Which::Rules, rule.as_bytes().to_vec(), render(row));
    }

    pub(crate) fn put_statement(&mut self, number: u64, row: &StatementRow) {
        self.put(Which::Statements, number.to_be_bytes().to_vec(), render(row));
    }

    pub(crate) fn put_clock(&mut self, number: u64, row: &ClockRow) {
        self.put(Which::Clocks, number.to_be_bytes().to_vec(), render(row));
    }

    /// Sets or removes the state of a group.
    pub(crate) fn change_group(&mut self, number: u64, key: &[u8], value: Option<Vec<u8>>) {
        self.changes.push(Change { table: Which::Groups, key: pair(number, key), value });
    }

    /// Keeps a result until it is sent on, and says how many bytes it takes.
    pub(crate) fn put_result(&mut self, number: u64, sequence: u64, record: &[u8]) -> u64 {
        let mut value = Vec::with_capacity(1 + record.len());
        value.push(RESULT_VERSION);
        value.extend_from_slice(record);
        let bytes = value.len() as u64;
        self.put(Which::Results, pair(number, &sequence.to_be_bytes()), value);
        bytes
    }

    /// Forgets a statement that has neither groups nor results any more.
    pub(crate) fn remove_statement(&mut self, number: u64) {
        for table in [Which::Statements, Which::Clocks] {
            self.changes.push(Change { table, key: number.to_be_bytes().to_vec(), value: None });
        }
    }

    fn put(&mut self, table: Which, key: Vec<u8>, value: Vec<u8>) {
        self.changes.push(Change { table, key, value: Some(value) });
    }
}

fn pair(number: u64, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(8 + rest.len());
    key.extend_from_slice(&number.to_be_bytes());
    key.extend_from_slice(rest);
    key
}

fn number(table: &'static str, key: &[u8]) -> Result<u64, RestoreError> {
    let bytes = key.first_chunk::<8>().copied();
    bytes.map(u64::from_be_bytes).ok_or_else(|| RestoreError::Damaged {
        table,
        key: format!("{key:?}"),
        reason: "its key is no number".to_owned(),
    })
}

fn sequence(key: &[u8]) -> Result<u64, RestoreError> {
    number("window_results", key.get(8..).unwrap_or_default())
}

fn render<T: Serialize>(row: &T) -> Vec<u8> {
    serde_json::to_vec(&Versioned { version: ROW_VERSION, row })
        .expect("rows are maps with text keys, texts and numbers")
}

fn parse<T: DeserializeOwned>(table: &'static str, key: &str, bytes: &[u8]) -> Result<T, RestoreError> {
    let damaged = |source: serde_json::Error| RestoreError::Damaged {
        table,
        key: key.to_owned(),
        reason: source.to_string(),
    };
    let row: Versioned<serde_json::Value> = serde_json::from_slice(bytes).map_err(damaged)?;
    if row.version != ROW_VERSION {
        return Err(RestoreError::Version { table, key: key.to_owned(), version: row.version });
    }
    serde_json::from_value(row.row).map_err(damaged)
}
