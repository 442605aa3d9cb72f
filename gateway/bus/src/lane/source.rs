//! Where a lane reads what it is owed: what was moved aside first, then the journal.
//!
//! Offsets are the journal's throughout, so nobody beyond sees the difference.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use journal::{Journal, ReadError};
use tokio::sync::watch;

use super::Lane;
use crate::aside::Aside;
use crate::aside::reader::SideReader;
use crate::reader::{FetchError, RecordReader, deliveries};
use crate::{Delivery, Offset, Position, Record, TargetName};

/// Reads one lane's records in order. Blocks as a journal's reader does.
#[derive(Debug)]
pub(crate) struct LaneSource {
    target: TargetName,
    aside: Arc<Aside>,
    side: Option<SideReader>,
    journal: RecordReader,
    position: Offset,
}

/// One record that was read, with what it holds for the lane, which may be nothing.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) offset: Offset,
    pub(crate) at_ms: u64,
    pub(crate) deliveries: Vec<Delivery>,
}

/// How much to read at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) records_max: usize,
    pub(crate) events_max: usize,
    pub(crate) bytes_max: usize,
}

/// What was read at once, and why no more.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) found: VecDeque<Found>,
    /// From where the next call reads.
    pub(crate) position: Offset,
    pub(crate) error: Option<ReadError>,
}

impl LaneSource {
    pub(crate) fn new(
        journal: &Journal,
        frontier: watch::Receiver<Offset>,
        lane: &Lane,
        from: Offset,
    ) -> Self {
        Self {
            target: lane.name.clone(),
            aside: Arc::clone(&lane.aside),
            side: None,
            journal: RecordReader::new(journal, frontier, from),
            position: from,
        }
    }

    /// Reads on, within the bounds. Records that hold nothing for the lane are passed over.
    pub(crate) fn read(&mut self, bounds: Bounds) -> Batch {
        let mut batch = Batch { found: VecDeque::new(), position: self.position, error: None };
        let (mut events, mut bytes) = (0, 0);
        for _ in 0..bounds.records_max {
            if events >= bounds.events_max || bytes >= bounds.bytes_max {
                break;
            }
            match self.next() {
                Ok(Some(found)) if found.deliveries.is_empty() => {}
                Ok(Some(found)) => {
                    events += found.deliveries.len();
                    bytes += found.deliveries.iter().map(|delivery| delivery.data.len()).sum::<usize>();
                    batch.found.push_back(found);
                }
                Ok(None) => break,
                Err(error) => {
                    batch.error = Some(error);
                    break;
                }
            }
        }
        batch.position = self.position;
        batch
    }

    /// Passes over everything before `offset`, as nothing of it is the lane's. Whether it could: what is aside is read.
    pub(crate) fn skip_to(&mut self, offset: Offset) -> bool {
        let is_in_journal = self.position >= self.aside.until() && self.side.is_none();
        if is_in_journal {
            self.position = self.position.max(offset);
        }
        is_in_journal
    }

    /// The next record; none when there is none yet. What was trimmed though it was owed is logged and stepped over.
    ///
    /// # Errors
    /// The disk fails; call again.
    pub(crate) fn next(&mut self) -> Result<Option<Found>, ReadError> {
        loop {
            if self.position < self.aside.until() || self.side.is_some() {
                if let Some(found) = self.next_aside()? {
                    return Ok(Some(found));
                }
                continue;
            }
            if self.journal.position() != self.position {
                self.journal.seek(self.position);
            }
            match self.journal.next_entry() {
                Ok(entry) => {
                    self.position = self.journal.position();
                    let Some(entry) = entry else { return Ok(None) };
                    let deliveries = deliveries(&entry.payload, &self.target, entry.offset);
                    return Ok(Some(Found { offset: entry.offset, at_ms: entry.at_ms, deliveries }));
                }
                // It was moved aside in this very moment.
                Err(ReadError::Trimmed { .. }) if self.position < self.aside.until() => {}
                Err(ReadError::Trimmed { wanted, oldest }) => {
                    tracing::error!(target_name = %self.target, %wanted, %oldest, "the journal was trimmed past this lane");
                    self.position = oldest;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The next record of those that are aside; none when what comes next is to be looked for anew.
    fn next_aside(&mut self) -> Result<Option<Found>, ReadError> {
        if self.side.is_none() {
            self.side = self.aside.read_from(self.position);
        }
        let Some(side) = &mut self.side else { return Ok(None) };
        let Some((place, moved)) = side.next()? else {
            self.position = self.position.max(side.until());
            self.side = None;
            return Ok(None);
        };
        if moved.offset < self.position {
            return Ok(None);
        }
        self.aside.note_place(moved.offset, place);
        self.position = moved.offset.next();
        let deliveries = deliveries(&moved.record, &self.target, moved.offset);
        Ok(Some(Found { offset: moved.offset, at_ms: moved.at_ms, deliveries }))
    }
}

impl Lane {
    /// The encoded record that holds what the lane is owed at `offset`. Blocks for some short reads.
    pub(crate) fn record_bytes(&self, journal: &Journal, offset: Offset) -> Result<Option<Bytes>, ReadError> {
        let from_journal = || journal.read_at(offset).map(|entry| entry.map(|entry| entry.payload));
        if offset < self.aside.until() {
            return self.aside.find(offset);
        }
        match from_journal() {
            // It was moved aside in this very moment.
            Err(ReadError::Trimmed { .. }) if offset < self.aside.until() => self.aside.find(offset),
            read => read,
        }
    }

    /// The record that holds what the lane is owed at `offset`; of one that was moved aside, the part that is.
    pub(crate) fn record_at(&self, journal: &Journal, offset: Offset) -> Result<Option<Record>, FetchError> {
        let Some(bytes) = self.record_bytes(journal, offset)? else { return Ok(None) };
        Record::decode(&bytes).map(Some).map_err(|source| FetchError::Decode { offset, source })
    }

    /// The event that the lane is owed at `position`.
    pub(crate) fn delivery_at(
        &self,
        journal: &Journal,
        position: Position,
    ) -> Result<Option<Delivery>, FetchError> {
        let offset = position.offset;
        let Some(bytes) = self.record_bytes(journal, offset)? else { return Ok(None) };
        let record = Record::decode_events(&bytes).map_err(|source| FetchError::Decode { offset, source })?;
        Ok(Delivery::from_record(&record, &self.name, offset, position.ordinal))
    }
}
