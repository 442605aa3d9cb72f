//! Walking over the frames of a segment file, for recovery and for readers.
//!
//! Reads in large chunks and hands out payloads as slices of them. It trusts nothing it reads.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::format::{FRAME_ALIGNMENT, FRAME_HEADER_BYTES, FrameHeader, Seed};
use crate::storage::{StorageFile, read_up_to};

/// How much is read at once when a segment is read from one end to the other.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;

/// What stands at a position.
#[derive(Debug)]
pub(crate) enum Found {
    /// A whole frame.
    Frame(FrameHeader, Bytes),
    /// A frame's header, but not the payload it promises.
    Torn(FrameHeader),
    /// No frame of this life of the segment.
    Nothing,
}

/// A file seen through a chunk of it.
#[derive(Debug)]
pub(crate) struct Frames {
    file: Arc<dyn StorageFile>,
    seed: Seed,
    chunk_bytes: usize,
    chunk: Bytes,
    chunk_position: u64,
}

impl Frames {
    /// Looks at a segment's file, reading `chunk_bytes` at a time.
    pub(crate) fn new(file: Arc<dyn StorageFile>, seed: Seed, chunk_bytes: usize) -> Self {
        Self { file, seed, chunk_bytes, chunk: Bytes::new(), chunk_position: 0 }
    }

    /// What stands at `position`, which is a multiple of [`FRAME_ALIGNMENT`]; nothing reaches beyond `limit`.
    pub(crate) fn at(&mut self, position: u32, limit: u32) -> io::Result<Found> {
        let Some(header) = self.header_at(position, limit)? else { return Ok(Found::Nothing) };
        let payload_bytes = header.payload_bytes as usize;
        let payload_position = position as usize + FRAME_HEADER_BYTES;
        if payload_bytes > (limit as usize).saturating_sub(payload_position) {
            return Ok(Found::Torn(header));
        }
        let start = self.fill(payload_position as u64, payload_bytes, limit)?;
        let Some(payload) = self.chunk.get(start..start + payload_bytes) else {
            return Ok(Found::Torn(header));
        };
        if crc32c::crc32c(payload) != header.payload_checksum {
            return Ok(Found::Torn(header));
        }
        Ok(Found::Frame(header, self.chunk.slice(start..start + payload_bytes)))
    }

    /// The header at `position`, whatever follows it.
    pub(crate) fn header_at(&mut self, position: u32, limit: u32) -> io::Result<Option<FrameHeader>> {
        let start = self.fill(u64::from(position), FRAME_HEADER_BYTES, limit)?;
        Ok(self.chunk.get(start..).and_then(|bytes| FrameHeader::decode(bytes, self.seed, position)))
    }

    /// Whether zeros stand where a header could, or the end of the file.
    pub(crate) fn is_zero_at(&mut self, position: u32, limit: u32) -> io::Result<bool> {
        let start = self.fill(u64::from(position), FRAME_HEADER_BYTES, limit)?;
        Ok(self.chunk.iter().skip(start).take(FRAME_HEADER_BYTES).all(|byte| *byte == 0))
    }

    /// The next position at or after `position` where a header stands that `wanted` accepts.
    pub(crate) fn find(
        &mut self,
        mut position: u32,
        limit: u32,
        wanted: impl Fn(&FrameHeader) -> bool,
    ) -> io::Result<Option<u32>> {
        while position.saturating_add(FRAME_HEADER_BYTES as u32) <= limit {
            let start = self.fill(u64::from(position), FRAME_HEADER_BYTES, limit)?;
            let candidates = self.chunk.len().saturating_sub(start + FRAME_HEADER_BYTES - 1);
            if candidates == 0 {
                return Ok(None);
            }
            for _ in 0..candidates.div_ceil(FRAME_ALIGNMENT) {
                let at = (u64::from(position) - self.chunk_position) as usize;
                if FrameHeader::decode(&self.chunk[at..], self.seed, position)
                    .is_some_and(|header| wanted(&header))
                {
                    return Ok(Some(position));
                }
                position += FRAME_ALIGNMENT as u32;
            }
        }
        Ok(None)
    }

    /// Makes the chunk hold `wanted` bytes from `position` if the file has them before `limit`, and says where they begin in it.
    fn fill(&mut self, position: u64, wanted: usize, limit: u32) -> io::Result<usize> {
        let chunk_end = self.chunk_position + self.chunk.len() as u64;
        if position >= self.chunk_position && position + wanted as u64 <= chunk_end {
            return Ok((position - self.chunk_position) as usize);
        }
        let available = u64::from(limit).saturating_sub(position);
        let length = (wanted.max(self.chunk_bytes) as u64).min(available) as usize;
        let mut buffer = vec![0; length];
        let read = read_up_to(self.file.as_ref(), &mut buffer, position)?;
        buffer.truncate(read);
        self.chunk = Bytes::from(buffer);
        self.chunk_position = position;
        Ok(0)
    }
}
