//! Reading an archive, page by page.

use bus::Record;
use journal::{Offset, ReadError};

use super::super::{Archive, ArchiveError};

/// Most events looked at for one page, however few are meant.
const LOOKED_AT_MAX: usize = 5_000;

/// Most bytes of one page, unless its first event alone has more.
const BYTES_MAX: usize = 4 << 20;

/// Which events are meant.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
    pub(super) rules: Vec<String>,
    /// Where to end.
    pub(super) end: Offset,
    pub(super) events_max: usize,
}

/// Some events.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) entries: Vec<Record>,
    /// Where the next page begins.
    pub(super) next: Offset,
    /// Whether something was given up before it could be read.
    pub(super) skipped: bool,
}

impl Archive {
    /// Where to begin for events accepted from `from_ms` on, and where the archive ends now. Blocks.
    pub(super) fn bounds(&self, from_ms: u64) -> Result<(Offset, Offset), ArchiveError> {
        // An event comes into the archive after it was accepted, by the same clock; what a clock set back does to that is an hour at most.
        const CLOCK_SET_BACK_MS: u64 = 60 * 60 * 1000;
        let from = self.journal.offset_at_time(from_ms.saturating_sub(CLOCK_SET_BACK_MS));
        let from = from.map_err(|error| self.unreadable(error))?;
        Ok((from.max(self.journal.oldest()), self.journal.frontier()))
    }

    /// The next events from `position` on. Blocks.
    pub(super) fn page(&self, position: Offset, wanted: &Wanted) -> Result<Page, ArchiveError> {
        let mut reader = self.journal.read_from(position);
        let mut page = Page { entries: Vec::new(), next: position, skipped: false };
        let (mut looked_at, mut bytes) = (0, 0);
        while page.entries.len() < wanted.events_max && looked_at < LOOKED_AT_MAX && bytes < BYTES_MAX {
            let entry = match reader.next() {
                Ok(Some(entry)) if entry.offset < wanted.end => entry,
                Ok(_) => {
                    page.next = wanted.end;
                    break;
                }
                Err(ReadError::Trimmed { oldest, .. }) => {
                    page.skipped = true;
                    reader.seek(oldest);
                    continue;
                }
                Err(error) => return Err(self.unreadable(error)),
            };
            looked_at += 1;
            page.next = entry.offset.next();
            match Record::decode(&entry.payload) {
                Ok(record) if wanted.matches(&record) => {
                    bytes += entry.payload.len();
                    page.entries.push(record);
                }
                Ok(_) => {}
                Err(error) => {
                    let offset = entry.offset.0;
                    tracing::error!(archive = self.name(), offset, %error, "an archived event can't be read");
                    page.skipped = true;
                }
            }
        }
        page.next = page.next.min(wanted.end);
        Ok(page)
    }

    fn unreadable(&self, source: ReadError) -> ArchiveError {
        ArchiveError::Read { name: self.name().to_owned(), source }
    }
}

impl Wanted {
    fn matches(&self, record: &Record) -> bool {
        let is_in_time = (self.from_ms..self.to_ms).contains(&record.accepted_at_ms);
        let is_of_rule = |rule: &String| record.events.iter().any(|event| event.rule == *rule);
        is_in_time && (self.rules.is_empty() || self.rules.iter().any(is_of_rule))
    }
}
