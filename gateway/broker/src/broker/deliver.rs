//! Copies into outboxes.

use super::depart::Estate;
use super::{Broker, Inner};
use crate::change::{Change, SessionKey};
use crate::retained::Retention;
use crate::route::{Target, Targets, merge_overlapping};
use crate::session::{Queued, Slot, State};
use crate::{Attachment, Delivered, DropReason, Message, Overflowed, QueueFull, QueueFullQos0, Route};
use mqtt::{Qos, ReasonCode};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl<A: Attachment> Broker<A> {
    /// Hands `message` to the sessions of its route, one session's lock at a time, and makes it the retained message of its topic if it
    /// asks for that. Messages of one publisher must come in the order they were accepted `[MQTT-4.6.0-5]`.
    ///
    /// Sessions of the route that had no room end now, where that is the policy.
    ///
    /// `offset` is that of the journal record that holds what [`Route::owed`] listed; it comes back in [`Change::Settled`] when a copy is
    /// owed no more.
    pub fn deliver(
        &self,
        route: &Route<A>,
        message: &Arc<Message>,
        offset: Option<u64>,
        now_ms: u64,
    ) -> Delivered<A> {
        let inner = &*self.inner;
        let (retention, stored_at) = inner.retained.set(message, offset, &inner.limits, now_ms);
        inner.counters.drop_copies(DropReason::NoMember, route.without_member);
        let is_stillborn = retention == Retention::Cleared && !message.payload.is_empty();
        let mut delivery = Delivery { message, detached: None, now_ms, done: Delivered::new(retention) };
        if is_stillborn && inner.recording && offset.is_some() {
            // It expired before it could be retained, and its record says that it is.
            delivery.done.changes.push(Change::RetainedOver { topic: message.topic.clone(), offset });
        }
        for target in &route.targets {
            delivery.hand_out(inner, target, offset, false);
        }
        if inner.limits.queue_full == QueueFull::EndSession {
            for (slot, _) in &route.full {
                delivery.end_session(inner, slot);
            }
        }
        if retention != Retention::NotAsked && inner.subscribed.load(Ordering::Acquire) != route.made_at {
            for target in inner.subscribed_since(route, message, stored_at) {
                delivery.hand_out(inner, &target, offset, true);
            }
        }
        if retention == Retention::Refused {
            inner.counters.drop_copies(DropReason::RetainedFull, 1);
        }
        delivery.done
    }

    /// Whether there is room for `message` among the retained ones, if it asks for that: a publisher is to be told no before anything is
    /// written. Publishes under way do not see each other here.
    pub fn may_retain(&self, message: &Message) -> bool {
        !message.retain || self.inner.retained.has_room(message, &self.inner.limits)
    }
}

/// One message on its way into outboxes.
struct Delivery<'a, A> {
    message: &'a Arc<Message>,
    /// The message in memory of its own, made when the first copy has to wait for a client that is away or slow.
    detached: Option<Arc<Message>>,
    now_ms: u64,
    done: Delivered<A>,
}

/// Copies waiting for a connected client up to which they share the memory they came in. Behind more, that of a client that reads
/// slowly or not at all, a small message must not keep a large read buffer alive.
const SHARED_COPIES_MAX: usize = 16;

impl<A> Delivered<A> {
    fn new(retention: Retention) -> Self {
        Self { queued: 0, dropped: 0, retention, changes: Vec::new(), overflowed: Vec::new() }
    }
}

impl<A: Attachment> Delivery<'_, A> {
    /// `is_late` says that the message's record does not list the target: that it is owed a copy has to be said by itself.
    fn hand_out(&mut self, inner: &Inner<A>, target: &Target<A>, offset: Option<u64>, is_late: bool) {
        let leaves_soon = target.slot.is_connected() && target.slot.gauge().0 < SHARED_COPIES_MAX;
        let message = if leaves_soon {
            self.message.clone()
        } else {
            self.detached.get_or_insert_with(|| Arc::new(self.message.detached())).clone()
        };
        // Only what `Route::owed` listed is in the journal.
        let is_owed = target.qos > Qos::AtMostOnce && target.slot.is_durable();
        let copy = target.copy(message, offset.filter(|_| is_owed));
        let owed = copy.offset.filter(|_| is_late).map(|offset| Change::Owed {
            key: target.slot.key,
            offset,
            options: copy.options(),
        });
        let retained_at = offset.filter(|_| self.message.retain && target.slot.is_durable());
        match inner.enqueue(&target.slot, copy, owed, retained_at) {
            Ok(left) => {
                self.done.queued += 1;
                self.done.changes.extend(left);
            }
            Err(Undelivered { copy, reason }) if copy.shared.is_some() => {
                match inner.hand_over_or_drop(copy, &target.slot, reason, self.now_ms) {
                    Ok(change) => {
                        self.done.queued += 1;
                        self.done.changes.extend(change);
                    }
                    Err(change) => {
                        self.done.dropped += 1;
                        self.done.changes.extend(change);
                    }
                }
            }
            Err(Undelivered { copy, reason }) => {
                inner.counters.drop_copies(reason, 1);
                self.done.dropped += 1;
                self.done.changes.extend(settled(&target.slot, &copy));
            }
        }
    }
}

impl<A: Attachment> Delivery<'_, A> {
    /// Ends a session that had no room, unless it has ended already.
    fn end_session(&mut self, inner: &Inner<A>, slot: &Arc<Slot<A>>) {
        let mut state = slot.state.lock();
        if state.ended {
            return;
        }
        let (held, _) = slot.gauge();
        state.ended_for = Some(ReasonCode::QuotaExceeded);
        let wake = state.close(ReasonCode::QuotaExceeded);
        let ended = inner.end(slot, &mut state, self.now_ms);
        drop(state);
        inner.forget(slot);
        if let Some(wake) = wake {
            wake.wake();
        }
        inner.counters.sessions_overflowed.fetch_add(1, Ordering::Relaxed);
        let (changes, moved) = inner.wind_up(ended.estate, slot, self.now_ms);
        self.done.changes.extend(changes);
        self.done.dropped += held + 1 - moved;
        self.done.overflowed.push(Overflowed {
            client_id: slot.client_id.clone(),
            copies_lost: held + 1 - moved,
            will: ended.will,
        });
    }
}

impl<A> Target<A> {
    fn copy(&self, message: Arc<Message>, offset: Option<u64>) -> Queued {
        Queued {
            message,
            qos: self.qos,
            retain: self.retain,
            permitted: false,
            identifiers: self.identifiers.clone(),
            shared: self.shared.clone(),
            offset,
            arrival: 0,
        }
    }
}

/// A copy that a session did not take.
pub(crate) struct Undelivered {
    pub(crate) copy: Queued,
    pub(crate) reason: DropReason,
}

fn settled<A>(slot: &Slot<A>, copy: &Queued) -> Option<Change> {
    copy.offset.map(|offset| Change::Settled(slot.key, offset, copy.shared.clone()))
}

impl<A: Attachment> Inner<A> {
    /// Puts a copy in a session's queue and wakes its connection, which persists `first` before anything it does about the copy. Gives
    /// what is to be persisted back when there is no connection to do so. `retained_at` is the offset of a message that became the
    /// retained one of its topic.
    pub(crate) fn enqueue(
        &self,
        slot: &Slot<A>,
        mut copy: Queued,
        first: Option<Change>,
        retained_at: Option<u64>,
    ) -> Result<Vec<Change>, Undelivered> {
        let mut state = slot.state.lock();
        let before = state.gauge(slot);
        let admitted = self.admit(slot, &mut state, &copy);
        let (wake, left) = match admitted {
            Ok(permitted) => {
                copy.permitted = permitted;
                slot.count_in(copy.message.bytes());
                state.queue.push(copy);
                self.counters.apply(before, state.gauge(slot));
                let skips = retained_at.and_then(|offset| state.feeds_skip(slot.key, offset));
                (state.rouse(), state.entrust(first.into_iter().chain(skips)))
            }
            Err(reason) => {
                // Others may have made room in vain.
                self.counters.apply(before, state.gauge(slot));
                return Err(Undelivered { copy, reason });
            }
        };
        drop(state);
        if let Some(wake) = wake {
            wake.wake();
        }
        Ok(left)
    }

    /// Whether a session takes a copy, and if so whether its client's policy was asked.
    fn admit(&self, slot: &Slot<A>, state: &mut State<A>, copy: &Queued) -> Result<bool, DropReason> {
        if state.ended {
            return Err(DropReason::SessionEnded);
        }
        let permitted = match &state.connection {
            Some(connection) if connection.attachment.may_receive(&copy.message.topic) => true,
            Some(_) => return Err(DropReason::NotPermitted),
            None if copy.qos == Qos::AtMostOnce && !self.limits.queue_qos0_offline => {
                return Err(DropReason::Offline);
            }
            None => false,
        };
        // QoS 1 and 2 copies found room when they were routed.
        if copy.qos == Qos::AtMostOnce {
            self.make_room(slot, state, copy.message.bytes())?;
        }
        Ok(permitted)
    }

    fn make_room(&self, slot: &Slot<A>, state: &mut State<A>, bytes: usize) -> Result<(), DropReason> {
        while self.is_full(slot, bytes) {
            let oldest = match self.limits.queue_full_qos0 {
                QueueFullQos0::DropOldest => state.queue.pop_at_most_once(),
                QueueFullQos0::DropNewest => None,
            };
            let Some(oldest) = oldest else { return Err(DropReason::QueueFullQos0) };
            slot.count_out(oldest.message.bytes());
            self.counters.drop_copies(DropReason::QueueFullQos0, 1);
        }
        Ok(())
    }

    /// What is left to do for a session that ended, with its lock released; what [`Inner::hand_over`] gives.
    pub(crate) fn wind_up(&self, estate: Estate, slot: &Arc<Slot<A>>, now_ms: u64) -> (Vec<Change>, usize) {
        let Estate { mut changes, orphans, closed } = estate;
        // A copy may have come by a move that is among the changes, and has to go before the end takes it along.
        let (moves, kept) = self.hand_over(orphans, slot, now_ms);
        changes.extend(moves);
        changes.extend(closed);
        (changes, kept)
    }

    /// Gives copies that came by shared subscriptions to other members of their groups that have room; those that nobody takes stay
    /// with `from` while its session lasts. Gives what to persist, and how many were not dropped.
    pub(crate) fn hand_over(
        &self,
        orphans: Vec<Queued>,
        from: &Arc<Slot<A>>,
        now_ms: u64,
    ) -> (Vec<Change>, usize) {
        let mut changes = Vec::new();
        let mut kept = 0;
        for orphan in orphans {
            let handed = self.hand_over_or_drop(orphan, from, DropReason::SessionEnded, now_ms);
            kept += usize::from(handed.is_ok());
            match handed {
                Ok(change) | Err(change) => changes.extend(change),
            }
        }
        (changes, kept)
    }

    /// `Ok` when another member, or `from` itself, has the copy now; with what the caller has to persist.
    ///
    /// That a copy moved is for its new session's connection to persist, before it sends the copy: else the member that left would be
    /// owed it still after a restart. That connection may not get to it for long, when its client does not read; so the caller has to
    /// persist it too, before the session that the copy left can end, which would take the copy along. Whoever comes second finds
    /// nothing left to move.
    fn hand_over_or_drop(
        &self,
        copy: Queued,
        from: &Arc<Slot<A>>,
        reason: DropReason,
        now_ms: u64,
    ) -> Result<Option<Change>, Option<Change>> {
        let mut tried = vec![from.key];
        let mut copy = copy;
        while let Some(target) = self.next_member(&copy, &tried) {
            tried.push(target.slot.key);
            let offset = copy.offset;
            let moved = target.copy(copy.message.clone(), offset.filter(|_| target.slot.is_durable()));
            let options = moved.options();
            let to = (moved.qos > Qos::AtMostOnce && target.slot.is_durable()).then_some(target.slot.key);
            let change = offset.map(|offset| Change::Moved { from: from.key, to, offset, options });
            match self.enqueue(&target.slot, moved, change.clone(), None) {
                Ok(_) => return Ok(change),
                Err(undelivered) => copy.message = undelivered.copy.message,
            }
        }
        if copy.message.is_expired(now_ms) {
            self.counters.drop_copies(DropReason::Expired, 1);
            return Err(settled(from, &copy));
        }
        let waits = reason == DropReason::SessionEnded;
        match if waits { self.enqueue(from, copy, None, None) } else { Err(Undelivered { copy, reason }) } {
            Ok(_) => Ok(None),
            Err(Undelivered { copy, reason }) => {
                self.counters.drop_copies(reason, 1);
                Err(settled(from, &copy))
            }
        }
    }

    fn next_member(&self, copy: &Queued, tried: &[SessionKey]) -> Option<Target<A>> {
        let whole = copy.shared.as_ref()?;
        let bytes = copy.message.bytes();
        // A group that can't keep up must not fall one member after the other under what the last one leaves.
        let allowed = |slot: &Slot<A>| {
            !tried.contains(&slot.key) && (copy.qos == Qos::AtMostOnce || !self.is_full(slot, bytes))
        };
        self.index.group(whole, |group| self.pick(group, &copy.message, allowed)).flatten()
    }

    /// Sessions that subscribed after the route was made and before the message was retained: they did not get it as a retained
    /// message, so they get it as a live one.
    fn subscribed_since(&self, route: &Route<A>, message: &Message, stored_at: u64) -> Targets<A> {
        let known = route.known();
        let mut late = Targets::new();
        self.index.matching(&message.topic, |entry| {
            let found = entry.plain().iter().filter(|subscriber| {
                subscriber.born < stored_at
                    && subscriber.hears(message)
                    && !known.contains(&subscriber.slot.key)
            });
            late.extend(found.map(|subscriber| subscriber.target(message, None)));
        });
        merge_overlapping(&mut late);
        late
    }
}
