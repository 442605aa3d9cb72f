//! A stream, over the Kinesis JSON protocol.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::request::{Api, Service};
use super::{Books, persist};

const KINESIS: Service =
    Service { name: "kinesis", prefix: "Kinesis_20131202", content_type: "application/x-amz-json-1.1" };

/// Kinesis allows five reads of a shard in a second.
const EMPTY_PAUSE_MILLIS: u64 = 200;
/// Records in one read.
const RECORDS_MAX: u32 = 1000;

/// Reads every shard from its beginning. When all is there it goes on to the end of each shard, so that repeats are
/// seen too.
pub(super) async fn read(api: &Api, stream: &str, books: &Books, deadline: Instant) -> Result<(), String> {
    let mut iterators = Vec::new();
    for shard in shards(api, stream, deadline).await? {
        let ask = json!({"StreamName": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
        let answer = persist(deadline, || api.call(KINESIS, "GetShardIterator", &ask)).await?;
        iterators.extend(text(&answer, "ShardIterator"));
    }
    while !iterators.is_empty() {
        let mut records = 0;
        let mut next = Vec::with_capacity(iterators.len());
        for iterator in iterators {
            let ask = json!({"ShardIterator": iterator, "Limit": RECORDS_MAX});
            let answer = persist(deadline, || api.call(KINESIS, "GetRecords", &ask)).await?;
            records += enter(&answer, books);
            next.extend(text(&answer, "NextShardIterator"));
        }
        iterators = next;
        if Instant::now() >= deadline || (records == 0 && books.complete()) {
            break;
        }
        if records == 0 {
            tokio::time::sleep(Duration::from_millis(EMPTY_PAUSE_MILLIS)).await;
        }
    }
    Ok(())
}

async fn shards(api: &Api, stream: &str, deadline: Instant) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    let mut ask = json!({"StreamName": stream});
    loop {
        let answer = persist(deadline, || api.call(KINESIS, "ListShards", &ask)).await?;
        let shards = answer.get("Shards").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        all.extend(shards.iter().filter_map(|shard| text(shard, "ShardId")));
        match text(&answer, "NextToken") {
            Some(token) => ask = json!({"NextToken": token}),
            None if all.is_empty() => return Err(format!("stream `{stream}` has no shards")),
            None => return Ok(all),
        }
    }
}

fn enter(answer: &Value, books: &Books) -> usize {
    let records = answer.get("Records").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for record in records {
        let data = record.get("Data").and_then(Value::as_str).unwrap_or_default();
        let arrived = record.get("ApproximateArrivalTimestamp").and_then(Value::as_f64);
        let arrived_micros = arrived.map(|secs| (secs * 1e6) as u64);
        // What is not base64 is nobody's message, and is entered as such.
        books.enter(&STANDARD.decode(data).unwrap_or_default(), None, arrived_micros);
    }
    records.len()
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}
