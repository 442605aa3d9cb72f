//! Functions for tests whose code is a line of Rust: what is asked of them here is how they are called, not what they run.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::{Bus, Health, TargetName};
use bytes::Bytes;
use journal::Clock;
use serde_json::Value;
use targets::function::{
    Answered, Call, Declared, Function, Functions, HandlerError, InvokeError, Log, Queued, QueuedSettings,
    Runtime, Settings, State,
};

/// Does what the event says in `do`; answers the client context or the event otherwise.
struct Obeying(Arc<Log>);

#[async_trait]
impl Runtime for Obeying {
    async fn call(&self, call: Call<'_>) -> Result<Answered, InvokeError> {
        let event: Value = serde_json::from_slice(&call.invocation.payload).unwrap();
        let answer = |payload: Bytes| Ok(Answered { payload, error: None });
        match event["do"].as_str() {
            Some("fail") => {
                let error = HandlerError { error_type: "E".into(), message: "no".into() };
                let payload = Bytes::from_static(b"{\"errorType\":\"E\",\"errorMessage\":\"no\"}");
                Ok(Answered { payload, error: Some(error) })
            }
            Some("time out") => Err(InvokeError::TimedOut { limit: Duration::from_secs(3) }),
            Some("hang") => std::future::pending().await,
            Some("print") => {
                self.0.line("i", Some(call.request_id), "stdout", "a printed line");
                answer(Bytes::from_static(b"null"))
            }
            Some("trace") => {
                answer(Bytes::from(Value::from(call.invocation.traceparent.clone()).to_string()))
            }
            Some("context") => {
                answer(Bytes::from(call.invocation.client_context.clone().unwrap_or("null".into())))
            }
            _ => answer(call.invocation.payload.clone()),
        }
    }

    fn state(&self) -> State {
        State { idle: 0, health: Health::Healthy }
    }

    async fn close(&self) {}
}

/// Functions `notify`, whose documents go to the queue `alerts`, and `other`, with one instance each.
pub(crate) async fn functions(bus: &Bus) -> Functions {
    let mut declared = Vec::new();
    for name in ["notify", "other"] {
        let settings = Settings { concurrency: 1, ..Settings::new(name, Vec::new()) };
        let function =
            Function::with_runtime(settings, |surroundings| Ok(Arc::new(Obeying(surroundings.log)))).unwrap();
        let told = TargetName::parse("queue/alerts").unwrap();
        let settings = QueuedSettings {
            retries_max: 0,
            on_success: Some(told.clone()),
            on_failure: Some(told),
            ..QueuedSettings::default()
        };
        let queued = Queued::new(Arc::clone(&function), settings, bus, Clock::system()).unwrap();
        let serving = queued.delivery_settings();
        bus.set_target(queued.lane(), Arc::clone(&queued) as Arc<_>, serving).await.unwrap();
        declared.push(Declared { function, queued });
    }
    Functions::new(declared)
}
