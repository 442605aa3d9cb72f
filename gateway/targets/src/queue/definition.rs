//! What is kept of every queue in the state store, in table `queues`.
//!
//! | Key | Value |
//! | --- | --- |
//! | `queue/{name}` | [`Definition`] as JSON |
//! | `next-id` | the id of the next queue, decimal |
//! | `secret` | the 32 bytes that receipt handles are made with |

use std::collections::BTreeMap;

use journal::Offset;
use journal::state::{StateError, StateStore, Table};
use serde::{Deserialize, Serialize};

use super::attributes::Attributes;
use super::error::QueueError;
use super::handle::Secret;

const TABLE: &str = "queues";
const PREFIX: &str = "queue/";
const NEXT_ID: &str = "next-id";
const SECRET: &str = "secret";
const VERSION: u32 = 1;

/// One queue as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Definition {
    pub(super) version: u32,
    /// Never used twice, so a queue made again under its name starts empty.
    pub(super) id: u64,
    pub(super) created_at_ms: u64,
    /// The settings declared it; the API may not delete it.
    pub(super) declared: bool,
    pub(super) attributes: Attributes,
    /// Everything of the queue before this offset is settled.
    pub(super) floor: u64,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

impl Definition {
    pub(super) fn new(
        id: u64,
        created_at_ms: u64,
        declared: bool,
        attributes: Attributes,
        floor: Offset,
    ) -> Self {
        Self {
            version: VERSION,
            id,
            created_at_ms,
            declared,
            attributes,
            floor: floor.0,
            tags: BTreeMap::new(),
        }
    }
}

/// The table.
#[derive(Debug, Clone)]
pub(super) struct Definitions {
    store: StateStore,
    table: Table,
}

impl Definitions {
    pub(super) fn open(store: &StateStore) -> Result<Self, QueueError> {
        Ok(Self { store: store.clone(), table: store.table(TABLE)? })
    }

    /// Every queue that is kept, by name.
    pub(super) fn all(&self) -> Result<BTreeMap<String, Definition>, QueueError> {
        let mut all = BTreeMap::new();
        for row in self.table.prefix(PREFIX) {
            let (key, value) = row?;
            let name = String::from_utf8_lossy(&key[PREFIX.len()..]).into_owned();
            let definition: Definition = serde_json::from_slice(&value).map_err(|source| {
                QueueError::DamagedDefinition { name: name.clone(), why: source.to_string() }
            })?;
            if definition.version > VERSION {
                let why = format!("it has version {}, this program reads {VERSION}", definition.version);
                return Err(QueueError::DamagedDefinition { name, why });
            }
            all.insert(name, definition);
        }
        Ok(all)
    }

    /// Writes a definition; on disk when this returns. Blocks.
    pub(super) fn put(&self, name: &str, definition: &Definition) -> Result<(), QueueError> {
        let mut batch = self.store.batch();
        batch.insert(&self.table, format!("{PREFIX}{name}"), encode(definition))?;
        Ok(batch.commit_durable()?)
    }

    /// Writes a definition lazily: for floors, which may fall back after a crash without harm.
    pub(super) fn put_lazily(&self, name: &str, definition: &Definition) -> Result<(), QueueError> {
        Ok(self.table.insert(format!("{PREFIX}{name}"), encode(definition))?)
    }

    /// Forgets a queue and what `tables` know of its messages. Blocks.
    pub(super) fn remove(&self, name: &str, id: u64, tables: &[&Table]) -> Result<(), QueueError> {
        let mut batch = self.store.batch();
        batch.remove(&self.table, format!("{PREFIX}{name}"))?;
        batch.commit_durable()?;
        for table in tables {
            for row in table.prefix(id.to_be_bytes()) {
                table.remove(row?.0)?;
            }
        }
        Ok(())
    }

    /// A new id. Blocks.
    pub(super) fn next_id(&self) -> Result<u64, QueueError> {
        let kept = self.table.get(NEXT_ID)?;
        let id = kept.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok()).unwrap_or(1_u64);
        let mut batch = self.store.batch();
        batch.insert(&self.table, NEXT_ID, (id + 1).to_string())?;
        batch.commit_durable()?;
        Ok(id)
    }

    /// The key of the receipt handles, made at the first start. Blocks.
    pub(super) fn secret(&self) -> Result<Secret, StateError> {
        if let Some(secret) = self.table.get(SECRET)?.and_then(|bytes| Secret::try_from(&bytes[..]).ok()) {
            return Ok(secret);
        }
        let secret: Secret = rand::random();
        let mut batch = self.store.batch();
        batch.insert(&self.table, SECRET, secret)?;
        batch.commit_durable()?;
        Ok(secret)
    }
}

fn encode(definition: &Definition) -> Vec<u8> {
    serde_json::to_vec(definition).expect("a definition has text keys only, so it is always JSON")
}
