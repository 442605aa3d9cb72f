//! Each try of a queued invocation, and what follows from how it went.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_trait::async_trait;
use bus::record::DIRECT_RULE;
use bus::{Delivery, Event, Health, Origin, Outcome, Record, Route, Target, TargetName};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::super::error::InvokeError;
use super::super::invoke::{HANDLER_ERROR, Invocation, Response};
use super::document::{About, document};
use super::{CLIENT_CONTEXT, DOCUMENT_WAIT_MAX, Ending, INSTANCE_WAIT_MAX, Queued};
use crate::intake::IntakeError;

/// How often a document may cause an invocation whose document causes another: Lambda's recursive loop detection ends loops there, too.
const RECURSIONS_MAX: u8 = 16;
/// When a document is tried again that found no room.
const DOCUMENT_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Invocations between two tries whose failures are remembered; beyond it they are forgotten and tried more often. More than a lane
/// has in its window.
const TRIES_MAX: usize = 200_000;

#[async_trait]
impl Target for Queued {
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(batch.len());
        for delivery in batch {
            outcomes.push(self.deliver_one(delivery).await);
        }
        outcomes
    }

    async fn health(&self) -> Health {
        self.function.state().health
    }
}

impl Queued {
    async fn deliver_one(&self, delivery: &Delivery) -> Outcome {
        if let Some((ending, document)) = self.unsent(delivery) {
            return self.conclude(delivery, ending, document).await;
        }
        if self.is_document_waiting() {
            // Each call could leave one more document in memory.
            return again(
                "DESTINATION_FULL",
                "documents of earlier invocations wait for room",
                DOCUMENT_AGAIN_AFTER,
            );
        }
        if self.is_too_old(delivery) {
            let message = "it was not called in time, see `age_secs_max`";
            return self.end(delivery, Ending::EventAgeExceeded, None, message).await;
        }
        let request_id = request_id(delivery);
        let invocation = invocation(delivery);
        let called = self.function.invoke_as(&request_id, &invocation);
        let time_max =
            INSTANCE_WAIT_MAX + self.function.settings.init_time_max + self.function.settings.timeout;
        let result = match tokio::time::timeout(time_max, called).await {
            Ok(result) => result,
            Err(_) => return again("THROTTLING", "no instance was free in time", Duration::ZERO),
        };
        self.judge(delivery, result).await
    }

    async fn judge(&self, delivery: &Delivery, result: Result<Response, InvokeError>) -> Outcome {
        let (code, message) = match &result {
            Ok(Response { error: None, .. }) => {
                return self.end(delivery, Ending::Success, Some(&result), "").await;
            }
            Ok(Response { error: Some(error), .. }) => (HANDLER_ERROR, error.to_string()),
            // The function was not called.
            Err(InvokeError::Resting { rest, .. }) => {
                let message = result.as_ref().err().map(ToString::to_string).unwrap_or_default();
                return again("FUNCTION_RESTING", message, *rest);
            }
            Err(error @ (InvokeError::Throttled { .. } | InvokeError::Busy { .. } | InvokeError::Closed)) => {
                return again(error.code(), error.to_string(), Duration::ZERO);
            }
            Err(error) => (error.code(), error.to_string()),
        };
        let failed = self.count_failure(delivery);
        if failed > self.settings.retries_max {
            return self.end(delivery, Ending::RetriesExhausted, Some(&result), &message).await;
        }
        let after = if failed == 1 { self.settings.retry_first } else { self.settings.retry_next };
        // One invocation's errors say nothing about the next: it waits alone.
        Outcome::RetryAlone { reason: message, code: code.to_owned(), after }
    }

    /// The invocation is over: a document is sent where one is wanted. A failure without a destination becomes a dead letter.
    async fn end(
        &self,
        delivery: &Delivery,
        ending: Ending,
        last: Option<&Result<Response, InvokeError>>,
        message: &str,
    ) -> Outcome {
        if self.destination(ending).is_none() {
            self.forget(delivery);
            return match ending {
                Ending::Success => Outcome::Delivered,
                Ending::RetriesExhausted => Outcome::reject("RETRIES_EXHAUSTED", message),
                Ending::EventAgeExceeded => Outcome::reject("EVENT_AGE_EXCEEDED", message),
            };
        }
        let request_id = request_id(delivery);
        let about = About {
            request_id: &request_id,
            function_arn: &self.function.settings.arn(),
            payload: &delivery.data,
            invoke_count: self.failures(delivery) + u32::from(ending == Ending::Success),
            now_ms: self.clock.now_ms(),
        };
        let document = Bytes::from(document(&about, ending, last).to_string());
        self.conclude(delivery, ending, document).await
    }

    /// Sends the document, and only then is the invocation over.
    async fn conclude(&self, delivery: &Delivery, ending: Ending, document: Bytes) -> Outcome {
        let Some(destination) = self.destination(ending) else {
            return Outcome::reject("NO_DESTINATION", "there is no destination for it");
        };
        if delivery.republished >= RECURSIONS_MAX {
            self.forget(delivery);
            let reason = format!(
                "destinations have called functions {RECURSIONS_MAX} times in a row: they go round in circles"
            );
            return Outcome::reject("RECURSION", reason);
        }
        let record = self.document_record(delivery, destination, ending, document.clone());
        let sent = self.intake.accept(std::slice::from_ref(&record));
        let sent = tokio::time::timeout(DOCUMENT_WAIT_MAX, sent).await;
        let sent = sent.ok().and_then(|mut outcomes| outcomes.pop());
        match sent {
            Some(Ok(_)) => {
                self.forget(delivery);
                Outcome::Delivered
            }
            Some(Err(error)) if !error.is_temporary() => {
                self.forget(delivery);
                Outcome::reject("DESTINATION", format!("`{destination}` can't take its document: {error}"))
            }
            other => {
                let reason = match other {
                    Some(Err(error)) => error.to_string(),
                    _ => IntakeError::NoRoom { target: destination.to_string() }.to_string(),
                };
                self.keep_document(delivery, (ending, document));
                again("DESTINATION_FULL", reason, DOCUMENT_AGAIN_AFTER)
            }
        }
    }

    fn destination(&self, ending: Ending) -> Option<&TargetName> {
        match ending {
            Ending::Success => self.settings.on_success.as_ref(),
            Ending::RetriesExhausted | Ending::EventAgeExceeded => self.settings.on_failure.as_ref(),
        }
    }

    fn document_record(
        &self,
        delivery: &Delivery,
        destination: &TargetName,
        ending: Ending,
        document: Bytes,
    ) -> Record {
        let mut record = Record::new(Origin::Direct, self.clock.now_ms());
        record.base = base(&delivery.id, ending, record.base);
        record.traceparent.clone_from(&delivery.traceparent);
        record.republished = delivery.republished.saturating_add(1);
        let key = Some(record.base.to_string());
        let routes = vec![Route { partition_key: key, ..Route::to(destination.clone()) }];
        record.add(Event { routes, ..Event::json(DIRECT_RULE, document) });
        record
    }

    fn is_too_old(&self, delivery: &Delivery) -> bool {
        // What somebody sends again by hand is wanted, however old.
        let age_ms = self.clock.now_ms().saturating_sub(delivery.accepted_at_ms);
        !delivery.redriven && Duration::from_millis(age_ms) > self.settings.age_max
    }

    fn count_failure(&self, delivery: &Delivery) -> u32 {
        let mut tries = self.tries.lock();
        if tries.len() >= TRIES_MAX {
            tries.retain(|_, tries| tries.document.is_some());
        }
        let tries = tries.entry(delivery.id.clone()).or_default();
        tries.failed += 1;
        tries.failed
    }

    fn failures(&self, delivery: &Delivery) -> u32 {
        self.tries.lock().get(&delivery.id).map_or(0, |tries| tries.failed)
    }

    fn unsent(&self, delivery: &Delivery) -> Option<(Ending, Bytes)> {
        self.tries.lock().get(&delivery.id)?.document.clone()
    }

    fn keep_document(&self, delivery: &Delivery, document: (Ending, Bytes)) {
        let mut tries = self.tries.lock();
        let before = tries.entry(delivery.id.clone()).or_default().document.replace(document);
        if before.is_none() {
            self.documents.fetch_add(1, Relaxed);
        }
    }

    fn is_document_waiting(&self) -> bool {
        self.documents.load(Relaxed) > 0
    }

    fn forget(&self, delivery: &Delivery) {
        if self.tries.lock().remove(&delivery.id).is_some_and(|tries| tries.document.is_some()) {
            self.documents.fetch_sub(1, Relaxed);
        }
    }
}

fn again(code: &str, reason: impl Into<String>, after: Duration) -> Outcome {
    Outcome::Retry { reason: reason.into(), code: code.to_owned(), after: Some(after) }
}

/// The same for each try, as in Lambda.
fn request_id(delivery: &Delivery) -> String {
    delivery.id.base().map_or_else(|| delivery.id.to_string(), |base| base.to_string())
}

fn invocation(delivery: &Delivery) -> Invocation {
    let context = delivery.attributes.iter().find(|attribute| attribute.name == CLIENT_CONTEXT);
    Invocation {
        payload: delivery.data.clone(),
        client_context: context.map(|context| String::from_utf8_lossy(&context.value).into_owned()),
        traceparent: delivery.traceparent.clone(),
    }
}

/// A UUID that depends on the invocation and its end alone, but for its first six bytes, the time: a document that is sent twice since the
/// gateway crashed in between has the same id.
fn base(id: &bus::EventId, ending: Ending, near: Uuid) -> Uuid {
    let digest = Sha256::digest(format!("{id}:{ending:?}"));
    let mut bytes: [u8; 16] = digest[..16].try_into().expect("a SHA-256 digest has 32 bytes");
    bytes[..6].copy_from_slice(&id.base().unwrap_or(near).as_bytes()[..6]);
    uuid::Builder::from_bytes(bytes)
        .with_version(uuid::Version::SortRand)
        .with_variant(uuid::Variant::RFC4122)
        .into_uuid()
}
