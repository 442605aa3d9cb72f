//! Messages as consumers see them, and how they stand in the journal.
//!
//! What a sender of the API said beyond body and attributes travels in the journal as attributes whose names begin with
//! `$`, which no sender can use.

use bus::record::DIRECT_RULE;
use bus::{Attribute, Delivery, Event, Origin, Position, Record, Replay, Route, TargetName};
use bytes::Bytes;
use journal::Offset;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::attributes::{Attributes, DeduplicationScope};
use super::deduplication::Key;
use super::window::Receipt;

/// Most attributes of a message.
pub const ATTRIBUTES_MAX: usize = 10;

const SENDER: &str = "$sender";
const DELAY: &str = "$delay-secs";
const GROUP: &str = "$group";
const TRACE: &str = "$trace";
const DEDUPLICATION_ID: &str = "$deduplication-id";
const DEAD_LETTER_SOURCE: &str = "$dead-letter-source";
/// Which message of which queue was moved: the same when a move is done again after a crash.
const MOVED_FROM: &str = "$moved-from";

/// The parameters of a rule's action that a FIFO queue knows.
const GROUP_PARAMETER: &str = "message_group_id";
const DEDUPLICATION_PARAMETER: &str = "message_deduplication_id";

/// The group of messages that say nothing from which one could be made.
const GROUP_OF_OTHERS: &str = "default";

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
    /// What makes it the same as another message of a FIFO queue.
    pub deduplication_id: Option<String>,
    /// The `AWSTraceHeader` system attribute.
    pub trace: Option<String>,
}

/// What became of a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The message's id; of a duplicate, that of the original.
    pub id: String,
    /// Its place in a FIFO queue; of a duplicate, that of the original.
    pub sequence_number: Option<String>,
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
    /// The message group; in a standard queue only if the sender named one.
    pub group: Option<String>,
    /// What makes it the same as another message. FIFO queues only.
    pub deduplication_id: Option<String>,
    /// Its place in the queue: higher than those of all messages accepted before. FIFO queues only.
    pub sequence_number: Option<String>,
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
            (DEDUPLICATION_ID, self.deduplication_id),
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

/// The message in a record made of it, as it is shown at `offset`.
pub(super) fn sent_delivery(record: &Record, target: &TargetName, offset: Offset) -> Option<Delivery> {
    Delivery::from_record(record, target, offset, 0)
}

/// A message on its way from one queue to another.
#[derive(Debug)]
pub(super) struct Move<'a> {
    pub(super) delivery: &'a Delivery,
    /// The id of the queue that it leaves.
    pub(super) from: u64,
    /// The queue whose redrive policy moves it, when it is one.
    pub(super) dead_letter_source: Option<&'a str>,
    pub(super) to: TargetName,
    /// Its age counts from here.
    pub(super) sent_at_ms: u64,
}

impl Move<'_> {
    /// The record that puts the message into the other queue. The event keeps its id and its attributes.
    pub(super) fn into_record(self) -> Record {
        let delivery = self.delivery;
        let origin = Origin::Redriven { event_id: delivery.id.to_string() };
        let mut record = Record::new(origin, self.sent_at_ms);
        record.base = delivery.id.base().unwrap_or(record.base);
        record.client_id.clone_from(&delivery.client_id);
        record.topic.clone_from(&delivery.topic);
        record.traceparent.clone_from(&delivery.traceparent);
        if let Some(replay) = &delivery.replay {
            record.accepted_at_ms = delivery.accepted_at_ms;
            record.replay = Some(Replay { at_ms: self.sent_at_ms, ..replay.clone() });
        }
        let of_a_move = |attribute: &&Attribute| [DEAD_LETTER_SOURCE, MOVED_FROM].contains(&&*attribute.name);
        let kept = delivery.attributes.iter().filter(|attribute| !of_a_move(attribute));
        let mut attributes: Vec<Attribute> = kept.cloned().collect();
        let source =
            self.dead_letter_source.map(|source| text_attribute(DEAD_LETTER_SOURCE, source.to_owned()));
        attributes.extend(source);
        let Position { offset, ordinal } = delivery.position;
        attributes.push(text_attribute(MOVED_FROM, format!("{}:{offset}:{ordinal}", self.from)));
        record.add(Event {
            content_type: delivery.content_type.clone(),
            attributes,
            routes: vec![Route {
                partition_key: Some(delivery.partition_key.clone()).filter(|key| *key != delivery.client_id),
                format: delivery.format,
                parameters: delivery.parameters.clone(),
                ..Route::to(self.to)
            }],
            ..Event::json(delivery.rule.clone(), delivery.data.clone())
        });
        record
    }
}

/// The message group of a message in a FIFO queue: what its sender or its rule said, else its partition key or topic.
pub(super) fn group(delivery: &Delivery) -> String {
    let own_key = Some(&delivery.partition_key).filter(|key| **key != delivery.client_id);
    let fallbacks = [own_key, Some(&delivery.topic), Some(&delivery.client_id)];
    reserved(delivery, GROUP)
        .or_else(|| parameter(delivery, GROUP_PARAMETER))
        .or_else(|| fallbacks.into_iter().flatten().find(|text| !text.is_empty()).cloned())
        .unwrap_or_else(|| GROUP_OF_OTHERS.to_owned())
}

/// What makes a message the same as another of a FIFO queue: what its sender or its rule said, else the SHA-256 of its
/// body where the queue says so, else the id of the event.
pub(super) fn deduplication_id(delivery: &Delivery, attributes: &Attributes) -> String {
    reserved(delivery, DEDUPLICATION_ID)
        .or_else(|| parameter(delivery, DEDUPLICATION_PARAMETER))
        .unwrap_or_else(|| match attributes.content_based_deduplication {
            true => hex::encode(Sha256::digest(&delivery.data)),
            // Who replays an event wants it again, also within five minutes.
            false => match delivery.replay_name() {
                "" => delivery.id.to_string(),
                replay => format!("{}:{replay}", delivery.id),
            },
        })
}

/// What tells whether a FIFO queue had a message before.
pub(super) fn deduplication_key(delivery: &Delivery, attributes: &Attributes) -> Key {
    // A message that is moved is moved once, whatever else has its id.
    if let Some(from) = reserved(delivery, MOVED_FROM) {
        return Key::of(&["moved", "from", &from]);
    }
    let id = deduplication_id(delivery, attributes);
    match attributes.deduplication_scope {
        DeduplicationScope::Queue => Key::of(&[&id]),
        DeduplicationScope::MessageGroup => Key::of(&[&group(delivery), &id]),
    }
}

/// True when another queue sent it here.
pub(super) fn is_moved(delivery: &Delivery) -> bool {
    delivery.attributes.iter().any(|attribute| attribute.name == MOVED_FROM)
}

/// The queue whose redrive policy moved a message.
pub(super) fn dead_letter_source(delivery: &Delivery) -> Option<String> {
    reserved(delivery, DEAD_LETTER_SOURCE)
}

/// The place of a message in its queue, as SQS writes it: 20 digits at least, in order of text too.
pub(super) fn sequence_number(position: Position) -> String {
    format!("{:020}", (u128::from(position.offset.0) << 16) | u128::from(position.ordinal))
}

fn reserved(delivery: &Delivery, name: &str) -> Option<String> {
    let found = delivery.attributes.iter().find(|attribute| attribute.name == name)?;
    Some(String::from_utf8_lossy(&found.value).into_owned())
}

fn parameter(delivery: &Delivery, name: &str) -> Option<String> {
    delivery.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

/// A UUID that is the same for the same event: the base id of a message sent through the API, else a digest of the
/// event's id, which consumers find whole in the attribute `eventId`.
pub fn message_id(event_id: &str, rule: &str) -> Uuid {
    let base = event_id.get(..36).and_then(|base| Uuid::try_parse(base).ok());
    if let Some(base) = base.filter(|_| rule == DIRECT_RULE && event_id.len() == 37 + rule.len()) {
        return base;
    }
    let digest: [u8; 32] = Sha256::digest(event_id.as_bytes()).into();
    let (bytes, _) = digest.split_first_chunk::<16>().expect("a digest has 32 bytes");
    uuid::Builder::from_custom_bytes(*bytes).into_uuid()
}

impl Received {
    /// The message in `delivery` as the receive that `receipt` tells of sees it.
    pub(super) fn new(
        delivery: &Delivery,
        handle: String,
        sent_at_ms: u64,
        receipt: Receipt,
        attributes: &Attributes,
    ) -> Self {
        let (body, encoded) = text_body(delivery);
        let sender = reserved(delivery, SENDER).unwrap_or_else(|| delivery.client_id.clone());
        Self {
            id: message_id(delivery.id.as_str(), &delivery.rule).to_string(),
            handle,
            body,
            attributes: visible_attributes(delivery, encoded),
            sent_at_ms,
            receives: receipt.receives,
            first_received_at_ms: receipt.first_at_ms,
            sender,
            group: if attributes.fifo { Some(group(delivery)) } else { reserved(delivery, GROUP) },
            deduplication_id: attributes.fifo.then(|| deduplication_id(delivery, attributes)),
            sequence_number: attributes.fifo.then(|| sequence_number(delivery.position)),
            trace: reserved(delivery, TRACE),
            dead_letter_source: dead_letter_source(delivery),
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
