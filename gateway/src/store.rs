//! The data directory: what is in it and how it is opened.
//!
//! ```text
//! journal/        every accepted message, in segments
//! aside/          what targets that lag are owed, moved out of the journal, by kind and name
//! state/          registry, cursors, dead letters, sessions: small state that changes
//! control.sock    where the command line talks to the running gateway
//! functions/      logs of functions
//! archives/       events kept to be replayed, a journal for each archive
//! ```

use crate::settings::Settings;
use anyhow::Context;
use bus::AsideSettings;
use journal::Journal;
use journal::state::StateStore;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// The part of what has to stay free on the disk that the journal leaves to the state: publishes are refused long before cursors are.
const STATE_SHARE: u64 = 4;

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
    let reserve = settings.raw.journal.disk_free_bytes_min / STATE_SHARE;
    StateStore::open_with_reserve(data.join("state"), reserve).map_err(Into::into)
}

/// How the journal is written.
fn journal_settings(settings: &Settings) -> journal::Settings {
    let raw = &settings.raw.journal;
    // One record holds the message, and the output of every rule that matched it.
    let record_bytes_max = (raw.segment_bytes / 2).min(raw.queue_bytes_max as u64 / 2).min(64 << 20);
    journal::Settings {
        segment_bytes: raw.segment_bytes,
        queue_bytes_max: raw.queue_bytes_max,
        record_bytes_max: usize::try_from(record_bytes_max).unwrap_or(usize::MAX),
        disk_bytes_max: raw.disk_bytes_max,
        disk_free_bytes_min: raw.disk_free_bytes_min,
        ..journal::Settings::default()
    }
}

/// Where what a target is owed goes that keeps too much of the journal from being trimmed.
pub(crate) fn aside_settings(settings: &Settings) -> AsideSettings {
    let (delivery, journal_raw) = (&settings.raw.delivery, &settings.raw.journal);
    let directory = settings.raw.data_directory.join("aside");
    let mut aside = AsideSettings::in_directory(directory, self::journal_settings(settings));
    let least = 2 * journal_raw.segment_bytes;
    aside.pinned_bytes_max = delivery.pinned_bytes_max.unwrap_or((journal_raw.disk_bytes_max / 4).max(least));
    aside.bytes_max = delivery.aside_bytes_max.unwrap_or((journal_raw.disk_bytes_max / 2).max(least));
    aside.view_kinds = &[targets::queue::KIND, targets::stream::KIND];
    aside
}

/// Opens the journal, and says what was found. It gives no offset that somebody's cursor in `state` may be past.
pub(crate) fn open_journal(settings: &Settings, state: &StateStore) -> anyhow::Result<Journal> {
    let data = &settings.raw.data_directory;
    make_directory(data)?;
    let journal_settings =
        journal::Settings { next_offset_min: bus::next_offset_min(state)?, ..journal_settings(settings) };
    let journal = Journal::open(data.join("journal"), journal_settings)?;
    let recovery = journal.recovery();
    if recovery.is_whole() {
        tracing::info!(recovery = %recovery, "journal opened");
    } else {
        tracing::error!(recovery = %recovery, "journal opened with damage");
    }
    Ok(journal)
}
