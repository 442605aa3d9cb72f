//! Reading records and events back from the journal, at one's own pace.

use std::collections::VecDeque;

use bytes::Bytes;
use journal::{Entry, Journal, ReadError};
use thiserror::Error;
use tokio::sync::watch;

use crate::record::{DecodeError, Head};
use crate::{Delivery, Offset, Position, Record, TargetName};

/// Why an event could not be read back.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The journal can't give the record.
    #[error(transparent)]
    Journal(#[from] ReadError),
    /// The record can't be understood.
    #[error("the record at offset {offset} can't be read: {source}")]
    Decode {
        /// Which record.
        offset: Offset,
        /// What is wrong with it.
        source: DecodeError,
    },
}

/// Reads one target's events from any offset on, up to what the bus has counted as accepted.
///
/// Reading blocks, but rarely: most calls slice what was read before.
#[derive(Debug)]
pub struct LaneReader {
    records: RecordReader,
    target: TargetName,
    ahead: VecDeque<Delivery>,
}

impl LaneReader {
    pub(crate) fn new(
        journal: &Journal,
        frontier: watch::Receiver<Offset>,
        target: TargetName,
        from: Offset,
    ) -> Self {
        Self { records: RecordReader::new(journal, frontier, from), target, ahead: VecDeque::new() }
    }

    /// The next event; `None` when there is none yet. Records that can't be understood are logged and
    /// stepped over.
    ///
    /// # Errors
    /// What stood here was trimmed away ([`seek`](Self::seek) to go on), or the disk fails (call again).
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator cannot go on after it ended, a reader does"
    )]
    pub fn next(&mut self) -> Result<Option<Delivery>, ReadError> {
        loop {
            if let Some(delivery) = self.ahead.pop_front() {
                return Ok(Some(delivery));
            }
            let Some(entry) = self.records.next_entry()? else { return Ok(None) };
            self.ahead = deliveries(&entry.payload, &self.target, entry.offset).into();
        }
    }

    /// Where the next event is read from: everything of this target before it was returned.
    #[must_use]
    pub fn position(&self) -> Position {
        match self.ahead.front() {
            Some(delivery) => delivery.position,
            None => Position { offset: self.records.position(), ordinal: 0 },
        }
    }

    /// Goes on from another offset.
    pub fn seek(&mut self, offset: Offset) {
        self.ahead.clear();
        self.records.seek(offset);
    }

    /// Waits until there may be more to read. Cancel safe.
    pub async fn wait(&mut self) {
        if self.ahead.is_empty() {
            self.records.wait().await;
        }
    }
}

/// Reads whole records from any offset on, up to what the bus has counted as accepted.
#[derive(Debug)]
pub struct RecordReader {
    reader: journal::Reader,
    frontier: watch::Receiver<Offset>,
}

impl RecordReader {
    pub(crate) fn new(journal: &Journal, frontier: watch::Receiver<Offset>, from: Offset) -> Self {
        Self { reader: journal.read_from(from), frontier }
    }

    /// The next record with its offset; `None` when there is none yet.
    ///
    /// # Errors
    /// What stood here was trimmed away, the disk fails, or the record can't be understood; in the last
    /// case the next call goes on behind it.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator cannot go on after it ended, a reader does"
    )]
    pub fn next(&mut self) -> Result<Option<(Offset, Record)>, FetchError> {
        let Some(Entry { offset, payload, .. }) = self.next_entry()? else { return Ok(None) };
        let record = Record::decode(&payload).map_err(|source| FetchError::Decode { offset, source })?;
        Ok(Some((offset, record)))
    }

    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        let frontier = *self.frontier.borrow();
        if self.reader.position() >= frontier {
            return Ok(None);
        }
        let Some(entry) = self.reader.next()? else { return Ok(None) };
        if entry.offset >= frontier {
            // Offsets have gaps: this one is durable, but not counted yet.
            self.reader.seek(entry.offset);
            return Ok(None);
        }
        Ok(Some(entry))
    }

    /// The offset from which the next call reads.
    #[must_use]
    pub fn position(&self) -> Offset {
        self.reader.position()
    }

    /// Goes on from another offset.
    pub fn seek(&mut self, offset: Offset) {
        self.reader.seek(offset);
    }

    /// Waits until there may be more to read; for ever once the bus is closed. Cancel safe.
    pub async fn wait(&mut self) {
        let position = self.reader.position();
        if self.frontier.wait_for(|frontier| *frontier > position).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The events for `target` in an encoded record. A record that can't be understood has none: the
/// observer has counted it as unreadable before any lane comes to it.
pub(crate) fn deliveries(payload: &Bytes, target: &TargetName, offset: Offset) -> Vec<Delivery> {
    let Some(head) = Head::decode(payload).ok().filter(|head| head.concerns(target)) else {
        return Vec::new();
    };
    match Record::decode_events_behind(&head, payload) {
        Ok(record) => Delivery::all_from_record(&record, target, offset),
        Err(error) => {
            tracing::error!(target_name = %target, %offset, %error, "a record can't be read, its events are lost");
            Vec::new()
        }
    }
}

/// Reads the record at `offset` with all that is in it.
pub(crate) fn record_at(journal: &Journal, offset: Offset) -> Result<Option<Record>, FetchError> {
    let Some(entry) = journal.read_at(offset)? else { return Ok(None) };
    Record::decode(&entry.payload).map(Some).map_err(|source| FetchError::Decode { offset, source })
}

/// Reads the event at `position`.
pub(crate) fn delivery_at(
    journal: &Journal,
    target: &TargetName,
    position: Position,
) -> Result<Option<Delivery>, FetchError> {
    let offset = position.offset;
    let Some(entry) = journal.read_at(offset)? else { return Ok(None) };
    let record =
        Record::decode_events(&entry.payload).map_err(|source| FetchError::Decode { offset, source })?;
    Ok(Delivery::from_record(&record, target, offset, position.ordinal))
}
