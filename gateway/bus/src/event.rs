//! What a target is handed: one event with its id and its CloudEvents 1.0 attributes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::record::{Attribute, Event, FAULT_NUMBER, Format, Origin, Parameter, Record, Replay, Route};
use crate::{Offset, TargetName};

/// The identity of one event, the same over retries, restarts, resends, redrives and replays.
///
/// Its text is `{base id}:{rule}`; a further event of the same rule in the same message adds `:1`, `:2`
/// and so on, the document about what failed while the rule was evaluated adds `:fault`, and the error document of a failed
/// delivery adds `:error:{target}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(Box<str>);

impl EventId {
    pub(crate) fn new(base: Uuid, rule: &str, number: u16, origin: &Origin) -> Self {
        if let Origin::Redriven { event_id } | Origin::Replayed { event_id } = origin {
            return Self(event_id.as_str().into());
        }
        let mut text = String::with_capacity(Hyphenated::LENGTH + 1 + rule.len());
        text.push_str(base.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        text.push(':');
        text.push_str(rule);
        if number == FAULT_NUMBER {
            text.push_str(":fault");
        } else if number > 0 {
            text.push_str(&format!(":{number}"));
        }
        if let Origin::ErrorAction { failed_target } = origin {
            text.push_str(&format!(":error:{failed_target}"));
        }
        Self(text.into())
    }

    pub(crate) fn restored(text: String) -> Self {
        Self(text.into())
    }

    /// The id of the message that caused the event, with which every id begins.
    #[must_use]
    pub fn base(&self) -> Option<Uuid> {
        let (base, _) = self.0.split_once(':')?;
        Uuid::parse_str(base).ok()
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`", self.0)
    }
}

/// Where an event for one target stands in the journal: the record, and which of the record's events for
/// this target it is. Positions of one target are ordered as the events were accepted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Position {
    /// The journal offset of the record.
    pub offset: Offset,
    /// Counts the record's events for this target, from zero.
    pub ordinal: u16,
}

/// One event as it is handed to one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Stable identity; a consumer drops repeats by it.
    pub id: EventId,
    /// Where the event stands in the journal.
    pub position: Position,
    /// The rule that made the event, or [`DIRECT_RULE`](crate::record::DIRECT_RULE).
    pub rule: String,
    /// The MQTT topic of the message, empty for what was sent through the API.
    pub topic: String,
    /// The client that published, empty for what was sent through the API.
    pub client_id: String,
    /// When the message was accepted, milliseconds since the Unix epoch.
    pub accepted_at_ms: u64,
    /// The result of the rule's SQL.
    pub data: Bytes,
    /// The media type of `data`.
    pub content_type: String,
    /// Events with the same key reach the target in order.
    pub partition_key: String,
    /// Whether the body sent is `data` or a CloudEvent that holds it.
    pub format: Format,
    /// Further values of the action, filled in for this event; the target knows the names.
    pub parameters: Vec<Parameter>,
    /// How often rules have published the message again.
    pub republished: u8,
    /// The trace this event belongs to (W3C Trace Context), when the publisher sent one.
    pub traceparent: Option<String>,
    /// What the sender of a direct message attached to it.
    pub attributes: Vec<Attribute>,
    /// True when a dead letter is being sent again.
    pub redriven: bool,
    /// The replay that sent it again from an archive.
    pub replay: Option<Replay>,
    /// 1 for the first try.
    pub attempt: u32,
}

/// The `source` attribute of every event that a device caused.
pub const CLOUD_EVENT_SOURCE: &str = "/iot-gateway";

impl Delivery {
    /// The `ordinal`-th event of `record` for `target`; `None` when there are not so many.
    #[must_use]
    pub fn from_record(record: &Record, target: &TargetName, offset: Offset, ordinal: u16) -> Option<Self> {
        let (event, route) = record.routes_to(target).nth(usize::from(ordinal))?;
        Some(Self::new(record, event, route, Position { offset, ordinal }))
    }

    /// Every event of `record` for `target`, by ordinal.
    #[must_use]
    pub fn all_from_record(record: &Record, target: &TargetName, offset: Offset) -> Vec<Self> {
        // The format holds at most 65,535 routes.
        (0..=u16::MAX)
            .zip(record.routes_to(target))
            .map(|(ordinal, (event, route))| Self::new(record, event, route, Position { offset, ordinal }))
            .collect()
    }

    fn new(record: &Record, event: &Event, route: &Route, position: Position) -> Self {
        Self {
            id: record.event_id(event),
            position,
            rule: event.rule.clone(),
            topic: record.topic.clone(),
            client_id: record.client_id.clone(),
            accepted_at_ms: record.accepted_at_ms,
            data: event.data.clone(),
            content_type: event.content_type.clone(),
            partition_key: route.partition_key.clone().unwrap_or_else(|| record.client_id.clone()),
            format: route.format,
            parameters: route.parameters.clone(),
            republished: record.republished,
            traceparent: record.traceparent.clone(),
            attributes: event.attributes.clone(),
            redriven: matches!(record.origin, Origin::Redriven { .. }),
            replay: record.replay.clone(),
            attempt: 1,
        }
    }

    /// The name of the replay that sent it again; empty when none did.
    #[must_use]
    pub fn replay_name(&self) -> &str {
        self.replay.as_ref().map_or("", |replay| &replay.name)
    }

    /// When it came to the target, milliseconds since the Unix epoch, for retention: when it was accepted, or replayed.
    #[must_use]
    pub fn arrived_at_ms(&self) -> u64 {
        self.replay.as_ref().map_or(self.accepted_at_ms, |replay| replay.at_ms)
    }

    /// Copies the data out of what was read from the journal, so that keeping one event in memory does
    /// not keep everything that was read with it.
    pub(crate) fn unshare(&mut self) {
        self.data = Bytes::copy_from_slice(&self.data);
        for attribute in &mut self.attributes {
            attribute.value = Bytes::copy_from_slice(&attribute.value);
        }
    }

    /// The body in the format the route asks for, with its media type.
    #[must_use]
    pub fn body(&self) -> (Bytes, &str) {
        match self.format {
            Format::Data => (self.data.clone(), &self.content_type),
            Format::CloudEvents => (self.cloud_event_json(), "application/cloudevents+json"),
        }
    }

    /// The CloudEvents 1.0 attributes but for `data`, in the order in which they are documented.
    #[must_use]
    pub fn cloud_event_attributes(&self) -> Vec<(&'static str, String)> {
        let mut attributes = vec![
            ("specversion", "1.0".to_owned()),
            ("id", self.id.to_string()),
            ("source", CLOUD_EVENT_SOURCE.to_owned()),
            ("type", format!("iot-gateway.rule.{}", self.rule)),
            ("time", rfc3339(self.accepted_at_ms)),
            ("datacontenttype", self.content_type.clone()),
        ];
        // The specification wants optional attributes absent rather than empty.
        let optional = [
            ("subject", self.topic.as_str()),
            ("partitionkey", self.partition_key.as_str()),
            ("clientid", self.client_id.as_str()),
            ("traceparent", self.traceparent.as_deref().unwrap_or_default()),
            ("replayname", self.replay_name()),
        ];
        attributes.extend(
            optional
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        attributes
    }

    /// The whole event in CloudEvents structured mode: JSON data stays JSON, anything else goes into
    /// `data_base64`.
    #[must_use]
    pub fn cloud_event_json(&self) -> Bytes {
        let mut event: Map<String, Value> = self
            .cloud_event_attributes()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Value::String(value)))
            .collect();
        let parsed = if is_json(&self.content_type) { serde_json::from_slice(&self.data).ok() } else { None };
        match parsed {
            Some(data) => event.insert("data".to_owned(), data),
            None => event.insert("data_base64".to_owned(), Value::String(STANDARD.encode(&self.data))),
        };
        Bytes::from(Value::Object(event).to_string())
    }
}

/// True for `application/json` and any `+json`, whatever parameters follow.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
}

/// A time in milliseconds since the Unix epoch as RFC 3339 in UTC, with milliseconds.
#[must_use]
pub fn rfc3339(at_ms: u64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        // Only a time beyond the year 9999 comes here, and such a clock is wrong anyway.
        .unwrap_or_else(|| "9999-12-31T23:59:59.999Z".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn delivery(content_type: &str, data: &'static [u8]) -> Delivery {
        let mut record = Record::new(Origin::Device, 1_720_000_000_123);
        record.base = Uuid::nil();
        record.client_id = "kiln-7".to_owned();
        record.topic = "plant/kiln-7".to_owned();
        let target = TargetName::parse("http/hook").expect("a name");
        let routes = vec![Route { format: Format::CloudEvents, ..Route::to(target.clone()) }];
        record.add(Event { content_type: content_type.to_owned(), routes, ..Event::json("hot", data) });
        Delivery::from_record(&record, &target, Offset(7), 0).expect("it has one event")
    }

    #[test]
    fn json_stays_json_in_a_cloud_event_and_the_rest_becomes_base64() {
        let attributes = |content_type: &str| {
            json!({
                "specversion": "1.0", "id": "00000000-0000-0000-0000-000000000000:hot", "source": "/iot-gateway",
                "type": "iot-gateway.rule.hot", "time": "2024-07-03T09:46:40.123Z", "datacontenttype": content_type,
                "subject": "plant/kiln-7", "partitionkey": "kiln-7", "clientid": "kiln-7",
            })
        };
        let cases = [
            ("application/json", &b"{\"t\":81}"[..], "data", json!({"t": 81})),
            ("application/vnd.kiln+json; charset=utf-8", b"[1]", "data", json!([1])),
            ("application/json", b"{broken", "data_base64", json!("e2Jyb2tlbg==")),
            ("application/octet-stream", &[0, 255], "data_base64", json!("AP8=")),
        ];
        for (content_type, data, member, expected) in cases {
            let (body, body_type) =
                (delivery(content_type, data).cloud_event_json(), delivery(content_type, data));
            assert_eq!(body_type.body().1, "application/cloudevents+json");
            let mut wanted = attributes(content_type);
            wanted[member] = expected;
            let event: Value = serde_json::from_slice(&body).expect("it is JSON");
            assert_eq!(event, wanted);
        }
    }
}
