//! The embedded queue: a view of the journal, and what consumers did to its messages.
//!
//! Nothing is copied to put a message into a queue: it is there once its record is durable. Beside the journal stand
//! rows about messages that were received or settled ([`memory`]) and the floor, before which everything is settled.
//! A delete is on disk before it is answered; a message moved to its dead-letter queue is there before it leaves here.
//!
//! | Read | for |
//! | --- | --- |
//! | [`window`] | what happens to a message, as a state machine without disk or clock |
//! | [`contents`] | the window and what waits past it |
//! | [`groups`], [`deduplication`], [`attempts`] | what a FIFO queue has beside that |
//! | [`send`], [`receive`], [`deliver`] | send, receive, delete, as consumers call them |
//! | [`keeper`] | what time brings: visibility, expiry, moves, the floor |
//! | [`moves`] | tasks that move the messages of a dead-letter queue back |
//! | [`directory`] | all queues: declared, made, found, deleted |
//!
//! Must not know: HTTP and the SQS protocol, which `api` speaks.

mod attempts;
mod attributes;
mod contents;
mod deduplication;
mod definition;
mod deliver;
mod directory;
mod error;
mod groups;
mod handle;
mod keeper;
mod memory;
mod message;
mod moves;
mod names;
mod receive;
mod send;
mod window;

#[cfg(test)]
mod tests;

pub use attributes::{
    AttributeError, Attributes, DeduplicationScope, Redrive, RedriveAllow, ThroughputLimit,
};
pub use contents::{Counts, Limits};
pub use deliver::Queue;
pub use directory::{Queues, Settings};
pub use error::{MoveFault, ParameterFault, QueueError};
pub use message::{ATTRIBUTES_MAX, Outgoing, Received, Sent, message_id};
pub use moves::{MOVES_PER_SECOND_MAX, MoveStatus, MoveTask};
pub use receive::Receive;
pub use window::{Held, VISIBILITY_MS_MAX};

/// The kind of target, as in `queue/alerts`.
pub const KIND: &str = "queue";
