//! What the broker keeps for each client identifier: the session, and the connection it has now.

use super::alias;
use super::inbound::Inbound;
use super::queue::{Identifiers, Queue, Queued};
use super::will::PendingWill;
use super::window::{Stage, Window};
use crate::change::{
    Carried, Change, CopyOptions, Flight, FlightStage, SavedSubscription, SessionHeader, SessionKey,
    SessionState,
};
use crate::index::Keyed;
use crate::retained::Feed;
use crate::stats::Gauge;
use crate::{Attachment, Wake};
use mqtt::{Packet, PacketId, ReasonCode, SubscriptionOptions, Version};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// One session. The fields outside the lock are copies of what is inside, for [`crate::Broker::route`], which takes no session lock.
pub(crate) struct Slot<A> {
    pub(crate) key: SessionKey,
    pub(crate) client_id: Arc<str>,
    pub(crate) connected: AtomicBool,
    pub(crate) durable: AtomicBool,
    pub(crate) queued_messages: AtomicUsize,
    pub(crate) queued_bytes: AtomicUsize,
    pub(crate) state: Mutex<State<A>>,
}

/// A session, under its lock.
pub(crate) struct State<A> {
    /// The session is over and its slot no longer in the broker's map.
    pub(crate) ended: bool,
    /// Why the server ended the session, for the connection that had it.
    pub(crate) ended_for: Option<ReasonCode>,
    /// Grows with each connection; 0 before the first. A handle with another number is stale.
    pub(crate) generation: u32,
    pub(crate) version: Version,
    /// Whose it is, once it outlives its connection.
    pub(crate) owner: Option<Arc<str>>,
    /// Seconds the session outlives its connection.
    pub(crate) expiry_secs: u32,
    /// When it ends; `u64::MAX` while connected or when it lives for ever.
    pub(crate) expires_at_ms: u64,
    /// The place in the timer queue, `u64::MAX` for none.
    pub(crate) timer_at_ms: u64,
    pub(crate) connection: Option<Box<Connection<A>>>,
    pub(crate) will: Option<Box<PendingWill<A>>>,
    /// Sorted by filter.
    pub(crate) subscriptions: Vec<SavedSubscription>,
    pub(crate) inbound: Inbound,
    pub(crate) window: Window,
    pub(crate) queue: Queue,
    /// Retained messages that new subscriptions still have to get; at most one feed for each subscription.
    pub(crate) feeds: VecDeque<Feed>,
    /// Changes not yet taken; only of durable sessions of a broker that records.
    pub(crate) changes: Vec<Change>,
}

/// What lasts as long as the network connection.
pub(crate) struct Connection<A> {
    pub(crate) attachment: A,
    pub(crate) wake: Arc<dyn Wake>,
    /// Whether the task polled everything and waits to be woken.
    pub(crate) asleep: bool,
    /// Why the broker wants the connection closed.
    pub(crate) closing: Option<ReasonCode>,
    /// QoS 1 and 2 PUBLISHes that may still be sent `[MQTT-4.9.0-2]`.
    pub(crate) quota: u16,
    /// The client's maximum packet size.
    pub(crate) packet_bytes_max: u32,
    /// Topic aliases the client accepts, within this server's limit.
    pub(crate) outbound_aliases_max: u16,
    pub(crate) inbound_aliases: alias::Inbound,
    pub(crate) outbound_aliases: alias::Outbound,
    /// QoS 1 and 2 publishes received and not yet acknowledged `[MQTT-3.3.4-7]`.
    pub(crate) unacknowledged: u16,
    /// Whether reason strings may be sent on other packets than CONNACK and DISCONNECT `[MQTT-3.1.2-29]`.
    pub(crate) problem_information: bool,
    /// The session expiry the CONNECT asked for; 0 forbids to ask for more at DISCONNECT.
    pub(crate) asked_expiry_secs: u32,
    /// What the CONNECT named; without one the client may not send AUTH.
    pub(crate) authentication_method: Option<Box<str>>,
    /// Packets to send before all others: PUBRECs whose commit outlived the connection they came on.
    pub(crate) control: Vec<Packet>,
}

/// A subscription as the index holds it.
pub(crate) struct Subscriber<A> {
    pub(crate) slot: Arc<Slot<A>>,
    pub(crate) options: SubscriptionOptions,
    /// 0 for none.
    pub(crate) identifier: u32,
    /// The retained store's clock when the subscription was made.
    pub(crate) born: u64,
}

impl<A> Keyed for Subscriber<A> {
    fn key(&self) -> SessionKey {
        self.slot.key
    }
}

impl<A> Slot<A> {
    pub(crate) fn new(key: SessionKey, client_id: Arc<str>) -> Self {
        Self {
            key,
            client_id,
            connected: AtomicBool::new(false),
            durable: AtomicBool::new(false),
            queued_messages: AtomicUsize::new(0),
            queued_bytes: AtomicUsize::new(0),
            state: Mutex::new(State {
                ended: false,
                ended_for: None,
                generation: 0,
                version: Version::V5,
                owner: None,
                expiry_secs: 0,
                expires_at_ms: u64::MAX,
                timer_at_ms: u64::MAX,
                connection: None,
                will: None,
                subscriptions: Vec::new(),
                inbound: Inbound::default(),
                window: Window::default(),
                queue: Queue::default(),
                feeds: VecDeque::new(),
                changes: Vec::new(),
            }),
        }
    }

    /// A copy entered the queue; the lock is held, so these are never in a race with each other.
    pub(crate) fn count_in(&self, bytes: usize) {
        self.queued_messages.fetch_add(1, Ordering::Relaxed);
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A copy left the queue and the window.
    pub(crate) fn count_out(&self, bytes: usize) {
        self.queued_messages.fetch_sub(1, Ordering::Relaxed);
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Copies and bytes waiting or in flight.
    pub(crate) fn gauge(&self) -> (usize, usize) {
        (self.queued_messages.load(Ordering::Relaxed), self.queued_bytes.load(Ordering::Relaxed))
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.durable.load(Ordering::Relaxed)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }
}

impl<A: Attachment> State<A> {
    /// What the session adds to the numbers of all; `slot` is its own.
    pub(crate) fn gauge(&self, slot: &Slot<A>) -> Gauge {
        let (messages, bytes) = slot.gauge();
        Gauge { messages, bytes, in_flight: self.window.len() }
    }

    /// The task to wake, if it waits. Call it after the lock is released.
    #[must_use]
    pub(crate) fn rouse(&mut self) -> Option<Arc<dyn Wake>> {
        let connection = self.connection.as_mut()?;
        std::mem::take(&mut connection.asleep).then(|| connection.wake.clone())
    }

    pub(crate) fn subscription_place(&self, filter: &str) -> Result<usize, usize> {
        self.subscriptions.binary_search_by(|held| (*held.filter).cmp(filter))
    }

    pub(crate) fn header(&self, slot: &Slot<A>) -> SessionHeader {
        SessionHeader {
            key: slot.key,
            client_id: slot.client_id.clone(),
            owner: self.owner.clone(),
            version: self.version,
            expiry_secs: self.expiry_secs,
            expires_at_ms: (self.expires_at_ms != u64::MAX).then_some(self.expires_at_ms),
        }
    }

    pub(crate) fn export(&self, slot: &Slot<A>) -> SessionState {
        SessionState {
            header: self.header(slot),
            subscriptions: self.subscriptions.clone(),
            inbound: self.inbound.taken().collect(),
            outbound: self.window.iter().map(flight).collect(),
            carried: self.window.iter().filter_map(carried).collect(),
            feeds: self.saved_feeds(),
            feeds_skip: Vec::new(),
        }
    }
}

fn flight(flying: &super::window::Flying) -> Flight {
    let (stage, shared) = match &flying.stage {
        Stage::Published(copy) => (FlightStage::Published, copy.shared.clone()),
        Stage::Released => (FlightStage::Released, None),
    };
    Flight { packet_id: flying.packet_id(), stage, offset: flying.offset, shared }
}

fn carried(flying: &super::window::Flying) -> Option<(PacketId, Carried)> {
    match &flying.stage {
        Stage::Published(copy) if flying.offset.is_none() => {
            Some((flying.packet_id(), Carried { message: copy.message.clone(), options: copy.options() }))
        }
        Stage::Published(_) | Stage::Released => None,
    }
}

impl Queued {
    /// The options to persist for this copy.
    pub(crate) fn options(&self) -> CopyOptions {
        CopyOptions {
            qos: self.qos,
            retain: self.retain,
            identifiers: self.identifiers.to_vec(),
            shared: self.shared.clone(),
        }
    }

    /// A copy as a store gives it back.
    pub(crate) fn restored(message: Arc<crate::Message>, options: CopyOptions, offset: Option<u64>) -> Self {
        Self {
            message,
            qos: options.qos,
            retain: options.retain,
            permitted: false,
            identifiers: Identifiers::from_vec(options.identifiers),
            shared: options.shared,
            offset,
            arrival: 0,
        }
    }
}
