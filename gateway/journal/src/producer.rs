//! One connection's way into the journal.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;

use crate::error::{AppendError, CommitError};
use crate::format::Offset;
use crate::queue::{Inbox, Room};
use crate::{Journal, journal::Inner};

/// The most places kept for outcomes while none is waited for, so that an idle producer is small.
const IDLE_OUTCOMES_MAX: usize = 16;

/// Appends records and tells what became of each, in the order of the appends.
///
/// One for each connection; it is small (under 200 bytes while idle) and needs no task. Records of one producer are in the journal in
/// the order of its appends: when one fails, so does everything that was appended behind it before its failure was taken, so that whoever
/// appends all of them again keeps the order. Dropping it does not take back what was appended.
#[derive(Debug)]
pub struct Producer {
    journal: Arc<Inner>,
    inbox: Arc<Inbox>,
    unclaimed: VecDeque<Offset>,
}

impl Producer {
    pub(crate) fn new(journal: &Journal) -> Self {
        Self { journal: Arc::clone(&journal.inner), inbox: Arc::default(), unclaimed: VecDeque::new() }
    }

    /// Hands a record to the journal. Waits only for room in the queue, not for the disk: the record is durable when
    /// [`next_outcome`](Self::next_outcome) says so.
    ///
    /// Cancel safe: a record whose `append` did not return is not in the journal.
    ///
    /// # Errors
    /// The record is too large, too many outcomes were not taken, or the journal is closed.
    pub async fn append(&mut self, payload: impl Into<Bytes>) -> Result<Offset, AppendError> {
        let payload = self.check(payload.into())?;
        let offset = self.journal.queue().push(payload, &self.inbox).await?;
        self.unclaimed.push_back(offset);
        Ok(offset)
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// [`AppendError::QueueFull`] when there is no room now, and those of [`append`](Self::append).
    pub fn try_append(&mut self, payload: impl Into<Bytes>) -> Result<Offset, AppendError> {
        let payload = self.check(payload.into())?;
        let offset = self.journal.queue().try_push(payload, &self.inbox)?;
        self.unclaimed.push_back(offset);
        Ok(offset)
    }

    /// The same with room that [`Journal::room`] gave for a payload of this size.
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    pub fn append_into(&mut self, room: Room, payload: impl Into<Bytes>) -> Result<Offset, AppendError> {
        let payload = self.check(payload.into())?;
        let offset = self.journal.queue().push_into(room, payload, &self.inbox)?;
        self.unclaimed.push_back(offset);
        Ok(offset)
    }

    fn check(&self, payload: Bytes) -> Result<Bytes, AppendError> {
        let settings = self.journal.settings();
        if payload.len() > settings.record_bytes_max {
            return Err(AppendError::TooLarge { bytes: payload.len(), bytes_max: settings.record_bytes_max });
        }
        if self.unclaimed.len() >= settings.unclaimed_records_max {
            return Err(AppendError::Unclaimed { unclaimed: self.unclaimed.len() });
        }
        Ok(payload)
    }

    /// Waits for the outcome of the oldest append whose outcome was not taken yet. `Ok` means that the record is on
    /// disk and can be read. Waits for ever when nothing was appended.
    ///
    /// Cancel safe: an outcome is either returned or still there.
    pub async fn next_outcome(&mut self) -> (Offset, Result<(), CommitError>) {
        poll_fn(|context| {
            let Some(offset) = self.unclaimed.front() else { return Poll::Pending };
            self.journal.queue().poll_settled(*offset, &self.inbox, context)
        })
        .await;
        self.try_next_outcome().expect("the oldest append is settled, as was just waited for")
    }

    /// The outcome of the oldest append whose outcome was not taken yet, if it is known.
    pub fn try_next_outcome(&mut self) -> Option<(Offset, Result<(), CommitError>)> {
        let offset = *self.unclaimed.front()?;
        if offset >= self.journal.queue().settled() {
            return None;
        }
        self.unclaimed.pop_front();
        if self.unclaimed.is_empty() && self.unclaimed.capacity() > IDLE_OUTCOMES_MAX {
            self.unclaimed = VecDeque::new();
        }
        Some((offset, self.inbox.outcome(offset)))
    }

    /// How many outcomes were not taken yet.
    pub fn unclaimed(&self) -> usize {
        self.unclaimed.len()
    }
}
