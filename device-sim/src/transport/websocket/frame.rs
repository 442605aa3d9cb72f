//! Frames of WebSocket: a client's are masked, a server's are not [RFC 6455, 5].

use std::hash::{BuildHasher, Hasher, RandomState};

use super::Failure;
use crate::random::Random;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// The last frame of a message.
const FINAL: u8 = 0x80;
/// Reserved for extensions, of which none is agreed to.
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
/// Ping, pong and close say no more than this.
const CONTROL_BYTES_MAX: usize = 125;

/// A frame to be written.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) payload: &'a [u8],
}

/// Masks keep what a page sends from looking like HTTP to a proxy. A simulated device is no page, so that they need
/// not be unpredictable, only different.
#[derive(Debug)]
pub(super) struct Masks(Random);

impl Masks {
    pub(super) fn new() -> Self {
        // The standard library's seeds are different in each process and each time.
        Self(Random::new(RandomState::new().build_hasher().finish(), 0))
    }

    /// A key for the request.
    pub(super) fn key(&mut self) -> [u8; 16] {
        let number = u128::from(self.0.next()) << 64 | u128::from(self.0.next());
        number.to_be_bytes()
    }

    /// Appends `frame` to `outgoing`.
    pub(super) fn frame(&mut self, frame: Frame<'_>, outgoing: &mut Vec<u8>) {
        outgoing.push(FINAL | frame.kind);
        let length = frame.payload.len();
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ 0..=125), _) => outgoing.push(MASKED | short),
            (_, Ok(middle)) => {
                outgoing.push(MASKED | 126);
                outgoing.extend_from_slice(&middle.to_be_bytes());
            }
            _ => {
                outgoing.push(MASKED | 127);
                outgoing.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        let mask = (self.0.next() as u32).to_be_bytes();
        outgoing.extend_from_slice(&mask);
        let start = outgoing.len();
        outgoing.extend_from_slice(frame.payload);
        for piece in outgoing[start..].chunks_mut(4) {
            for (byte, mask) in piece.iter_mut().zip(mask) {
                *byte ^= mask;
            }
        }
    }
}

/// Takes a server's frames apart.
#[derive(Debug, Default)]
pub(super) struct Reader {
    header: Header,
    /// Of the frame that is being read.
    kind: u8,
    /// Payload of that frame which has not arrived.
    missing: u64,
    /// A message has begun and not ended.
    in_message: bool,
    /// Payload of a ping or close, as far as it has arrived. Without capacity otherwise.
    control: Vec<u8>,
}

/// The first bytes of a frame, while they are not all there.
#[derive(Debug, Default)]
struct Header {
    bytes: [u8; 10],
    filled: usize,
}

impl Header {
    /// How many bytes it has, as far as can be told from those that are there.
    fn length(&self) -> usize {
        match (self.filled, self.bytes[1] & !MASKED) {
            (0 | 1, _) => 2,
            (_, 126) => 4,
            (_, 127) => 10,
            _ => 2,
        }
    }

    fn payload(&self) -> u64 {
        let bytes = &self.bytes;
        match bytes[1] & !MASKED {
            126 => u64::from(u16::from_be_bytes([bytes[2], bytes[3]])),
            127 => bytes[2..10].iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
            short => u64::from(short),
        }
    }
}

impl Reader {
    /// Takes all of `input`: what messages carry goes to the end of `payload`, what must be answered is given to
    /// `answer`. Whether the server closes; what comes after that is no business of ours.
    pub(super) fn read(
        &mut self,
        mut input: &[u8],
        payload: &mut Vec<u8>,
        mut answer: impl FnMut(Frame<'_>),
    ) -> Result<bool, Failure> {
        loop {
            if self.missing > 0 {
                let count = usize::try_from(self.missing).unwrap_or(usize::MAX).min(input.len());
                let (piece, rest) = input.split_at(count);
                input = rest;
                self.missing -= count as u64;
                let target = if self.kind >= CLOSE { &mut self.control } else { &mut *payload };
                target.extend_from_slice(piece);
                if self.missing > 0 {
                    return Ok(false);
                }
                if self.end_frame(&mut answer) {
                    return Ok(true);
                }
            }
            let Some((byte, rest)) = input.split_first() else { return Ok(false) };
            input = rest;
            self.header.bytes[self.header.filled] = *byte;
            self.header.filled += 1;
            if self.header.filled == self.header.length() {
                self.begin_frame()?;
                if self.missing == 0 && self.end_frame(&mut answer) {
                    return Ok(true);
                }
            }
        }
    }

    fn begin_frame(&mut self) -> Result<(), Failure> {
        let header = std::mem::take(&mut self.header);
        let first = header.bytes[0];
        let (kind, last, length) = (first & 0x0F, first & FINAL != 0, header.payload());
        if header.bytes[1] & MASKED != 0 {
            return Err(Failure::WebSocket("the gateway sent a masked frame"));
        }
        if first & RESERVED != 0 || length > u64::MAX >> 1 {
            return Err(Failure::WebSocket("the gateway sent a frame with reserved bits"));
        }
        match kind {
            CONTINUATION | BINARY if self.in_message != (kind == CONTINUATION) => {
                return Err(Failure::WebSocket("the gateway sent frames of messages in a wrong order"));
            }
            CONTINUATION | BINARY => self.in_message = !last,
            TEXT => return Err(Failure::WebSocket("the gateway sent a text frame")),
            CLOSE | PING | PONG if !last || length > CONTROL_BYTES_MAX as u64 => {
                return Err(Failure::WebSocket("the gateway sent a control frame that is too long"));
            }
            CLOSE | PING | PONG => {}
            _ => return Err(Failure::WebSocket("the gateway sent a frame of an unknown kind")),
        }
        (self.kind, self.missing) = (kind, length);
        Ok(())
    }

    /// Whether that frame was the server's last.
    fn end_frame(&mut self, answer: &mut impl FnMut(Frame<'_>)) -> bool {
        let control = std::mem::take(&mut self.control);
        match self.kind {
            PING => answer(Frame { kind: PONG, payload: &control }),
            // Its code is said back.
            CLOSE => answer(Frame { kind: CLOSE, payload: control.get(..2).unwrap_or_default() }),
            _ => {}
        }
        self.kind == CLOSE
    }
}

#[cfg(test)]
mod tests;
