//! Numbers for `$SYS` and metrics.

use crate::index::Place;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! drop_reasons {
    ($($(#[$meta:meta])* $name:ident = $label:literal;)*) => {
        /// Why a copy of a message did not reach a client. Every drop is counted under one of these.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum DropReason { $($(#[$meta])* $name,)* }

        impl DropReason {
            /// All reasons.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The label in metrics.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

drop_reasons! {
    /// A QoS 0 copy for a session that has no connection.
    Offline = "offline";
    /// A QoS 0 copy lost to a full queue.
    QueueFullQos0 = "queue_full_qos0";
    /// A QoS 1 or 2 copy refused for a full queue.
    QueueFull = "queue_full";
    /// Expired before it could be sent `[MQTT-3.3.2-5]`.
    Expired = "expired";
    /// Larger than the client's maximum packet size `[MQTT-3.1.2-24]`.
    TooLarge = "too_large";
    /// The client's policy does not let it receive the topic.
    NotPermitted = "not_permitted";
    /// The session ended while the copy waited.
    SessionEnded = "session_ended";
    /// A shared group without a member that could take it.
    NoMember = "no_member";
    /// The client answered with an error reason code.
    ClientRefused = "client_refused";
    /// A QoS 0 copy waiting when its connection ended.
    ConnectionEnded = "connection_ended";
    /// A retained message beyond the limit.
    RetainedFull = "retained_full";
}

const REASONS: usize = DropReason::ALL.len();

/// A snapshot of the broker's numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sessions with a connection now.
    pub connected: u64,
    /// Sessions, connected or not.
    pub sessions: u64,
    /// Subscriptions, members of shared groups included.
    pub subscriptions: u64,
    /// Those of them that are shared.
    pub shared_subscriptions: u64,
    /// Those of them whose filter has a wildcard.
    pub wildcard_subscriptions: u64,
    /// Retained messages.
    pub retained_messages: u64,
    /// Bytes of retained messages.
    pub retained_bytes: u64,
    /// Copies waiting or in flight.
    pub queued_messages: u64,
    /// Bytes of those copies; a message with several copies counts several times.
    pub queued_bytes: u64,
    /// Exchanges of QoS 1 and 2 with clients that are not over, of clients that are away too.
    pub in_flight: u64,
    /// Messages received from clients.
    pub received: u64,
    /// Copies written to clients, repeats included.
    pub sent: u64,
    /// Bytes of payload in them.
    pub sent_payload_bytes: u64,
    /// Sessions ended because they had no room for a copy.
    pub sessions_overflowed: u64,
    /// Copies dropped, since the start.
    pub dropped: [u64; REASONS],
}

impl DropReason {
    /// Whether the copy was lost because a queue or a store was full.
    pub const fn is_limit(self) -> bool {
        matches!(self, Self::QueueFullQos0 | Self::QueueFull | Self::RetainedFull)
    }
}

impl Stats {
    /// Copies dropped for `reason` since the start.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }
}

fn is_reserved(filter: &str) -> bool {
    filter.starts_with('$') && !filter.starts_with(crate::retained::OWN)
}

/// What one session adds to the numbers of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gauge {
    /// Copies waiting or in flight.
    pub(crate) messages: usize,
    /// Bytes of those copies.
    pub(crate) bytes: usize,
    /// Exchanges that are not over.
    pub(crate) in_flight: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connected: AtomicU64,
    pub(crate) sessions: AtomicU64,
    pub(crate) subscriptions: AtomicU64,
    shared_subscriptions: AtomicU64,
    wildcard_subscriptions: AtomicU64,
    /// Subscriptions to topics that begin with `$`, `$SYS` aside.
    pub(crate) reserved_subscriptions: AtomicU64,
    pub(crate) queued_messages: AtomicU64,
    pub(crate) queued_bytes: AtomicU64,
    in_flight: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) sent_payload_bytes: AtomicU64,
    /// Sessions with at least one copy waiting or in flight.
    pub(crate) backlogged: AtomicU64,
    pub(crate) sessions_overflowed: AtomicU64,
    dropped: [AtomicU64; REASONS],
}

impl Counters {
    /// Counts a subscription that was made.
    pub(crate) fn subscribed(&self, place: Place<'_>) {
        self.subscriptions.fetch_add(1, Relaxed);
        self.kinds(place).for_each(|kind| _ = kind.fetch_add(1, Relaxed));
    }

    /// Counts a subscription that ended.
    pub(crate) fn unsubscribed(&self, place: Place<'_>) {
        self.subscriptions.fetch_sub(1, Relaxed);
        self.kinds(place).for_each(|kind| _ = kind.fetch_sub(1, Relaxed));
    }

    fn kinds(&self, place: Place<'_>) -> impl Iterator<Item = &AtomicU64> {
        let kinds = [
            (place.shared.is_some(), &self.shared_subscriptions),
            (place.has_wildcard(), &self.wildcard_subscriptions),
            (is_reserved(place.filter), &self.reserved_subscriptions),
        ];
        kinds.into_iter().filter_map(|(is_one, counter)| is_one.then_some(counter))
    }

    /// Takes over how a session's queue changed between two gauges.
    pub(crate) fn apply(&self, before: Gauge, after: Gauge) {
        if before == after {
            return;
        }
        match (before.messages, after.messages) {
            (0, 1..) => _ = self.backlogged.fetch_add(1, Relaxed),
            (1.., 0) => _ = self.backlogged.fetch_sub(1, Relaxed),
            _ => {}
        }
        // Wrapping differences add up to the right sum, whichever way they go.
        let grow = |counter: &AtomicU64, before: usize, after: usize| {
            counter.fetch_add((after as u64).wrapping_sub(before as u64), Relaxed);
        };
        grow(&self.queued_messages, before.messages, after.messages);
        grow(&self.queued_bytes, before.bytes, after.bytes);
        grow(&self.in_flight, before.in_flight, after.in_flight);
    }

    pub(crate) fn drop_copies(&self, reason: DropReason, copies: u64) {
        if copies > 0 {
            self.dropped[reason as usize].fetch_add(copies, Relaxed);
        }
    }

    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            connected: self.connected.load(Relaxed),
            sessions: self.sessions.load(Relaxed),
            subscriptions: self.subscriptions.load(Relaxed),
            shared_subscriptions: self.shared_subscriptions.load(Relaxed),
            wildcard_subscriptions: self.wildcard_subscriptions.load(Relaxed),
            retained_messages: 0,
            retained_bytes: 0,
            queued_messages: self.queued_messages.load(Relaxed),
            queued_bytes: self.queued_bytes.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            received: self.received.load(Relaxed),
            sent: self.sent.load(Relaxed),
            sent_payload_bytes: self.sent_payload_bytes.load(Relaxed),
            sessions_overflowed: self.sessions_overflowed.load(Relaxed),
            dropped: std::array::from_fn(|reason| self.dropped[reason].load(Relaxed)),
        }
    }
}
