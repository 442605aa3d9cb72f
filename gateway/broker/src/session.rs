//! One client's session, as the connection that has it sees it.

mod acknowledge;
mod alias;
mod inbound;
mod outgoing;
mod queue;
mod receive;
mod slot;
mod will;
mod window;

use crate::broker::Inner;
use crate::change::{Change, SessionKey};
use crate::{Attachment, Violation};
use mqtt::{ReasonCode, Version};
use std::sync::Arc;

pub(crate) use inbound::Stage as InboundStage;
pub use outgoing::Outgoing;
pub(crate) use queue::{Identifiers, Queued};
pub(crate) use slot::{Connection, Slot, State, Subscriber};
pub(crate) use will::PendingWill;
pub(crate) use window::Stage;

/// The handle of one connection to its session. When another connection takes the session, the handle is stale: nothing it does changes
/// the session any more, except that what was received through it can still be acknowledged.
pub struct Session<A> {
    pub(crate) broker: Arc<Inner<A>>,
    pub(crate) slot: Arc<Slot<A>>,
    pub(crate) generation: u32,
    pub(crate) version: Version,
}

impl<A: Attachment> Session<A> {
    /// The session's key.
    pub fn key(&self) -> SessionKey {
        self.slot.key
    }

    /// The client identifier, given or assigned.
    pub fn client_id(&self) -> &Arc<str> {
        &self.slot.client_id
    }

    /// The version this connection speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether the session outlives its connection, so that copies for it have to be durable.
    pub fn is_durable(&self) -> bool {
        self.slot.is_durable()
    }

    /// Whether this connection still has the session.
    pub fn is_current(&self) -> bool {
        self.slot.state.lock().is_current(self.generation)
    }

    /// Why this connection has the session no more: another one took it `[MQTT-3.1.4-3]`, or the server ended it.
    pub fn lost_to(&self) -> ReasonCode {
        self.slot.state.lock().lost_to()
    }

    /// After policies changed: copies that wait and were allowed under the old ones are asked about again when they are sent.
    pub fn recheck_permits(&self) {
        self.slot.state.lock().queue.withdraw_permits();
    }

    /// Asks for the connection to be closed with `reason`: its task is woken and finds it in [`Outgoing::closing`].
    pub fn close(&self, reason: ReasonCode) {
        let mut state = self.slot.state.lock();
        if !state.is_current(self.generation) {
            return;
        }
        let wake = state.close(reason);
        drop(state);
        if let Some(wake) = wake {
            wake.wake();
        }
    }

    /// What has to be persisted, in order, before the bytes and packets made since the last call go to the socket. Empty for sessions that
    /// are not durable, and for a broker that does not record.
    pub fn take_changes(&self) -> Vec<Change> {
        self.slot.state.lock().drain_changes(&self.slot, self.broker.recording)
    }
}

impl<A: Attachment> State<A> {
    pub(crate) fn is_current(&self, generation: u32) -> bool {
        !self.ended && self.generation == generation && self.connection.is_some()
    }

    pub(crate) fn lost_to(&self) -> ReasonCode {
        self.ended_for.filter(|_| self.ended).unwrap_or(ReasonCode::SessionTakenOver)
    }

    /// Wants the connection closed; the task to wake.
    #[must_use]
    pub(crate) fn close(&mut self, reason: ReasonCode) -> Option<Arc<dyn crate::Wake>> {
        let connection = self.connection.as_mut()?;
        connection.closing.get_or_insert(reason);
        connection.asleep = false;
        Some(connection.wake.clone())
    }

    /// Leaves changes to the connection, which persists them before it sends anything more; gives them back when there is none.
    pub(crate) fn entrust(&mut self, changes: impl Iterator<Item = Change>) -> Vec<Change> {
        if self.connection.is_some() {
            self.changes.extend(changes);
            return Vec::new();
        }
        changes.collect()
    }

    /// Records a change of a durable session.
    pub(crate) fn record(&mut self, broker: &Inner<A>, slot: &Slot<A>, change: impl FnOnce() -> Change) {
        if broker.recording && slot.is_durable() {
            self.changes.push(change());
        }
    }
}

const fn breach(reason: ReasonCode, sentence: &'static str, clause: &'static str) -> Violation {
    Violation::new(reason, sentence, clause)
}
