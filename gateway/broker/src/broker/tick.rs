//! What time brings: wills that waited, sessions whose client never came back, retained messages that expired.

use super::{Broker, Inner, Ticked, Timers};
use crate::Attachment;
use crate::change::Change;
use crate::session::{Slot, State};
use std::sync::Arc;

impl<A: Attachment> Broker<A> {
    /// Deals with at most `sessions_max` sessions (and as many retained messages) whose time has come. Looks at no others.
    pub fn tick(&self, now_ms: u64, sessions_max: usize) -> Ticked<A> {
        let inner = &*self.inner;
        let mut ticked = Ticked { wills: Vec::new(), ended: Vec::new(), changes: Vec::new(), more: false };
        let expired = inner.retained.expire(now_ms, sessions_max);
        ticked.more = expired.len() == sessions_max;
        if inner.recording {
            let over = expired.into_iter().map(|(topic, offset)| Change::RetainedOver { topic, offset });
            ticked.changes.extend(over);
        }
        let mut orphans = inner.orphaned_wills.lock();
        let orphans_left = orphans.len().saturating_sub(sessions_max);
        ticked.wills.extend(orphans.drain(orphans_left..).map(|orphan| orphan.due(now_ms)));
        drop(orphans);
        ticked.more |= orphans_left > 0;
        let due = take_due(&mut inner.timers.lock(), now_ms, sessions_max);
        ticked.more |= due.len() == sessions_max;
        for slot in due {
            inner.fire(&slot, now_ms, &mut ticked);
        }
        ticked
    }

    /// When [`Broker::tick`] has something to do next, in milliseconds since the Unix epoch; retained messages, which expire without
    /// anybody waiting for it, aside.
    pub fn next_tick_ms(&self) -> Option<u64> {
        self.inner.timers.lock().first_key_value().map(|((at_ms, _), _)| *at_ms)
    }
}

fn take_due<A>(timers: &mut Timers<A>, now_ms: u64, sessions_max: usize) -> Vec<Arc<Slot<A>>> {
    let mut due = Vec::new();
    while due.len() < sessions_max
        && let Some(entry) = timers.first_entry()
        && entry.key().0 <= now_ms
    {
        due.push(entry.remove());
    }
    due
}

impl<A: Attachment> Inner<A> {
    /// Moves the session's one place in the timer queue; `u64::MAX` takes it out.
    pub(crate) fn set_timer(&self, slot: &Arc<Slot<A>>, state: &mut State<A>, at_ms: u64) {
        if state.timer_at_ms == at_ms {
            return;
        }
        let mut timers = self.timers.lock();
        timers.remove(&(state.timer_at_ms, slot.key));
        if at_ms != u64::MAX {
            timers.insert((at_ms, slot.key), slot.clone());
        }
        state.timer_at_ms = at_ms;
    }

    /// A session whose entry was taken from the queue. Its client may have come back in between.
    fn fire(&self, slot: &Arc<Slot<A>>, now_ms: u64, ticked: &mut Ticked<A>) {
        let mut state = slot.state.lock();
        if state.timer_at_ms > now_ms {
            return;
        }
        state.timer_at_ms = u64::MAX;
        if state.ended || state.connection.is_some() {
            return;
        }
        if state.expires_at_ms <= now_ms {
            let ended = self.end(slot, &mut state, now_ms);
            drop(state);
            self.forget(slot);
            ticked.changes.extend(self.wind_up(ended.estate, slot, now_ms).0);
            ticked.wills.extend(ended.will);
            ticked.ended.push(slot.client_id.clone());
            return;
        }
        if let Some(will) = state.will.take_if(|will| will.is_due(now_ms)) {
            ticked.wills.push(will.due(&slot.client_id, now_ms));
        }
        let next_ms = state.next_due_ms();
        self.set_timer(slot, &mut state, next_ms);
        ticked.changes.extend(state.drain_changes(slot, self.recording));
    }
}

impl<A: Attachment> State<A> {
    /// As after a disconnection, for a session of an earlier process.
    pub(crate) fn begin_wait(&mut self, broker: &Inner<A>, slot: &Slot<A>, now_ms: u64) {
        if self.expiry_secs != u32::MAX && self.expires_at_ms == u64::MAX {
            // It was connected when that process died; from when on it was not, nobody knows any more.
            self.expires_at_ms = now_ms.saturating_add(u64::from(self.expiry_secs) * 1_000);
            let header = self.header(slot);
            self.record(broker, slot, || Change::Header(Box::new(header)));
        }
        self.will_waits(broker, slot, now_ms);
    }

    /// When the timer queue has to look at this session again; `u64::MAX` for never.
    pub(crate) fn next_due_ms(&self) -> u64 {
        self.will_due_at_ms().min(self.expires_at_ms)
    }
}
