//! What time brings: wills that waited, sessions whose client never came back, retained messages that expired.

use super::{Broker, Inner, Ticked, Timers};
use crate::Attachment;
use crate::session::{PendingWill, Slot, State};
use std::sync::Arc;

impl<A: Attachment> Broker<A> {
    /// Deals with at most `sessions_max` sessions (and as many retained messages) whose time has come. Looks at no others.
    pub fn tick(&self, now_ms: u64, sessions_max: usize) -> Ticked<A> {
        let inner = &*self.inner;
        let mut ticked = Ticked { wills: Vec::new(), ended: Vec::new(), changes: Vec::new(), more: false };
        ticked.more = inner.retained.expire(now_ms, sessions_max) == sessions_max;
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
            ticked.changes.extend(self.hand_over(ended.orphans, slot, now_ms).0);
            ticked.changes.extend(ended.changes);
            ticked.wills.extend(ended.will);
            ticked.ended.push(slot.client_id.clone());
            return;
        }
        if let Some(will) =
            state.will.take_if(|will| will.saved.due_at_ms.is_some_and(|at_ms| at_ms <= now_ms))
        {
            ticked.wills.push(will.due(slot, now_ms));
            let header = state.header(slot);
            state.record(self, slot, || crate::Change::Header(Box::new(header)));
        }
        let next_ms = state.next_due_ms();
        self.set_timer(slot, &mut state, next_ms);
        ticked.changes.append(&mut state.changes);
    }
}

impl<A: Attachment> State<A> {
    /// The connection is gone: the will is due now, and returned, or after its delay `[MQTT-3.1.2-8]`.
    pub(crate) fn will_begins_to_wait(
        &mut self,
        delay_secs_max: u32,
        now_ms: u64,
    ) -> Option<Box<PendingWill<A>>> {
        let will = self.will.as_mut()?;
        let delay_secs = will.saved.will.properties.will_delay_secs().unwrap_or(0).min(delay_secs_max);
        if delay_secs == 0 {
            return self.will.take();
        }
        will.saved.due_at_ms = Some(now_ms.saturating_add(u64::from(delay_secs) * 1_000));
        None
    }

    /// As after a disconnection, for a session of an earlier process.
    pub(crate) fn begin_wait(&mut self, expires_at_ms: Option<u64>, will_delay_secs_max: u32, now_ms: u64) {
        if self.expiry_secs != u32::MAX {
            let fresh = now_ms.saturating_add(u64::from(self.expiry_secs) * 1_000);
            self.expires_at_ms = expires_at_ms.unwrap_or(fresh);
        }
        if let Some(will) = self.will.as_mut().filter(|will| will.saved.due_at_ms.is_none()) {
            let delay_secs =
                will.saved.will.properties.will_delay_secs().unwrap_or(0).min(will_delay_secs_max);
            will.saved.due_at_ms = Some(now_ms.saturating_add(u64::from(delay_secs) * 1_000));
        }
    }

    /// When the timer queue has to look at this session again; `u64::MAX` for never.
    pub(crate) fn next_due_ms(&self) -> u64 {
        let will = self.will.as_ref().and_then(|will| will.saved.due_at_ms);
        will.unwrap_or(u64::MAX).min(self.expires_at_ms)
    }
}
