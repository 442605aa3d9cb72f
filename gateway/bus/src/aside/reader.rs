//! Reading what was moved aside, in the order in which it stood in the journal.

use std::collections::VecDeque;

use journal::{Journal, ReadError, Reader};

use super::entry::Moved;
use super::row::AsideRow;
use crate::Offset;

/// Reads the side records that a row named at one moment.
#[derive(Debug)]
pub(crate) struct SideReader {
    /// None when the side journal is lost; then it reads nothing.
    reader: Option<Reader>,
    chunks: VecDeque<(Offset, Offset)>,
    until: Offset,
}

impl SideReader {
    pub(super) fn new(journal: Option<&Journal>, row: &AsideRow, place: Offset) -> Self {
        let reader = journal.map(|journal| journal.read_from(place));
        Self { reader, chunks: row.chunks().collect(), until: row.until() }
    }

    /// What comes after the last record it reads is in the journal from here on.
    pub(crate) fn until(&self) -> Offset {
        self.until
    }

    /// The next side record and its place. Blocks as a journal's reader does.
    pub(crate) fn next(&mut self) -> Result<Option<(Offset, Moved)>, ReadError> {
        let Some(reader) = &mut self.reader else { return Ok(None) };
        while let Some((first, end)) = self.chunks.front().copied() {
            if reader.position() < first {
                reader.seek(first);
            }
            if reader.position() >= end {
                self.chunks.pop_front();
                continue;
            }
            match reader.next() {
                Ok(Some(entry)) if entry.offset >= end => {
                    // The rest of the chunk is lost; the next one may begin right here.
                    reader.seek(entry.offset);
                    self.chunks.pop_front();
                }
                Ok(Some(entry)) => match Moved::decode(&entry.payload) {
                    Ok(moved) => return Ok(Some((entry.offset, moved))),
                    Err(error) => {
                        tracing::error!(offset = %entry.offset, %error, "a side record can't be read, its events are lost");
                    }
                },
                Ok(None) => return Ok(None),
                Err(ReadError::Trimmed { oldest, .. }) => reader.seek(oldest),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}
