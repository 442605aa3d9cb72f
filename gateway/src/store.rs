//! The data directory: what is in it and how it is opened.
//!
//! ```text
//! journal/        every accepted message, in segments
//! state/          registry, cursors, dead letters, sessions: small state that changes
//! control.sock    where the command line talks to the running gateway
//! functions/      logs of functions
//! ```

use crate::settings::Settings;
use anyhow::Context;
use journal::Journal;
use journal::state::StateStore;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes the directory if it is not there, for its owner alone: it holds what devices sent.
pub(crate) fn make_directory(path: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("the directory {} can't be made", path.display()))
}

/// Opens the small state.
pub(crate) fn open_state(settings: &Settings) -> anyhow::Result<StateStore> {
    let data = &settings.raw.data_directory;
    make_directory(data)?;
    StateStore::open(data.join("state")).map_err(Into::into)
}

/// Opens the journal, and says what was found. It gives no offset that somebody's cursor in `state` may be past.
pub(crate) fn open_journal(settings: &Settings, state: &StateStore) -> anyhow::Result<Journal> {
    let data = &settings.raw.data_directory;
    make_directory(data)?;
    let raw = &settings.raw.journal;
    // One record holds the message, and the output of every rule that matched it.
    let record_bytes_max = (raw.segment_bytes / 2).min(raw.queue_bytes_max as u64 / 2).min(64 << 20);
    let journal_settings = journal::Settings {
        segment_bytes: raw.segment_bytes,
        queue_bytes_max: raw.queue_bytes_max,
        record_bytes_max: usize::try_from(record_bytes_max).unwrap_or(usize::MAX),
        disk_bytes_max: raw.disk_bytes_max,
        next_offset_min: bus::next_offset_min(state)?,
        ..journal::Settings::default()
    };
    let journal = Journal::open(data.join("journal"), journal_settings)?;
    let recovery = journal.recovery();
    if recovery.is_whole() {
        tracing::info!(recovery = %recovery, "journal opened");
    } else {
        tracing::error!(recovery = %recovery, "journal opened with damage");
    }
    Ok(journal)
}
