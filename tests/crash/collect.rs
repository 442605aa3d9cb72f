//! What came where, read back as a user reads it.

use crate::identity::Arrival;
use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use end_to_end::{Consumer, wait};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Takes up to ten messages off a queue: each is noted before it is deleted, since the answer to a delete may be lost.
///
/// # Errors
/// When the gateway is not there, or refuses.
pub(crate) fn take(
    consumer: &Consumer,
    queue: &str,
    note: &mut impl FnMut(&str, Value),
) -> anyhow::Result<usize> {
    let url = consumer.queue_url(queue);
    let wanted = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"] });
    let answer = consumer.call("AmazonSQS.ReceiveMessage", &wanted)?;
    let messages = answer["Messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut entries = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let id = message["MessageAttributes"]["eventId"]["StringValue"].as_str().unwrap_or_default();
        note(id, serde_json::from_str(message["Body"].as_str().context("body")?)?);
        entries.push(json!({ "Id": number.to_string(), "ReceiptHandle": message["ReceiptHandle"] }));
    }
    if !entries.is_empty() {
        consumer.call("AmazonSQS.DeleteMessageBatch", &json!({ "QueueUrl": url, "Entries": entries }))?;
    }
    Ok(messages.len())
}

/// Takes everything off a queue. `hidden` is called once when nothing but messages that somebody else took is left for a while.
///
/// # Errors
/// When the gateway refuses, or the queue does not become empty.
pub(crate) fn take_all(
    consumer: &Consumer,
    queue: &str,
    note: &mut impl FnMut(&str, Value),
    mut hidden: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    const HIDDEN: Duration = Duration::from_secs(3);
    const BOUND: Duration = Duration::from_secs(40);
    let begun = Instant::now();
    let mut told = false;
    loop {
        while take(consumer, queue, note)? > 0 {}
        let wanted = json!({ "QueueUrl": consumer.queue_url(queue), "AttributeNames": ["All"] });
        let attributes = &consumer.call("AmazonSQS.GetQueueAttributes", &wanted)?["Attributes"];
        let count = |name: &str| attributes[name].as_str().unwrap_or("0") != "0";
        if !count("ApproximateNumberOfMessages") && !count("ApproximateNumberOfMessagesNotVisible") {
            return Ok(());
        }
        if begun.elapsed() > HIDDEN && !told {
            hidden()?;
            told = true;
        }
        anyhow::ensure!(begun.elapsed() < BOUND, "the queue `{queue}` does not become empty: {attributes}");
        wait::let_pass(Duration::from_millis(20));
    }
}

/// Reads the stream from its beginning, shard by shard.
///
/// # Errors
/// When the gateway refuses, or a record is strange.
pub(crate) fn stream(consumer: &Consumer) -> anyhow::Result<Vec<Arrival>> {
    let records = consumer.read_stream("s")?;
    let arrival = |data: &Value| Arrival::new(data["id"].as_str().context("an id")?, &data["data"]);
    records.iter().map(|record| arrival(&record.data)).collect()
}

/// The message that a document of the error action is about: the id of the message, and the payload it had.
///
/// # Errors
/// When it is no such document.
pub(crate) fn error_document(document: &Value) -> anyhow::Result<(String, Value)> {
    let payload = document["base64OriginalPayload"].as_str().with_context(|| document.to_string())?;
    let rule = document["ruleName"].as_str().context("a rule")?.to_string();
    Ok((rule, serde_json::from_slice(&STANDARD.decode(payload)?)?))
}
