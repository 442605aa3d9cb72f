//! Programs that are missing, end, hang or do not follow the Runtime API.

use std::os::unix::fs::PermissionsExt;

use bus::{Health, Outcome, Target};
use serde_json::json;

use super::*;

/// The error of the first call, and of a second one right after it.
async fn errors(settings: Settings) -> (String, &'static str, InvokeError) {
    let function = Function::new(settings).unwrap();
    let first = call(&function, json!({})).await.unwrap_err();
    let second = call(&function, json!({})).await.unwrap_err();
    assert!(matches!(function.health().await, Health::Unhealthy(_)));
    function.close().await;
    (first.to_string(), first.code(), second)
}

#[tokio::test]
async fn a_program_that_can_not_serve_gets_one_clear_message_and_rests() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Settings::new("f", vec![path.display().to_string()])
    };
    let elsewhere = Settings { directory: Some("/no/such/place".into()), ..settings("obeys") };
    let impatient = Settings { init_time_max: Duration::from_millis(50), ..settings("sleeps") };
    let cases = [
        (
            Settings::new("f", vec!["no-such-program".to_owned()]),
            "FUNCTION_NOT_STARTED",
            "there is no program",
        ),
        (
            Settings::new("f", vec!["/no/such".to_owned()]),
            "FUNCTION_NOT_STARTED",
            "there is no program `/no/such`",
        ),
        (file("plain", "text", 0o644), "FUNCTION_NOT_STARTED", "chmod +x"),
        (file("script", "#!/no/such/shell\n", 0o755), "FUNCTION_NOT_STARTED", "the interpreter"),
        (elsewhere, "FUNCTION_NOT_STARTED", "`/no/such/place` is not there"),
        (
            settings("exits"),
            "FUNCTION_INIT_ERROR",
            "exit status: 7, last it printed `no module named `handler``",
        ),
        (impatient, "FUNCTION_INIT_TIMEOUT", "within 50 ms"),
        (settings("fails_to_initialise"), "FUNCTION_INIT_ERROR", "Runtime.ImportModuleError: no `handler`"),
        (settings("asks_twice"), "FUNCTION_NOT_ANSWERED", "asked for another event"),
        (settings("answers_another_call"), "FUNCTION_CRASHED", "exit status: 9"),
    ];
    for (settings, code, message) in cases {
        let (first, first_code, second) = errors(settings).await;
        assert!(first.contains(message), "{message}: {first}");
        assert_eq!(first_code, code, "{message}");
        assert!(matches!(second, InvokeError::Resting { failures: 1, .. }), "{message}: {second}");
    }
}

#[tokio::test]
async fn a_crash_fails_its_call_alone() {
    let function = function("obeys");
    let before = process_id(&function).await;
    let error = call(&function, json!({ "do": "exit" })).await.unwrap_err();
    assert!(matches!(&error, InvokeError::Ended { how } if how.starts_with("exit status: 3")), "{error}");
    let rest = call(&function, json!({})).await.unwrap_err();
    let InvokeError::Resting { rest, .. } = rest else { panic!("{rest}") };
    assert!(rest <= Duration::from_millis(100));
    let served = async {
        loop {
            match call(&function, json!({ "do": "process_id" })).await {
                Err(InvokeError::Resting { rest, .. }) => tokio::time::sleep(rest).await,
                other => return other.unwrap(),
            }
        }
    };
    let response = tokio::time::timeout(PATIENCE, served).await.unwrap();
    assert_ne!(response.payload, before.to_string(), "a new process serves");
    function.close().await;
}

#[tokio::test]
async fn a_call_that_takes_too_long_ends_its_process_and_those_it_started() {
    let function =
        Function::new(Settings { timeout: Duration::from_millis(500), ..settings("obeys") }).unwrap();
    let process = process_id(&function).await;
    let child = answer(&function, json!({ "do": "start_another" })).await.as_i64().unwrap();
    let error = call(&function, json!({ "do": "hang" })).await.unwrap_err();
    assert_eq!((error.code(), error.to_string().contains("500 ms")), ("TIMEOUT", true));
    wait_until("both are gone", || !is_running(process) && !is_running(child)).await;
    assert_ne!(process_id(&function).await, process, "the next call need not wait");
    function.close().await;
}

#[tokio::test]
async fn sizes_over_a_limit_are_refused() {
    let limits = Settings { payload_bytes_max: 100, response_bytes_max: 1000, ..settings("obeys") };
    let function = Function::new(limits).unwrap();
    let error = call(&function, json!("x".repeat(99))).await.unwrap_err();
    assert_eq!(error, InvokeError::PayloadTooLarge { bytes: 101, bytes_max: 100 });
    let outcomes = function.deliver(&[delivery("a", format!("\"{}\"", "x".repeat(99)))]).await;
    assert!(matches!(&outcomes[..], [Outcome::Reject { code, .. }] if code == "PAYLOAD_TOO_LARGE"));

    assert_eq!(answer(&function, json!({ "do": "large", "bytes": 998 })).await.as_str().unwrap().len(), 998);
    let error = call(&function, json!({ "do": "large", "bytes": 999 })).await.unwrap_err();
    assert_eq!(error, InvokeError::ResponseTooLarge { bytes_max: 1000 });
    assert!(process_id(&function).await > 0, "the next call need not wait");
    function.close().await;
}

#[tokio::test]
async fn memory_over_the_limit_is_not_given() {
    let function = Function::new(Settings { memory_mib: 64, ..settings("obeys") }).unwrap();
    assert_eq!(answer(&function, json!({ "do": "allocate", "mib": 8 })).await, json!(8 << 20));
    let error = call(&function, json!({ "do": "allocate", "mib": 100 })).await.unwrap_err();
    assert_eq!(error.code(), "FUNCTION_CRASHED", "{error}");
    function.close().await;
}

#[tokio::test]
async fn more_calls_than_may_wait_are_refused_at_once() {
    let narrow = Settings { concurrency: 1, waiting_calls_max: 0, ..settings("obeys") };
    let function = Function::new(narrow).unwrap();
    let hanging = call(&function, json!({ "do": "hang" }));
    tokio::pin!(hanging);
    assert!(futures::poll!(&mut hanging).is_pending());
    let error = call(&function, json!({})).await.unwrap_err();
    assert_eq!(error, InvokeError::Throttled { waiting_max: 0 });
    let ((), given_up) = tokio::join!(function.close(), hanging);
    assert_eq!(given_up.unwrap_err(), InvokeError::Closed);
}

#[test]
fn settings_that_can_not_work_are_refused() {
    let with = |change: fn(&mut Settings)| {
        let mut settings = Settings::new("f", vec!["x".to_owned()]);
        change(&mut settings);
        Function::new(settings).unwrap_err().to_string()
    };
    for (error, setting) in [
        (with(|settings| settings.name = "a/b".to_owned()), "`name`"),
        (with(|settings| settings.command.clear()), "`command`"),
        (with(|settings| settings.timeout = Duration::ZERO), "`timeout`"),
        (with(|settings| settings.concurrency = 0), "`concurrency`"),
        (with(|settings| settings.batch_size = 0), "`batch_size`"),
        (with(|settings| settings.provisioned = 5), "`provisioned`"),
        (with(|settings| settings.batch_window = Duration::from_secs(301)), "`batch_window`"),
        (with(|settings| settings.memory_mib = 1), "`memory_mib`"),
        (
            with(|settings| drop(settings.environment.insert("_HANDLER".to_owned(), String::new()))),
            "`_HANDLER`",
        ),
        (with(|settings| settings.log_directory = Some("/proc/no".into())), "`log_directory`"),
    ] {
        assert!(error.contains(setting), "{setting}: {error}");
    }
}
