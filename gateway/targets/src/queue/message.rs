//! Messages as consumers see them, and how they stand in the journal.
//!
//! What a sender of the API said beyond body and attributes travels in the journal as attributes whose names begin with
//! `$`, which no sender can use.

use bus::record::DIRECT_RULE;
use bus::{Attribute, Delivery, Event, Origin, Record, Route, TargetName};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::window::Receipt;

/// Most attributes of a message.
pub const ATTRIBUTES_MAX: usize = 10;

const SENDER: &str = "$sender";
const DELAY: &str = "$delay-secs";
const GROUP: &str = "$group";
const TRACE: &str = "$trace";
const DEAD_LETTER_SOURCE: &str = "$dead-letter-source";

/// A message to send.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    /// The body.
    pub body: String,
    /// At most [`ATTRIBUTES_MAX`].
    pub attributes: Vec<Attribute>,
    /// Overrides the queue's delay.
    pub delay_secs: Option<u32>,
    /// Who sends it.
    pub sender: String,
    /// The message group, which a standard queue hands on and does not order by.
    pub group: Option<String>,
    /// The `AWSTraceHeader` system attribute.
    pub trace: Option<String>,
}

/// What became of a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The message's id.
    pub id: String,
}

/// A message as it was received.
#[derive(Debug, Clone)]
pub struct Received {
    /// The same at every receive, after a restart and in the dead-letter queue.
    pub id: String,
    /// Good for this receive.
    pub handle: String,
    /// The body as text.
    pub body: String,
    /// The attributes, those that say where a rule's event came from included.
    pub attributes: Vec<Attribute>,
    /// When it was accepted, milliseconds since the Unix epoch.
    pub sent_at_ms: u64,
    /// How often it was received, this time included.
    pub receives: u32,
    /// When it was received first, milliseconds since the Unix epoch.
    pub first_received_at_ms: u64,
    /// Who sent it: an access key, or the client id of the device.
    pub sender: String,
    /// The message group, if the sender named one.
    pub group: Option<String>,
    /// The trace header, if the sender gave one.
    pub trace: Option<String>,
    /// The queue whose redrive policy moved it here.
    pub dead_letter_source: Option<String>,
}

impl Outgoing {
    /// The record that stands for this message in the journal.
    pub(super) fn into_record(self, target: TargetName, now_ms: u64) -> Record {
        let mut attributes = self.attributes;
        let reserved = [
            (SENDER, Some(self.sender).filter(|sender| !sender.is_empty())),
            (DELAY, self.delay_secs.map(|secs| secs.to_string())),
            (TRACE, self.trace),
            (GROUP, self.group.clone()),
        ];
        for (name, value) in reserved {
            attributes.extend(value.map(|value| text_attribute(name, value)));
        }
        let mut record = Record::new(Origin::Direct, now_ms);
        record.add(Event {
            content_type: "text/plain; charset=utf-8".to_owned(),
            attributes,
            routes: vec![Route { partition_key: self.group, ..Route::to(target) }],
            ..Event::json(DIRECT_RULE, self.body)
        });
        record
    }
}

/// The id of the message that a record made of it becomes.
pub(super) fn sent_id(record: &Record) -> String {
    // A message sent through the API is the one event of its record, so the base says all.
    record.base.to_string()
}

/// The record that puts a message into its dead-letter queue. The event keeps its id, its time and its attributes.
pub(super) fn moved(delivery: &Delivery, source: &str, dead_letter_queue: TargetName) -> Record {
    let origin = Origin::Redriven { event_id: delivery.id.to_string() };
    let mut record = Record::new(origin, delivery.accepted_at_ms);
    record.base = delivery.id.base().unwrap_or(record.base);
    record.client_id.clone_from(&delivery.client_id);
    record.topic.clone_from(&delivery.topic);
    record.traceparent.clone_from(&delivery.traceparent);
    record.replay.clone_from(&delivery.replay);
    let mut attributes: Vec<Attribute> =
        delivery.attributes.iter().filter(|each| each.name != DEAD_LETTER_SOURCE).cloned().collect();
    attributes.push(text_attribute(DEAD_LETTER_SOURCE, source.to_owned()));
    record.add(Event {
        content_type: delivery.content_type.clone(),
        attributes,
        routes: vec![Route {
            partition_key: Some(delivery.partition_key.clone()).filter(|key| *key != delivery.client_id),
            format: delivery.format,
            parameters: delivery.parameters.clone(),
            ..Route::to(dead_letter_queue)
        }],
        ..Event::json(delivery.rule.clone(), delivery.data.clone())
    });
    record
}

/// A UUID that is the same for the same event: the base id of a message sent through the API, else a digest of the
/// event's id, which consumers find whole in the attribute `eventId`.
pub fn message_id(event_id: &str, rule: &str) -> String {
    let base = event_id.get(..36).and_then(|base| Uuid::try_parse(base).ok());
    if let Some(base) = base.filter(|_| rule == DIRECT_RULE && event_id.len() == 37 + rule.len()) {
        return base.to_string();
    }
    let digest: [u8; 32] = Sha256::digest(event_id.as_bytes()).into();
    let (bytes, _) = digest.split_first_chunk::<16>().expect("a digest has 32 bytes");
    uuid::Builder::from_custom_bytes(*bytes).into_uuid().to_string()
}

impl Received {
    /// The message in `delivery` as the receive that `receipt` tells of sees it.
    pub(super) fn new(delivery: &Delivery, handle: String, sent_at_ms: u64, receipt: Receipt) -> Self {
        let reserved = |name: &str| {
            let found = delivery.attributes.iter().find(|attribute| attribute.name == name)?;
            Some(String::from_utf8_lossy(&found.value).into_owned())
        };
        let (body, encoded) = text_body(delivery);
        let sender = reserved(SENDER).unwrap_or_else(|| delivery.client_id.clone());
        Self {
            id: message_id(delivery.id.as_str(), &delivery.rule),
            handle,
            body,
            attributes: visible_attributes(delivery, encoded),
            sent_at_ms,
            receives: receipt.receives,
            first_received_at_ms: receipt.first_at_ms,
            sender,
            group: reserved(GROUP),
            trace: reserved(TRACE),
            dead_letter_source: reserved(DEAD_LETTER_SOURCE),
        }
    }
}

/// The delay a sender asked for.
pub(super) fn delay_secs(delivery: &Delivery) -> Option<u32> {
    let found = delivery.attributes.iter().find(|attribute| attribute.name == DELAY)?;
    std::str::from_utf8(&found.value).ok()?.parse().ok()
}

/// The body, and whether it had to be encoded: a message is text, so what is not goes as base64.
fn text_body(delivery: &Delivery) -> (String, bool) {
    use base64::Engine as _;
    let (body, _) = delivery.body();
    match std::str::from_utf8(&body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (base64::engine::general_purpose::STANDARD.encode(&body), true),
    }
}

fn visible_attributes(delivery: &Delivery, encoded: bool) -> Vec<Attribute> {
    let mut attributes: Vec<Attribute> =
        delivery.attributes.iter().filter(|attribute| !attribute.name.starts_with('$')).cloned().collect();
    let mut tell = |name: &str, value: &str| {
        let taken = attributes.iter().any(|attribute| attribute.name == name);
        if !value.is_empty() && !taken && attributes.len() < ATTRIBUTES_MAX {
            attributes.push(text_attribute(name, value.to_owned()));
        }
    };
    if encoded {
        tell("contentEncoding", "base64");
    }
    if delivery.rule != DIRECT_RULE {
        tell("eventId", delivery.id.as_str());
        tell("rule", &delivery.rule);
        tell("topic", &delivery.topic);
        tell("clientId", &delivery.client_id);
        tell("traceparent", delivery.traceparent.as_deref().unwrap_or_default());
        tell("contentType", &delivery.content_type);
    }
    // EventBridge's name for it.
    tell("replay-name", delivery.replay_name());
    attributes
}

fn text_attribute(name: &str, value: String) -> Attribute {
    Attribute { name: name.to_owned(), data_type: "String".to_owned(), value: Bytes::from(value) }
}
