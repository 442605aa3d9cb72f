//! Reading what is durable.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::ReadError;
use crate::format::{Offset, SEGMENT_HEADER_BYTES};
use crate::frames::{CHUNK_BYTES, Found, Frames};
use crate::journal::Shared;
use crate::segment::Segment;
use crate::stats::add;

/// How much a read by offset reads at once: a little more than the spacing of the index.
const LOOKUP_BYTES: usize = 36 * 1024;

/// A record as it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub offset: Offset,
    /// When it was written, milliseconds since 1970; never less than that of the record before it.
    pub at_ms: u64,
    /// What was appended. A slice of a chunk of up to 256 KiB (or of one larger record) that lives as long as the slice:
    /// copy what is kept for long.
    pub payload: Bytes,
}

/// Reads records in order, up to the durable frontier.
///
/// Blocking, but rarely: most calls slice a chunk that was read before. To wait for more records, wait for
/// [`Journal::durable`](crate::Journal::durable) to pass [`position`](Self::position).
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    next: Offset,
    place: Option<Place>,
}

/// Where a reader stands.
#[derive(Debug)]
struct Place {
    segment: Arc<Segment>,
    frames: Frames,
    position: u32,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>, next: Offset) -> Self {
        Self { shared, next, place: None }
    }

    /// The offset from which the next call reads. Equal to the durable frontier once everything was read.
    pub fn position(&self) -> Offset {
        self.next
    }

    /// Goes on from another offset.
    pub fn seek(&mut self, offset: Offset) {
        self.next = offset;
        self.place = None;
    }

    /// The next durable record; `None` when there is none yet. Damaged places are stepped over, logged and counted in
    /// [`Stats::damaged_places`](crate::Stats::damaged_places).
    ///
    /// # Errors
    /// What stood here was trimmed away ([`seek`](Self::seek) to go on), or the disk fails (call again).
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator cannot go on after it ended, a reader does"
    )]
    pub fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            let frontier = self.shared.frontier.end();
            if self.next >= frontier {
                return Ok(None);
            }
            let Some(place) = self.locate()? else {
                self.next = frontier;
                return Ok(None);
            };
            let end = place.segment.end();
            if place.position < end {
                if let Some(entry) = self.step(end)? {
                    self.next = entry.offset.next();
                    return Ok(Some(entry));
                }
            } else if !self.enter_next_segment(end)? {
                self.next = frontier;
                return Ok(None);
            }
        }
    }

    /// Finds the place of the next offset, unless it is known and still there.
    fn locate(&mut self) -> Result<Option<&mut Place>, ReadError> {
        if self.place.as_ref().is_some_and(|place| place.segment.is_trimmed()) {
            self.place = None;
        }
        if self.place.is_none() {
            let Some(segment) = self.shared.segments.holding(self.next) else { return Ok(None) };
            if self.next < segment.first_offset {
                if self.shared.segments.may_be_gone(self.next) {
                    return Err(ReadError::Trimmed { wanted: self.next, oldest: segment.first_offset });
                }
                self.next = segment.first_offset;
            }
            let position = segment.position_before(self.next);
            self.place = Some(self.shared.enter(segment, position, self.next)?);
        }
        Ok(self.place.as_mut())
    }

    /// Reads what stands at the place and moves on. `None` if it was not the record wanted.
    fn step(&mut self, end: u32) -> Result<Option<Entry>, ReadError> {
        let place = self.place.as_mut().expect("the caller located it");
        let position = place.position;
        let found =
            place.frames.at(position, end).map_err(|source| read_error(&place.segment, position, source))?;
        if let Found::Frame(header, payload) = found {
            place.position = advance(position, header.padded_bytes(), end);
            let wanted = header.offset >= self.next;
            return Ok(wanted.then_some(Entry { offset: header.offset, at_ms: header.at_ms, payload }));
        }
        // The file of a trimmed segment may be in use for another one already: that is no damage.
        if place.segment.is_trimmed() {
            return Ok(None);
        }
        let after = match found {
            Found::Torn(header) => advance(position, header.padded_bytes(), end),
            _ => position + 8,
        };
        let next = self.next;
        let good = place.frames.find(after, end, |header| header.offset >= next);
        place.position = good.map_err(|source| read_error(&place.segment, position, source))?.unwrap_or(end);
        let bytes = place.position - position;
        add(&self.shared.counters.damaged_places, 1);
        add(&self.shared.counters.damaged_bytes, u64::from(bytes));
        tracing::error!(
            file = place.segment.path(), position, bytes, next_offset = %next,
            "journal segment is damaged, records lost; restore the file from a copy to get them back"
        );
        Ok(None)
    }

    /// Goes to the segment after this one. `false` if there is none.
    fn enter_next_segment(&mut self, end: u32) -> Result<bool, ReadError> {
        let place = self.place.as_mut().expect("the caller located it");
        let Some(following) = self.shared.segments.after(place.segment.number) else { return Ok(false) };
        // A segment grows until the next one is there; only now is its end final.
        if place.segment.end() == end {
            let place = self.shared.enter(following, SEGMENT_HEADER_BYTES as u32, self.next)?;
            self.place = Some(place);
        }
        Ok(true)
    }
}

impl Shared {
    fn enter(&self, segment: Arc<Segment>, position: u32, wanted: Offset) -> Result<Place, ReadError> {
        let file = segment.open().map_err(|source| self.cannot_open(&segment, position, wanted, source))?;
        let frames = Frames::new(file, segment.seed, CHUNK_BYTES);
        Ok(Place { segment, frames, position })
    }

    /// A segment that was trimmed in this very moment has no file any more.
    fn cannot_open(&self, segment: &Segment, position: u32, wanted: Offset, source: io::Error) -> ReadError {
        if segment.is_trimmed() {
            return ReadError::Trimmed { wanted, oldest: self.oldest() };
        }
        read_error(segment, position, source)
    }

    pub(crate) fn read_at(&self, wanted: Offset) -> Result<Option<Entry>, ReadError> {
        if wanted >= self.frontier.end() {
            return Ok(None);
        }
        let Some(segment) = self.segments.holding(wanted) else { return Ok(None) };
        if wanted < segment.first_offset {
            let gone = ReadError::Trimmed { wanted, oldest: segment.first_offset };
            return if self.segments.may_be_gone(wanted) { Err(gone) } else { Ok(None) };
        }
        let position = segment.position_before(wanted);
        let file = self.segments.open_recent(&segment);
        let file = file.map_err(|source| self.cannot_open(&segment, position, wanted, source))?;
        let mut frames = Frames::new(file, segment.seed, LOOKUP_BYTES);
        self.look_up(&mut frames, &segment, position, wanted)
    }

    fn look_up(
        &self,
        frames: &mut Frames,
        segment: &Arc<Segment>,
        mut position: u32,
        wanted: Offset,
    ) -> Result<Option<Entry>, ReadError> {
        let end = segment.end();
        let failed = |position, source| read_error(segment, position, source);
        while position < end {
            let header = frames.header_at(position, end).map_err(|source| failed(position, source))?;
            match header {
                Some(header) if header.offset < wanted => {
                    position = advance(position, header.padded_bytes(), end);
                }
                Some(header) if header.offset > wanted => return Ok(None),
                Some(_) => {
                    let found = frames.at(position, end).map_err(|source| failed(position, source))?;
                    let Found::Frame(header, payload) = found else {
                        return Err(self.damaged(segment, wanted, position));
                    };
                    return Ok(Some(Entry { offset: wanted, at_ms: header.at_ms, payload }));
                }
                None => {
                    let next = frames.find(position, end, |header| header.offset >= wanted);
                    let next = next.map_err(|source| failed(position, source))?.unwrap_or(end);
                    let header = frames.header_at(next, end).map_err(|source| failed(next, source))?;
                    if header.is_none_or(|header| header.offset != wanted) {
                        return Err(self.damaged(segment, wanted, position));
                    }
                    position = next;
                }
            }
        }
        Ok(None)
    }

    fn damaged(&self, segment: &Segment, wanted: Offset, position: u32) -> ReadError {
        if segment.is_trimmed() {
            return ReadError::Trimmed { wanted, oldest: self.oldest() };
        }
        add(&self.counters.damaged_places, 1);
        ReadError::Damaged { wanted, file: segment.path(), position: u64::from(position) }
    }

    pub(crate) fn offset_at_time(&self, at_ms: u64) -> Result<Offset, ReadError> {
        let frontier = self.frontier.end();
        let Some(segment) = self.segments.at_time(at_ms) else { return Ok(frontier) };
        let start = segment.index.read().position_before_time(at_ms).unwrap_or(SEGMENT_HEADER_BYTES as u32);
        let end = segment.end();
        let file =
            self.segments.open_recent(&segment).map_err(|source| read_error(&segment, start, source))?;
        let mut frames = Frames::new(file, segment.seed, LOOKUP_BYTES);
        let mut position = start;
        while position < end {
            let header =
                frames.header_at(position, end).map_err(|source| read_error(&segment, position, source))?;
            position = match header {
                Some(header) if header.at_ms >= at_ms => return Ok(header.offset),
                Some(header) => advance(position, header.padded_bytes(), end),
                None => {
                    let next = frames.find(position, end, |_| true);
                    next.map_err(|source| read_error(&segment, position, source))?.unwrap_or(end)
                }
            };
        }
        Ok(frontier)
    }
}

/// The position after a frame, without going beyond the end.
fn advance(position: u32, bytes: usize, end: u32) -> u32 {
    u32::try_from(position as usize + bytes).unwrap_or(end).min(end)
}

fn read_error(segment: &Segment, position: u32, source: io::Error) -> ReadError {
    ReadError::Io { file: segment.path(), position: u64::from(position), source }
}
