//! The demo's own consumers: they read the queue and the stream as anybody would, over the AWS protocols, and the function's
//! receipts from the files the function writes.

use super::tally::Tally;
use base64::Engine;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait after an error: the gateway may be restarting.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a place is looked at that can't be waited for.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Speaks the JSON protocols of SQS and Kinesis, unsigned, to a gateway on loopback.
#[derive(Debug, Clone)]
pub(super) struct AwsProtocols {
    client: reqwest::Client,
    endpoint: String,
}

impl AwsProtocols {
    pub(super) fn new(endpoint: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        Ok(Self { client, endpoint: endpoint.to_string() })
    }

    async fn call(&self, target: &str, content_type: &str, body: &Value) -> anyhow::Result<Value> {
        let response = self
            .client
            .post(&self.endpoint)
            .header("x-amz-target", target)
            .header("content-type", content_type)
            .body(body.to_string())
            .send()
            .await?;
        let status = response.status();
        let bytes = response.bytes().await?;
        anyhow::ensure!(status.is_success(), "{target}: {status}: {}", String::from_utf8_lossy(&bytes));
        Ok(if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? })
    }

    async fn sqs(&self, operation: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(&format!("AmazonSQS.{operation}"), "application/x-amz-json-1.0", body).await
    }

    async fn kinesis(&self, operation: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(&format!("Kinesis_20131202.{operation}"), "application/x-amz-json-1.1", body).await
    }
}

/// Receives and deletes from a queue until the task is dropped.
pub(super) async fn queue(aws: AwsProtocols, name: &'static str, tally: Arc<Tally>) {
    let mut url = None;
    loop {
        if let Err(error) = receive(&aws, name, &mut url, &tally).await {
            tracing::debug!(queue = name, error = %error, "receive failed");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn receive(
    aws: &AwsProtocols,
    name: &str,
    url: &mut Option<String>,
    tally: &Tally,
) -> anyhow::Result<()> {
    let url = match url {
        Some(url) => url,
        None => {
            let answer = aws.sqs("GetQueueUrl", &json!({ "QueueName": name })).await?;
            let found = answer["QueueUrl"].as_str().ok_or_else(|| anyhow::anyhow!("no queue URL"))?;
            url.insert(found.to_string())
        }
    };
    let wanted = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1 });
    let answer = aws.sqs("ReceiveMessage", &wanted).await?;
    let Some(messages) = answer["Messages"].as_array().filter(|messages| !messages.is_empty()) else {
        return Ok(());
    };
    let mut entries = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter().enumerate() {
        tally.count(message["Body"].as_str().unwrap_or_default().as_bytes());
        entries.push(json!({ "Id": index.to_string(), "ReceiptHandle": message["ReceiptHandle"] }));
    }
    aws.sqs("DeleteMessageBatch", &json!({ "QueueUrl": url, "Entries": entries })).await?;
    Ok(())
}

/// Reads every shard of a stream from its oldest record on, until the task is dropped.
pub(super) async fn stream(aws: AwsProtocols, name: &'static str, tally: Arc<Tally>) {
    let mut positions: HashMap<String, Option<String>> = HashMap::new();
    let mut iterators: HashMap<String, String> = HashMap::new();
    loop {
        if let Err(error) = read_shards(&aws, name, &mut positions, &mut iterators, &tally).await {
            tracing::debug!(stream = name, error = %error, "read failed");
            iterators.clear();
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn read_shards(
    aws: &AwsProtocols,
    name: &str,
    positions: &mut HashMap<String, Option<String>>,
    iterators: &mut HashMap<String, String>,
    tally: &Tally,
) -> anyhow::Result<()> {
    if iterators.is_empty() {
        open_iterators(aws, name, positions, iterators).await?;
    }
    let mut idle = true;
    for (shard, iterator) in iterators.iter_mut() {
        let answer = aws.kinesis("GetRecords", &json!({ "ShardIterator": iterator, "Limit": 1000 })).await?;
        for record in answer["Records"].as_array().into_iter().flatten() {
            idle = false;
            let data = record["Data"].as_str().unwrap_or_default();
            tally.count(&base64::engine::general_purpose::STANDARD.decode(data)?);
            positions.insert(shard.clone(), record["SequenceNumber"].as_str().map(str::to_string));
        }
        let next = answer["NextShardIterator"].as_str();
        *iterator = next.ok_or_else(|| anyhow::anyhow!("shard {shard} ended"))?.to_string();
    }
    if idle {
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}

async fn open_iterators(
    aws: &AwsProtocols,
    name: &str,
    positions: &HashMap<String, Option<String>>,
    iterators: &mut HashMap<String, String>,
) -> anyhow::Result<()> {
    let answer = aws.kinesis("ListShards", &json!({ "StreamName": name })).await?;
    for shard in answer["Shards"].as_array().into_iter().flatten() {
        let Some(shard) = shard["ShardId"].as_str() else { continue };
        let mut wanted = json!({ "StreamName": name, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
        if let Some(Some(position)) = positions.get(shard) {
            wanted["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER".into();
            wanted["StartingSequenceNumber"] = position.as_str().into();
        }
        let answer = aws.kinesis("GetShardIterator", &wanted).await?;
        if let Some(iterator) = answer["ShardIterator"].as_str() {
            iterators.insert(shard.to_string(), iterator.to_string());
        }
    }
    Ok(())
}

/// Follows the receipts that the instances of the function append to, one file each, one JSON object a line.
pub(super) async fn function(receipts: PathBuf, tally: Arc<Tally>) {
    let mut read: HashMap<PathBuf, usize> = HashMap::new();
    loop {
        let seen = follow(&receipts, &mut read, &tally);
        if let Err(error) = seen {
            tracing::debug!(error = %error, "receipts can't be read");
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

fn follow(receipts: &PathBuf, read: &mut HashMap<PathBuf, usize>, tally: &Tally) -> std::io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    for entry in std::fs::read_dir(receipts)? {
        let path = entry?.path();
        let done = read.entry(path.clone()).or_default();
        let mut file = std::fs::File::open(&path)?;
        file.seek(SeekFrom::Start(*done as u64))?;
        let mut new = Vec::new();
        file.read_to_end(&mut new)?;
        // A line without its end is still being written.
        let Some(end) = new.iter().rposition(|byte| *byte == b'\n') else { continue };
        for line in new[..end].split(|byte| *byte == b'\n') {
            tally.count(line);
        }
        *done += end + 1;
    }
    Ok(())
}
