//! Events as the JSON that a handler gets, and what a handler says about the events of a batch.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bus::{Delivery, Format};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::invoke::Invocation;

/// What stands around the records of a batch, in bytes.
const ENVELOPE: (&[u8], &[u8]) = (b"{\"Records\":[", b"]}");

/// A call for one event: its data itself is the payload, and what is known of it the client context.
///
/// Data that is not JSON becomes a JSON text in base64, as AWS IoT hands binary payloads to actions that need JSON.
pub(super) fn single(delivery: &Delivery) -> Invocation {
    let (body, _) = delivery.body();
    let is_json = serde_json::from_slice::<IgnoredAny>(&body).is_ok();
    let payload = if is_json { body } else { Bytes::from(Value::String(STANDARD.encode(&body)).to_string()) };
    let mut known = attributes(delivery);
    known.insert("content_type", delivery.content_type.clone());
    if !is_json {
        known.insert("encoding", "base64".to_owned());
    }
    Invocation {
        payload,
        client_context: Some(ascii(&json!({ "custom": known }))),
        traceparent: delivery.traceparent.clone(),
    }
}

/// A call for the events of `records`, which [`record`] made.
pub(super) fn batch(records: &[Bytes], traceparent: Option<String>) -> Invocation {
    let mut payload = Vec::with_capacity(batch_bytes(records.iter().map(Bytes::len)));
    payload.extend_from_slice(ENVELOPE.0);
    payload.extend_from_slice(&records.join(&b','));
    payload.extend_from_slice(ENVELOPE.1);
    Invocation { payload: Bytes::from(payload), client_context: None, traceparent }
}

/// How many bytes the payload of records of these sizes has, or a few more.
pub(super) fn batch_bytes(records: impl Iterator<Item = usize>) -> usize {
    records.map(|bytes| bytes + 1).sum::<usize>() + ENVELOPE.0.len() + ENVELOPE.1.len()
}

/// One event as a record of an SQS event, which is what handlers for batches are mostly written for.
///
/// `messageId` is the event's id, by which a repeat can be told and which `batchItemFailures` names.
pub(super) fn record(delivery: &Delivery, source_arn: &str, region: &str) -> Bytes {
    let (body, content_type) = delivery.body();
    let (body, encoding) = match std::str::from_utf8(&body) {
        Ok(text) => (text.to_owned(), "utf-8"),
        Err(_) => (STANDARD.encode(&body), "base64"),
    };
    let mut known = attributes(delivery);
    known.insert("content_type", content_type.to_owned());
    known.insert("encoding", encoding.to_owned());
    let message_attributes: Map<String, Value> = known
        .into_iter()
        .map(|(name, value)| (name.to_owned(), json!({ "stringValue": value, "dataType": "String" })))
        .collect();
    let record = json!({
        "messageId": delivery.id.as_str(),
        "receiptHandle": delivery.id.as_str(),
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": delivery.attempt.to_string(),
            "SentTimestamp": delivery.arrived_at_ms().to_string(),
            "ApproximateFirstReceiveTimestamp": delivery.arrived_at_ms().to_string(),
            "SenderId": delivery.client_id,
            "MessageGroupId": delivery.partition_key,
        },
        "messageAttributes": message_attributes,
        "eventSource": "aws:sqs",
        "eventSourceARN": source_arn,
        "awsRegion": region,
    });
    Bytes::from(record.to_string())
}

/// What a handler may want to know of an event beside its data; absent rather than empty.
fn attributes(delivery: &Delivery) -> HashMap<&'static str, String> {
    let known = [
        ("event_id", delivery.id.to_string()),
        ("rule", delivery.rule.clone()),
        ("topic", delivery.topic.clone()),
        ("client_id", delivery.client_id.clone()),
        ("partition_key", delivery.partition_key.clone()),
        ("accepted_at_ms", delivery.accepted_at_ms.to_string()),
        ("attempt", delivery.attempt.to_string()),
        ("traceparent", delivery.traceparent.clone().unwrap_or_default()),
        // EventBridge's name for it.
        ("replay-name", delivery.replay_name().to_owned()),
        ("format", if delivery.format == Format::CloudEvents { "cloudevents" } else { "data" }.to_owned()),
    ];
    known.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// JSON for a header: everything beyond ASCII escaped.
#[must_use]
pub fn ascii(value: &Value) -> String {
    let mut text = String::new();
    for character in value.to_string().chars() {
        if character.is_ascii() && character != '\u{7f}' {
            text.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

/// What a handler said about the events of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It handled all but those at these places, in order.
    AllBut(Vec<usize>),
    /// What it said can't be understood, so all count as failed.
    Unclear(String),
}

/// Reads `batchItemFailures` by the rules of Lambda: nothing there means that all went well, a list that is malformed
/// or names an unknown or empty id that nothing did.
pub(super) fn failures(answer: &[u8], ids: &[&str]) -> Verdict {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "batchItemFailures", default)]
        failures: Option<Vec<Failure>>,
    }
    #[derive(Deserialize)]
    struct Failure {
        #[serde(rename = "itemIdentifier")]
        id: String,
    }

    let is_object = answer.trim_ascii_start().first() == Some(&b'{');
    if !is_object {
        return Verdict::AllBut(Vec::new());
    }
    let named = match serde_json::from_slice::<Answer>(answer) {
        Ok(answer) => answer.failures.unwrap_or_default(),
        Err(error) => {
            return Verdict::Unclear(format!("the answer's `batchItemFailures` can't be read: {error}"));
        }
    };
    let sent: HashSet<&str> = ids.iter().copied().collect();
    if let Some(Failure { id }) = named.iter().find(|failure| !sent.contains(failure.id.as_str())) {
        return Verdict::Unclear(format!("the answer's `batchItemFailures` name `{id}`, which was not sent"));
    }
    let named: HashSet<&str> = named.iter().map(|failure| failure.id.as_str()).collect();
    // An event that its device sent again may be there twice under its one id: nobody can tell which of them was meant.
    let failed =
        ids.iter().enumerate().filter(|(_, id)| named.contains(*id)).map(|(place, _)| place).collect();
    Verdict::AllBut(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn partial_batch_responses_read_as_lambda_reads_them() {
        let all_but = |places: &[usize]| Some(places.to_vec());
        let cases = [
            ("null", all_but(&[])),
            ("", all_but(&[])),
            ("\"done\"", all_but(&[])),
            ("{}", all_but(&[])),
            (r#"{"batchItemFailures":null}"#, all_but(&[])),
            (r#"{"batchItemFailures":[]}"#, all_but(&[])),
            (r#"{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"a"}]}"#, all_but(&[0, 1])),
            (r#"{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"c"}]}"#, all_but(&[2])),
            (r#"{"batchItemFailures":[{"itemIdentifier":"x"}]}"#, None),
            (r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#, None),
            (r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#, None),
            (r#"{"batchItemFailures":[{"wrong":"a"}]}"#, None),
            (r#"{"batchItemFailures":{"#, None),
        ];
        for (answer, expected) in cases {
            let read = match failures(answer.as_bytes(), &["a", "b", "c"]) {
                Verdict::AllBut(places) => Some(places),
                Verdict::Unclear(_) => None,
            };
            assert_eq!(read, expected, "{answer}");
        }
    }

    /// A publish that was sent again has the id it had, so a batch may hold it twice. One of the two was counted as delivered.
    #[test]
    fn an_event_that_is_there_twice_is_named_twice() {
        let answer = br#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#;
        assert_eq!(failures(answer, &["a", "b", "a"]), Verdict::AllBut(vec![0, 2]));
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer in proptest::collection::vec(any::<u8>(), 0..100)) {
            failures(&answer, &["a"]);
        }

        #[test]
        fn a_header_text_is_ascii_and_reads_back(text in any::<String>()) {
            let value = json!({ "custom": { "topic": text } });
            let header = ascii(&value);
            prop_assert!(header.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{header}");
            prop_assert_eq!(serde_json::from_str::<Value>(&header).unwrap(), value);
        }
    }
}
