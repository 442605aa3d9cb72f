//! Every property of MQTT 5: number, form, the packets it may appear in, and which values are forbidden.
//!
//! The one list (table 2-4 of section 2.2.2.2) that decoding, encoding and reading back all go by.

use crate::PacketType;

/// How the value is written (section 1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One byte, 0 or 1: no property of one byte may hold anything else.
    Flag,
    TwoByte,
    FourByte,
    Variable,
    Text,
    Binary,
    Pair,
}

/// What the value must obey beyond its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Any,
    NotZero,
    /// A topic name: not empty, no wildcard.
    TopicName,
}

/// A set of places where properties stand: one bit for each packet type, and bit 0 for the will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places(u16);

/// One place where properties stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Will,
    Packet(PacketType),
}

impl Place {
    const fn bit(self) -> u16 {
        match self {
            Self::Will => 1,
            Self::Packet(packet) => 1 << packet.number(),
        }
    }

    /// The packet that carries the properties.
    pub(crate) const fn packet(self) -> PacketType {
        match self {
            Self::Will => PacketType::Connect,
            Self::Packet(packet) => packet,
        }
    }
}

/// One property.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) id: u8,
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) rule: Rule,
    places: Places,
}

impl Kind {
    /// This property's bit in a set of properties.
    pub(crate) const fn bit(&self) -> u64 {
        1 << self.id
    }

    pub(crate) const fn allowed_in(&self, place: Place) -> bool {
        self.places.0 & place.bit() != 0
    }

    /// Whether a packet may carry it more than once.
    pub(crate) const fn repeats_in(&self, place: Place) -> bool {
        self.id == id::USER_PROPERTY
            || (self.id == id::SUBSCRIPTION_IDENTIFIER && matches!(place, Place::Packet(PacketType::Publish)))
    }
}

macro_rules! places {
    (@bit Will) => { Place::Will.bit() };
    (@bit $packet:ident) => { Place::Packet(PacketType::$packet).bit() };
    (Everywhere) => { !0 };
    ($($place:ident)*) => { $(places!(@bit $place))|* };
}

macro_rules! catalogue {
    ($($constant:ident = $id:literal, $name:literal, $form:ident, $rule:ident, [$($place:ident)*];)*) => {
        /// The numbers, by name.
        pub(crate) mod id {
            $(pub(crate) const $constant: u8 = $id;)*
        }

        const KINDS: &[Kind] = &[$(Kind {
            id: $id,
            name: $name,
            form: Form::$form,
            rule: Rule::$rule,
            places: Places(places!($($place)*)),
        }),*];
    };
}

catalogue! {
    PAYLOAD_FORMAT_INDICATOR = 0x01, "Payload Format Indicator", Flag, Any, [Publish Will];
    MESSAGE_EXPIRY_INTERVAL = 0x02, "Message Expiry Interval", FourByte, Any, [Publish Will];
    CONTENT_TYPE = 0x03, "Content Type", Text, Any, [Publish Will];
    RESPONSE_TOPIC = 0x08, "Response Topic", Text, TopicName, [Publish Will];
    CORRELATION_DATA = 0x09, "Correlation Data", Binary, Any, [Publish Will];
    SUBSCRIPTION_IDENTIFIER = 0x0B, "Subscription Identifier", Variable, NotZero, [Publish Subscribe];
    SESSION_EXPIRY_INTERVAL = 0x11, "Session Expiry Interval", FourByte, Any, [Connect ConnAck Disconnect];
    ASSIGNED_CLIENT_IDENTIFIER = 0x12, "Assigned Client Identifier", Text, Any, [ConnAck];
    SERVER_KEEP_ALIVE = 0x13, "Server Keep Alive", TwoByte, Any, [ConnAck];
    AUTHENTICATION_METHOD = 0x15, "Authentication Method", Text, Any, [Connect ConnAck Auth];
    AUTHENTICATION_DATA = 0x16, "Authentication Data", Binary, Any, [Connect ConnAck Auth];
    REQUEST_PROBLEM_INFORMATION = 0x17, "Request Problem Information", Flag, Any, [Connect];
    WILL_DELAY_INTERVAL = 0x18, "Will Delay Interval", FourByte, Any, [Will];
    REQUEST_RESPONSE_INFORMATION = 0x19, "Request Response Information", Flag, Any, [Connect];
    RESPONSE_INFORMATION = 0x1A, "Response Information", Text, Any, [ConnAck];
    SERVER_REFERENCE = 0x1C, "Server Reference", Text, Any, [ConnAck Disconnect];
    REASON_STRING = 0x1F, "Reason String", Text, Any,
        [ConnAck PubAck PubRec PubRel PubComp SubAck UnsubAck Disconnect Auth];
    RECEIVE_MAXIMUM = 0x21, "Receive Maximum", TwoByte, NotZero, [Connect ConnAck];
    TOPIC_ALIAS_MAXIMUM = 0x22, "Topic Alias Maximum", TwoByte, Any, [Connect ConnAck];
    TOPIC_ALIAS = 0x23, "Topic Alias", TwoByte, NotZero, [Publish];
    MAXIMUM_QOS = 0x24, "Maximum QoS", Flag, Any, [ConnAck];
    RETAIN_AVAILABLE = 0x25, "Retain Available", Flag, Any, [ConnAck];
    USER_PROPERTY = 0x26, "User Property", Pair, Any, [Everywhere];
    MAXIMUM_PACKET_SIZE = 0x27, "Maximum Packet Size", FourByte, NotZero, [Connect ConnAck];
    WILDCARD_SUBSCRIPTION_AVAILABLE = 0x28, "Wildcard Subscription Available", Flag, Any, [ConnAck];
    SUBSCRIPTION_IDENTIFIER_AVAILABLE = 0x29, "Subscription Identifier Available", Flag, Any, [ConnAck];
    SHARED_SUBSCRIPTION_AVAILABLE = 0x2A, "Shared Subscription Available", Flag, Any, [ConnAck];
}

/// Highest property number; every number and so every bit of a set of properties is below 56.
const HIGHEST: usize = 0x2A;

/// `KINDS` by number, so that decoding looks nothing up by search.
static BY_ID: [Option<&'static Kind>; HIGHEST + 1] = {
    let mut by_id = [None; HIGHEST + 1];
    let mut index = 0;
    while index < KINDS.len() {
        by_id[KINDS[index].id as usize] = Some(&KINDS[index]);
        index += 1;
    }
    by_id
};

/// The property with this number.
pub(crate) fn find(id: u8) -> Option<&'static Kind> {
    BY_ID.get(usize::from(id)).copied().flatten()
}

const fn allowed_sets() -> [u64; 16] {
    let mut sets = [0; 16];
    let mut index = 0;
    while index < KINDS.len() {
        let mut place = 0;
        while place < 16 {
            if KINDS[index].places.0 & (1 << place) != 0 {
                sets[place] |= KINDS[index].bit();
            }
            place += 1;
        }
        index += 1;
    }
    sets
}

static ALLOWED: [u64; 16] = allowed_sets();

/// The set of properties that may stand in a place, as bits by number.
pub(crate) fn allowed_in(place: Place) -> u64 {
    ALLOWED[match place {
        Place::Will => 0,
        Place::Packet(packet) => usize::from(packet.number()),
    }]
}
