//! What is kept of every stream in the state store.
//!
//! | Table | Key | Value |
//! | --- | --- | --- |
//! | `streams` | `stream/{name}` | [`Definition`] as JSON |
//! | `streams` | `next-id`, `secret` | the id of the next stream; the 32 bytes that iterators are made with |
//! | `stream_blocks` | `u64` stream id, `u64` first offset, big endian | a [`Block`] as JSON |

use std::collections::BTreeMap;

use bus::Offset;
use journal::state::{StateStore, Table};
use serde::{Deserialize, Serialize};

use super::attributes::Attributes;
use super::error::StreamError;
use super::index::Block;
use super::iterator::Secret;

const PREFIX: &str = "stream/";
const NEXT_ID: &str = "next-id";
const SECRET: &str = "secret";
const VERSION: u32 = 1;

/// One stream as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Definition {
    pub(super) version: u32,
    /// Never used twice, so a stream made again under its name starts empty.
    pub(super) id: u64,
    pub(super) created_at_ms: u64,
    /// The settings declared it; the API may not delete it.
    pub(super) declared: bool,
    pub(super) attributes: Attributes,
    /// The offset at which the stream began.
    pub(super) begins_at: u64,
    /// Nothing before this offset is kept any more.
    pub(super) floor: u64,
    /// The kept blocks tell everything before this offset.
    pub(super) indexed_to: u64,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

impl Definition {
    pub(super) fn new(
        id: u64,
        created_at_ms: u64,
        declared: bool,
        attributes: Attributes,
        at: Offset,
    ) -> Self {
        let (begins_at, floor, indexed_to) = (at.0, at.0, at.0);
        let tags = BTreeMap::new();
        Self { version: VERSION, id, created_at_ms, declared, attributes, begins_at, floor, indexed_to, tags }
    }
}

/// The tables.
#[derive(Debug, Clone)]
pub(super) struct Definitions {
    store: StateStore,
    streams: Table,
    blocks: Table,
}

impl Definitions {
    pub(super) fn open(store: &StateStore) -> Result<Self, StreamError> {
        let (streams, blocks) = (store.table("streams")?, store.table("stream_blocks")?);
        Ok(Self { store: store.clone(), streams, blocks })
    }

    /// Every stream that is kept, by name.
    pub(super) fn all(&self) -> Result<BTreeMap<String, Definition>, StreamError> {
        let mut all = BTreeMap::new();
        for row in self.streams.prefix(PREFIX) {
            let (key, value) = row?;
            let name = String::from_utf8_lossy(&key[PREFIX.len()..]).into_owned();
            let definition: Definition = serde_json::from_slice(&value).map_err(|source| {
                StreamError::DamagedDefinition { name: name.clone(), why: source.to_string() }
            })?;
            if definition.version > VERSION {
                let why = format!("it has version {}, this program reads {VERSION}", definition.version);
                return Err(StreamError::DamagedDefinition { name, why });
            }
            all.insert(name, definition);
        }
        Ok(all)
    }

    /// Writes a definition; on disk when this returns. Blocks.
    pub(super) fn put(&self, name: &str, definition: &Definition) -> Result<(), StreamError> {
        let mut batch = self.store.batch();
        batch.insert(&self.streams, format!("{PREFIX}{name}"), encode(definition))?;
        Ok(batch.commit_durable()?)
    }

    /// Writes a definition and the blocks that changed, and drops blocks up to an offset; lazily, all or nothing, so
    /// `indexed_to` never runs ahead of the blocks.
    pub(super) fn keep(
        &self,
        name: &str,
        definition: &Definition,
        changed: &[Block],
        expired_to: Option<u64>,
    ) -> Result<(), StreamError> {
        let mut batch = self.store.batch();
        if let Some(expired_to) = expired_to {
            for row in self.blocks.range(key(definition.id, 0)..=key(definition.id, expired_to)) {
                batch.remove(&self.blocks, row?.0)?;
            }
        }
        for block in changed {
            batch.insert(&self.blocks, key(definition.id, block.first), encode(block))?;
        }
        batch.insert(&self.streams, format!("{PREFIX}{name}"), encode(definition))?;
        Ok(batch.commit_lazily()?)
    }

    /// The blocks of a stream. One that can't be read makes the whole index be made again from the journal.
    pub(super) fn blocks(&self, id: u64) -> Result<Option<Vec<Block>>, StreamError> {
        let mut blocks = Vec::new();
        for row in self.blocks.prefix(id.to_be_bytes()) {
            match serde_json::from_slice(&row?.1) {
                Ok(block) => blocks.push(block),
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(blocks))
    }

    /// Forgets the index of a stream. Blocks.
    pub(super) fn drop_blocks(&self, id: u64) -> Result<(), StreamError> {
        for row in self.blocks.prefix(id.to_be_bytes()) {
            self.blocks.remove(row?.0)?;
        }
        Ok(())
    }

    /// Forgets a stream. Blocks.
    pub(super) fn remove(&self, name: &str, id: u64) -> Result<(), StreamError> {
        let mut batch = self.store.batch();
        batch.remove(&self.streams, format!("{PREFIX}{name}"))?;
        batch.commit_durable()?;
        self.drop_blocks(id)
    }

    /// A new id. Blocks.
    pub(super) fn next_id(&self) -> Result<u64, StreamError> {
        let kept = self.streams.get(NEXT_ID)?;
        let id = kept.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok()).unwrap_or(1_u64);
        let mut batch = self.store.batch();
        batch.insert(&self.streams, NEXT_ID, (id + 1).to_string())?;
        batch.commit_durable()?;
        Ok(id)
    }

    /// The key of the iterators, made at the first start. Blocks.
    pub(super) fn secret(&self) -> Result<Secret, StreamError> {
        if let Some(secret) = self.streams.get(SECRET)?.and_then(|bytes| Secret::try_from(&bytes[..]).ok()) {
            return Ok(secret);
        }
        let secret: Secret = rand::random();
        let mut batch = self.store.batch();
        batch.insert(&self.streams, SECRET, secret)?;
        batch.commit_durable()?;
        Ok(secret)
    }
}

fn key(id: u64, first: u64) -> Vec<u8> {
    [id.to_be_bytes(), first.to_be_bytes()].concat()
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("rows have text keys only, so they are always JSON")
}
