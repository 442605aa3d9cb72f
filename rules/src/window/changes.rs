//! What has to be kept so that windows survive a restart: a row for the clock and one for each group of an open window.
//!
//! A key is the statement's fingerprint, a byte for what it is, and for groups the start of the window and the values of
//! GROUP BY. A value begins with the number of its format.

use thiserror::Error;

use super::bytes::Reader;
use super::clock::{Clock, bounded};
use super::group::{FORMAT, Group, Key};
use super::limits::Limits;
use super::row::GROUP_KEY_BYTES_MAX;
use super::windows::Windows;
use crate::statement::Statement;

const CLOCK: u8 = 0;
const GROUP: u8 = 1;

/// What becomes of a kept row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key, unique among all statements.
    pub key: Vec<u8>,
    /// What to keep under it; `None`: nothing any more.
    pub value: Option<Vec<u8>>,
}

/// Why windows can't be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RestoreError {
    /// The statement has no window.
    #[error(
        "statement has no window, so there is nothing to restore; ask with the statement the state is of"
    )]
    NotWindowed,
    /// The row is of another statement.
    #[error("state is of another statement; restore it with the SQL text it was made by")]
    OtherStatement,
    /// The row was written by a later version.
    #[error("state has format `{format}`, but this version reads `{FORMAT}`; run the version that wrote it")]
    Format {
        /// The format the row says it has.
        format: u8,
    },
    /// The row is damaged, or was never one.
    #[error("bytes are not the state of a windowed statement")]
    Damaged,
}

impl Windows {
    /// What has changed since this was last called: to be kept all or nothing, together with how far the rows have been
    /// added. In the order of the keys.
    pub fn changes(&mut self) -> Vec<Change> {
        let Some(plan) = self.statement.window_plan() else { return Vec::new() };
        let mut changes = Vec::with_capacity(self.changed.len() + 1);
        if std::mem::take(&mut self.clock_changed) {
            let mut value = vec![FORMAT];
            self.clock.write(&mut value);
            changes.push(Change { key: clock_key(plan.fingerprint), value: Some(value) });
        }
        for key in std::mem::take(&mut self.changed) {
            let value = self.open.get(&key).map(Group::write);
            changes.push(Change { key: group_key(plan.fingerprint, &key), value });
        }
        changes
    }

    /// The windows as they were when these rows (key and value, in any order) were the ones kept.
    ///
    /// # Errors
    /// When a row is of another statement, of a later version, or damaged.
    pub fn restore<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        statement: &Statement,
        limits: Limits,
        rows: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, RestoreError> {
        let mut windows = Self::new(statement, limits).ok_or(RestoreError::NotWindowed)?;
        for (key, value) in rows {
            windows.restore_row(statement, key.as_ref(), value.as_ref())?;
        }
        windows.changed.clear();
        Ok(windows)
    }

    fn restore_row(&mut self, statement: &Statement, key: &[u8], value: &[u8]) -> Result<(), RestoreError> {
        let plan = statement.window_plan().ok_or(RestoreError::NotWindowed)?;
        let (fingerprint, key) = key.split_at_checked(8).ok_or(RestoreError::Damaged)?;
        if fingerprint != plan.fingerprint {
            return Err(RestoreError::OtherStatement);
        }
        let value = match value.split_first() {
            Some((&FORMAT, value)) => value,
            Some((&format, _)) if format > FORMAT => return Err(RestoreError::Format { format }),
            _ => return Err(RestoreError::Damaged),
        };
        let done = match key.split_first() {
            Some((&CLOCK, [])) => {
                let mut reader = Reader::new(value);
                let clock = Clock::read(&mut reader).filter(|_| reader.is_at_end());
                clock.map(|clock| self.clock = clock)
            }
            Some((&GROUP, key)) => {
                let group = Group::read(plan, value).zip(read_key(key));
                group.map(|(group, key)| self.put(key, group))
            }
            _ => None,
        };
        done.ok_or(RestoreError::Damaged)
    }
}

fn clock_key(fingerprint: [u8; 8]) -> Vec<u8> {
    let mut key = fingerprint.to_vec();
    key.push(CLOCK);
    key
}

/// Starts before 1970 come before others, as the sign is turned round.
fn group_key(fingerprint: [u8; 8], key: &Key) -> Vec<u8> {
    let mut bytes = fingerprint.to_vec();
    bytes.push(GROUP);
    bytes.extend_from_slice(&(key.start_ms ^ i64::MIN).to_be_bytes());
    bytes.extend_from_slice(&key.group);
    bytes
}

fn read_key(bytes: &[u8]) -> Option<Key> {
    let (start, group) = bytes.split_first_chunk::<8>()?;
    let start_ms = bounded(i64::from_be_bytes(*start) ^ i64::MIN)?;
    (group.len() <= GROUP_KEY_BYTES_MAX).then(|| Key { group: group.into(), start_ms })
}
