//! One message as the rules see it: topic, payload and who sent it.
//!
//! Everything that isn't in the message itself (time, randomness) is an argument: the crate has no clock of its own.

use std::cell::{Cell, OnceCell};

use memchr::memchr;

use crate::filter::basic_ingest;
use crate::functions::ForeignPatterns;
use crate::json::{Kind, Node, Tape};
use crate::outside::{Answers, Nobody, Outside};

/// Where `newuuid()` and `rand()` get their bits.
pub trait Randomness: Sync {
    /// Sixteen fresh random bytes.
    fn bytes(&self) -> [u8; 16];

    /// Said before and after the variables of SET are evaluated, which happens for a statement and for each of its templates: whoever gives the
    /// same bytes in the same order each time makes a variable the same everywhere.
    fn for_variables(&self, _begin: bool) {}
}

impl<F: Fn() -> [u8; 16] + Sync> Randomness for F {
    fn bytes(&self) -> [u8; 16] {
        self()
    }
}

/// What a message says about itself beside the payload, in the words of MQTT 5 (section 3.3.2.3).
#[derive(Debug, Clone, Default)]
pub struct PublishProperties<'m> {
    /// `content_type` of `get_mqtt_property`.
    pub content_type: Option<&'m str>,
    /// Whether the payload is declared to be UTF-8: `format_indicator` of `get_mqtt_property`.
    pub payload_is_utf8: Option<bool>,
    /// `response_topic` of `get_mqtt_property`.
    pub response_topic: Option<&'m str>,
    /// `correlation_data` of `get_mqtt_property`.
    pub correlation_data: Option<&'m [u8]>,
    /// User properties in the order of the packet; a name may come more than once.
    pub user_properties: Vec<(&'m str, &'m str)>,
}

/// One message, shared by all rules that look at it: the payload is read once, when the first rule asks for a field.
pub struct Message<'m> {
    topic: &'m str,
    is_basic_ingest: bool,
    payload: Payload<'m>,
    /// The moment `timestamp()` shows: milliseconds since 1970, the same for all rules of this message.
    pub now_ms: u64,
    /// MQTT client identifier; `None` when the message didn't come by MQTT (`clientid()` is then `n/a`).
    pub client_id: Option<&'m str>,
    /// Certificate fingerprint as lower-case hex, or the name of another kind of principal.
    pub principal: Option<&'m str>,
    /// Address of the sender.
    pub source_ip: Option<&'m str>,
    /// What `accountid()` shows.
    pub account_id: Option<&'m str>,
    /// Identifier that follows the message through the gateway.
    pub trace_id: Option<&'m str>,
    /// What the PUBLISH packet said beside topic and payload.
    pub properties: PublishProperties<'m>,
    /// Where `newuuid()` and `rand()` get their bits.
    pub randomness: &'m dyn Randomness,
    /// Whom functions such as `get_registry_data()` ask.
    pub outside: &'m dyn Outside,
    /// The answers that are there already. Without them nothing that takes time can be asked.
    pub answers: Option<&'m Answers>,
    /// Regular expressions that the payload brought, compiled.
    pub(crate) foreign_patterns: ForeignPatterns,
}

impl<'m> Message<'m> {
    /// A message with everything optional left out.
    ///
    /// `topic` is the topic it was published to; the prefix of Basic Ingest is hidden from the rules here.
    pub fn new(topic: &'m str, payload: &'m [u8], now_ms: u64, randomness: &'m dyn Randomness) -> Self {
        let ingest = basic_ingest(topic);
        Self {
            topic: ingest.map_or(topic, |ingest| ingest.rest),
            is_basic_ingest: ingest.is_some(),
            payload: Payload::new(payload),
            now_ms,
            client_id: None,
            principal: None,
            source_ip: None,
            account_id: None,
            trace_id: None,
            properties: PublishProperties::default(),
            randomness,
            outside: &Nobody,
            answers: None,
            foreign_patterns: ForeignPatterns::default(),
        }
    }

    /// The topic as `topic()` shows it: without the prefix of Basic Ingest.
    pub fn topic(&self) -> &'m str {
        self.topic
    }

    /// Whether its topic named the rule, so that FROM isn't asked.
    pub fn is_basic_ingest(&self) -> bool {
        self.is_basic_ingest
    }

    /// The payload.
    pub fn payload(&self) -> &Payload<'m> {
        &self.payload
    }
}

impl std::fmt::Debug for Message<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Message")
            .field("topic", &self.topic)
            .field("client_id", &self.client_id)
            .field("now_ms", &self.now_ms)
            .finish_non_exhaustive()
    }
}

/// The bytes of a message and, once a rule has asked for it, their structure.
pub struct Payload<'m> {
    bytes: &'m [u8],
    /// The bytes again; empty when they aren't UTF-8, and so no JSON.
    text: &'m str,
    tape: OnceCell<Option<Tape>>,
    has_backslash: OnceCell<bool>,
    glances: Cell<u32>,
}

/// So often a payload is looked at in part before it is read.
const GLANCES_MAX: u32 = 8;

impl<'m> Payload<'m> {
    /// A payload whose structure isn't known yet.
    pub fn new(bytes: &'m [u8]) -> Self {
        Self {
            bytes,
            text: std::str::from_utf8(bytes).unwrap_or_default(),
            tape: OnceCell::new(),
            has_backslash: OnceCell::new(),
            glances: Cell::new(0),
        }
    }

    /// The bytes as they were published.
    pub fn bytes(&self) -> &'m [u8] {
        self.bytes
    }

    /// The outermost value of the payload, read at the first call; `None` when the bytes aren't JSON.
    pub(crate) fn root(&self) -> Option<Node<'_>> {
        Some(self.tape.get_or_init(|| Tape::read_text(self.text)).as_ref()?.root_of(self.text))
    }

    /// The text, while nobody has read it, it has no backslash and it wasn't looked at too often.
    pub(crate) fn unread(&self) -> Option<&'m str> {
        let glances = self.glances.get();
        let has_backslash = || *self.has_backslash.get_or_init(|| memchr(b'\\', self.bytes).is_some());
        if self.tape.get().is_some() || glances == GLANCES_MAX || has_backslash() {
            return None;
        }
        self.glances.set(glances + 1);
        Some(self.text)
    }

    /// The value at the end of a path of members; `None` when there is none.
    pub(crate) fn find(&self, names: &[Box<str>]) -> Option<Node<'_>> {
        names.iter().try_fold(self.root()?, |node, name| node.member(name))
    }

    /// The text and its root, when it is an object that is written exactly as it would be printed.
    pub(crate) fn as_printed_object(&self) -> Option<(&'m str, Node<'_>)> {
        let root = self.root().filter(|root| root.kind() == Kind::Object && root.is_as_printed())?;
        Some((self.text, root))
    }

    /// Whether the bytes are JSON.
    pub fn is_json(&self) -> bool {
        self.root().is_some()
    }
}
