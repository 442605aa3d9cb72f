//! The document that tells a rule's error target about a failed delivery, shaped as AWS IoT's.
//!
//! It is one more event, appended to the journal before the failed one is given up. It is never waited
//! for: when the error target is full or unknown, or the journal refuses, the document is skipped and
//! counted, because the dead letter holds all of it and two lanes must not wait for each other.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use uuid::Uuid;

use crate::bus::Shared;
use crate::dead_letters::Failure;
use crate::record::{Event, Origin, Record};
use crate::{Delivery, TargetName};

/// Sends the document about `delivery`, if its rule has an error action.
pub(crate) async fn send(
    bus: &Arc<Shared>,
    failed_target: &TargetName,
    delivery: &Delivery,
    failure: &Failure,
) {
    let Some(lane) = bus.lane(failed_target.as_str()) else { return };
    let offset = delivery.position.offset;
    let reading = Arc::clone(bus);
    // What the lane is owed may have been moved aside.
    let read = tokio::task::spawn_blocking(move || lane.record_at(&reading.journal, offset));
    let Ok(read) = read.await else { return };
    let record = match read {
        Ok(Some(record)) => record,
        Ok(None) => return,
        Err(error) => {
            bus.error_documents_skipped.add(1);
            tracing::error!(target_name = %failed_target, event_id = %delivery.id, %error, "no error document");
            return;
        }
    };
    let Some(document) = document(&record, failed_target, delivery, failure) else { return };
    if let Err(error) = bus.append_at_once(&document).await {
        bus.error_documents_skipped.add(1);
        tracing::error!(target_name = %failed_target, event_id = %delivery.id, %error, "error document not sent");
    }
}

/// The record that holds the document; none when the rule has no error action.
fn document(
    record: &Record,
    failed_target: &TargetName,
    delivery: &Delivery,
    failure: &Failure,
) -> Option<Record> {
    let failed = record.events.iter().find(|event| record.event_id(event) == delivery.id)?;
    let route = failed.error_route.clone()?;
    let payload = record.message.as_ref().map_or(&delivery.data, |message| &message.payload);
    let body = ErrorDocument {
        rule: &delivery.rule,
        topic: &delivery.topic,
        trace_id: record.base,
        client_id: &delivery.client_id,
        payload,
        failures: vec![FailedAction {
            action: action_name(failed_target.kind()),
            resource: failed_target.name().to_owned(),
            message: failure.error_message.clone(),
            code: failure.error_code.clone(),
            retries: failure.attempts.saturating_sub(1),
        }],
    };
    let origin = Origin::ErrorAction { failed_target: failed_target.clone() };
    let mut document = Record::new(origin, failure.last_failed_at_ms);
    document.base = record.base;
    document.client_id.clone_from(&record.client_id);
    document.principal.clone_from(&record.principal);
    document.topic.clone_from(&record.topic);
    document.traceparent.clone_from(&record.traceparent);
    let number = failed.number;
    document.events.push(Event {
        number,
        routes: vec![route],
        ..Event::json(delivery.rule.clone(), body.json())
    });
    Some(document)
}

/// What a rule's error target is told about one message.
#[derive(Debug)]
pub struct ErrorDocument<'d> {
    /// The rule.
    pub rule: &'d str,
    /// The topic of the message.
    pub topic: &'d str,
    /// The id of the message, with which the ids of its events begin.
    pub trace_id: Uuid,
    /// Who published it; empty for a message of the gateway itself.
    pub client_id: &'d str,
    /// The payload as it was published.
    pub payload: &'d [u8],
    /// Everything that failed.
    pub failures: Vec<FailedAction>,
}

/// One thing that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAction {
    /// What failed, such as `HttpAction`; see [`action_name`].
    pub action: String,
    /// The target, or the piece of the statement.
    pub resource: String,
    /// What happened, for people.
    pub message: String,
    /// What happened, for programs.
    pub code: String,
    /// Tries after the first one.
    pub retries: u32,
}

impl ErrorDocument<'_> {
    /// The document in the shape of AWS IoT's.
    #[must_use]
    pub fn json(&self) -> String {
        let failure = |failed: &FailedAction| {
            json!({
                "failedAction": failed.action,
                "failedResource": failed.resource,
                "errorMessage": failed.message,
                "errorCode": failed.code,
                "retryAttempts": failed.retries,
            })
        };
        let document = json!({
            "ruleName": self.rule,
            "topic": self.topic,
            "cloudwatchTraceId": self.trace_id,
            "clientId": self.client_id,
            "base64OriginalPayload": STANDARD.encode(self.payload),
            "failures": self.failures.iter().map(failure).collect::<Vec<_>>(),
        });
        document.to_string()
    }
}

/// `http` → `HttpAction`, as in AWS's documents.
#[must_use]
pub fn action_name(kind: &str) -> String {
    let mut letters = kind.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).chain("Action".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_as_actions() {
        assert_eq!(action_name("http"), "HttpAction");
    }
}
