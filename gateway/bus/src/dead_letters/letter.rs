//! One dead letter: an event that could not be delivered, with the story of its failure.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::event::rfc3339;
use crate::record::{Attribute, Event, Format, Origin, Parameter, Record, Replay, Route};
use crate::{Delivery, EventId, Offset, Position, TargetName};

/// Version 1 knows no parameters and no count of republishing, versions 1 and 2 no replay.
const LETTER_VERSION: u32 = 3;
const LETTER_VERSION_OLDEST: u32 = 1;

/// Names one dead letter: its target and a number that is never given again. Text: `http/hook#17`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeadLetterId {
    /// The target that could not be served.
    pub target: TargetName,
    /// Counts the target's dead letters, from 1, oldest first.
    pub number: u64,
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{}", self.target, self.number)
    }
}

/// A text is not a dead letter's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of a dead letter; it looks like `http/hook#17`, see `dead-letters list`")]
pub struct DeadLetterIdError(String);

impl FromStr for DeadLetterId {
    type Err = DeadLetterIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (target, number) = text.rsplit_once('#')?;
            Some(Self { target: TargetName::parse(target).ok()?, number: number.parse().ok()? })
        };
        parse().ok_or_else(|| DeadLetterIdError(text.to_owned()))
    }
}

/// Which bound ended the retries, in EventBridge's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExhaustedCondition {
    /// [`RetryPolicy::attempts_max`](crate::RetryPolicy::attempts_max).
    MaximumRetryAttempts,
    /// [`RetryPolicy::age_max`](crate::RetryPolicy::age_max).
    MaximumEventAgeInSeconds,
}

/// How an event failed, from the first time to the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The last error, for programs.
    pub error_code: String,
    /// The last error, for people.
    pub error_message: String,
    /// Tries that were made, the first included.
    pub attempts: u32,
    /// Which bound was met; none when the target refused the event for good.
    pub exhausted: Option<ExhaustedCondition>,
    /// The first failure, milliseconds since the Unix epoch.
    pub first_failed_at_ms: u64,
    /// The last failure, milliseconds since the Unix epoch.
    pub last_failed_at_ms: u64,
}

/// An event that could not be delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// Names it.
    pub id: DeadLetterId,
    /// The event as the target was handed it.
    pub delivery: Delivery,
    /// How it failed.
    pub failure: Failure,
}

impl DeadLetter {
    /// The story of the failure in the vocabulary of an EventBridge dead-letter queue, with the rule and
    /// target by name instead of by ARN.
    #[must_use]
    pub fn attributes(&self) -> Vec<(&'static str, String)> {
        let failure = &self.failure;
        let mut attributes = vec![
            ("RULE", self.delivery.rule.clone()),
            ("TARGET", self.id.target.to_string()),
            ("EVENT_ID", self.delivery.id.to_string()),
            ("ERROR_CODE", failure.error_code.clone()),
            ("ERROR_MESSAGE", failure.error_message.clone()),
            ("RETRY_ATTEMPTS", failure.attempts.saturating_sub(1).to_string()),
            ("FIRST_FAILURE", rfc3339(failure.first_failed_at_ms)),
            ("LAST_FAILURE", rfc3339(failure.last_failed_at_ms)),
        ];
        if let Some(condition) = failure.exhausted {
            attributes.push(("EXHAUSTED_RETRY_CONDITION", format!("{condition:?}")));
        }
        attributes
    }

    /// The record that sends the event again under the same id.
    pub(crate) fn to_record(&self) -> Record {
        let delivery = &self.delivery;
        let mut record =
            Record::new(Origin::Redriven { event_id: delivery.id.to_string() }, delivery.accepted_at_ms);
        record.base = delivery.id.base().unwrap_or(record.base);
        record.client_id.clone_from(&delivery.client_id);
        record.topic.clone_from(&delivery.topic);
        record.traceparent.clone_from(&delivery.traceparent);
        let route = Route {
            target: self.id.target.clone(),
            partition_key: Some(delivery.partition_key.clone()),
            format: delivery.format,
            parameters: delivery.parameters.clone(),
        };
        record.republished = delivery.republished;
        record.replay.clone_from(&delivery.replay);
        record.add(Event {
            content_type: delivery.content_type.clone(),
            attributes: delivery.attributes.clone(),
            routes: vec![route],
            ..Event::json(delivery.rule.clone(), delivery.data.clone())
        });
        record
    }

    /// The letter as it stands in the state store: JSON, data in base64.
    pub(super) fn render(&self) -> Vec<u8> {
        let delivery = &self.delivery;
        let attribute = |attribute: &Attribute| {
            (attribute.name.clone(), attribute.data_type.clone(), STANDARD.encode(&attribute.value))
        };
        let stored = Stored {
            version: LETTER_VERSION,
            event_id: delivery.id.to_string(),
            offset: delivery.position.offset.0,
            ordinal: delivery.position.ordinal,
            rule: delivery.rule.clone(),
            topic: delivery.topic.clone(),
            client_id: delivery.client_id.clone(),
            accepted_at_ms: delivery.accepted_at_ms,
            content_type: delivery.content_type.clone(),
            partition_key: delivery.partition_key.clone(),
            cloud_event: delivery.format == Format::CloudEvents,
            traceparent: delivery.traceparent.clone(),
            attributes: delivery.attributes.iter().map(attribute).collect(),
            redriven: delivery.redriven,
            parameters: delivery.parameters.clone(),
            republished: delivery.republished,
            replay: delivery.replay.clone(),
            failure: self.failure.clone(),
            data: STANDARD.encode(&delivery.data),
        };
        serde_json::to_vec(&stored).expect("a struct of texts and numbers is always JSON")
    }

    /// Reads what [`render`](Self::render) wrote.
    pub(super) fn parse(id: DeadLetterId, bytes: &[u8]) -> Result<Self, LetterError> {
        let damaged = |reason: String| LetterError { id: id.clone(), reason };
        let stored: Stored = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if !(LETTER_VERSION_OLDEST..=LETTER_VERSION).contains(&stored.version) {
            return Err(damaged(format!("its version `{}` is not known", stored.version)));
        }
        let decode =
            |text: &str| STANDARD.decode(text).map(Bytes::from).map_err(|error| damaged(error.to_string()));
        let attribute = |(name, data_type, value): (String, String, String)| {
            Ok(Attribute { name, data_type, value: decode(&value)? })
        };
        let delivery = Delivery {
            id: EventId::restored(stored.event_id),
            position: Position { offset: Offset(stored.offset), ordinal: stored.ordinal },
            rule: stored.rule,
            topic: stored.topic,
            client_id: stored.client_id,
            accepted_at_ms: stored.accepted_at_ms,
            data: decode(&stored.data)?,
            content_type: stored.content_type,
            partition_key: stored.partition_key,
            format: if stored.cloud_event { Format::CloudEvents } else { Format::Data },
            traceparent: stored.traceparent,
            attributes: stored.attributes.into_iter().map(attribute).collect::<Result<_, LetterError>>()?,
            redriven: stored.redriven,
            parameters: stored.parameters,
            republished: stored.republished,
            replay: stored.replay,
            attempt: stored.failure.attempts,
        };
        Ok(Self { id, delivery, failure: stored.failure })
    }
}

/// A dead letter in the state store can't be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dead letter `{id}` is damaged: {reason}; purge it, or restore the state directory from a copy")]
pub struct LetterError {
    /// Which letter.
    pub id: DeadLetterId,
    /// What is wrong with it.
    pub reason: String,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    event_id: String,
    offset: u64,
    ordinal: u16,
    rule: String,
    topic: String,
    client_id: String,
    accepted_at_ms: u64,
    content_type: String,
    partition_key: String,
    cloud_event: bool,
    traceparent: Option<String>,
    attributes: Vec<(String, String, String)>,
    redriven: bool,
    #[serde(default)]
    parameters: Vec<Parameter>,
    #[serde(default)]
    republished: u8,
    #[serde(default)]
    replay: Option<Replay>,
    failure: Failure,
    data: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> DeadLetter {
        let target = TargetName::parse("http/hook").expect("a name");
        let mut record = Record::new(Origin::Device, 1_720_000_000_123);
        record.republished = 3;
        record.replay = Some(Replay { name: "again".to_owned(), at_ms: 5 });
        let parameters = vec![("header:x-line".to_owned(), "a".to_owned())];
        let routes = vec![Route { parameters, ..Route::to(target.clone()) }];
        record.add(Event { routes, ..Event::json("hot", "1") });
        let failure = Failure {
            error_code: "HTTP_400".to_owned(),
            error_message: "no".to_owned(),
            attempts: 1,
            exhausted: None,
            first_failed_at_ms: 1,
            last_failed_at_ms: 1,
        };
        let delivery = Delivery::from_record(&record, &target, Offset(1), 0).expect("it has one event");
        DeadLetter { id: DeadLetterId { target, number: 1 }, delivery, failure }
    }

    #[test]
    fn a_letter_comes_back_as_it_was_and_is_sent_again_so() {
        let letter = letter();
        assert_eq!(DeadLetter::parse(letter.id.clone(), &letter.render()).expect("its own"), letter);
        let again = letter.to_record();
        assert_eq!((again.republished, again.replay), (3, letter.delivery.replay.clone()));
        assert_eq!(again.events[0].routes[0].parameters, letter.delivery.parameters);
    }

    #[test]
    fn letters_of_versions_1_and_2_are_read_and_later_ones_refused() {
        let letter = letter();
        let mut stored: serde_json::Value = serde_json::from_slice(&letter.render()).expect("JSON");
        stored["version"] = 4.into();
        let error = DeadLetter::parse(letter.id.clone(), stored.to_string().as_bytes()).expect_err("too new");
        assert!(error.to_string().contains("its version `4` is not known"), "{error}");
        stored["version"] = 2.into();
        stored.as_object_mut().expect("an object").remove("replay");
        let read = DeadLetter::parse(letter.id.clone(), stored.to_string().as_bytes()).expect("version 2");
        assert_eq!((read.delivery.republished, read.delivery.replay), (3, None));
        stored["version"] = 1.into();
        let members = stored.as_object_mut().expect("an object");
        members.remove("parameters");
        members.remove("republished");
        let read = DeadLetter::parse(letter.id, stored.to_string().as_bytes()).expect("the first version");
        assert_eq!((read.delivery.parameters.len(), read.delivery.republished), (0, 0));
    }
}
