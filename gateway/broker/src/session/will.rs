//! The will of a session: kept while its connection lives, waiting or due when that is lost.

use super::{Slot, State};
use crate::broker::{DueWill, Inner};
use crate::change::{Change, SavedWill, WillKey};
use crate::{Attachment, Limits, Message};
use mqtt::{Text, Will};
use std::sync::Arc;

/// A will and whose it is.
pub(crate) struct PendingWill<A> {
    key: WillKey,
    will: Will,
    /// When it is due, in milliseconds since the Unix epoch; `None` while its connection lives.
    due_at_ms: Option<u64>,
    /// `None` while the connection lives, which has it; and of a restored will that nobody stands for.
    attachment: Option<A>,
}

impl<A: Attachment> PendingWill<A> {
    /// The will of a CONNECT.
    pub(crate) fn new(key: WillKey, will: &Will) -> Self {
        Self { key, will: detached(will), due_at_ms: None, attachment: None }
    }

    /// A will of an earlier process, whose connection is lost in any case.
    pub(crate) fn restored(saved: SavedWill, attachment: Option<A>) -> Self {
        Self { key: saved.key, will: saved.will, due_at_ms: saved.due_at_ms, attachment }
    }

    /// Seconds the will waits: what the client asks for, as far as the server grants it.
    pub(crate) fn delay_secs(&self, limits: &Limits) -> u32 {
        self.will.properties.will_delay_secs().unwrap_or(0).min(limits.will_delay_secs_max)
    }

    pub(crate) fn is_due(&self, now_ms: u64) -> bool {
        self.due_at_ms.is_some_and(|at_ms| at_ms <= now_ms)
    }

    pub(crate) fn due(self, client_id: &Arc<str>, now_ms: u64) -> DueWill<A> {
        let message = Message::of_will(&self.will, client_id.clone(), now_ms);
        DueWill { key: self.key, message, client_id: client_id.clone(), attachment: self.attachment }
    }
}

impl<A: Attachment> State<A> {
    /// The connection is gone; its will is left behind by whoever had it.
    pub(crate) fn bequeath(&mut self, attachment: A) {
        if let Some(will) = &mut self.will {
            will.attachment = Some(attachment);
        }
    }

    /// The will is due now, and given, or begins to wait `[MQTT-3.1.2-8]`.
    pub(crate) fn will_begins_to_wait(
        &mut self,
        broker: &Inner<A>,
        slot: &Slot<A>,
        now_ms: u64,
    ) -> Option<Box<PendingWill<A>>> {
        let will = self.will.as_mut()?;
        let delay_secs = will.delay_secs(&broker.limits);
        if delay_secs == 0 {
            return self.will.take();
        }
        will.due_at_ms = Some(now_ms.saturating_add(u64::from(delay_secs) * 1_000));
        self.record_will(broker, slot);
        None
    }

    /// As after a disconnection, for a will of an earlier process.
    pub(crate) fn will_waits(&mut self, broker: &Inner<A>, slot: &Slot<A>, now_ms: u64) {
        let Some(will) = self.will.as_mut().filter(|will| will.due_at_ms.is_none()) else { return };
        let delay_secs = will.delay_secs(&broker.limits);
        will.due_at_ms = Some(now_ms.saturating_add(u64::from(delay_secs) * 1_000));
        self.record_will(broker, slot);
    }

    /// When the will that waits is due; `u64::MAX` for never.
    pub(crate) fn will_due_at_ms(&self) -> u64 {
        self.will.as_ref().and_then(|will| will.due_at_ms).unwrap_or(u64::MAX)
    }

    /// Persists the will as it is now. Unlike other changes it is one of every session: a connection that is lost with the process leaves
    /// its will too.
    pub(crate) fn record_will(&mut self, broker: &Inner<A>, slot: &Slot<A>) {
        let Some(will) = self.will.as_ref().filter(|_| broker.recording) else { return };
        let attachment =
            will.attachment.as_ref().or(self.connection.as_ref().map(|connection| &connection.attachment));
        let saved = SavedWill {
            key: will.key,
            client_id: slot.client_id.clone(),
            session: slot.is_durable().then_some(slot.key),
            will: will.will.clone(),
            left_by: attachment.map(Attachment::persisted),
            due_at_ms: will.due_at_ms,
        };
        self.changes.push(Change::WillLeft(Box::new(saved)));
    }

    /// There is no will any more, and none is published.
    pub(crate) fn forget_will(&mut self, broker: &Inner<A>) {
        if let Some(will) = self.will.take()
            && broker.recording
        {
            self.changes.push(Change::WillOver(will.key));
        }
    }
}

/// The will in memory of its own: it may live as long as the session.
fn detached(will: &Will) -> Will {
    Will {
        qos: will.qos,
        retain: will.retain,
        properties: will.properties.detached(),
        topic: Text::try_from(will.topic.as_str()).unwrap_or_else(|_| will.topic.clone()),
        payload: bytes::Bytes::copy_from_slice(&will.payload),
    }
}
