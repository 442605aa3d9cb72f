//! The end of a connection, and the end of a session.

use super::{Broker, Departed, DueWill, Inner};
use crate::change::Change;
use crate::session::{Queued, Session, Slot, Stage, State};
use crate::{Attachment, DropReason, Parting};
use mqtt::{Qos, ReasonCode};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What is left of a session that ended.
pub(crate) struct Ended<A> {
    pub(crate) will: Option<DueWill<A>>,
    pub(crate) estate: Estate,
}

/// What [`Inner::wind_up`] has to see to.
pub(crate) struct Estate {
    /// What was still to be persisted.
    pub(crate) changes: Vec<Change>,
    /// Copies that came by a shared subscription and may go to another member.
    pub(crate) orphans: Vec<Queued>,
    /// To be persisted last.
    pub(crate) closed: Option<Change>,
}

impl<A: Attachment> Broker<A> {
    /// Ends a connection. Call it once for each [`super::Connected`], after the last [`Session::acknowledge`] of what it received: a QoS 2
    /// message still not acknowledged counts as never received. Through a stale handle it does only that.
    pub fn disconnected(&self, session: &Session<A>, how: Parting, now_ms: u64) -> Departed<A> {
        let inner = &*self.inner;
        let slot = &session.slot;
        let mut departed = Departed { will: None, session_ended: false, changes: Vec::new() };
        let mut state = slot.state.lock();
        // A live connection that repeated such a message got no answer, and never will: it has to come again.
        let wake = if state.inbound.abandon(session.generation) {
            state.close(ReasonCode::ImplementationSpecificError)
        } else {
            None
        };
        if !state.is_current(session.generation) {
            drop(state);
            if let Some(wake) = wake {
                wake.wake();
            }
            return departed;
        }
        let before = state.gauge(slot);
        inner.detach(slot, &mut state, how);
        let estate = if state.expiry_secs == 0 || (how == Parting::Refused && state.generation == 1) {
            let ended = inner.end(slot, &mut state, now_ms);
            departed = Departed { will: ended.will, session_ended: true, changes: Vec::new() };
            ended.estate
        } else {
            departed.will = inner.wait(slot, &mut state, now_ms);
            let orphans = inner.leave_groups(slot, &mut state);
            let changes = state.drain_changes(slot, inner.recording);
            inner.counters.apply(before, state.gauge(slot));
            Estate { changes, orphans, closed: None }
        };
        drop(state);
        if departed.session_ended {
            inner.forget(slot);
        }
        departed.changes = inner.wind_up(estate, slot, now_ms).0;
        departed
    }
}

impl<A: Attachment> Broker<A> {
    /// Asks for the connection of a client to be closed with `reason`; whether it has one.
    pub fn close(&self, client_id: &str, reason: ReasonCode) -> bool {
        let slot = self.inner.sessions.get(client_id).map(|slot| slot.clone());
        slot.is_some_and(|slot| close(&slot, reason))
    }

    /// Ends the session of a client, connected or not: its connection is told to close, its will is due. `None` when there is none.
    pub fn end_session(&self, client_id: &str, reason: ReasonCode, now_ms: u64) -> Option<Departed<A>> {
        let slot = self.inner.sessions.get(client_id)?.clone();
        let mut state = slot.state.lock();
        let wake = state.close(reason);
        let ended = (!state.ended).then(|| self.inner.end(&slot, &mut state, now_ms));
        drop(state);
        self.inner.forget(&slot);
        if let Some(wake) = wake {
            wake.wake();
        }
        let ended = ended?;
        let changes = self.inner.wind_up(ended.estate, &slot, now_ms).0;
        Some(Departed { will: ended.will, session_ended: true, changes })
    }
}

fn close<A: Attachment>(slot: &Slot<A>, reason: ReasonCode) -> bool {
    // The lock is free again when the connection's task is woken.
    let wake = slot.state.lock().close(reason);
    wake.inspect(|wake| wake.wake()).is_some()
}

impl<A: Attachment> Inner<A> {
    /// Takes the connection from its session.
    fn detach(&self, slot: &Slot<A>, state: &mut State<A>, how: Parting) {
        let Some(connection) = state.connection.take() else { return };
        slot.connected.store(false, Relaxed);
        self.counters.connected.fetch_sub(1, Relaxed);
        match how {
            Parting::Clean | Parting::Refused => state.forget_will(self),
            Parting::WithWill | Parting::Lost | Parting::TakenOver => state.bequeath(connection.attachment),
        }
    }

    /// The session waits for its client. Gives the will, unless it waits too.
    fn wait(&self, slot: &Arc<Slot<A>>, state: &mut State<A>, now_ms: u64) -> Option<DueWill<A>> {
        if state.expiry_secs != u32::MAX {
            state.expires_at_ms = now_ms.saturating_add(u64::from(state.expiry_secs) * 1_000);
        }
        let due = state.will_begins_to_wait(self, slot, now_ms);
        let will = due.map(|will| will.due(&slot.client_id, now_ms));
        let timer_at_ms = state.next_due_ms();
        self.set_timer(slot, state, timer_at_ms);
        if !self.limits.queue_qos0_offline {
            while let Some(copy) = state.queue.pop_at_most_once() {
                slot.count_out(copy.message.bytes());
                self.counters.drop_copies(DropReason::ConnectionEnded, 1);
            }
        }
        state.queue.withdraw_permits();
        state.feeds.retain(|feed| feed.subscription.options.qos > Qos::AtMostOnce);
        let header = state.header(slot);
        state.record(self, slot, || Change::Header(Box::new(header)));
        will
    }

    /// Ends a session, with its lock held: everything but taking it from the map ([`Inner::forget`]) and finding new owners for the
    /// orphans ([`Inner::wind_up`]), which need the lock released.
    pub(crate) fn end(&self, slot: &Arc<Slot<A>>, state: &mut State<A>, now_ms: u64) -> Ended<A> {
        let before = state.gauge(slot);
        state.ended = true;
        if let Some(connection) = state.connection.take() {
            slot.connected.store(false, Relaxed);
            self.counters.connected.fetch_sub(1, Relaxed);
            state.bequeath(connection.attachment);
        }
        self.set_timer(slot, state, u64::MAX);
        for held in std::mem::take(&mut state.subscriptions) {
            let place = crate::index::Place::of(&held.filter);
            self.index.remove(place, slot.key);
            self.counters.unsubscribed(place);
        }
        state.feeds = VecDeque::new();
        let mut orphans = state.queue.extract(|_| true);
        // Of what is in flight only QoS 1 may go to another client [MQTT-4.8.2-5].
        let flying = state.window.drain().filter_map(|flying| match flying.stage {
            Stage::Published(copy) => Some(copy),
            Stage::Released => None,
        });
        let mut flying: Vec<_> = flying.collect();
        for copy in orphans.iter().chain(&flying) {
            slot.count_out(copy.message.bytes());
        }
        let unfinished = flying.len() + orphans.len();
        flying.retain(|copy| copy.qos == Qos::AtLeastOnce && copy.shared.is_some());
        orphans.retain(|copy| copy.qos > Qos::AtMostOnce && copy.shared.is_some());
        flying.append(&mut orphans);
        self.counters.drop_copies(DropReason::SessionEnded, (unfinished - flying.len()) as u64);
        let closed = (self.recording && slot.is_durable()).then_some(Change::Closed(slot.key));
        slot.durable.store(false, Relaxed);
        self.counters.apply(before, state.gauge(slot));
        Ended {
            will: state.will.take().map(|will| will.due(&slot.client_id, now_ms)),
            estate: Estate { changes: std::mem::take(&mut state.changes), orphans: flying, closed },
        }
    }

    /// Takes an ended session's slot from the map, unless a new session is there already.
    pub(crate) fn forget(&self, slot: &Arc<Slot<A>>) {
        if self.sessions.remove_if(&slot.client_id, |_, held| Arc::ptr_eq(held, slot)).is_some() {
            self.counters.sessions.fetch_sub(1, Relaxed);
        }
    }

    /// Takes out what a connected member of the same shared group could have instead of waiting for this client: what was not sent yet,
    /// and what is in flight at QoS 1; QoS 2 in flight stays `[MQTT-4.8.2-4]`.
    fn leave_groups(&self, slot: &Arc<Slot<A>>, state: &mut State<A>) -> Vec<Queued> {
        let has_other = |whole: &Arc<str>| {
            self.index.group(whole, |group| {
                group.any(|member| member.slot.key != slot.key && member.slot.is_connected())
            })
        };
        let movable = |copy: &Queued| copy.shared.as_ref().and_then(has_other).unwrap_or(false);
        let mut orphans = Vec::new();
        let mut at = 0;
        while at < state.window.len() {
            let flying = state.window.get_mut(at);
            match &flying.stage {
                Stage::Published(copy) if copy.qos == Qos::AtLeastOnce && movable(copy) => {
                    let packet_id = flying.packet_id();
                    orphans.extend(state.window.remove(at).and_then(|flying| flying.into_copy()));
                    state.record(self, slot, || Change::Landed(slot.key, packet_id));
                }
                _ => at += 1,
            }
        }
        orphans.extend(state.queue.extract(movable));
        for copy in &orphans {
            slot.count_out(copy.message.bytes());
        }
        orphans
    }
}
