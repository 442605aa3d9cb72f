//! What a lane that lags still owes, moved out of the journal into a side journal of its own.
//!
//! A journal is trimmed up to who needs it most, so one target that is down would in the end keep all of it. When a push lane keeps
//! more of it than [`AsideSettings::pinned_bytes_max`], what it owes is copied, in order, and the lane no longer needs that part.
//!
//! ```text
//! journal       ───────────────┬──────────────►      positions are the journal's throughout: floor, settled ranges, ids, order
//!                floor      until
//! side journal   ▓▓▓▓▓▓░░▓▓▓▓▓▓                      chunks ▓: fsynced before the row that names them; ░ belongs to nobody
//! ```
//!
//! Only where an event is read from changes: below `until` from the side journal, from there on from the journal. Nothing is
//! counted, so nothing can be counted twice.
//!
//! The lane's row holds `until` and the chunks. A chunk is a run of side records of which each was durable before a row said so. A crash in
//! the middle of a copy leaves side records that no row names; the copy is made again behind them, as a new chunk, and nobody reads them.
//! The journal is trimmed, and so is the side journal, only up to what a *durable* row allows ([`trim`](crate::trim)).
//!
//! | Read | for |
//! | --- | --- |
//! | [`row`] | `until` and chunks, pure |
//! | [`entry`] | the bytes of a side record |
//! | [`places`] | finding a side record without reading all, pure |
//! | [`reader`] | reading and finding what was moved |
//! | [`mover`] | who is moved, and when |

pub(crate) mod entry;
pub(crate) mod mover;
mod places;
pub(crate) mod reader;
pub(crate) mod row;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use journal::storage::{Directory, Storage};
use journal::{Journal, ReadError};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{Offset, TargetName};
use entry::HEAD_BYTES;
use places::Places;
use reader::SideReader;
use row::AsideRow;

/// What a copy may have waiting for the disk, beside one record of the largest size.
const QUEUE_BYTES: usize = 4 << 20;

/// Bytes of a segment that no record gets: those of its head, of frames, and of what a side record has beyond its record.
const SEGMENT_FRAMING_BYTES: u64 = 8 << 10;

/// The largest segment that a journal may have.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// Where side journals are, and when they are used.
#[derive(Clone)]
pub struct AsideSettings {
    /// How a side journal is written; its bound on disk space is set from the next two.
    pub journal: journal::Settings,
    /// Bytes of the journal that one lane may keep from being trimmed before what it owes is moved aside.
    pub pinned_bytes_max: u64,
    /// Bytes on disk that one lane may hold aside. Beyond them its overflow policy decides: no more is accepted for it, or the oldest events are
    /// dropped or become dead letters. What was accepted by then is still moved, so a little more may be used.
    pub bytes_max: u64,
    /// Kinds of targets that read the journal in place; what waits for one that is not declared stays there.
    pub view_kinds: &'static [&'static str],
    place: Place,
}

type Place = Arc<dyn Fn(&TargetName) -> io::Result<Arc<dyn Storage>> + Send + Sync>;

impl AsideSettings {
    /// Side journals in `{directory}/{kind}/{name}`.
    #[must_use]
    pub fn in_directory(directory: PathBuf, journal: journal::Settings) -> Self {
        Self::in_storage(journal, move |target| {
            let directory = directory.join(file_name(target.kind())).join(file_name(target.name()));
            Ok(Arc::new(Directory::open(&directory)?))
        })
    }

    /// Side journals wherever `place` says.
    pub fn in_storage(
        journal: journal::Settings,
        place: impl Fn(&TargetName) -> io::Result<Arc<dyn Storage>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            journal,
            pinned_bytes_max: 16 << 30,
            bytes_max: 32 << 30,
            view_kinds: &[],
            place: Arc::new(place),
        }
    }

    /// Sees to it that every record of `journal` can be moved, also those that came when larger ones were allowed than today.
    pub(crate) fn make_room_for_records_of(&mut self, journal: &Journal) {
        let largest = journal.bytes_of_largest_segment();
        let allowed = &mut self.journal;
        if largest > allowed.segment_bytes {
            allowed.segment_bytes = (largest + SEGMENT_FRAMING_BYTES).min(SEGMENT_BYTES_MAX);
        }
        let fits = usize::try_from(allowed.segment_bytes - SEGMENT_FRAMING_BYTES).unwrap_or(usize::MAX);
        allowed.record_bytes_max = allowed.record_bytes_max.max(fits - HEAD_BYTES);
    }

    /// Opens the side journal of a target, and makes it if it is not there. Blocks.
    fn open(&self, target: &TargetName) -> Result<Journal, journal::OpenError> {
        let storage = (self.place)(target).map_err(|source| journal::OpenError::Io {
            doing: "make the directory of the side journal of",
            file: target.to_string(),
            source,
        })?;
        // A side record is shorter than its record but for the head, and what was accepted before the bound was reached is moved past it.
        let record_bytes_max = self.journal.record_bytes_max + HEAD_BYTES;
        let slack = self.pinned_bytes_max.saturating_mul(2).saturating_add(4 * self.journal.segment_bytes);
        let settings = journal::Settings {
            record_bytes_max,
            queue_bytes_max: 2 * record_bytes_max + QUEUE_BYTES,
            disk_bytes_max: self.bytes_max.saturating_add(slack),
            spare_segments: 0,
            ..self.journal.clone()
        };
        Journal::open_in(storage, settings)
    }
}

impl fmt::Debug for AsideSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pinned_bytes_max, bytes_max, view_kinds, .. } = self;
        formatter
            .debug_struct("AsideSettings")
            .field("pinned_bytes_max", pinned_bytes_max)
            .field("bytes_max", bytes_max)
            .field("view_kinds", view_kinds)
            .finish_non_exhaustive()
    }
}

/// A name as one component of a path: what is no letter, digit, `-`, `_` or `.`, and a dot at the beginning, is written as `%` and two digits.
fn file_name(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || (byte == b'.' && at > 0);
        if is_plain {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// What of one lane is aside.
#[derive(Debug)]
pub(crate) struct Aside {
    state: Mutex<State>,
    /// The lane's task has a row to commit, or something to give up.
    pub(crate) changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    journal: Option<Journal>,
    row: AsideRow,
    places: Places,
    /// What is older is to be given up, for there is too much of it.
    shed_before: Option<Offset>,
    moved_events: u64,
}

impl Aside {
    pub(crate) fn new(row: AsideRow) -> Self {
        Self { state: Mutex::new(State { row, ..State::default() }), changed: Notify::new() }
    }

    /// The side journal, opened or made if it has to be. Blocks.
    pub(crate) fn open(
        &self,
        target: &TargetName,
        settings: &AsideSettings,
    ) -> Result<Journal, journal::OpenError> {
        if let Some(journal) = &self.state.lock().journal {
            return Ok(journal.clone());
        }
        let end = self.state.lock().row.end();
        let mut settings = settings.clone();
        settings.journal.next_offset_min = end;
        let journal = settings.open(target)?;
        if !journal.recovery().is_whole() {
            tracing::error!(target_name = %target, recovery = %journal.recovery(), "side journal opened with damage");
        }
        self.state.lock().journal = Some(journal.clone());
        Ok(journal)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state.lock().journal.is_some()
    }

    /// What is owed below this offset of the journal is aside, or settled.
    pub(crate) fn until(&self) -> Offset {
        self.state.lock().row.until()
    }

    /// What to commit when everything before `floor` is settled; what only that needed is forgotten.
    pub(crate) fn row_at(&self, floor: Offset) -> AsideRow {
        let mut state = self.state.lock();
        let place = state.places.before(floor);
        state.row.settle(floor, place);
        // What is left begins with a place, where looking for it begins.
        let first = state.row.first();
        state.places.forget_before(first);
        state.row.clone()
    }

    /// Notes that what is owed up to `until` is aside, in the side records from `first` on.
    fn note_moved(&self, moved: &[(Offset, Offset)], until: Offset, events: u64) {
        let mut state = self.state.lock();
        for (at, (main, side)) in moved.iter().enumerate() {
            match at {
                0 => state.places.insert(*main, *side),
                _ => state.places.note(*main, *side),
            }
        }
        if let (Some((_, first)), Some((_, last))) = (moved.first(), moved.last()) {
            state.row.add_chunk(*first, last.next());
        }
        state.row.set_until(until);
        state.moved_events += events;
    }

    /// Notes where a side record was met.
    pub(crate) fn note_place(&self, main: Offset, side: Offset) {
        self.state.lock().places.note(main, side);
    }

    /// A reader of what is aside from the journal's offset `from` on; none when nothing is.
    pub(crate) fn read_from(&self, from: Offset) -> Option<SideReader> {
        let state = self.state.lock();
        if from >= state.row.until() {
            return None;
        }
        let place = state.places.before(from);
        Some(SideReader::new(state.journal.as_ref(), &state.row, place.unwrap_or(Offset(0))))
    }

    /// The record that stood at `offset` of the journal. Blocks for some short reads.
    pub(crate) fn find(&self, offset: Offset) -> Result<Option<Bytes>, ReadError> {
        let Some(mut reader) = self.read_from(offset) else { return Ok(None) };
        while let Some((_, moved)) = reader.next()? {
            if moved.offset >= offset {
                return Ok((moved.offset == offset).then_some(moved.record));
            }
        }
        Ok(None)
    }

    /// Bytes on disk, and events moved since the opening.
    pub(crate) fn extent(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.journal.as_ref().map_or(0, Journal::bytes_on_disk), state.moved_events)
    }

    /// What is older is to be given up.
    pub(crate) fn shed_before(&self) -> Option<Offset> {
        self.state.lock().shed_before
    }

    /// Says what is to be given up. True when that changed.
    fn set_shed_before(&self, offset: Option<Offset>) -> bool {
        let mut state = self.state.lock();
        std::mem::replace(&mut state.shed_before, offset) != offset
    }

    /// The offset in the journal of the first record behind the oldest segment of the side journal; none when that has one segment. Blocks.
    fn oldest_part_end(&self) -> Result<Option<Offset>, ReadError> {
        let (end, mut reader) = {
            let state = self.state.lock();
            let Some(oldest) = state.journal.as_ref().and_then(Journal::oldest_segment) else {
                return Ok(None);
            };
            (oldest.trim_at, SideReader::new(state.journal.as_ref(), &state.row, oldest.trim_at))
        };
        while let Some((place, moved)) = reader.next()? {
            if place >= end {
                return Ok(Some(moved.offset));
            }
        }
        Ok(Some(reader.until()))
    }

    /// The side journal, when some of it is needed by nobody any more by `row`, which is committed.
    pub(crate) fn to_trim(&self, row: &AsideRow) -> Option<(Journal, Offset)> {
        let state = self.state.lock();
        let (journal, first) = (state.journal.as_ref()?, row.first()?);
        journal
            .oldest_segment()
            .is_some_and(|segment| segment.trim_at <= first)
            .then(|| (journal.clone(), first))
    }

    /// Takes the side journal out when nothing in it is needed any more, neither now nor by `row`, which is committed.
    pub(crate) fn take_if_spent(&self, row: &AsideRow) -> Option<Journal> {
        let mut state = self.state.lock();
        if !row.is_empty() || !state.row.is_empty() {
            return None;
        }
        state.places.forget_before(None);
        state.journal.take()
    }
}

/// Closes a side journal that nobody needs any more, and removes its files. Blocks.
pub(crate) fn discard(target: &TargetName, settings: &AsideSettings, journal: Journal) -> io::Result<()> {
    journal.close();
    drop(journal);
    let storage = (settings.place)(target)?;
    for name in storage.list()? {
        storage.remove(&name)?;
    }
    storage.sync_directory()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_target_leads_out_of_the_directory() {
        let cases = [
            ("hook", "hook"),
            ("orders.fifo", "orders.fifo"),
            ("..", "%2E."),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
            ("ofen-ü", "ofen-%C3%BC"),
        ];
        for (name, expected) in cases {
            assert_eq!(file_name(name), expected);
        }
    }
}
