//! The protocol heart: sessions, subscriptions, retained messages, wills and shared groups of MQTT 3.1.1 and MQTT 5.
//!
//! Takes packets and the time, gives back packets and effects. It must not know sockets, clocks, certificates, policies or disks: the
//! caller reads and writes the network, authorises, and makes durable; the order of those steps is the caller's. One message goes
//!
//! 1. [`Session::receive`]: a PUBLISH becomes [`Received::Publish`] with an [`AckToken`];
//! 2. [`Broker::route`]: who gets it, and which durable sessions are owed a copy ([`Route::owed`]);
//! 3. the caller writes what is owed to its journal;
//! 4. [`Broker::deliver`]: copies enter the outboxes, the retained message changes;
//! 5. [`Session::acknowledge`]: the token becomes the PUBACK or PUBREC;
//! 6. [`Session::poll_outgoing`] on each subscriber's own task: what may be sent now is encoded.
//!
//! What has to outlive the process leaves as [`Change`]s. The rule is one: *persist the changes before the bytes that were made with them
//! go to the socket*; see [`Session::take_changes`].
//!
//! # Locks
//! Every session has one lock, held for one packet or one copy. No call holds two session locks, but for a new session that nobody else
//! knows of yet. The order is session → retained store →
//! subscription index or timers; nothing is called back while a lock is held except [`Attachment::may_receive`].

mod attachment;
mod broker;
mod change;
mod compatibility;
mod index;
mod limits;
mod message;
mod received;
mod retained;
mod route;
mod session;
mod stats;
mod verdict;

pub use attachment::{Attachment, Wake};
pub use broker::{Broker, Connected, Departed, DueWill, Restore, RestoreError, Restored, Subscribed, Ticked};
pub use change::{
    Carried, Change, CopyOptions, Flight, FlightStage, SavedFeed, SavedSubscription, SavedWill,
    SessionHeader, SessionKey, SessionState, WillKey,
};
pub use compatibility::Compatibility;
pub use limits::{Limits, QueueFull, QueueFullQos0};
pub use message::Message;
pub use received::{AckToken, Answer, Incoming, Parting, Received};
pub use retained::Retention;
pub use route::{Delivered, Overflowed, Owed, Route};
pub use session::{Outgoing, Session};
pub use stats::{DropReason, Stats};
pub use verdict::{Denial, Refusal, Violation};
