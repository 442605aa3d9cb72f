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
    /// The name can't be a FIFO queue's.
    #[error(
        "`{name}` can't be the name of a FIFO queue; use letters, digits, `-` and `_` and end it in `.fifo`, 80 \
         characters at most in all"
    )]
    FifoName {
        /// The name.
        name: String,
    },
    /// A parameter of a message or a receive is missing or does not fit the type of the queue.
    #[error(transparent)]
    Parameter(ParameterFault),
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
    /// A message move task can't be started, found or ended.
    #[error(transparent)]
    Move(#[from] MoveFault),
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

/// Why a message move task can't be started, found, ended, or go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoveFault {
    /// The rate is outside what it may be.
    #[error("the rate must be from 1 to {} messages a second", super::MOVES_PER_SECOND_MAX)]
    Rate,
    /// No queue sends its dead letters to the source.
    #[error(
        "queue `{queue}` is the dead-letter queue of no other queue; messages move from dead-letter queues only"
    )]
    NotADeadLetterQueue {
        /// The source.
        queue: String,
    },
    /// Source and destination are the same.
    #[error("source and destination are the same queue")]
    SameQueue,
    /// One of them is a FIFO queue and the other is not.
    #[error("source and destination must be of the same type, FIFO or not")]
    OtherType,
    /// The destination is not there.
    #[error("there is no queue `{queue}` for the messages to go to")]
    NoDestination {
        /// The destination.
        queue: String,
    },
    /// A message was not moved here by a redrive policy, and the task names no destination.
    #[error(
        "CouldNotDetermineMessageSource: a message was sent here by no redrive policy; name a destination"
    )]
    NoSource,
    /// The source has a task that runs.
    #[error("there is a message move task that runs for queue `{queue}`; cancel it, or wait for its end")]
    Running {
        /// The source.
        queue: String,
    },
    /// There is no such task.
    #[error("there is no such message move task")]
    Unknown,
    /// The task is over.
    #[error("only a task that runs can be cancelled; this one is {status}")]
    NotRunning {
        /// Where it stands.
        status: &'static str,
    },
}

/// What is wrong with a parameter of a message or a receive, in the words of the SQS API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParameterFault {
    /// A FIFO queue needs it.
    #[error("The request must contain the parameter {name}.")]
    Missing {
        /// The parameter.
        name: &'static str,
    },
    /// Neither the sender nor the queue says what makes messages the same.
    #[error(
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
    )]
    NoDeduplicationId,
    /// A FIFO queue does not know it.
    #[error(
        "the parameter {name} is not valid for this queue type: a FIFO queue has it for all its messages"
    )]
    NotForFifo {
        /// The parameter.
        name: &'static str,
    },
    /// A standard queue does not know it.
    #[error("the parameter {name} is not valid for this queue type: it is for FIFO queues")]
    NotForStandard {
        /// The parameter.
        name: &'static str,
    },
    /// It is empty, too long, or has characters that it can't have.
    #[error("{name} can only include alphanumeric and punctuation characters. 1 to 128 in length.")]
    Id {
        /// The parameter.
        name: &'static str,
    },
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}
