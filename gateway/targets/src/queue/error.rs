//! What a queue can refuse.

use journal::ReadError;

use super::attributes::AttributeError;
use crate::durable::WriteError;
use crate::intake::IntakeError;

/// Why a queue did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// There is no such queue.
    #[error("there is no queue `{name}`{}", suggestion(.nearest.as_deref()))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The name of a queue that looks alike.
        nearest: Option<String>,
    },
    /// The name can't be a queue's.
    #[error("`{name}` can't be the name of a queue; use 1 to 80 letters, digits, `-` and `_`")]
    Name {
        /// The name.
        name: String,
    },
    /// The name asks for a FIFO queue.
    #[error(
        "`{name}` asks for a FIFO queue, which this gateway does not have yet; choose a name without `.fifo`"
    )]
    Fifo {
        /// The name.
        name: String,
    },
    /// There is a queue of this name with other attributes.
    #[error("queue `{name}` exists already with another value for `{attribute}`")]
    Exists {
        /// The name.
        name: String,
        /// The first attribute that differs.
        attribute: &'static str,
    },
    /// The settings declare the queue, so the API can't delete it.
    #[error("queue `{name}` is declared in the gateway's settings; remove it there")]
    Declared {
        /// The name.
        name: String,
    },
    /// There are too many queues.
    #[error("there are {queues_max} queues, the limit; delete one that is not used")]
    TooMany {
        /// The limit.
        queues_max: usize,
    },
    /// An attribute is outside what it may be.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// The redrive policy names a queue that is not there, or the queue itself.
    #[error("`{name}` can't be the dead-letter queue of `{queue}`: {why}")]
    DeadLetterQueue {
        /// The dead-letter queue named.
        name: String,
        /// The queue whose policy it is.
        queue: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The handle was not made by this queue.
    #[error("the receipt handle was not made by queue `{queue}`")]
    Handle {
        /// The queue.
        queue: String,
    },
    /// The message is not hidden by the receive that the handle belongs to.
    #[error(
        "the message is not in flight for this receipt handle; its visibility timeout has passed or it was deleted"
    )]
    NotInFlight,
    /// The message would be hidden for too long.
    #[error("the total visibility timeout would be beyond 43200 s, counted from the receive")]
    VisibilityTooLong,
    /// Too many messages are in flight.
    #[error(
        "{in_flight_max} messages are in flight, the limit; delete what was received before receiving more"
    )]
    OverLimit {
        /// The limit.
        in_flight_max: usize,
    },
    /// Too many receives wait.
    #[error("{waiting_max} receives wait on this queue, the limit; try again later")]
    TooManyWaiting {
        /// The limit.
        waiting_max: usize,
    },
    /// The body is too large.
    #[error("the message has {bytes} bytes, attributes included; the queue takes {bytes_max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: u32,
    },
    /// The message could not be made durable.
    #[error(transparent)]
    NotTaken(#[from] IntakeError),
    /// What a consumer did could not be made durable.
    #[error(transparent)]
    NotWritten(#[from] WriteError),
    /// What is kept of a queue can't be understood.
    #[error("what is kept of queue `{name}` can't be read: {why}; restore the state directory from a copy")]
    DamagedDefinition {
        /// The queue.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A thread could not be started.
    #[error("can't start the thread that writes for the queues: {0}; check the limit on threads")]
    Thread(std::io::Error),
    /// The bus did not take the queue as a target.
    #[error(transparent)]
    NotAttached(#[from] bus::DeclareError),
    /// The state store failed.
    #[error(transparent)]
    State(#[from] journal::state::StateError),
    /// The journal could not be read.
    #[error(transparent)]
    NotRead(#[from] ReadError),
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}
