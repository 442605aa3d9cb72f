//! Queued invocation (`Event` in Lambda's API): accepted with one durable write, called later, tried again as Lambda does, and in the end
//! told to a destination.
//!
//! Each function has a lane of its own for it, `invocation/{function}`, beside the one for events of rules: no order is kept between
//! invocations, and Lambda's schedule of retries holds instead of the lane's. How often an invocation failed is kept in memory: after a
//! crash of the gateway it may be tried as often again.
//!
//! Must not know: HTTP, and how a function runs its code.

mod deliver;
mod document;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bus::record::DIRECT_RULE;
use bus::{
    Attribute, Bus, DeliverySettings, Event, EventId, LaneLimits, Origin, Record, RetryPolicy, Route,
    TargetName,
};
use bytes::Bytes;
use journal::Clock;
use parking_lot::Mutex;
use uuid::Uuid;

use super::invoke::{Function, Invocation};
use crate::intake::{Intake, IntakeError};

/// The kind of the lanes, as in `invocation/notify`.
pub const KIND: &str = "invocation";

/// The largest payload of a queued invocation, as in Lambda.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// Attribute of the event that holds the client context; no sender can choose names here.
const CLIENT_CONTEXT: &str = "$client-context";

/// Longer than anybody waits: how old an invocation may grow is for this module to say.
const LANE_AGE_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// How long one try waits for an instance.
const INSTANCE_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long one try waits for room where a document goes.
const DOCUMENT_WAIT_MAX: Duration = Duration::from_secs(10);

/// How a function's queued invocations are treated: `PutFunctionEventInvokeConfig` of Lambda.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedSettings {
    /// Tries after the first that failed (`MaximumRetryAttempts`). Default 2.
    pub retries_max: u32,
    /// How long after the first failure. Default 1 min.
    pub retry_first: Duration,
    /// How long after each further failure. Default 2 min.
    pub retry_next: Duration,
    /// How old an invocation may grow (`MaximumEventAgeInSeconds`). Default 6 h.
    pub age_max: Duration,
    /// Where a document about each success goes. Default nowhere.
    pub on_success: Option<TargetName>,
    /// Where a document about each invocation goes that was given up. Without it, that becomes a dead letter. Default nowhere.
    pub on_failure: Option<TargetName>,
    /// How much may wait. More is refused, as `block` says.
    pub limits: LaneLimits,
}

impl Default for QueuedSettings {
    fn default() -> Self {
        Self {
            retries_max: 2,
            retry_first: Duration::from_secs(60),
            retry_next: Duration::from_secs(120),
            age_max: Duration::from_secs(6 * 60 * 60),
            on_success: None,
            on_failure: None,
            limits: LaneLimits::default(),
        }
    }
}

/// The queued invocations of one function.
pub struct Queued {
    function: Arc<Function>,
    settings: QueuedSettings,
    lane: TargetName,
    intake: Intake,
    clock: Clock,
    /// Of invocations that are to be tried again.
    tries: Mutex<HashMap<EventId, Tries>>,
    /// How many of those have a document that is yet to be sent.
    documents: AtomicUsize,
}

/// What is remembered of an invocation between two tries.
#[derive(Debug, Default)]
struct Tries {
    /// How often the function was called and failed.
    failed: u32,
    /// It is over; this is yet to be sent.
    document: Option<(Ending, Bytes)>,
}

/// How an invocation came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Success,
    RetriesExhausted,
    EventAgeExceeded,
}

impl Queued {
    /// The queued invocations of `function`. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// When the function's name can't be that of a lane.
    pub fn new(
        function: Arc<Function>,
        settings: QueuedSettings,
        bus: &Bus,
        clock: Clock,
    ) -> Result<Arc<Self>, bus::name::TargetNameError> {
        let lane = TargetName::new(KIND, &function.settings().name)?;
        let intake = Intake::new(bus.clone());
        Ok(Arc::new(Self {
            function,
            settings,
            lane,
            intake,
            clock,
            tries: Mutex::default(),
            documents: AtomicUsize::new(0),
        }))
    }

    /// The lane to be declared for it.
    #[must_use]
    pub fn lane(&self) -> TargetName {
        self.lane.clone()
    }

    /// How it was set up.
    #[must_use]
    pub fn settings(&self) -> &QueuedSettings {
        &self.settings
    }

    /// How the lane is to be served. The schedule of retries is this module's, so the lane's own never ends one.
    #[must_use]
    pub fn delivery_settings(&self) -> DeliverySettings {
        let function = self.function.settings();
        DeliverySettings {
            batch_events_max: 1,
            concurrency_max: function.concurrency,
            delivery_time_max: INSTANCE_WAIT_MAX
                + function.init_time_max
                + function.timeout
                + DOCUMENT_WAIT_MAX
                + Duration::from_secs(5),
            retry: RetryPolicy {
                attempts_max: u32::MAX,
                age_max: LANE_AGE_MAX,
                // Lambda tries again after 1 s to 5 min where it was not the function that failed.
                backoff_first: Duration::from_secs(1).min(self.settings.retry_first),
                backoff_max: Duration::from_secs(300).min(self.settings.retry_first),
            },
            // One function's errors say nothing about the next invocation.
            circuit_failures_max: u32::MAX,
            // A destination may be a function, this one too: full lanes would wait for each other's room for ever. How often
            // documents go round is bounded.
            takes_handed_on: true,
            limits: self.settings.limits,
            ..DeliverySettings::default()
        }
    }

    /// Accepts an invocation: on disk when this returns. `base` is its request id.
    ///
    /// # Errors
    /// When it is not known to be on disk.
    pub async fn submit(&self, base: Uuid, invocation: Invocation) -> Result<(), IntakeError> {
        let record = self.record(base, invocation);
        let mut outcomes = self.intake.accept(std::slice::from_ref(&record)).await;
        outcomes.pop().expect("one record has one outcome").map(drop)
    }

    fn record(&self, base: Uuid, invocation: Invocation) -> Record {
        let mut record = Record::new(Origin::Direct, self.clock.now_ms());
        record.base = base;
        record.traceparent = invocation.traceparent;
        let context = invocation.client_context.map(|context| Attribute {
            name: CLIENT_CONTEXT.to_owned(),
            data_type: "String".to_owned(),
            value: Bytes::from(context),
        });
        record.add(Event {
            attributes: context.into_iter().collect(),
            // A key of its own: one invocation that waits for its next try holds up no other.
            routes: vec![Route { partition_key: Some(base.to_string()), ..Route::to(self.lane.clone()) }],
            ..Event::json(DIRECT_RULE, invocation.payload)
        });
        record
    }
}

impl std::fmt::Debug for Queued {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Queued").field("lane", &self.lane).finish_non_exhaustive()
    }
}

/// JSON as it is, anything else as a text of base64.
fn as_json(payload: &[u8]) -> serde_json::Value {
    serde_json::from_slice(payload).unwrap_or_else(|_| serde_json::Value::String(STANDARD.encode(payload)))
}
