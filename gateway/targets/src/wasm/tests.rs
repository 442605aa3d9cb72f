//! Functions from the text of their modules.

mod calls;
mod delivery;
mod hostile;
mod refused;
mod reload;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::call::{Answer, Call};
use super::failure::Failure;
use super::function::{Limits, State, WebAssembly};
use super::host::Lines;

/// Bounds every wait of these tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A file beside the tests.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wasm/tests/programs").join(name)
}

fn limits(file: PathBuf) -> Limits {
    Limits {
        file,
        fuel_max: 100_000_000,
        timeout: PATIENCE,
        memory_bytes_max: 4 << 20,
        answer_bytes_max: 4_096,
        log_bytes_max: 1_000,
        concurrency: 2,
        look_every: Duration::from_millis(5),
    }
}

/// Keeps what was logged.
#[derive(Default)]
struct Logged(Mutex<Vec<String>>);

impl Lines for Logged {
    fn line(&self, request_id: &str, line: &str) {
        self.0.lock().push(format!("{request_id} {line}"));
    }
}

fn open(limits: Limits) -> (Arc<WebAssembly>, Arc<Logged>) {
    let logged = Arc::new(Logged::default());
    (WebAssembly::open(limits, Arc::clone(&logged) as Arc<dyn Lines>).unwrap(), logged)
}

async fn call(function: &WebAssembly, event: &str) -> Result<Answer, Failure> {
    let call = Call {
        request_id: "r1".to_owned(),
        event: Bytes::copy_from_slice(event.as_bytes()),
        context: Arc::from(r#"{"functionName":"f"}"#),
    };
    tokio::time::timeout(PATIENCE, function.call(call)).await.unwrap()
}

fn done(text: &str) -> Result<Answer, Failure> {
    Ok(Answer::Done(Bytes::copy_from_slice(text.as_bytes())))
}

fn failed(error_type: &str, message: &str) -> Result<Answer, Failure> {
    Ok(Answer::Failed { error_type: error_type.to_owned(), message: message.to_owned() })
}
