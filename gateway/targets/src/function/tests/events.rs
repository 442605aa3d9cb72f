//! Deliveries: what the handler gets of an event, and what its answer makes of it.

use bus::{Outcome, Target};
use serde_json::json;

use super::*;

fn code(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Delivered => "",
        Outcome::Retry { code, .. } | Outcome::RetryAlone { code, .. } | Outcome::Reject { code, .. } => code,
    }
}

#[tokio::test]
async fn a_handler_error_is_tried_again_and_a_later_event_of_the_key_waits() {
    let function = function("obeys");
    let batch =
        [delivery("a", "{}"), delivery("b", r#"{"do":"fail"}"#), delivery("b", "{}"), delivery("c", "1")];
    let outcomes = function.deliver(&batch).await;
    let codes: Vec<&str> = outcomes.iter().map(code).collect();
    assert_eq!(codes, ["", "FUNCTION_ERROR", "BEHIND_A_RETRY", ""]);
    Target::close(&*function).await;
}

#[tokio::test]
async fn of_a_batch_only_the_named_failures_and_those_behind_them_go_again() {
    let function = Function::new(Settings { batch_size: 10, ..settings("obeys") }).unwrap();
    let batch = [("a", "\"1\""), ("a", "\"bad\""), ("b", "\"2\""), ("a", "\"3\"")];
    let batch = batch.map(|(key, data)| delivery(key, data));
    let outcomes = function.deliver(&batch).await;
    let codes: Vec<&str> = outcomes.iter().map(code).collect();
    assert_eq!(codes, ["", "BATCH_ITEM_FAILURE", "", "BEHIND_A_RETRY"]);
    Target::close(&*function).await;
}

#[tokio::test]
async fn a_batch_over_the_payload_limit_takes_more_calls() {
    let narrow = Settings { batch_size: 10, payload_bytes_max: 4000, ..settings("obeys") };
    let function = Function::new(narrow).unwrap();
    let batch: Vec<Delivery> = (0..10).map(|number| delivery("a", format!("{{\"n\":{number}}}"))).collect();
    assert_eq!(function.deliver(&batch).await, vec![Outcome::Delivered; 10]);
    Target::close(&*function).await;
}

#[test]
fn an_event_is_its_data_and_its_context() {
    let event = Delivery {
        replay: Some(Replay { name: "again".to_owned(), at_ms: 1 }),
        ..delivery("kiln-ü", "{\"t\":1}")
    };
    let invocation = super::super::payload::single(&event);
    assert_eq!(invocation.payload, event.data);
    let context: Value = serde_json::from_str(&invocation.client_context.unwrap()).unwrap();
    assert_eq!(context["custom"]["event_id"], event.id.as_str());
    assert_eq!(context["custom"]["topic"], "plant/kiln-ü");
    assert_eq!(context["custom"]["replay-name"], "again");

    let binary = delivery("a", vec![0xff, 0x00]);
    let invocation = super::super::payload::single(&binary);
    assert_eq!(&invocation.payload[..], b"\"/wA=\"");
    let context: Value = serde_json::from_str(&invocation.client_context.unwrap()).unwrap();
    assert_eq!(context["custom"]["encoding"], "base64");
}

#[test]
fn a_record_reads_as_one_of_an_sqs_event() {
    let event = delivery("a", "{\"t\":1}");
    let record: Value =
        serde_json::from_slice(&super::super::payload::record(&event, "arn", "us-east-1")).unwrap();
    assert_eq!(record["messageId"], event.id.as_str());
    assert_eq!(record["body"], "{\"t\":1}");
    assert_eq!(record["attributes"]["SentTimestamp"], "1700000000000");
    assert_eq!(
        record["messageAttributes"]["topic"],
        json!({ "stringValue": "plant/a", "dataType": "String" })
    );
}
