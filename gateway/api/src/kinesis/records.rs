//! Putting and getting records.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use targets::stream::{Outgoing, Put, Start};

use super::faults::{self, argument};
use super::streams::{Which, seconds};
use crate::aws::{Call, Fault};

/// Most records in one request.
const PUT_RECORDS_MAX: usize = 500;

/// Most bytes of data and partition keys in one request: Kinesis's 10 MiB.
const PUT_BYTES_MAX: usize = 10 << 20;

/// Most records in one answer.
const GET_RECORDS_MAX: usize = 10_000;

/// One record to put, alone or as an entry of a request.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutOne {
    #[serde(flatten)]
    which: Which,
    /// In base64.
    data: Option<String>,
    partition_key: Option<String>,
    explicit_hash_key: Option<String>,
}

impl PutOne {
    fn read(&self) -> Result<Outgoing, Fault> {
        let data = self.data.as_deref().ok_or_else(|| faults::missing("Data"))?;
        let data = STANDARD
            .decode(data)
            .map_err(|_| Fault::sender("SerializationException", "`Data` is not base64"))?;
        let partition_key = self.partition_key.clone().ok_or_else(|| faults::missing("PartitionKey"))?;
        let hash_key = self.explicit_hash_key.as_deref().map(|text| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| digits).ok_or_else(|| {
                argument(format!("`ExplicitHashKey` must be a whole number below 2^128; it is `{text}`"))
            })
        });
        Ok(Outgoing { partition_key, explicit_hash_key: hash_key.transpose()?, data: Bytes::from(data) })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutAnswer {
    shard_id: String,
    sequence_number: String,
    encryption_type: &'static str,
}

impl From<Put> for PutAnswer {
    fn from(put: Put) -> Self {
        Self { shard_id: put.shard_id, sequence_number: put.sequence_number, encryption_type: "NONE" }
    }
}

pub(super) async fn put(call: Call, request: PutOne) -> Result<PutAnswer, Fault> {
    let stream = call.stream(&request.which)?;
    let mut put = stream.put(vec![request.read()?]).await;
    let put = put.pop().expect("one record has one outcome");
    Ok(put.map_err(|error| faults::of(&error))?.into())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutAll {
    #[serde(flatten)]
    which: Which,
    #[serde(default)]
    records: Vec<PutOne>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutAllAnswer {
    failed_record_count: usize,
    records: Vec<PutEntry>,
    encryption_type: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum PutEntry {
    #[serde(rename_all = "PascalCase")]
    Put { shard_id: String, sequence_number: String },
    #[serde(rename_all = "PascalCase")]
    Failed { error_code: &'static str, error_message: String },
}

pub(super) async fn put_all(call: Call, request: PutAll) -> Result<PutAllAnswer, Fault> {
    let stream = call.stream(&request.which)?;
    if !(1..=PUT_RECORDS_MAX).contains(&request.records.len()) {
        return Err(argument(format!(
            "a request has 1 to {PUT_RECORDS_MAX} records; this one has {}",
            request.records.len()
        )));
    }
    let records = request.records.iter().map(PutOne::read).collect::<Result<Vec<_>, _>>()?;
    let bytes: usize = records.iter().map(|record| record.data.len() + record.partition_key.len()).sum();
    if bytes > PUT_BYTES_MAX {
        return Err(argument(format!("the records have {bytes} bytes; the limit is {PUT_BYTES_MAX}")));
    }
    let outcomes = stream.put(records).await;
    let entries: Vec<PutEntry> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Ok(Put { shard_id, sequence_number }) => PutEntry::Put { shard_id, sequence_number },
            Err(error) => {
                let fault = faults::of(&error);
                PutEntry::Failed { error_code: fault.code, error_message: fault.message }
            }
        })
        .collect();
    let failed_record_count = entries.iter().filter(|entry| matches!(entry, PutEntry::Failed { .. })).count();
    Ok(PutAllAnswer { failed_record_count, records: entries, encryption_type: "NONE" })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct IteratorRequest {
    #[serde(flatten)]
    which: Which,
    shard_id: Option<String>,
    shard_iterator_type: Option<String>,
    starting_sequence_number: Option<String>,
    /// Seconds since the Unix epoch.
    timestamp: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Iterator {
    shard_iterator: String,
}

pub(super) async fn iterator(call: Call, request: IteratorRequest) -> Result<Iterator, Fault> {
    let stream = call.stream(&request.which)?;
    let shard = request.shard_id.as_deref().ok_or_else(|| faults::missing("ShardId"))?;
    let number =
        || request.starting_sequence_number.clone().ok_or_else(|| faults::missing("StartingSequenceNumber"));
    let start = match request.shard_iterator_type.as_deref() {
        Some("TRIM_HORIZON") => Start::TrimHorizon,
        Some("LATEST") => Start::Latest,
        Some("AT_SEQUENCE_NUMBER") => Start::AtSequenceNumber(number()?),
        Some("AFTER_SEQUENCE_NUMBER") => Start::AfterSequenceNumber(number()?),
        Some("AT_TIMESTAMP") => Start::AtTimestamp(milliseconds(request.timestamp)?),
        Some(other) => return Err(argument(format!("there is no shard iterator type `{other}`"))),
        None => return Err(faults::missing("ShardIteratorType")),
    };
    let shard_iterator = stream.iterator(shard, start).await.map_err(|error| faults::of(&error))?;
    Ok(Iterator { shard_iterator })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
fn milliseconds(seconds: Option<f64>) -> Result<u64, Fault> {
    let seconds = seconds.ok_or_else(|| faults::missing("Timestamp"))?;
    if !(0.0..=1e12).contains(&seconds) {
        return Err(argument("`Timestamp` must be seconds since 1970"));
    }
    // Rounded, for a time like 1700000000.123 has no exact double.
    Ok((seconds * 1000.0).round() as u64)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Get {
    shard_iterator: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Got {
    records: Vec<Record>,
    next_shard_iterator: String,
    millis_behind_latest: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    sequence_number: String,
    approximate_arrival_timestamp: f64,
    data: String,
    partition_key: String,
    encryption_type: &'static str,
}

pub(super) async fn get(call: Call, request: Get) -> Result<Got, Fault> {
    let iterator = request.shard_iterator.ok_or_else(|| faults::missing("ShardIterator"))?;
    let limit = request.limit.unwrap_or(GET_RECORDS_MAX);
    if !(1..=GET_RECORDS_MAX).contains(&limit) {
        return Err(argument(format!("`Limit` must be from 1 to {GET_RECORDS_MAX}")));
    }
    let batch = call.aws.streams.read(&iterator, limit).await.map_err(|error| faults::of(&error))?;
    let records = batch.records.into_iter().map(|record| Record {
        sequence_number: record.sequence_number,
        approximate_arrival_timestamp: seconds(record.arrived_at_ms),
        data: STANDARD.encode(&record.data),
        partition_key: record.partition_key,
        encryption_type: "NONE",
    });
    Ok(Got {
        records: records.collect(),
        next_shard_iterator: batch.next_iterator,
        millis_behind_latest: batch.behind_ms,
    })
}
