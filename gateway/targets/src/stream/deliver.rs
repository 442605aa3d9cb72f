//! One stream as its producers and consumers call it.

use std::sync::atomic::{AtomicBool, Ordering};

use bus::record::DIRECT_RULE;
use bus::{Attribute, Declined, Delivery, Event, Origin, Position, Route, TargetName, View};
use bytes::Bytes;
use journal::Clock;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::attributes::Attributes;
use super::error::StreamError;
use super::index::{Index, Retention, Seen};
use super::iterator::{Iterator, Secret};
use super::shards::{self, hash_key, shard_id, shard_number, shard_of};
use crate::intake::Intake;
use crate::reading::{Reading, Scan, ScanLimits, first_of, on_disk_thread};

/// Carries an explicit hash key through the journal.
const HASH_KEY: &str = "$hash-key";

/// Most bytes of data in one answer.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// Most records of the journal that one read looks at, its own or not.
const LOOKED_AT_MAX: usize = 8_192;

/// Most stretches of the journal that one read visits when it finds nothing.
const STRETCHES_MAX: usize = 4;

/// A record to put.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    /// Chooses the shard by its MD5; records of one key stay in order.
    pub partition_key: String,
    /// Chooses the shard instead of the partition key.
    pub explicit_hash_key: Option<u128>,
    /// The data.
    pub data: Bytes,
}

/// Where a record was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The name of the shard.
    pub shard_id: String,
    /// The record's number.
    pub sequence_number: String,
}

/// One record as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Increases within a shard.
    pub sequence_number: String,
    /// When it was accepted, milliseconds since the Unix epoch.
    pub arrived_at_ms: u64,
    /// The partition key.
    pub partition_key: String,
    /// The data, as the route's format has it.
    pub data: Bytes,
}

/// What one read gives.
#[derive(Debug, Clone)]
pub struct Batch {
    /// In order.
    pub records: Vec<Record>,
    /// Where to read on; it advances even when nothing was found.
    pub next_iterator: String,
    /// How far the consumer is behind the newest record; 0 when there is nothing more.
    pub behind_ms: u64,
}

/// Where to begin to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record kept.
    TrimHorizon,
    /// With what comes after now.
    Latest,
    /// With the record of this number.
    AtSequenceNumber(String),
    /// After the record of this number.
    AfterSequenceNumber(String),
    /// With the first record accepted at this time or later, milliseconds since the Unix epoch.
    AtTimestamp(u64),
}

/// What a stream needs of the gateway.
#[derive(Clone)]
pub(super) struct Ground {
    pub(super) intake: Intake,
    pub(super) reading: Reading,
    pub(super) clock: Clock,
    pub(super) secret: Secret,
}

/// One stream. All calls may come at once.
pub struct Stream {
    pub(super) id: u64,
    pub(super) target: TargetName,
    pub(super) created_at_ms: u64,
    pub(super) shards: u32,
    pub(super) begins_at: Position,
    pub(super) attributes: RwLock<Attributes>,
    pub(super) index: Mutex<Index>,
    pub(super) ground: Ground,
    /// Rung when the retention changes, or the journal is short of room.
    pub(super) keeper: Notify,
    /// Whether the journal is short of room that the stream keeps.
    pub(super) room_wanted: AtomicBool,
}

impl Stream {
    /// The stream's name.
    pub fn name(&self) -> &str {
        self.target.name()
    }

    /// When it was made, milliseconds since the Unix epoch.
    pub fn created_at_ms(&self) -> u64 {
        self.created_at_ms
    }

    /// How many shards it has.
    pub fn shard_count(&self) -> u32 {
        self.shards
    }

    /// Its attributes as they are now.
    pub fn attributes(&self) -> Attributes {
        self.attributes.read().clone()
    }

    /// The number before which its shards have no records.
    pub fn starting_sequence_number(&self) -> String {
        shards::sequence_number(self.begins_at)
    }

    /// How many records are kept, about.
    pub fn records(&self) -> u64 {
        self.index.lock().records()
    }

    /// How many bytes of data are kept, about.
    pub fn bytes(&self) -> u64 {
        self.index.lock().bytes()
    }

    pub(super) fn retention(&self) -> Retention {
        let attributes = self.attributes.read();
        Retention {
            age_ms: u64::from(attributes.retention_hours) * 60 * 60 * 1000,
            bytes_max: attributes.retention_bytes_max,
        }
    }

    /// Puts records. Those that succeed are on disk when this returns; the outcomes stand in order.
    pub async fn put(&self, records: Vec<Outgoing>) -> Vec<Result<Put, StreamError>> {
        let now_ms = self.ground.clock.now_ms();
        let mut outcomes = Vec::with_capacity(records.len());
        let mut accepted = Vec::with_capacity(records.len());
        for record in records {
            match self.check(&record) {
                Ok(()) => {
                    let key = record.explicit_hash_key.unwrap_or_else(|| hash_key(&record.partition_key));
                    outcomes.push(Ok(shard_of(key, self.shards)));
                    accepted.push(self.journal_record(record, now_ms));
                }
                Err(error) => outcomes.push(Err(error)),
            }
        }
        let mut written = self.ground.intake.accept(&accepted).await.into_iter();
        let place = |outcome: Result<u32, StreamError>| {
            let shard = outcome?;
            let offset = written.next().expect("each record that was sent has an outcome")?;
            let sequence_number = shards::sequence_number(first_of(offset));
            Ok(Put { shard_id: shard_id(shard), sequence_number })
        };
        outcomes.into_iter().map(place).collect()
    }

    fn check(&self, record: &Outgoing) -> Result<(), StreamError> {
        let bytes_max = self.attributes.read().record_bytes_max as usize;
        let key_length = record.partition_key.chars().count();
        if key_length == 0 || key_length > 256 {
            let why = format!("a partition key has 1 to 256 characters; this one has {key_length}");
            return Err(StreamError::Argument { why });
        }
        let bytes = record.data.len() + record.partition_key.len();
        if bytes > bytes_max {
            let why =
                format!("the record has {bytes} bytes, partition key included; the stream takes {bytes_max}");
            return Err(StreamError::Argument { why });
        }
        Ok(())
    }

    fn journal_record(&self, outgoing: Outgoing, now_ms: u64) -> bus::Record {
        let mut record = bus::Record::new(Origin::Direct, now_ms);
        let hash_key = outgoing.explicit_hash_key.map(|key| Attribute {
            name: HASH_KEY.to_owned(),
            data_type: "Number".to_owned(),
            value: Bytes::from(key.to_string()),
        });
        record.add(Event {
            content_type: "application/octet-stream".to_owned(),
            attributes: hash_key.into_iter().collect(),
            routes: vec![Route {
                partition_key: Some(outgoing.partition_key),
                ..Route::to(self.target.clone())
            }],
            ..Event::json(DIRECT_RULE, outgoing.data)
        });
        record
    }

    /// The number of a shard by its name.
    ///
    /// # Errors
    /// There is no such shard.
    pub fn shard(&self, id: &str) -> Result<u32, StreamError> {
        shard_number(id)
            .filter(|number| *number < self.shards)
            .ok_or_else(|| StreamError::UnknownShard { stream: self.name().to_owned(), shard: id.to_owned() })
    }

    /// An iterator for a shard.
    ///
    /// # Errors
    /// There is no such shard, the start makes no sense, or the journal can't be read.
    pub async fn iterator(&self, shard: &str, start: Start) -> Result<String, StreamError> {
        let shard = self.shard(shard)?;
        let now_ms = self.ground.clock.now_ms();
        let number = |text: &str| {
            shards::position_of(text).ok_or_else(|| StreamError::Argument {
                why: format!("`{text}` is not a sequence number of this stream"),
            })
        };
        let mut not_before_ms = 0;
        let position = match start {
            Start::TrimHorizon => self.begins_at,
            Start::Latest => first_of(*self.ground.reading.journal().durable().borrow()),
            Start::AtSequenceNumber(text) => number(&text)?,
            Start::AfterSequenceNumber(text) => shards::after(number(&text)?),
            Start::AtTimestamp(at_ms) => {
                if at_ms > now_ms {
                    let why = "the timestamp of `AT_TIMESTAMP` is in the future".to_owned();
                    return Err(StreamError::Argument { why });
                }
                not_before_ms = at_ms;
                let journal = self.ground.reading.journal().clone();
                first_of(on_disk_thread(move || journal.offset_at_time(at_ms)).await?)
            }
        };
        let iterator = Iterator { stream_id: self.id, shard, position, not_before_ms, made_at_ms: now_ms };
        Ok(iterator.encode(&self.ground.secret))
    }

    /// Reads up to `records_max` records from where the iterator stands.
    pub(super) async fn read(&self, from: Iterator, records_max: usize) -> Result<Batch, StreamError> {
        let now_ms = self.ground.clock.now_ms();
        let oldest_ms = now_ms.saturating_sub(self.retention().age_ms).max(from.not_before_ms);
        let mut position = from.position;
        let mut deliveries = Vec::new();
        let mut last_at_ms = None;
        for _ in 0..STRETCHES_MAX {
            let (begin, end) = match self.next_stretch(from.shard, position) {
                Ok(stretch) => stretch,
                Err(seen_end) => {
                    position = position.max(seen_end);
                    last_at_ms = None;
                    break;
                }
            };
            let scan = self.scan(from.shard, oldest_ms, begin, end, records_max).await?;
            // A stretch may hold nothing that can still be read; the next call must not begin there again.
            position = scan.next.max(position);
            last_at_ms = scan.last_at_ms;
            deliveries = scan.deliveries;
            if !deliveries.is_empty() {
                break;
            }
        }
        let more = self.index.lock().seek(from.shard, position).is_some();
        let tip_ms = deliveries.last().map(Delivery::arrived_at_ms).or(last_at_ms);
        let behind_ms = if more { now_ms.saturating_sub(tip_ms.unwrap_or(now_ms)).max(1) } else { 0 };
        let next = Iterator { position, made_at_ms: now_ms, ..from };
        Ok(Batch {
            records: deliveries.iter().map(record).collect(),
            next_iterator: next.encode(&self.ground.secret),
            behind_ms,
        })
    }

    /// Where there is something to read, and up to where; if there is nothing, the place behind everything that was seen. Both are of one
    /// moment: behind what was seen a moment later something may stand that was not read.
    fn next_stretch(&self, shard: u32, from: Position) -> Result<(Position, bus::Offset), Position> {
        let index = self.index.lock();
        match index.seek(shard, from) {
            Some(begin) => Ok((begin, index.stretch_end(shard, begin))),
            None => Err(index.seen_to().map_or(self.begins_at, |seen_to| first_of(seen_to.offset.next()))),
        }
    }

    async fn scan(
        &self,
        shard: u32,
        oldest_ms: u64,
        begin: Position,
        end: bus::Offset,
        records_max: usize,
    ) -> Result<Scan, StreamError> {
        let limits = ScanLimits {
            looked_at_max: LOOKED_AT_MAX,
            deliveries_max: records_max,
            data_bytes_max: BATCH_BYTES_MAX,
        };
        let reading = self.ground.reading.clone();
        let count = self.shards;
        let wanted = move |delivery: &Delivery| {
            delivery.arrived_at_ms() >= oldest_ms && shard_among(delivery, count) == shard
        };
        Ok(on_disk_thread(move || reading.scan(begin, end, limits, wanted)).await?)
    }
}

/// The shard of an event in a stream of `count` shards.
fn shard_among(delivery: &Delivery, count: u32) -> u32 {
    let explicit = delivery
        .attributes
        .iter()
        .find(|attribute| attribute.name == HASH_KEY)
        .and_then(|attribute| std::str::from_utf8(&attribute.value).ok()?.parse().ok());
    shard_of(explicit.unwrap_or_else(|| hash_key(&delivery.partition_key)), count)
}

fn record(delivery: &Delivery) -> Record {
    let (data, _) = delivery.body();
    Record {
        sequence_number: shards::sequence_number(delivery.position),
        arrived_at_ms: delivery.arrived_at_ms(),
        partition_key: delivery.partition_key.clone(),
        data,
    }
}

impl View for Stream {
    fn observe(&self, deliveries: &[Delivery]) -> Declined {
        let mut index = self.index.lock();
        for delivery in deliveries {
            index.note(Seen {
                position: delivery.position,
                shard: shard_among(delivery, self.shards),
                bytes: delivery.data.len() as u64,
                at_ms: delivery.arrived_at_ms(),
            });
        }
        Declined::new()
    }

    fn make_room(&self) {
        self.room_wanted.store(true, Ordering::Relaxed);
        self.keeper.notify_one();
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Stream").field("target", &self.target).finish_non_exhaustive()
    }
}
