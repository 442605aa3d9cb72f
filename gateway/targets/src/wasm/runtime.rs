//! WebAssembly as one of the things that a function's code may be.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bus::Health;
use bytes::Bytes;
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::failure::Failure;
use super::function::{Limits, WebAssembly};
use super::host::Lines;
use super::settings::Settings;
use crate::function::{
    Answered, Function, FunctionError, HandlerError, InvokeError, Log, Runtime, State, Surroundings,
};

/// Most calls at once of one function: each computes on a thread of its own, and none of them waits for anything.
const CONCURRENCY_MAX: usize = 64;
/// Most memory of one call: what a 32-bit memory can have.
const MEMORY_MIB_MAX: u64 = 4_096;
/// Bytes that one call may log.
const LOG_BYTES_MAX: usize = 64 << 10;
/// How often the file is looked at. A change is taken over once it was seen twice the same.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A function whose code is a WebAssembly file. To be called within a Tokio runtime.
///
/// # Errors
/// When a setting is wrong or the log file can't be opened. The file is not a setting: it may be mended later, and a
/// call says what is wrong with it.
pub fn function(settings: crate::function::Settings, wasm: Settings) -> Result<Arc<Function>, FunctionError> {
    Function::with_runtime(settings, |surroundings| {
        check(&surroundings.settings, &wasm)?;
        Ok(Arc::new(Modules::open(surroundings, wasm)?))
    })
}

fn check(settings: &crate::function::Settings, wasm: &Settings) -> Result<(), FunctionError> {
    let refuse =
        |setting, why: String| Err(FunctionError::Setting { function: settings.name.clone(), setting, why });
    if settings.concurrency > CONCURRENCY_MAX {
        let why = format!("it must be from 1 to {CONCURRENCY_MAX} for a function in WebAssembly");
        return refuse("concurrency", why);
    }
    if settings.memory_mib > MEMORY_MIB_MAX {
        let why = format!("it must be at most {MEMORY_MIB_MAX} for a function in WebAssembly");
        return refuse("memory_mib", why);
    }
    if wasm.fuel_max == 0 {
        return refuse("fuel_max", "it must be at least 1".to_owned());
    }
    Ok(())
}

/// A file of WebAssembly as the code of a function.
struct Modules {
    surroundings: Surroundings,
    code: Arc<WebAssembly>,
}

impl Modules {
    fn open(surroundings: Surroundings, wasm: Settings) -> Result<Self, FunctionError> {
        let settings = &surroundings.settings;
        let limits = Limits {
            file: wasm.file,
            fuel_max: wasm.fuel_max,
            timeout: settings.timeout,
            memory_bytes_max: usize::try_from(settings.memory_mib << 20).unwrap_or(usize::MAX),
            answer_bytes_max: settings.response_bytes_max,
            log_bytes_max: LOG_BYTES_MAX,
            concurrency: settings.concurrency,
            look_every: LOOK_EVERY,
        };
        let lines =
            LogLines { instance: format!("{}-wasm", settings.name), log: Arc::clone(&surroundings.log) };
        let code = WebAssembly::open(limits, Arc::new(lines)).map_err(|why| FunctionError::Setting {
            function: settings.name.clone(),
            setting: "wasm",
            why: format!("this machine can't run it: {why}"),
        })?;
        Ok(Self { surroundings, code })
    }

    /// What the function is told when it asks, in the names that Lambda's handlers know.
    fn context(&self, call: &crate::function::Call<'_>) -> Arc<str> {
        let settings = &self.surroundings.settings;
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let client = call.invocation.client_context.as_deref();
        let context = json!({
            "awsRequestId": call.request_id,
            "functionName": settings.name,
            "invokedFunctionArn": settings.arn(),
            "memoryLimitInMB": settings.memory_mib,
            "nowMs": now_ms,
            "deadlineMs": now_ms + settings.timeout.as_millis() as u64,
            "traceparent": call.invocation.traceparent,
            "clientContext": client.and_then(|text| serde_json::from_str::<Value>(text).ok()),
            "environment": settings.environment,
        });
        Arc::from(context.to_string())
    }
}

#[async_trait]
impl Runtime for Modules {
    async fn call(&self, call: crate::function::Call<'_>) -> Result<Answered, InvokeError> {
        let called = self.code.call(Call {
            request_id: call.request_id.to_owned(),
            event: call.invocation.payload.clone(),
            context: self.context(&call),
        });
        match called.await {
            Ok(Answer::Done(payload)) => Ok(Answered { payload, error: None }),
            Ok(Answer::Failed { error_type, message }) => {
                let payload = json!({ "errorMessage": message, "errorType": error_type }).to_string();
                let error = HandlerError { error_type, message };
                Ok(Answered { payload: Bytes::from(payload), error: Some(error) })
            }
            Err(failure) => Err(self.told(&failure)),
        }
    }

    fn state(&self) -> State {
        let health = match (self.code.unusable(), self.code.is_ready()) {
            (Some(why), _) => Health::Unhealthy(why.to_string()),
            (None, true) => Health::Healthy,
            (None, false) => Health::Unknown,
        };
        // Instances are made for each call, none waits.
        State { idle: 0, health }
    }

    async fn close(&self) {}
}

impl Modules {
    fn told(&self, failure: &Failure) -> InvokeError {
        match failure {
            Failure::TimedOut { limit, place } => {
                tracing::debug!(function = self.surroundings.settings.name, place, "stopped after its time");
                InvokeError::TimedOut { limit: *limit }
            }
            Failure::NotUsable { .. } => InvokeError::NotStarted { why: failure.to_string() },
            Failure::AnswerTooLarge { bytes_max } => InvokeError::ResponseTooLarge { bytes_max: *bytes_max },
            Failure::GivenUp => InvokeError::Closed,
            _ => InvokeError::Stopped { code: failure.code(), why: failure.to_string() },
        }
    }
}

/// Lines on their way to the log of the function.
struct LogLines {
    instance: String,
    log: Arc<Log>,
}

impl Lines for LogLines {
    fn line(&self, request_id: &str, line: &str) {
        self.log.line(&self.instance, Some(request_id), "log", line);
    }
}
