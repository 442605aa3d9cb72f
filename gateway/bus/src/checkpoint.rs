//! What the bus keeps in the state store: cursors and counts.
//!
//! | Table | Key | Value (JSON with a `version`) |
//! | --- | --- | --- |
//! | `bus_observer` | `observer` | [`ObserverRow`]: how far was counted, and what was accepted till there |
//! | `bus_lanes` | target name | [`LaneRow`]: what of the lane is settled, and the counts of it |
//!
//! A row is written as a whole, so cursor and counts are always of the same moment. Losing the latest
//! rows costs repeated deliveries and recounting, nothing else; so most commits are lazy.

use std::collections::BTreeMap;

use journal::state::{Batch, StateError, StateStore, Table};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::aside::row::AsideRow;
use crate::ledger::{AcceptedHalf, SettledHalf};
use crate::{Offset, Position, TargetName};

/// The version of a row of which nothing is aside, so that an older program can read it.
const ROW_VERSION: u32 = 1;
/// The version of a lane's row that names a side journal, of which an older program knows nothing.
const ROW_VERSION_ASIDE: u32 = 2;
const OBSERVER_KEY: &str = "observer";

/// Why the bus can't read what it has kept.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The store failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// A row was written by a newer build.
    #[error(
        "the bus's row `{key}` has version {version}, this program reads versions up to {ROW_VERSION_ASIDE}; run the program that wrote it"
    )]
    Version {
        /// Which row.
        key: String,
        /// Its version.
        version: u32,
    },
    /// A row is not what was written.
    #[error("the bus's row `{key}` is damaged: {source}; restore the state directory from a copy")]
    Damaged {
        /// Which row.
        key: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A row is named by something that is no target name.
    #[error("the bus has a row named {0:?}, which is no target; restore the state directory from a copy")]
    Name(String),
}

/// How far records were counted, and what was accepted till there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ObserverRow {
    /// The next offset to count.
    pub(crate) next: u64,
    pub(crate) accepted: BTreeMap<String, AcceptedHalf>,
}

/// What of a lane is settled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LaneRow {
    /// Everything before this offset and ordinal is settled.
    pub(crate) floor: (u64, u16),
    /// From the first to the second position, both included, everything of this lane is settled.
    pub(crate) acked: Vec<((u64, u16), (u64, u16))>,
    /// True once the target was removed: appends that name it are refused.
    pub(crate) removed: bool,
    pub(crate) settled: SettledHalf,
    /// What of it was moved aside; only in rows of version 2.
    #[serde(default, skip_serializing_if = "AsideRow::is_empty")]
    pub(crate) aside: AsideRow,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    row: T,
}

/// The tables, and how rows come and go.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints {
    store: StateStore,
    observer: Table,
    lanes: Table,
}

impl Checkpoints {
    pub(crate) fn open(store: &StateStore) -> Result<Self, CheckpointError> {
        let (observer, lanes) = (store.table("bus_observer")?, store.table("bus_lanes")?);
        Ok(Self { store: store.clone(), observer, lanes })
    }

    pub(crate) fn batch(&self) -> Batch {
        self.store.batch()
    }

    /// Makes every row written so far durable. Blocks.
    pub(crate) fn sync(&self) -> Result<(), StateError> {
        self.store.sync()
    }

    pub(crate) fn observer(&self) -> Result<Option<ObserverRow>, CheckpointError> {
        self.observer.get(OBSERVER_KEY)?.map(|bytes| parse(OBSERVER_KEY, &bytes)).transpose()
    }

    pub(crate) fn put_observer(&self, batch: &mut Batch, row: &ObserverRow) -> Result<(), StateError> {
        batch.insert(&self.observer, OBSERVER_KEY, render(row, ROW_VERSION))
    }

    pub(crate) fn lanes(&self) -> Result<BTreeMap<TargetName, LaneRow>, CheckpointError> {
        let mut rows = BTreeMap::new();
        for entry in self.lanes.iter() {
            let (key, value) = entry?;
            let text = String::from_utf8_lossy(&key).into_owned();
            let name = TargetName::parse(&text).map_err(|_| CheckpointError::Name(text.clone()))?;
            rows.insert(name, parse(&text, &value)?);
        }
        Ok(rows)
    }

    pub(crate) fn put_lane(
        &self,
        batch: &mut Batch,
        name: &TargetName,
        row: &LaneRow,
    ) -> Result<(), StateError> {
        let version = if row.aside.is_empty() { ROW_VERSION } else { ROW_VERSION_ASIDE };
        batch.insert(&self.lanes, name.as_str(), render(row, version))
    }
}

impl LaneRow {
    /// A lane of which nothing before `offset` is owed.
    pub(crate) fn starting_at(offset: Offset) -> Self {
        Self { floor: (offset.0, 0), ..Self::default() }
    }

    pub(crate) fn floor(&self) -> Position {
        Position { offset: Offset(self.floor.0), ordinal: self.floor.1 }
    }

    /// The offset from which the lane needs the journal.
    pub(crate) fn needed_from(&self) -> Offset {
        self.floor().offset.max(self.aside.until())
    }

    pub(crate) fn acked(&self) -> Vec<(Position, Position)> {
        let position = |(offset, ordinal): (u64, u16)| Position { offset: Offset(offset), ordinal };
        self.acked.iter().map(|(first, last)| (position(*first), position(*last))).collect()
    }
}

fn render<T: Serialize>(row: &T, version: u32) -> Vec<u8> {
    serde_json::to_vec(&Versioned { version, row }).expect("rows are maps with text keys and numbers")
}

fn parse<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, CheckpointError> {
    let damaged = |source| CheckpointError::Damaged { key: key.to_owned(), source };
    let row: Versioned<serde_json::Value> = serde_json::from_slice(bytes).map_err(damaged)?;
    if !(ROW_VERSION..=ROW_VERSION_ASIDE).contains(&row.version) {
        return Err(CheckpointError::Version { key: key.to_owned(), version: row.version });
    }
    serde_json::from_value(row.row).map_err(damaged)
}
