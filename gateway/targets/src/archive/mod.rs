//! Archives: events kept for a time, to be replayed.
//!
//! An archive is a push target that appends what it is handed to a journal of its own, so that what it keeps never pins the gateway's journal.
//! It says delivered when the event is on disk. `ARCHIVE.md` is the page for users.
//!
//! | Read | for |
//! | --- | --- |
//! | `entry` | what stands in an archive's journal |
//! | `deliver` | how events come in, each once |
//! | `keep` | retention by days and bytes |
//! | [`replay`] | how they go out again |
//!
//! This module must not know rules, nor why an event was routed here.

mod deliver;
mod directory;
mod entry;
mod keep;
mod recent;
pub mod replay;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bus::DeliverySettings;
use journal::{Clock, Journal};
use parking_lot::Mutex;

pub use directory::{Archives, Counts, Figures};
use recent::Recent;

/// The kind of an archive's target name, `archive/{name}`.
pub const KIND: &str = "archive";

/// Events of one call, which share an fsync.
const BATCH_EVENTS_MAX: usize = 1_000;
/// Bytes of data of one call.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// What an archive is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// Where its journal is.
    pub directory: PathBuf,
    /// How long events are kept, in days; 0 is for ever.
    pub retention_days: u32,
    /// Bytes on disk; the oldest events go first.
    pub disk_bytes_max: u64,
    /// Size of one file of its journal; room is given back in steps of it.
    pub segment_bytes: u64,
    /// Where the time comes from.
    pub clock: Clock,
}

/// Why an archive can't be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Its journal can't be opened.
    #[error("archive `{name}`: {source}")]
    Open {
        /// The archive.
        name: String,
        /// Why.
        source: journal::OpenError,
    },
    /// Its journal can't be read.
    #[error("archive `{name}` can't be read: {source}")]
    Read {
        /// The archive.
        name: String,
        /// Why.
        source: journal::ReadError,
    },
    /// The runtime is being shut down.
    #[error("the gateway is shutting down")]
    ShuttingDown,
}

/// One archive.
#[derive(Debug)]
pub struct Archive {
    settings: Settings,
    journal: Journal,
    /// The gateway's journal: it knows where else an event went.
    source: Journal,
    recent: Mutex<Recent>,
    /// One batch after the other, so that an event that is handed over again is recognised.
    appending: tokio::sync::Mutex<()>,
    archived: AtomicU64,
    repeated: AtomicU64,
    given_up_segments: AtomicU64,
}

impl Archive {
    /// The name, without the kind.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// How the bus is to serve it: large batches, one at a time.
    #[must_use]
    pub fn delivery_settings(&self, base: DeliverySettings) -> DeliverySettings {
        DeliverySettings {
            batch_events_max: BATCH_EVENTS_MAX,
            batch_bytes_max: BATCH_BYTES_MAX,
            concurrency_max: 1,
            batch_same_key: true,
            ..base
        }
    }

    /// Opens the journal and looks at its end. Blocks.
    pub(crate) fn open(settings: Settings, source: &Journal) -> Result<Arc<Self>, ArchiveError> {
        let name = &settings.name;
        let journal_settings = journal::Settings {
            segment_bytes: settings.segment_bytes,
            record_bytes_max: usize::try_from(settings.segment_bytes / 2).unwrap_or(usize::MAX).min(32 << 20),
            clock: settings.clock.clone(),
            ..journal::Settings::default()
        };
        let journal = Journal::open(&settings.directory, journal_settings)
            .map_err(|source| ArchiveError::Open { name: name.clone(), source })?;
        if !journal.recovery().is_whole() {
            tracing::error!(archive = name, recovery = %journal.recovery(), "an archive was opened with damage");
        }
        let recent =
            Recent::of_tail(&journal).map_err(|source| ArchiveError::Read { name: name.clone(), source })?;
        Ok(Arc::new(Self {
            journal,
            source: source.clone(),
            recent: Mutex::new(recent),
            appending: tokio::sync::Mutex::default(),
            archived: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            given_up_segments: AtomicU64::new(0),
            settings,
        }))
    }
}
