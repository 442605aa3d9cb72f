//! A durable ordered log with group commit, and the small state beside it.
//!
//! [`Journal`] is one log in one directory. A [`Producer`] hands it records and learns, in order, when each is on disk; a
//! [`Reader`] reads them from any offset; one writer thread turns all that waits into one write and one fsync. What is promised: a
//! record whose outcome was `Ok` is there after any crash, in order, and is never mixed up with another. The promise rests
//! on the disk keeping what it fsynced; damage beyond that is found by checksum, reported and stepped over.
//!
//! [`state`] is the small, changeable state (cursors, sessions, registry) in an embedded store.
//!
//! The journal knows nothing of messages, topics or targets: a record is bytes. Start reading at [`format`](mod@format) (the bytes on disk),
//! then `writer` (group commit and its failures), `recovery` (what open does).
//!
//! ```
//! # async fn example(directory: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
//! use journal::{Journal, Settings};
//!
//! let journal = Journal::open(directory, Settings::default())?;
//! let mut producer = journal.producer();
//! producer.append(&b"21.5 C"[..]).await?;
//! let (offset, outcome) = producer.next_outcome().await;
//! outcome?; // on disk from here on
//!
//! let mut reader = journal.read_from(offset);
//! let entry = reader.next()?.expect("it is durable");
//! assert_eq!(&entry.payload[..], b"21.5 C");
//! # Ok(())
//! # }
//! # let directory = tempfile::tempdir().unwrap();
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(example(directory.path())).unwrap();
//! ```

mod error;
pub mod format;
mod frames;
mod frontier;
mod index;
mod journal;
mod maintenance;
mod producer;
mod queue;
mod reader;
mod recovery;
mod retention;
mod segment;
mod settings;
pub mod state;
mod stats;
pub mod storage;
#[cfg(test)]
mod tests;
mod writer;

pub use error::{AppendDurableError, AppendError, CommitError, OpenError, ReadError};
pub use format::Offset;
pub use journal::{Journal, OldestSegment};
pub use producer::Producer;
pub use queue::{RECORD_OVERHEAD_BYTES, Room};
pub use reader::{Entry, Reader};
pub use retention::{GivenUp, Retention};
pub use settings::{Clock, Settings};
pub use stats::{Damage, Health, Recovery, Stats};
