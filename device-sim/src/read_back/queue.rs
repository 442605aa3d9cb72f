//! A queue, over the SQS JSON protocol.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::request::{Api, Service};
use super::{Books, persist};

const SQS: Service = Service { name: "sqs", prefix: "AmazonSQS", content_type: "application/x-amz-json-1.0" };

/// The most that one receive may ask for.
const MESSAGES_MAX: u32 = 10;

/// Consumes the queue. When all is there it goes on until a receive is empty, so that repeats are seen too.
pub(super) async fn read(api: &Api, url: &str, books: &Books, deadline: Instant) -> Result<(), String> {
    let receive = json!({
        "QueueUrl": url,
        "MaxNumberOfMessages": MESSAGES_MAX,
        "WaitTimeSeconds": 1,
        "MessageAttributeNames": ["All"],
        "AttributeNames": ["SentTimestamp"],
    });
    loop {
        let answer = persist(deadline, || api.call(SQS, "ReceiveMessage", &receive)).await?;
        let messages = answer.get("Messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for message in messages {
            let body = message.get("Body").and_then(Value::as_str).unwrap_or_default();
            let event_id = message.pointer("/MessageAttributes/eventId/StringValue").and_then(Value::as_str);
            let arrived = message.pointer("/Attributes/SentTimestamp").and_then(Value::as_str);
            let arrived_micros = arrived.and_then(|millis| millis.parse::<u64>().ok()?.checked_mul(1000));
            books.enter(body.as_bytes(), event_id, arrived_micros);
        }
        if !messages.is_empty() {
            let delete = deletion(url, messages);
            persist(deadline, || api.call(SQS, "DeleteMessageBatch", &delete)).await?;
        }
        if Instant::now() >= deadline || (messages.is_empty() && books.complete()) {
            return Ok(());
        }
    }
}

fn deletion(url: &str, messages: &[Value]) -> Value {
    let entries: Vec<Value> = messages
        .iter()
        .enumerate()
        .map(|(index, message)| json!({"Id": index.to_string(), "ReceiptHandle": message.get("ReceiptHandle")}))
        .collect();
    json!({"QueueUrl": url, "Entries": entries})
}
