//! The events an archive took last, so that those which a crash or a time-out hands over again are not kept twice.

use std::collections::{HashSet, VecDeque};

use bus::{EventId, Record};
use journal::{Journal, Offset, ReadError};
use sha2::{Digest as _, Sha256};

/// Events that are remembered. A crash repeats what a lane delivered within a fraction of a second.
pub(super) const EVENTS_MAX: usize = 20_000;

/// How long before the newest event to look at open, in milliseconds.
const TAIL_MS: u64 = 60_000;

/// Enough of a digest that two ids have the same only by malice, and an id is the gateway's own.
type Digest = [u8; 16];

#[derive(Debug, Default)]
pub(super) struct Recent {
    order: VecDeque<Digest>,
    known: HashSet<Digest>,
}

impl Recent {
    /// Those at the end of an archive's journal. Blocks.
    pub(super) fn of_tail(journal: &Journal) -> Result<Self, ReadError> {
        let mut recent = Self::default();
        let end = journal.frontier();
        let count = Offset(end.0.saturating_sub(EVENTS_MAX as u64));
        let newest = match journal.read_at(Offset(end.0.saturating_sub(1))) {
            Ok(newest) => newest,
            // Nothing is left of it, or it is damaged, as the reader below will say.
            Err(ReadError::Trimmed { .. } | ReadError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        let from = match newest {
            Some(newest) => journal.offset_at_time(newest.at_ms.saturating_sub(TAIL_MS))?.max(count),
            None => count,
        };
        let mut reader = journal.read_from(from.max(journal.oldest()));
        while let Some(entry) = reader.next()? {
            if let Ok(record) = Record::decode_events(&entry.payload)
                && let Some(event) = record.events.first()
            {
                recent.add(&record.event_id(event));
            }
        }
        Ok(recent)
    }

    pub(super) fn contains(&self, id: &EventId) -> bool {
        self.known.contains(&digest(id))
    }

    pub(super) fn add(&mut self, id: &EventId) {
        let digest = digest(id);
        if !self.known.insert(digest) {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > EVENTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

fn digest(id: &EventId) -> Digest {
    let whole: [u8; 32] = Sha256::digest(id.as_str().as_bytes()).into();
    *whole.first_chunk().expect("a digest has 32 bytes")
}
