//! The program of the functions under test: this binary, told to run one ignored test only.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The variable that says what the program does.
pub(super) const MODE: &str = "TEST_MODE";
/// The directory of the conformance suite's other side.
pub(super) const GROUND: &str = "TEST_GROUND";

#[test]
#[ignore = "the program that the other tests run as a function"]
fn run() {
    let Ok(mode) = std::env::var(MODE) else { return };
    match mode.as_str() {
        "obeys" => lambda(|event| Box::pin(obey(event))),
        "forgets" => lambda(|_| Box::pin(async { Ok(Value::Null) })),
        "conforms" => lambda(|event| Box::pin(conform(event))),
        "exits" => {
            eprintln!("no module named `handler`");
            std::process::exit(7);
        }
        "sleeps" => wait_for_ever(),
        "ignores_sigterm" => ignore_sigterm_and_serve(),
        "fails_to_initialise" => {
            let report = json!({ "errorType": "Runtime.ImportModuleError", "errorMessage": "no `handler`" });
            request("POST", "init/error", &report.to_string());
            std::process::exit(1);
        }
        "asks_twice" => {
            request("GET", "invocation/next", "");
            request("GET", "invocation/next", "");
            wait_for_ever();
        }
        "answers_another_call" => {
            request("GET", "invocation/next", "");
            let status = request("POST", "invocation/no-such-call/response", "{}");
            assert!(status.contains("400"), "{status}");
            std::process::exit(9);
        }
        other => panic!("unknown mode `{other}`"),
    }
}

type Answer = std::pin::Pin<Box<dyn Future<Output = Result<Value, Error>> + Send>>;

fn lambda(handle: fn(LambdaEvent<Box<RawValue>>) -> Answer) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(lambda_runtime::run(service_fn(handle))).unwrap();
}

/// Does what the event says.
async fn obey(event: LambdaEvent<Box<RawValue>>) -> Result<Value, Error> {
    let (payload, context) = event.into_parts();
    let payload: Value = serde_json::from_str(payload.get())?;
    Ok(match payload["do"].as_str().unwrap_or("echo") {
        "process_id" => json!(std::process::id()),
        "environment" => std::env::vars().map(|(name, value)| (name, Value::from(value))).collect(),
        "context" => json!({
            "request_id": context.request_id,
            "deadline_ms": context.deadline,
            "arn": context.invoked_function_arn,
            "trace": context.xray_trace_id,
            "custom": context.client_context.map(|client| client.custom),
        }),
        "fail" => return Err("the handler says no".into()),
        "exit" => std::process::exit(3),
        "hang" => std::future::pending().await,
        "large" => Value::from("x".repeat(payload["bytes"].as_u64().unwrap_or_default() as usize)),
        "allocate" => {
            let bytes = payload["mib"].as_u64().unwrap_or_default() as usize * (1 << 20);
            json!(vec![1_u8; bytes].len())
        }
        "print" => {
            println!("{}", payload["line"].as_str().unwrap_or_default());
            Value::Null
        }
        "start_another" => {
            let child = std::process::Command::new("sleep").arg("1000").spawn()?;
            json!(child.id())
        }
        _ if payload["Records"].is_array() => failures_of(&payload["Records"]),
        _ => payload,
    })
}

/// Of a batch, the records whose body is `"bad"` failed.
fn failures_of(records: &Value) -> Value {
    let failed = records.as_array().into_iter().flatten().filter(|record| record["body"] == "\"bad\"");
    let failed: Vec<Value> = failed.map(|record| json!({ "itemIdentifier": record["messageId"] })).collect();
    json!({ "batchItemFailures": failed })
}

/// Behaves as the file says, and writes down what it took.
async fn conform(event: LambdaEvent<Box<RawValue>>) -> Result<Value, Error> {
    let ground = std::path::PathBuf::from(std::env::var(GROUND)?);
    let (payload, context) = event.into_parts();
    let behaviour = std::fs::read_to_string(ground.join("behaviour"))?;
    match behaviour.split_once(' ') {
        None if behaviour == "busy" => return Err("busy".into()),
        None if behaviour == "hangs" => std::future::pending().await,
        Some(("busy_for", data)) if data == payload.get() => return Err("busy for this one".into()),
        _ => {}
    }
    let custom = context.client_context.ok_or("there is no client context")?.custom;
    let line = json!({ "id": custom["event_id"], "data": payload.get() });
    let mut taken = OpenOptions::new().create(true).append(true).open(ground.join("taken"))?;
    taken.write_all(format!("{line}\n").as_bytes())?;
    Ok(Value::Null)
}

fn ignore_sigterm_and_serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // A handler of our own takes the place of the default action, which is to end.
        let _signals = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        lambda_runtime::run(service_fn(|event| Box::pin(obey(event)))).await.unwrap();
    });
}

fn wait_for_ever() {
    // Nobody writes to this pipe, and nobody closes it.
    let (mut reader, _writer) = std::io::pipe().unwrap();
    let _ = reader.read(&mut [0]);
}

/// A request to the Runtime API by hand, for what no runtime would send; the answer up to its end or 10 s.
fn request(method: &str, path: &str, body: &str) -> String {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let mut stream = TcpStream::connect(&api).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: {api}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
