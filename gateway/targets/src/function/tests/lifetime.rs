//! When processes end.

use serde_json::json;

use super::super::environment::Initialization;
use super::super::process;
use super::*;

#[tokio::test]
async fn closing_ends_every_process_in_a_bounded_time() {
    for mode in ["obeys", "ignores_sigterm"] {
        let function =
            Function::new(Settings { stop_time_max: Duration::from_millis(100), ..settings(mode) }).unwrap();
        let process = process_id(&function).await;
        let child = answer(&function, json!({ "do": "start_another" })).await.as_i64().unwrap();
        tokio::time::timeout(PATIENCE, function.close()).await.unwrap();
        assert!(!is_running(process), "{mode}");
        wait_until("what it started is gone", || !is_running(child)).await;
        assert_eq!(call(&function, json!({})).await.unwrap_err(), InvokeError::Closed);
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_ends_its_process() {
    let function = function("obeys");
    let process = process_id(&function).await;
    let hanging = call(&function, json!({ "do": "hang" }));
    assert!(tokio::time::timeout(Duration::from_millis(20), hanging).await.is_err());
    wait_until("the process is gone", || !is_running(process)).await;
    assert_ne!(process_id(&function).await, process);
    function.close().await;
}

async fn in_a_hurry(function: &Arc<Function>, event: Value) -> Result<Response, InvokeError> {
    function.invoke_within(Bytes::from(event.to_string()), Duration::from_millis(1)).await
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_goes_on_and_leaves_its_process_to_the_next() {
    let function = function("obeys");
    let late = InvokeError::NotInTime { limit: Duration::from_millis(1) };
    assert_eq!(
        in_a_hurry(&function, json!({})).await.unwrap_err(),
        late,
        "no process starts in a millisecond"
    );
    wait_until("the process waits for the next call", || function.state().idle > 0).await;
    let process = process_id(&function).await;
    let patient = function.invoke_within(Bytes::from_static(b"{\"do\":\"process_id\"}"), PATIENCE).await;
    assert_eq!(patient.unwrap().payload, process.to_string());
    function.close().await;
}

#[tokio::test]
async fn who_has_waited_for_an_instance_in_vain_is_not_served_later() {
    let function =
        Function::new(Settings { concurrency: 1, timeout: Duration::from_millis(500), ..settings("obeys") })
            .unwrap();
    let process = process_id(&function).await;
    assert!(in_a_hurry(&function, json!({ "do": "hang" })).await.is_err());
    for _ in 0..3 {
        assert!(in_a_hurry(&function, json!({ "do": "start_another" })).await.is_err());
    }
    wait_until("the call that hangs has ended by its own limit", || !is_running(process)).await;
    let next = process_id(&function).await;
    assert_eq!(process_id(&function).await, next, "nothing came between");
    function.close().await;
}

#[tokio::test]
async fn a_process_that_nobody_calls_is_ended() {
    let function =
        Function::new(Settings { idle_time_max: Duration::from_millis(20), ..settings("obeys") }).unwrap();
    let process = process_id(&function).await;
    wait_until("the idle process is gone", || !is_running(process)).await;
    assert_ne!(process_id(&function).await, process);
    function.close().await;
}

#[test]
fn no_process_outlives_a_runtime_that_shuts_down() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let function = function("obeys");
    let process = runtime.block_on(process_id(&function));
    drop(runtime);
    let gone = (0..5_000).any(|_| {
        std::thread::yield_now();
        !is_running(process)
    });
    assert!(gone);
}

/// A gateway that is killed closes the endpoint of its functions without a word.
#[tokio::test]
async fn a_runtime_whose_endpoint_is_gone_ends_by_itself() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut process = process::start(&settings("obeys"), address, "f-1", Initialization::OnDemand).unwrap();
    let (connection, _) = tokio::time::timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    connection.readable().await.unwrap();
    drop((connection, listener));
    tokio::time::timeout(PATIENCE, process.child.wait()).await.unwrap().unwrap();
}

#[tokio::test]
async fn provisioned_instances_are_there_before_the_first_call_and_again_after_a_crash() {
    let provisioned = Settings {
        provisioned: 2,
        concurrency: 3,
        idle_time_max: Duration::from_millis(20),
        ..settings("obeys")
    };
    let function = Function::new(provisioned).unwrap();
    function.warm_up();
    wait_until("both are there", || function.state().idle == 2).await;
    let variables = answer(&function, json!({ "do": "environment" })).await;
    assert_eq!(variables["AWS_LAMBDA_INITIALIZATION_TYPE"], "provisioned-concurrency");
    assert_eq!(function.figures().inits().count(), 2);

    let process = process_id(&function).await;
    call(&function, json!({ "do": "exit" })).await.unwrap_err();
    wait_until("it was replaced", || function.state().idle == 2 && !is_running(process)).await;
    let calls = (0..9).map(|_| answer(&function, json!({})));
    futures::future::join_all(calls).await;
    wait_until("a third, if there was one, is gone and they stay", || function.state().idle == 2).await;
    function.close().await;
}

#[tokio::test]
async fn a_provisioned_program_that_can_not_start_rests_in_between() {
    let function = Function::new(Settings { provisioned: 2, ..settings("exits") }).unwrap();
    function.warm_up();
    wait_until("a start has failed", || function.state().health != bus::Health::Unknown).await;
    let error = call(&function, json!({})).await.unwrap_err();
    assert!(matches!(error, InvokeError::Resting { .. }), "{error}");
    function.close().await;
}
