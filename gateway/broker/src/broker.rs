//! The broker: all sessions, and the steps that concern more than one of them.

mod connect;
mod deliver;
mod depart;
mod restore;
mod subscribe;
mod tick;

use crate::change::{Change, SessionKey, SessionState, WillKey};
use crate::index::Index;
use crate::retained::Retained;
use crate::session::{Session, Slot, Subscriber};
use crate::stats::Counters;
use crate::{Attachment, Limits, Message, Stats};
use dashmap::DashMap;
use mqtt::{ConnAck, SubAck};
use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use restore::OrphanedWill;
pub use restore::{Restore, RestoreError, Restored};

/// All sessions, subscriptions and retained messages. A clone is another handle to the same broker.
pub struct Broker<A> {
    pub(crate) inner: Arc<Inner<A>>,
}

impl<A> Clone for Broker<A> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

/// Sessions whose will or end is due, in order of time.
pub(crate) type Timers<A> = BTreeMap<(u64, SessionKey), Arc<Slot<A>>>;

pub(crate) struct Inner<A> {
    pub(crate) limits: Limits,
    /// Whether changes of durable sessions are recorded.
    pub(crate) recording: bool,
    pub(crate) sessions: DashMap<Arc<str>, Arc<Slot<A>>>,
    pub(crate) index: Index<Subscriber<A>>,
    /// Grows with each subscription, so a route can tell that it is out of date.
    pub(crate) subscribed: AtomicU64,
    pub(crate) retained: Retained,
    pub(crate) timers: Mutex<Timers<A>>,
    /// Restored wills without a session, due at once; no more than there were connections.
    pub(crate) orphaned_wills: Mutex<Vec<OrphanedWill<A>>>,
    pub(crate) counters: Counters,
    next_key: AtomicU64,
    identifiers: Mutex<StdRng>,
}

/// A connection was taken in.
pub struct Connected<A> {
    /// The handle of this connection to its session.
    pub session: Session<A>,
    /// What to send, after `changes` are persisted.
    pub connack: ConnAck,
    /// The keep alive in force, in seconds; 0 is none.
    pub keep_alive_secs: u16,
    /// The connection that had the session: its task was woken and finds 0x8E in [`crate::Outgoing::closing`] `[MQTT-3.1.4-3]`.
    pub taken_over: Option<Session<A>>,
    /// The attachment of that connection.
    pub taken_over_from: Option<A>,
    /// Whether a session of this client identifier ended because it was somebody else's.
    pub displaced: bool,
    /// The will of the connection before, due now.
    pub will: Option<DueWill<A>>,
    /// What to persist before the CONNACK is sent.
    pub changes: Vec<Change>,
}

/// A connection ended.
#[derive(Debug)]
pub struct Departed<A> {
    /// The will, if it is due now.
    pub will: Option<DueWill<A>>,
    /// Whether the session ended with its connection.
    pub session_ended: bool,
    /// What to persist.
    pub changes: Vec<Change>,
}

/// What became due.
#[derive(Debug)]
pub struct Ticked<A> {
    /// Wills to publish now.
    pub wills: Vec<DueWill<A>>,
    /// Client identifiers of the sessions that ended.
    pub ended: Vec<Arc<str>>,
    /// What to persist.
    pub changes: Vec<Change>,
    /// Whether more is due already, beyond the limit given.
    pub more: bool,
}

/// A will to publish: like a PUBLISH of its client, it passes authorisation, rules and [`Broker::route`].
#[derive(Debug)]
pub struct DueWill<A> {
    /// Its key. When it is published, or can't be, say so to the store: [`Change::WillOver`].
    pub key: WillKey,
    /// The message.
    pub message: Message,
    /// The client it is from.
    pub client_id: Arc<str>,
    /// The attachment of the connection that left it; `None` when it was restored and nobody stands for it.
    pub attachment: Option<A>,
}

/// The outcome of a SUBSCRIBE.
#[derive(Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// What to send, after [`Session::take_changes`] was persisted.
    pub ack: SubAck,
    /// Filters granted, as sent, for lifecycle events.
    pub granted: Vec<Arc<str>>,
    /// Whether retained messages are to follow; [`Session::poll_outgoing`] gives them.
    pub retained_follows: bool,
}

impl<A: Attachment> Broker<A> {
    /// A broker without sessions. `seed` starts the client identifiers it assigns, which must be hard to guess: give it random bytes.
    pub fn new(limits: Limits, seed: [u8; 32]) -> Self {
        Self::with(limits, seed, false)
    }

    /// As [`Broker::new`], for a caller that persists durable sessions: changes are recorded, and have to be taken.
    pub fn recording(limits: Limits, seed: [u8; 32]) -> Self {
        Self::with(limits, seed, true)
    }

    fn with(limits: Limits, seed: [u8; 32], recording: bool) -> Self {
        let inner = Inner {
            recording,
            sessions: DashMap::new(),
            index: Index::new(limits.compatibility.parent_matches()),
            limits,
            subscribed: AtomicU64::new(0),
            retained: Retained::default(),
            timers: Mutex::new(Timers::new()),
            orphaned_wills: Mutex::new(Vec::new()),
            counters: Counters::default(),
            next_key: AtomicU64::new(1),
            identifiers: Mutex::new(StdRng::from_seed(seed)),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The bounds in force.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// The numbers now.
    pub fn stats(&self) -> Stats {
        let (messages, bytes) = self.inner.retained.size();
        Stats {
            retained_messages: messages as u64,
            retained_bytes: bytes as u64,
            ..self.inner.counters.snapshot()
        }
    }

    /// Whether anybody subscribed to topics that begin with `$`, `$SYS` aside; no wildcard at the first level matches them
    /// `[MQTT-4.7.2-1]`.
    pub fn hears_reserved(&self) -> bool {
        self.inner.counters.reserved_subscriptions.load(Ordering::Relaxed) > 0
    }

    /// The message retained for a topic, expired or not.
    pub fn retained(&self, topic: &str) -> Option<Arc<Message>> {
        self.inner.retained.get(topic)
    }

    /// Everything to persist of one durable session; `None` when there is none of this client.
    pub fn export(&self, client_id: &str) -> Option<SessionState> {
        let slot = self.inner.sessions.get(client_id)?.clone();
        let state = slot.state.lock();
        (!state.ended && slot.is_durable()).then(|| state.export(&slot))
    }
}

impl<A> Inner<A> {
    pub(crate) fn new_key(&self) -> SessionKey {
        SessionKey(self.next_key.fetch_add(1, Ordering::Relaxed))
    }

    /// A client identifier nobody has guessed `[MQTT-3.1.3-6]`.
    fn assign_client_id(&self) -> Arc<str> {
        let number: u128 = rand::Rng::random(&mut *self.identifiers.lock());
        format!("auto-{number:032x}").into()
    }
}
