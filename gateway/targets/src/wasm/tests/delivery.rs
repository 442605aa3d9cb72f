//! The same as a function of the gateway: events, batches, and errors in the words of Lambda.

use bus::record::{Event, Origin, Record, Route};
use bus::{Delivery, Health, Offset, Outcome, Target, TargetName};
use serde_json::{Value, json};

use super::*;
use crate::function::{self, Function};
use crate::wasm::{FUEL_STANDARD, Settings};

fn declared(file: &str, change: impl FnOnce(&mut function::Settings)) -> Arc<Function> {
    let mut settings = function::Settings { timeout: PATIENCE, ..function::Settings::new("f", Vec::new()) };
    settings.environment.insert("PLANT".to_owned(), "north".to_owned());
    change(&mut settings);
    crate::wasm::function(settings, Settings { file: program(file), fuel_max: FUEL_STANDARD }).unwrap()
}

fn delivery(key: &str, data: &str) -> Delivery {
    let target = TargetName::parse("function/f").unwrap();
    let mut record = Record::new(Origin::Device, 1_700_000_000_000);
    record.client_id = key.to_owned();
    record.topic = format!("plant/{key}");
    record.add(Event {
        routes: vec![Route::to(target.clone())],
        ..Event::json("rule", data.as_bytes().to_vec())
    });
    Delivery::from_record(&record, &target, Offset(1), 0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_delivered_and_failures_tried_again() {
    let cases = [
        ("echo.wat", r#"{"a":1}"#, None),
        (
            "fails.wat",
            r#"{"errorType":"KeyError","errorMessage":"plant"}"#,
            Some(("FUNCTION_ERROR", "KeyError: plant")),
        ),
        ("hostile.wat", "unreachable", Some(("FUNCTION_CRASHED", "it gave up"))),
        ("hostile.wat", "memory", Some(("FUNCTION_OUT_OF_MEMORY", "may have 128; raise `memory_mib`"))),
        ("missing.wat", "{}", Some(("FUNCTION_NOT_STARTED", "it can't be read"))),
    ];
    for (file, event, expected) in cases {
        // What is no JSON reaches a function as a JSON text; here the first letter counts.
        let function = declared(file, |settings| settings.batch_size = 1);
        if file == "hostile.wat" {
            let error = function.invoke(Bytes::from(event)).await.unwrap_err();
            let (code, reason) = expected.unwrap();
            assert_eq!(error.code(), code);
            assert!(error.to_string().contains(reason), "{error}");
            continue;
        }
        let outcomes = function.deliver(&[delivery("a", event)]).await;
        match (&outcomes[..], expected) {
            ([Outcome::Delivered], None) => assert_eq!(function.health().await, Health::Healthy),
            ([Outcome::Retry { code, reason, .. }], Some((expected, text))) => {
                assert_eq!(code, expected);
                assert!(reason.contains(text), "{reason}");
            }
            other => panic!("{file}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_only_what_is_named_is_tried_again() {
    let function = declared("fails_first.wat", |settings| settings.batch_size = 10);
    let batch = [delivery("a", "1"), delivery("b", "2"), delivery("c", "3")];
    let outcomes = function.deliver(&batch).await;
    assert!(
        matches!(&outcomes[0], Outcome::Retry { code, .. } if code == "BATCH_ITEM_FAILURE"),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[1..], [Outcome::Delivered, Outcome::Delivered]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_about_its_call_in_the_names_of_lambda() {
    let function = declared("asks.wat", |settings| settings.memory_mib = 64);
    let response = function.invoke(Bytes::from_static(b"{}")).await.unwrap();
    let context: Value = serde_json::from_slice(&response.payload).unwrap();
    assert_eq!(context["awsRequestId"], json!(response.request_id));
    assert_eq!(context["functionName"], json!("f"));
    assert_eq!(context["memoryLimitInMB"], json!(64));
    assert_eq!(context["environment"], json!({ "PLANT": "north" }));
    let limit_ms = context["deadlineMs"].as_u64().unwrap() - context["nowMs"].as_u64().unwrap();
    assert_eq!(limit_ms, PATIENCE.as_millis() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_out_of_memory_is_told_as_lambda_tells_it() {
    let function = declared("hostile.wat", |settings| settings.memory_mib = 8);
    let error = function.invoke(Bytes::from_static(b"memory")).await.unwrap_err();
    assert_eq!(error.as_lambda("r")["errorType"], json!("Runtime.OutOfMemory"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_beyond_what_webassembly_can_do_is_refused() {
    let standard = || function::Settings::new("f", Vec::new());
    let cases = [
        (
            function::Settings { concurrency: 65, ..standard() },
            "`concurrency` is wrong: it must be from 1 to 64",
        ),
        (
            function::Settings { memory_mib: 5_000, ..standard() },
            "`memory_mib` is wrong: it must be at most 4096",
        ),
    ];
    for (settings, expected) in cases {
        let wasm = Settings { file: program("echo.wat"), fuel_max: 1 };
        let error = crate::wasm::function(settings, wasm).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
