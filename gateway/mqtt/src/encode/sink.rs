//! Where bytes of a body go: a buffer, or a count.

use bytes::{BufMut, BytesMut};

pub(crate) trait Sink {
    fn byte(&mut self, byte: u8);
    fn slice(&mut self, bytes: &[u8]);

    #[inline]
    fn short(&mut self, number: u16) {
        self.slice(&number.to_be_bytes());
    }

    #[inline]
    fn long(&mut self, number: u32) {
        self.slice(&number.to_be_bytes());
    }

    /// Bytes after their two-byte length. Longer ones were refused before; a count may still be asked for them.
    #[inline]
    fn prefixed(&mut self, bytes: &[u8]) {
        self.short(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
        self.slice(bytes);
    }
}

impl Sink for BytesMut {
    #[inline]
    fn byte(&mut self, byte: u8) {
        self.put_u8(byte);
    }

    #[inline]
    fn slice(&mut self, bytes: &[u8]) {
        self.put_slice(bytes);
    }
}

/// Counts instead of writing.
#[derive(Debug, Default)]
pub(crate) struct Counter(usize);

impl Counter {
    pub(crate) fn bytes(&self) -> usize {
        self.0
    }
}

impl Sink for Counter {
    #[inline]
    fn byte(&mut self, _: u8) {
        self.0 += 1;
    }

    #[inline]
    fn slice(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// Writes a variable byte integer (section 1.5.5) with as few bytes as it needs `[MQTT-1.5.5-1]`.
#[inline]
pub(crate) fn put_variable_integer(out: &mut impl Sink, mut number: u32) {
    while number >= 0x80 {
        out.byte((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.byte((number & 0x7F) as u8);
}

/// Writes a length as a variable byte integer. A length that does not fit makes the whole packet too large, which the fixed header
/// refuses before anything is written.
pub(crate) fn put_length(out: &mut impl Sink, length: usize) {
    put_variable_integer(out, u32::try_from(length).unwrap_or(u32::MAX));
}
