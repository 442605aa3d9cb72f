use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_answered() {
    let (function, _) = open(limits(program("echo.wat")));
    for event in ["", "1", r#"{"temperature":21.5,"place":"Łódź"}"#] {
        assert_eq!(call(&function, event).await, done(event));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_larger_than_the_memory_at_hand_makes_it_grow() {
    let (function, _) = open(Limits { answer_bytes_max: 1 << 20, ..limits(program("echo.wat")) });
    let event = "x".repeat(1 << 20);
    assert_eq!(call(&function, &event).await, done(&event));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_sees_what_another_left_behind() {
    let (function, _) = open(limits(program("counts.wat")));
    for _ in 0..20 {
        assert_eq!(call(&function, "{}").await, done("1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_logs_and_asks_about_the_call() {
    let (function, logged) = open(limits(program("asks.wat")));
    assert_eq!(call(&function, "first\n\n  second").await, done(r#"{"functionName":"f"}"#));
    assert_eq!(*logged.0.lock(), ["r1 first", "r1   second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_fails_with_a_text_or_with_an_error_as_lambda_writes_it() {
    let (function, _) = open(limits(program("fails.wat")));
    let cases = [
        ("no such plant", failed("FunctionError", "no such plant")),
        (r#"{"errorType":"KeyError","errorMessage":"plant"}"#, failed("KeyError", "plant")),
        (r#"{"errorMessage":"plant"}"#, failed("FunctionError", "plant")),
        (r#"{"errorType":"KeyError"}"#, failed("FunctionError", r#"{"errorType":"KeyError"}"#)),
    ];
    for (event, expected) in cases {
        assert_eq!(call(&function, event).await, expected, "{event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_called_likewise() {
    let (function, logged) =
        open(Limits { timeout: Duration::from_millis(300), ..limits(program("component.wat")) });
    let mut state = function.state.subscribe();
    let loaded = state.wait_for(|state| !matches!(state, State::Loading));
    assert!(tokio::time::timeout(PATIENCE, loaded).await.is_ok());
    assert_eq!(call(&function, "{\"é\":1}").await, done("{\"é\":1}"));
    assert_eq!(call(&function, "failed").await, failed("FunctionError", "failed"));
    assert_eq!(*logged.0.lock(), ["r1 {\"é\":1}", "r1 failed"]);

    let large = "x".repeat(5_000);
    assert_eq!(call(&function, &large).await, Err(Failure::AnswerTooLarge { bytes_max: 4_096 }));
    let spun = call(&function, "spin").await.unwrap_err();
    assert!(matches!(spun, Failure::OutOfFuel { .. } | Failure::TimedOut { .. }), "{spun}");
    let binary =
        Call { request_id: String::new(), event: Bytes::from_static(b"\xff"), context: Arc::from("{}") };
    let refused = function.call(binary).await.unwrap_err().to_string();
    assert!(refused.contains("the event is no UTF-8"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_run_side_by_side_up_to_the_concurrency_and_the_others_wait() {
    let (function, _) = open(limits(program("echo.wat")));
    let calls = (0..200).map(|number| {
        let function = Arc::clone(&function);
        tokio::spawn(async move {
            let event = number.to_string();
            (call(&function, &event).await, done(&event))
        })
    });
    for called in futures::future::join_all(calls).await {
        let (answer, expected) = called.unwrap();
        assert_eq!(answer, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_page_works() {
    let page = include_str!("../../../WASM.md");
    let text = page.split("```wat\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("example.wat");
    std::fs::write(&file, text).unwrap();
    let (function, _) = open(limits(file));
    assert_eq!(call(&function, "{}").await, done("{}"));
    assert_eq!(call(&function, &"x".repeat(70_000)).await.unwrap_err().code(), "FUNCTION_CRASHED");
}
