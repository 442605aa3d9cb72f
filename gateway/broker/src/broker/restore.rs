//! Putting back what an earlier process persisted.

use super::{Broker, DueWill, Inner};
use crate::change::{
    Change, CopyOptions, FlightStage, SavedSubscription, SavedWill, SessionKey, SessionState,
};
use crate::session::{PendingWill, Queued, Slot, Stage};
use crate::stats::Gauge;
use crate::{Attachment, Message};
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

    /// A retained message.
    pub fn retained(&mut self, message: &Message, now_ms: u64) {
        self.inner.retained.set(message, &self.inner.limits, now_ms);
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
        let SessionState { header, subscriptions, inbound, outbound } = collected.state;
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
        let mut copies: HashMap<u64, Queued> = HashMap::new();
        let mut order = Vec::new();
        for (offset, message, options) in collected.copies {
            slot.count_in(message.bytes());
            order.push(offset);
            copies.insert(offset, Queued::restored(message, options, Some(offset)));
        }
        for flight in outbound {
            let copy = flight.offset.and_then(|offset| copies.remove(&offset));
            match (flight.stage, copy) {
                (FlightStage::Released, _) => state.window.restore(flight.packet_id, Stage::Released, None),
                (FlightStage::Published, Some(copy)) => {
                    state.window.restore(flight.packet_id, Stage::Published(copy), flight.offset);
                }
                // Settled, or never in the journal: there is nothing to repeat.
                (FlightStage::Published, None) => {
                    state.window.skip(flight.packet_id);
                }
            }
        }
        for copy in order.into_iter().filter_map(|offset| copies.remove(&offset)) {
            state.queue.push(copy);
        }
        self.counters.apply(Gauge::default(), state.gauge(&slot));
        let timer_at_ms = state.next_due_ms();
        self.set_timer(&slot, &mut state, timer_at_ms);
        for held in subscriptions {
            self.enter_restored(&slot, &held);
            let place = state.subscription_place(&held.filter);
            state.hold(place, held);
        }
        let changes = std::mem::take(&mut state.changes);
        drop(state);
        self.sessions.insert(slot.client_id.clone(), slot.clone());
        self.counters.sessions.fetch_add(1, Relaxed);
        changes
    }

    fn enter_restored(&self, slot: &Arc<Slot<A>>, held: &SavedSubscription) {
        // The feed is dropped: retained messages were given when the subscription was made.
        drop(self.enter(slot, held, true));
    }
}
