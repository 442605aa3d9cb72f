//! Calls that go well, and what the handler sees.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::super::{Asked, Invocation};
use super::*;

#[tokio::test]
async fn an_ordinary_handler_answers_and_its_process_is_kept() {
    let function = function("obeys");
    assert_eq!(answer(&function, json!({ "a": [1, "ü"] })).await, json!({ "a": [1, "ü"] }));
    assert_eq!(process_id(&function).await, process_id(&function).await);
    function.close().await;
}

#[tokio::test]
async fn the_handler_sees_what_lambda_shows_it() {
    let mut settings = settings("obeys");
    settings.handler = "index.handler".to_owned();
    settings.region = "eu-central-1".to_owned();
    settings.directory = Some(std::env::temp_dir());
    settings.environment.insert("OWN".to_owned(), "value".to_owned());
    let function = Function::new(settings).unwrap();

    let variables = answer(&function, json!({ "do": "environment" })).await;
    for (name, expected) in [
        ("_HANDLER", "index.handler"),
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "f-1"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
        ("LAMBDA_TASK_ROOT", std::env::temp_dir().to_str().unwrap()),
        ("OWN", "value"),
    ] {
        assert_eq!(variables[name], expected, "{name}");
    }
    // What cargo sets for its tests stands for what the gateway was started with.
    assert_eq!(variables["CARGO_MANIFEST_DIR"], Value::Null, "the gateway's environment is not handed on");

    let invocation = Invocation {
        payload: Bytes::from_static(b"{\"do\":\"context\"}"),
        client_context: Some(r#"{"custom":{"event_id":"e1"}}"#.to_owned()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
    };
    let response = function.invoke(invocation).await.unwrap();
    let context: Value = serde_json::from_slice(&response.payload).unwrap();
    assert_eq!(context["request_id"], response.request_id);
    assert_eq!(context["arn"], "arn:aws:lambda:eu-central-1:000000000000:function:f");
    assert_eq!(context["custom"]["event_id"], "e1");
    let trace = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1";
    assert_eq!(context["trace"], trace);
    assert!(context["deadline_ms"].as_u64().unwrap() > 1_700_000_000_000);
    function.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_side_by_side_use_as_many_processes_as_allowed() {
    let mut settings = settings("obeys");
    settings.concurrency = 2;
    let function = Function::new(settings).unwrap();
    let calls = (0..8).map(|_| process_id(&function));
    let processes: HashSet<i64> = futures::future::join_all(calls).await.into_iter().collect();
    assert!((1..=2).contains(&processes.len()), "{processes:?}");
    function.close().await;
}

#[tokio::test]
async fn an_error_of_the_handler_is_an_answer() {
    let function = function("obeys");
    let before = process_id(&function).await;
    let response = call(&function, json!({ "do": "fail" })).await.unwrap();
    assert!(response.error.unwrap().message.contains("the handler says no"));
    assert_eq!(process_id(&function).await, before, "the process goes on");
    function.close().await;
}

#[tokio::test]
async fn what_the_program_prints_is_in_its_log_file_under_the_call() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings("obeys");
    settings.log_directory = Some(directory.path().to_owned());
    let function = Function::new(settings).unwrap();
    answer(&function, json!({ "do": "print", "line": "kiln 7 is hot" })).await;
    let path = directory.path().join("f.log");
    wait_until("the line is in the file", || {
        std::fs::read_to_string(&path).unwrap().lines().any(|line| line.ends_with("kiln 7 is hot"))
    })
    .await;
    function.close().await;
}

fn asked(event: &Value, wants_log: bool) -> Asked {
    let invocation = Invocation::from(Bytes::from(event.to_string()));
    Asked { request_id: "r1".to_owned(), invocation, wants_log }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_call_holds_what_was_printed_before_its_answer() {
    let function = function("obeys");
    for number in 0..20 {
        let line = format!("line {number}");
        let invoked = function.invoke_now(asked(&json!({ "do": "print", "line": line }), true)).await;
        assert_eq!(invoked.result.unwrap().payload, "null");
        let tail = String::from_utf8(invoked.log_tail.unwrap()).unwrap();
        assert!(tail.starts_with("START RequestId: r1 Version: $LATEST\n"), "{tail}");
        assert!(tail.contains(&format!("\n{line}\nEND RequestId: r1\nREPORT RequestId: r1\t")), "{tail}");
    }
    let invoked = function.invoke_now(asked(&json!({}), false)).await;
    assert_eq!((invoked.result.is_ok(), invoked.log_tail), (true, None));
    function.close().await;
}

#[tokio::test]
async fn who_does_not_wait_is_refused_while_all_instances_are_at_work() {
    let function = Function::new(Settings { concurrency: 1, ..settings("obeys") }).unwrap();
    let hanging = tokio::spawn({
        let function = Arc::clone(&function);
        async move { function.invoke_now(asked(&json!({ "do": "hang" }), false)).await }
    });
    wait_until("it is being called", || function.figures().busy() == 1).await;
    let refused = function.invoke_now(asked(&json!({}), false)).await.result.unwrap_err();
    assert_eq!((refused.code(), function.figures().throttles()), ("THROTTLING", 1));
    function.close().await;
    assert_eq!(hanging.await.unwrap().result.unwrap_err(), InvokeError::Closed);
}

#[tokio::test]
async fn calls_and_cold_starts_are_counted() {
    let function = function("obeys");
    answer(&function, json!({})).await;
    answer(&function, json!({})).await;
    call(&function, json!({ "do": "fail" })).await.unwrap();
    call(&function, json!({ "do": "exit" })).await.unwrap_err();
    let figures = function.figures();
    assert_eq!((figures.durations().count(), figures.inits().count(), figures.busy()), (4, 1, 0));
    assert_eq!(figures.errors(), [("FUNCTION_CRASHED", 1), ("FUNCTION_ERROR", 1)]);
    assert!(figures.inits().sum() > Duration::ZERO);
    function.close().await;
}
