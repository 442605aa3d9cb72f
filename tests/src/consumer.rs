//! The consumer's side: SQS and Kinesis as JSON over HTTP, and metrics.

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::blocking::Client;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// A client of the API.
#[derive(Debug, Clone)]
pub struct Consumer {
    http: Client,
    origin: String,
}

/// An event out of a queue or a stream.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its id; empty in a stream, where only the data is kept.
    pub id: String,
    /// Its data; text when it is not JSON.
    pub data: Value,
    /// Partition key, in a stream.
    pub partition_key: String,
}

impl Consumer {
    /// For the gateway whose API listens there.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(address: SocketAddr) -> anyhow::Result<Self> {
        // Another test in this process may have done it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = Client::builder().no_proxy().timeout(Duration::from_secs(25)).build()?;
        Ok(Self { http, origin: format!("http://{address}") })
    }

    /// `http://HOST:PORT`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The URL of a queue.
    pub fn queue_url(&self, queue: &str) -> String {
        format!("{}/000000000000/{queue}", self.origin)
    }

    /// Whether `/readyz` says so.
    pub fn is_ready(&self) -> bool {
        self.get("/readyz").is_ok()
    }

    fn get(&self, path: &str) -> anyhow::Result<String> {
        let answer = self.http.get(format!("{}{path}", self.origin)).send()?;
        let status = answer.status();
        let text = answer.text()?;
        anyhow::ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(text)
    }

    /// The metrics of this moment.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub fn metrics(&self) -> anyhow::Result<Metrics> {
        Ok(Metrics(self.get("/metrics")?))
    }

    /// Calls an operation: `AmazonSQS.ReceiveMessage`, `Kinesis_20131202.GetRecords` and so on.
    ///
    /// # Errors
    /// When the answer is not a success.
    pub fn call(&self, target: &str, body: &Value) -> anyhow::Result<Value> {
        let content_type = if target.starts_with("Kinesis") {
            "application/x-amz-json-1.1"
        } else {
            "application/x-amz-json-1.0"
        };
        let request =
            self.http.post(&self.origin).header("x-amz-target", target).header("content-type", content_type);
        let answer = request.body(body.to_string()).send()?;
        let status = answer.status();
        let text = answer.text()?;
        anyhow::ensure!(status.is_success(), "{target}: {status} {text}");
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("{target} answered {text}"))
    }

    /// Takes up to ten messages off a queue, waiting `wait_secs` for the first.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub fn take(&self, queue: &str, wait_secs: u32) -> anyhow::Result<Vec<Event>> {
        let url = self.queue_url(queue);
        let body = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": wait_secs,
            "MessageAttributeNames": ["All"] });
        let answer = self.call("AmazonSQS.ReceiveMessage", &body)?;
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let entries: Vec<Value> = messages
            .iter()
            .enumerate()
            .map(|(index, message)| json!({ "Id": index.to_string(), "ReceiptHandle": message["ReceiptHandle"] }))
            .collect();
        let deleted =
            self.call("AmazonSQS.DeleteMessageBatch", &json!({ "QueueUrl": url, "Entries": entries }))?;
        let failed = deleted["Failed"].as_array().is_some_and(|failed| !failed.is_empty());
        anyhow::ensure!(!failed, "not deleted: {deleted}");
        Ok(messages.iter().map(event).collect())
    }

    /// Takes messages off a queue until `count` are there or none comes for a while; what is there then is given.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub fn take_until(&self, queue: &str, count: usize) -> anyhow::Result<Vec<Event>> {
        let mut all = Vec::new();
        let mut empty = 0;
        while all.len() < count && empty < 3 {
            let some = self.take(queue, 5)?;
            empty = if some.is_empty() { empty + 1 } else { 0 };
            all.extend(some);
        }
        Ok(all)
    }

    /// Takes everything off a queue until it is empty.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub fn take_all(&self, queue: &str) -> anyhow::Result<Vec<Event>> {
        let mut all = Vec::new();
        loop {
            let some = self.take(queue, 1)?;
            if some.is_empty() {
                return Ok(all);
            }
            all.extend(some);
        }
    }

    /// Reads a whole stream from its beginning.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub fn read_stream(&self, stream: &str) -> anyhow::Result<Vec<Event>> {
        let shards = self.call("Kinesis_20131202.ListShards", &json!({ "StreamName": stream }))?;
        let mut all = Vec::new();
        for shard in shards["Shards"].as_array().context("shards")? {
            let body = json!({ "StreamName": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON" });
            let mut iterator =
                self.call("Kinesis_20131202.GetShardIterator", &body)?["ShardIterator"].clone();
            loop {
                let page = self.call(
                    "Kinesis_20131202.GetRecords",
                    &json!({ "ShardIterator": iterator, "Limit": 1000 }),
                )?;
                let records = page["Records"].as_array().context("records")?;
                for record in records {
                    let bytes = STANDARD.decode(record["Data"].as_str().unwrap_or_default())?;
                    let partition_key = record["PartitionKey"].as_str().unwrap_or_default().to_string();
                    all.push(Event { id: String::new(), data: parse(&bytes), partition_key });
                }
                if records.is_empty() && page["MillisBehindLatest"] == 0 {
                    break;
                }
                iterator = page["NextShardIterator"].clone();
            }
        }
        Ok(all)
    }
}

fn event(message: &Value) -> Event {
    let id = message["MessageAttributes"]["eventId"]["StringValue"].as_str().unwrap_or_default().to_string();
    let data = parse(message["Body"].as_str().unwrap_or_default().as_bytes());
    Event { id, data, partition_key: String::new() }
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned().into())
}

/// Metrics in the Prometheus text format.
#[derive(Debug, Clone)]
pub struct Metrics(pub String);

impl Metrics {
    /// What somebody answers in Prometheus' text format.
    ///
    /// # Errors
    /// When nobody answers, or with a failure.
    pub fn fetch(url: &str) -> anyhow::Result<Self> {
        Ok(Self(reqwest::blocking::get(url)?.error_for_status()?.text()?))
    }

    /// The sum over all label sets of a metric whose labels contain `labels`; 0 when there is none.
    pub fn sum(&self, name: &str, labels: &str) -> f64 {
        let samples =
            self.0.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        samples
            .filter(|(key, _)| key.split('{').next() == Some(name) && key.contains(labels))
            .filter_map(|(_, value)| value.parse::<f64>().ok())
            .sum()
    }
}
