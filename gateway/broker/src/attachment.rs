//! What the caller hangs on a live connection.

use std::sync::Arc;

/// Identity and policies of a live connection, as far as the broker needs them.
///
/// A clone should be cheap: one is made for a will that waits.
pub trait Attachment: Clone + Send + Sync + 'static {
    /// Whether a message of `topic` may be handed to this client; asked for each delivery, so that a policy which changed acts on
    /// subscriptions that already exist. Called with the session locked: it must be quick and must not call the broker.
    fn may_receive(&self, topic: &str) -> bool;

    /// Whose the sessions of this client are, as text for [`Attachment::owns`]; asked when a session is to outlive its connection.
    fn owner(&self) -> Arc<str>;

    /// Whether a session is this client's: `owner` is what [`Attachment::owner`] said when the client before it connected, to this
    /// process or an earlier one.
    fn owns(&self, owner: &str) -> bool;

    /// What the caller makes this attachment from again after a restart, for a will that is published then. Asked of connections with a
    /// will alone, when that is persisted.
    fn persisted(&self) -> Arc<str>;
}

/// How a connection's task is told that [`crate::Session::poll_outgoing`] has something for it.
pub trait Wake: Send + Sync {
    /// Called from any thread, without a lock held, once for each time the outbox goes from "all was polled" to "there is something", and
    /// when the connection is to close. Must not block.
    fn wake(&self);
}

impl<F: Fn() + Send + Sync> Wake for F {
    fn wake(&self) {
        self();
    }
}
