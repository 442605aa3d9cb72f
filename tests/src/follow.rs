//! A consumer that reads a stream as it grows, and measures how old each record is when it can be read.

use crate::consumer::Consumer;
use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long a reader waits after it found nothing.
const PAUSE: Duration = Duration::from_millis(1);

/// A record of [`crate::publish_paced`] that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// The number of the message.
    pub number: u64,
    /// From the moment it was due to the moment it was read, in microseconds.
    pub took_micros: u64,
}

/// The place in a shard behind everything that is in it now. Asked for before anybody publishes, so that a reader whose thread starts late
/// misses nothing.
///
/// # Errors
/// When the gateway refuses.
pub fn latest(consumer: &Consumer, stream: &str, shard: &str) -> anyhow::Result<Value> {
    let wanted = json!({ "StreamName": stream, "ShardId": shard, "ShardIteratorType": "LATEST" });
    Ok(consumer.call("Kinesis_20131202.GetShardIterator", &wanted)?["ShardIterator"].take())
}

/// Reads one shard from a place on, until `enough` says so of all that was read.
///
/// # Errors
/// When the gateway refuses.
pub fn follow(
    consumer: &Consumer,
    mut iterator: Value,
    epoch: Instant,
    enough: impl Fn(&[Read]) -> bool,
) -> anyhow::Result<Vec<Read>> {
    let mut all = Vec::new();
    while !enough(&all) {
        let wanted = json!({ "ShardIterator": iterator, "Limit": 10_000 });
        let mut page = consumer.call("Kinesis_20131202.GetRecords", &wanted)?;
        let now = epoch.elapsed().as_micros() as u64;
        iterator = page["NextShardIterator"].take();
        let records = page["Records"].as_array().context("records")?;
        for record in records {
            let bytes = STANDARD.decode(record["Data"].as_str().context("data")?)?;
            let data: Value = serde_json::from_slice(&bytes)?;
            let field = |name: &str| data[name].as_u64().with_context(|| format!("no `{name}` in {data}"));
            all.push(Read {
                number: field("number")?,
                took_micros: now.saturating_sub(field("due_micros")?),
            });
        }
        if records.is_empty() {
            std::thread::sleep(PAUSE);
        }
    }
    Ok(all)
}
