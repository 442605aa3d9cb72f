//! What has to be persisted for durable sessions, and the form they are restored from.

use crate::Message;
use mqtt::{PacketId, Qos, SubscriptionOptions, Text, Version, Will};
use std::sync::Arc;

/// Names one session for as long as it exists. A new session of the same client identifier has another key, so what was owed to the old
/// one can't reach the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey(pub u64);

/// Names one will for as long as it is kept; never given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WillKey(pub u64);

/// One step in the life of durable sessions, to be applied to the store in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A durable session began, or its header changed: replaces the header.
    Header(Box<SessionHeader>),
    /// The session ended, or is durable no more: forget all of it, its copies included.
    Closed(SessionKey),
    /// A subscription was made or replaced.
    Subscribed(SessionKey, SavedSubscription),
    /// A subscription ended.
    Unsubscribed(SessionKey, Arc<str>),
    /// A QoS 2 publish of this identifier was taken, and nothing of it is in the journal; its PUBREC may be sent. When something is, the
    /// record itself says so ([`crate::AckToken::exchange`]), and this is left out.
    InboundTaken(SessionKey, PacketId),
    /// Its PUBREL came; its PUBCOMP may be sent. Apply it only after the record of `offset` was looked at, and only to an exchange
    /// that no later record began: the identifier may be in use again by then.
    InboundReleased {
        /// The session.
        key: SessionKey,
        /// The identifier that is free now.
        packet_id: PacketId,
        /// The record that took the identifier, if one did.
        offset: Option<u64>,
    },
    /// A copy was given a packet identifier and is about to be sent.
    Flying(SessionKey, Flight),
    /// The exchange of this identifier is over.
    Landed(SessionKey, PacketId),
    /// The copy of this journal offset was delivered, or dropped for a counted reason: it is owed no more. Last the whole filter of the
    /// shared subscription it came by, if it did: a session may be owed its own copy of a record, and one for each of its groups.
    Settled(SessionKey, u64, Option<Arc<str>>),
    /// A copy in flight that no record holds, such as one of a retained message: comes before its [`Change::Flying`], and is over when the
    /// client has the message.
    Carried(SessionKey, PacketId, Box<Carried>),
    /// The copy of this journal offset is owed to one more session than its record lists.
    Owed {
        /// The session.
        key: SessionKey,
        /// Offset of the copy's record.
        offset: u64,
        /// Options of the copy.
        options: CopyOptions,
    },
    /// A subscription has retained messages to get yet: makes the feed, or says how far it is.
    Feeding(SessionKey, SavedFeed),
    /// The feed of this subscription is over.
    Fed(SessionKey, Arc<str>),
    /// The retained message of this journal offset reached the session as a live one while it had feeds: none of them gives it. Forgotten
    /// with the last of them.
    FeedSkips(SessionKey, u64),
    /// A connection has a will, or its will waits: replaces the will of this key. Wills of sessions that are not durable are kept too.
    WillLeft(Box<SavedWill>),
    /// The will was discarded, or published.
    WillOver(WillKey),
    /// A retained message expired: to be removed, unless its topic has another by now.
    RetainedOver {
        /// The topic.
        topic: Text,
        /// Offset of the record that made it the retained message, if that is known.
        offset: Option<u64>,
    },
    /// The copy of this journal offset is owed to another member of its shared group. May come twice: when `from` is not owed it, it has
    /// moved already.
    Moved {
        /// The session that left.
        from: SessionKey,
        /// The session that takes over; `None` when it is not durable, so nothing is owed any more.
        to: Option<SessionKey>,
        /// Offset of the copy's record.
        offset: u64,
        /// Options of the copy for its new session.
        options: CopyOptions,
    },
}

/// The part of a durable session that changes when connections come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionHeader {
    /// Its key.
    pub key: SessionKey,
    /// The client identifier.
    pub client_id: Arc<str>,
    /// Whose it is, as [`crate::Attachment::owner`] said; `None` for a session from before that was asked, which is whose client connects
    /// first.
    pub owner: Option<Arc<str>>,
    /// The version the client spoke last.
    pub version: Version,
    /// Seconds the session outlives its connection; `u32::MAX` is for ever.
    pub expiry_secs: u32,
    /// When it ends, in milliseconds since the Unix epoch; `None` while connected or when it lives for ever.
    pub expires_at_ms: Option<u64>,
}

/// A will that was not yet published or discarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedWill {
    /// Its key.
    pub key: WillKey,
    /// The client identifier.
    pub client_id: Arc<str>,
    /// The durable session it belongs to; with one that is not durable, or has ended, it is due when its connection is lost.
    pub session: Option<SessionKey>,
    /// Who left it, as [`crate::Attachment::persisted`] said; `None` when that is not known.
    pub left_by: Option<Arc<str>>,
    /// The will as the client gave it.
    pub will: Will,
    /// When it is due, in milliseconds since the Unix epoch; `None` while its connection lives.
    pub due_at_ms: Option<u64>,
}

/// One subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedSubscription {
    /// The filter as sent, `$share/…` included.
    pub filter: Arc<str>,
    /// Its options.
    pub options: SubscriptionOptions,
    /// Its subscription identifier.
    pub identifier: Option<u32>,
}

/// How far a subscription got with the retained messages it was promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedFeed {
    /// The subscription's filter, as sent.
    pub filter: Arc<str>,
    /// The place in the order of topics up to which they were given; the store need not know what it says.
    pub from: Box<[u8]>,
}

/// The body of a copy in flight that no journal record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The message.
    pub message: Arc<Message>,
    /// How the session gets it.
    pub options: CopyOptions,
}

/// A QoS 1 or 2 exchange towards the client that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight {
    /// Its packet identifier.
    pub packet_id: PacketId,
    /// How far it is.
    pub stage: FlightStage,
    /// Journal offset of the copy's record, if it has one.
    pub offset: Option<u64>,
    /// The whole filter of the shared subscription the copy came by, if it did; with the offset it names the copy.
    pub shared: Option<Arc<str>>,
}

/// How far an outbound exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlightStage {
    /// The PUBLISH was sent, nothing came back.
    Published,
    /// PUBREC came, PUBREL is what is repeated from now on.
    Released,
}

/// How one session gets a message: fixed when the message was routed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOptions {
    /// The smaller of the publish's and the subscription's quality of service.
    pub qos: Qos,
    /// The retain flag to send.
    pub retain: bool,
    /// Subscription identifiers to send.
    pub identifiers: Vec<u32>,
    /// The whole filter of the shared subscription it came by, if it did.
    pub shared: Option<Arc<str>>,
}

/// A whole durable session, as exported and as restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionState {
    /// The part that changes with connections.
    pub header: SessionHeader,
    /// Subscriptions.
    pub subscriptions: Vec<SavedSubscription>,
    /// QoS 2 identifiers received and not yet released by the client, each with the offset of the record that took it, if one did.
    pub inbound: Vec<(PacketId, Option<u64>)>,
    /// Outbound exchanges under way, in the order they were first sent.
    pub outbound: Vec<Flight>,
    /// Bodies of those that no journal record holds.
    pub carried: Vec<(PacketId, Carried)>,
    /// Feeds of retained messages that are not over.
    pub feeds: Vec<SavedFeed>,
    /// Offsets of the retained messages that the feeds do not give.
    pub feeds_skip: Vec<u64>,
}
