//! What a stream can refuse.

use journal::ReadError;

use crate::intake::IntakeError;

/// Why a stream did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// There is no such stream.
    #[error("there is no stream `{name}`{}", .nearest.as_deref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    Unknown {
        /// The name asked for.
        name: String,
        /// The name of a stream that looks alike.
        nearest: Option<String>,
    },
    /// There is no such shard.
    #[error("stream `{stream}` has no shard `{shard}`")]
    UnknownShard {
        /// The stream.
        stream: String,
        /// The shard asked for.
        shard: String,
    },
    /// The name can't be a stream's.
    #[error("`{name}` can't be the name of a stream; use 1 to 128 letters, digits, `-`, `_` and `.`")]
    Name {
        /// The name.
        name: String,
    },
    /// There is a stream of this name.
    #[error("stream `{name}` exists already")]
    Exists {
        /// The name.
        name: String,
    },
    /// The settings declare the stream, so the API can't delete it.
    #[error("stream `{name}` is declared in the gateway's settings; remove it there")]
    Declared {
        /// The name.
        name: String,
    },
    /// There are too many streams.
    #[error("there are {streams_max} streams, the limit; delete one that is not used")]
    TooMany {
        /// The limit.
        streams_max: usize,
    },
    /// An attribute is outside what it may be.
    #[error("`{name}` is {value}; it must be from {min} to {max}")]
    Attribute {
        /// The attribute, as in the settings.
        name: &'static str,
        /// What it was set to.
        value: u64,
        /// The least it may be.
        min: u64,
        /// The most it may be.
        max: u64,
    },
    /// An argument of a call makes no sense.
    #[error("{why}")]
    Argument {
        /// What is wrong.
        why: String,
    },
    /// The iterator is too old.
    #[error("the shard iterator is {age_ms} ms old; iterators are good for 300000 ms, get a new one")]
    ExpiredIterator {
        /// Its age.
        age_ms: u64,
    },
    /// The record could not be made durable.
    #[error(transparent)]
    NotTaken(#[from] IntakeError),
    /// What is kept of a stream can't be understood.
    #[error("what is kept of stream `{name}` can't be read: {why}; restore the state directory from a copy")]
    DamagedDefinition {
        /// The stream.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The bus did not take the stream as a target.
    #[error(transparent)]
    NotAttached(#[from] bus::DeclareError),
    /// The state store failed.
    #[error(transparent)]
    State(#[from] journal::state::StateError),
    /// The journal could not be read.
    #[error(transparent)]
    NotRead(#[from] ReadError),
}
