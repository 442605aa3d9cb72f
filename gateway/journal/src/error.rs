//! What can go wrong with a journal, and what to do about it.

use std::io;
use std::sync::Arc;

use crate::Offset;

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting is outside what it may be.
    #[error("journal setting `{name}` is {value}, it must be from {min} to {max}")]
    Setting {
        /// The setting's name.
        name: &'static str,
        /// What it was set to.
        value: u64,
        /// The least it may be.
        min: u64,
        /// The most it may be.
        max: u64,
    },
    /// Another process, or another handle of this one, has it open.
    #[error(
        "the journal in `{place}` is in use by another process; stop that process or choose another directory"
    )]
    Locked {
        /// The directory.
        place: String,
    },
    /// A segment was written by a newer program.
    #[error(
        "journal file `{file}` has format version {version}, this program reads versions up to {supported}; \
         run the program that wrote it, or a newer one"
    )]
    UnknownVersion {
        /// The file, with its directory.
        file: String,
        /// The version it states.
        version: u32,
        /// The newest version this program reads.
        supported: u32,
    },
    /// The operating system refused something.
    #[error("cannot {doing} `{file}`: {source}; check the disk, the path and its permissions")]
    Io {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The file or directory it was done to.
        file: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start the journal's `{name}` thread: {source}; check the limit on threads and memory")]
    Thread {
        /// The thread's name.
        name: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Why a record was not taken into the queue. It was not given an offset and is in nobody's hands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The record is larger than the journal's limit. Do not retry.
    #[error("a record of {bytes} bytes is larger than the journal's limit `record_bytes_max` of {bytes_max}")]
    TooLarge {
        /// Size of the payload.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The producer has too many outcomes waiting. Take some with
    /// [`next_outcome`](crate::Producer::next_outcome), then append again.
    #[error("{unclaimed} outcomes wait to be taken, the journal's limit `unclaimed_records_max`")]
    Unclaimed {
        /// How many wait.
        unclaimed: usize,
    },
    /// The queue has no room now; only from [`try_append`](crate::Producer::try_append).
    #[error("the journal's queue is full, its limit is `queue_bytes_max`; retry when the disk has caught up")]
    QueueFull,
    /// The journal was closed. Do not retry.
    #[error("the journal is closed")]
    Closed,
}

/// Why a record is not known to be durable.
///
/// It is not readable in this run. After a crash of the machine it may or may not be there, so whoever sends it
/// again must be ready for it to appear twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// No room on the disk, in the quota or under `disk_bytes_max`. Retry when there is room: the journal goes on by itself.
    #[error(
        "no room for the journal: {reason}; free space, raise `disk_bytes_max` or drop what no target needs"
    )]
    Full {
        /// What the disk or the limit said.
        reason: Arc<str>,
    },
    /// The write or its fsync failed. The journal goes on in a new segment when it can; retrying is sensible.
    #[error("the journal could not be written: {reason}; check the disk")]
    Failed {
        /// What the disk said.
        reason: Arc<str>,
    },
    /// The journal was closed before the record was written.
    #[error("the journal was closed before the record was written")]
    Closed,
}

/// Why [`Journal::append_durable`](crate::Journal::append_durable) failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendDurableError {
    /// It was not taken.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// It was taken but is not known to be durable.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// What stood here was trimmed away. Go on from `oldest`, and count the loss if it was one.
    #[error("offset {wanted} was trimmed away, the oldest record is {oldest}")]
    Trimmed {
        /// Where the reader stood.
        wanted: Offset,
        /// Where it can go on.
        oldest: Offset,
    },
    /// The record at this offset is damaged on disk; only from [`Journal::read_at`](crate::Journal::read_at), a
    /// [`Reader`](crate::Reader) steps over damage and counts it.
    #[error(
        "the record at offset {wanted} is damaged: {file}, byte {position}; restore the file from a copy if you have one"
    )]
    Damaged {
        /// The record's offset.
        wanted: Offset,
        /// The file.
        file: String,
        /// Where in the file.
        position: u64,
    },
    /// The operating system refused to read. Retry later.
    #[error("cannot read `{file}` at byte {position}: {source}")]
    Io {
        /// The file.
        file: String,
        /// Where in the file.
        position: u64,
        /// What the operating system said.
        source: io::Error,
    },
}
