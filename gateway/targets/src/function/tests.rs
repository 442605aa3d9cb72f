//! Functions with real programs. The program is this test binary itself, see [`program`].

mod calls;
mod conformance;
mod events;
mod faults;
mod lifetime;
mod program;

use std::sync::Arc;
use std::time::Duration;

use bus::record::{Event, Origin, Record, Replay, Route};
use bus::{Delivery, Offset, TargetName};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Function, InvokeError, Response, Settings};

/// Bounds every wait of these tests.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A function whose program does what `mode` says.
pub(super) fn settings(mode: &str) -> Settings {
    let program = std::env::current_exe().unwrap().display().to_string();
    let arguments = ["--exact", "function::tests::program::run", "--ignored", "--nocapture"];
    let command = std::iter::once(program).chain(arguments.map(str::to_owned)).collect();
    let mut settings = Settings::new("f", command);
    settings.environment.insert(program::MODE.to_owned(), mode.to_owned());
    settings.timeout = PATIENCE;
    settings
}

fn function(mode: &str) -> Arc<Function> {
    Function::new(settings(mode)).unwrap()
}

async fn call(function: &Function, event: Value) -> Result<Response, InvokeError> {
    function.invoke(Bytes::from(event.to_string())).await
}

/// What the handler answered; its error is a failure of the test.
async fn answer(function: &Function, event: Value) -> Value {
    let response = call(function, event).await.unwrap();
    assert_eq!(response.error, None);
    serde_json::from_slice(&response.payload).unwrap()
}

async fn process_id(function: &Function) -> i64 {
    answer(function, json!({ "do": "process_id" })).await.as_i64().unwrap()
}

fn delivery(key: &str, data: impl Into<Vec<u8>>) -> Delivery {
    let target = TargetName::parse("function/f").unwrap();
    let mut record = Record::new(Origin::Device, 1_700_000_000_000);
    record.client_id = key.to_owned();
    record.topic = format!("plant/{key}");
    record.add(Event { routes: vec![Route::to(target.clone())], ..Event::json("rule", data.into()) });
    Delivery::from_record(&record, &target, Offset(1), 0).unwrap()
}

pub(super) async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "never happened: {what}");
}

fn is_running(process: i64) -> bool {
    // A process that has ended and that nobody has waited for yet is state `Z`.
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = status.rsplit(')').next().unwrap_or_default().trim().chars().next();
    state.is_some_and(|state| state != 'Z' && state != 'X')
}
