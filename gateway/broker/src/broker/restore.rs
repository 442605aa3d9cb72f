//! Putting back what an earlier process persisted.

use super::{Broker, DueWill, Inner};
use crate::change::{
    Carried, Change, CopyOptions, Flight, FlightStage, SavedFeed, SavedSubscription, SavedWill, SessionKey,
    SessionState,
};
use crate::retained::Feed;
use crate::session::{PendingWill, Queued, Slot, Stage, State};
use crate::stats::Gauge;
use crate::{Attachment, Message};
use mqtt::PacketId;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Collects what is to be restored. Nothing is in force before [`Restore::finish`].
pub struct Restore<'a, A> {
    inner: &'a Inner<A>,
    sessions: BTreeMap<SessionKey, Collected<A>>,
    client_ids: HashSet<Arc<str>>,
    wills: Vec<(SavedWill, Option<A>)>,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// How many sessions.
    pub sessions: usize,
    /// What to persist: from when on the sessions and wills of connections that died with the process wait for their clients.
    pub changes: Vec<Change>,
}

/// A will that no session keeps, and its client identifier.
pub(crate) struct OrphanedWill<A> {
    will: PendingWill<A>,
    client_id: Arc<str>,
}

impl<A: Attachment> OrphanedWill<A> {
    pub(crate) fn due(self, now_ms: u64) -> DueWill<A> {
        self.will.due(&self.client_id, now_ms)
    }
}

struct Collected<A> {
    state: SessionState,
    will: Option<PendingWill<A>>,
    copies: Vec<(u64, Arc<Message>, CopyOptions)>,
}

/// What can't be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Two sessions with one key or one client identifier: the store was damaged.
    #[error("session of client `{0}` is in the store twice; remove one of them")]
    Twice(Arc<str>),
    /// A copy of a session that does not exist (any more): it is owed to nobody.
    #[error("copy at offset `{offset}` is owed to a session that is not in the store")]
    UnknownSession {
        /// The copy's record.
        offset: u64,
    },
}

impl<A: Attachment> Broker<A> {
    /// Begins to restore; to be done before the first connection is taken in.
    pub fn restore(&self) -> Restore<'_, A> {
        Restore {
            inner: &self.inner,
            sessions: BTreeMap::new(),
            client_ids: HashSet::new(),
            wills: Vec::new(),
        }
    }
}

impl<A: Attachment> Restore<'_, A> {
    /// A durable session.
    ///
    /// # Errors
    /// When it was given before.
    pub fn session(&mut self, state: SessionState) -> Result<(), RestoreError> {
        let client_id = state.header.client_id.clone();
        let is_known = self.sessions.contains_key(&state.header.key)
            || self.inner.sessions.contains_key(&client_id)
            || !self.client_ids.insert(client_id.clone());
        if is_known {
            return Err(RestoreError::Twice(client_id));
        }
        self.sessions.insert(state.header.key, Collected { state, will: None, copies: Vec::new() });
        Ok(())
    }

    /// A copy a session is owed; give copies in the order of their offsets, as the journal has them.
    ///
    /// # Errors
    /// When the session was not given: it ended, and the copy with it.
    pub fn copy(
        &mut self,
        key: SessionKey,
        message: Arc<Message>,
        options: CopyOptions,
        offset: u64,
    ) -> Result<(), RestoreError> {
        let session = self.sessions.get_mut(&key).ok_or(RestoreError::UnknownSession { offset })?;
        session.copies.push((offset, message, options));
        Ok(())
    }

    /// A will, and who left it. With its session it waits on; without, it is due with the next [`Broker::tick`]: its connection was lost
    /// with the process, and so was a session that was not durable `[MQTT-3.1.2-8]`.
    pub fn will(&mut self, will: SavedWill, attachment: Option<A>) {
        self.wills.push((will, attachment));
    }

    /// A retained message, and the offset of the record that made it one, if that is known.
    pub fn retained(&mut self, message: &Message, offset: Option<u64>, now_ms: u64) {
        self.inner.retained.set(message, offset, &self.inner.limits, now_ms);
    }

    /// Puts everything in force. Sessions that were connected count as disconnected at `now_ms`; wills and sessions that are due come
    /// with the next [`Broker::tick`].
    pub fn finish(mut self, now_ms: u64) -> Restored {
        let mut restored = Restored { sessions: self.sessions.len(), changes: Vec::new() };
        for (saved, attachment) in std::mem::take(&mut self.wills) {
            self.inner.next_key.fetch_max(saved.key.0 + 1, Relaxed);
            let (session, client_id) = (saved.session, saved.client_id.clone());
            let will = PendingWill::restored(saved, attachment);
            match session.and_then(|key| self.sessions.get_mut(&key)) {
                Some(collected) => collected.will = Some(will),
                None => self.inner.orphaned_wills.lock().push(OrphanedWill { will, client_id }),
            }
        }
        for (key, collected) in self.sessions {
            self.inner.next_key.fetch_max(key.0 + 1, Relaxed);
            restored.changes.extend(self.inner.revive(collected, now_ms));
        }
        restored
    }
}

impl<A: Attachment> Inner<A> {
    fn revive(&self, collected: Collected<A>, now_ms: u64) -> Vec<Change> {
        let SessionState { header, subscriptions, inbound, outbound, carried, feeds, feeds_skip } =
            collected.state;
        let slot = Arc::new(Slot::new(header.key, header.client_id));
        let mut state = slot.state.lock();
        state.generation = 1;
        state.version = header.version;
        state.owner = header.owner;
        state.expiry_secs = header.expiry_secs;
        slot.durable.store(true, Relaxed);
        state.expires_at_ms = header.expires_at_ms.unwrap_or(u64::MAX);
        state.will = collected.will.map(Box::new);
        state.begin_wait(self, &slot, now_ms);
        for (id, offset) in inbound {
            state.inbound.set(id, crate::session::InboundStage::Taken { offset });
        }
        let owed: Vec<u64> = collected.copies.iter().map(|(offset, ..)| *offset).collect();
        state.take_back(&slot, collected.copies, outbound, carried);
        self.counters.apply(Gauge::default(), state.gauge(&slot));
        let timer_at_ms = state.next_due_ms();
        self.set_timer(&slot, &mut state, timer_at_ms);
        for held in subscriptions {
            self.enter_restored(&slot, &held);
            let place = state.subscription_place(&held.filter);
            state.hold(place, held);
        }
        self.resume_feeds(&mut state, feeds, feeds_skip.into_iter().chain(owed));
        let changes = state.drain_changes(&slot, self.recording);
        drop(state);
        self.sessions.insert(slot.client_id.clone(), slot.clone());
        self.counters.sessions.fetch_add(1, Relaxed);
        changes
    }

    /// A message that is owed to the session, or was, reached it as a live one; a feed gives the others.
    fn resume_feeds(&self, state: &mut State<A>, feeds: Vec<SavedFeed>, skips: impl Iterator<Item = u64>) {
        if feeds.is_empty() {
            return;
        }
        let mut skips: Vec<u64> = skips.collect();
        skips.sort_unstable();
        let skips: Arc<[u64]> = skips.into();
        for saved in feeds {
            let clock = self.retained.with_clock(&saved.filter, |clock| clock);
            if let Ok(at) = state.subscription_place(&saved.filter) {
                let subscription = state.subscriptions[at].clone();
                state.feeds.push_back(Feed::restored(subscription, saved, skips.clone(), clock));
            }
        }
    }

    fn enter_restored(&self, slot: &Arc<Slot<A>>, held: &SavedSubscription) {
        // The feed is dropped: retained messages were given when the subscription was made, or are by the feed that was not over.
        drop(self.enter(slot, held, true));
    }
}

impl<A> State<A> {
    /// Puts copies back in flight, those whose exchanges were under way, and the others in the queue.
    fn take_back(
        &mut self,
        slot: &Slot<A>,
        owed: Vec<(u64, Arc<Message>, CopyOptions)>,
        outbound: Vec<Flight>,
        carried: Vec<(PacketId, Carried)>,
    ) {
        let mut carried: HashMap<_, _> = carried.into_iter().collect();
        let mut copies: HashMap<(u64, Option<Arc<str>>), Queued> = HashMap::new();
        let mut order = Vec::new();
        for (offset, message, options) in owed {
            slot.count_in(message.bytes());
            let name = (offset, options.shared.clone());
            order.push(name.clone());
            copies.insert(name, Queued::restored(message, options, Some(offset)));
        }
        for flight in outbound {
            if flight.stage == FlightStage::Released {
                self.window.restore(flight.packet_id, Stage::Released, None);
                continue;
            }
            let copy = match flight.offset {
                Some(offset) => copies.remove(&(offset, flight.shared)),
                None => carried.remove(&flight.packet_id).map(|carried| {
                    slot.count_in(carried.message.bytes());
                    Queued::restored(carried.message, carried.options, None)
                }),
            };
            match copy {
                Some(copy) => self.window.restore(flight.packet_id, Stage::Published(copy), flight.offset),
                // Settled: there is nothing to repeat.
                None => {
                    self.window.skip(flight.packet_id);
                }
            }
        }
        for copy in order.into_iter().filter_map(|name| copies.remove(&name)) {
            self.queue.push(copy);
        }
    }
}
