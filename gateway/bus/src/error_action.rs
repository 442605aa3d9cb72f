//! The document that tells a rule's error target about a failed delivery, shaped as AWS IoT's.
//!
//! It is one more event, appended to the journal before the failed one is given up. It is never waited
//! for: when the error target is full or unknown, or the journal refuses, the document is skipped and
//! counted, because the dead letter holds all of it and two lanes must not wait for each other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::bus::Shared;
use crate::dead_letters::Failure;
use crate::reader::record_at;
use crate::record::{Event, Origin, Record};
use crate::{Delivery, TargetName};

/// Sends the document about `delivery`, if its rule has an error action.
pub(crate) async fn send(bus: &Shared, failed_target: &TargetName, delivery: &Delivery, failure: &Failure) {
    let record = match record_at(&bus.journal, delivery.position.offset) {
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
    let body = json!({
        "ruleName": delivery.rule,
        "topic": delivery.topic,
        "cloudwatchTraceId": record.base,
        "clientId": delivery.client_id,
        "base64OriginalPayload": STANDARD.encode(payload),
        "failures": [{
            "failedAction": action_name(failed_target.kind()),
            "failedResource": failed_target.name(),
            "errorMessage": failure.error_message,
            "errorCode": failure.error_code,
            "retryAttempts": failure.attempts.saturating_sub(1),
        }],
    });
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
        ..Event::json(delivery.rule.clone(), body.to_string())
    });
    Some(document)
}

/// `http` → `HttpAction`, as in AWS's documents.
fn action_name(kind: &str) -> String {
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
