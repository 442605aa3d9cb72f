//! Cuts a stream of bytes into packets. Holds bytes only while a packet is not whole.

use super::{Incoming, Malformed, Version, decode, number};

/// The first byte and the longest length.
const HEADER_BYTES_MAX: usize = 5;

/// One for each connection.
#[derive(Debug)]
pub struct Decoder {
    version: Version,
    packet_bytes_max: u32,
    /// The beginning of a packet whose rest has not arrived.
    partial: Vec<u8>,
    /// `partial` was whole, and was handed out.
    handed_out: bool,
}

impl Decoder {
    /// For a connection that speaks `version`. A packet longer than `packet_bytes_max`, its first bytes included, is
    /// refused as soon as its length is known; so is what the decoder holds bounded.
    pub fn new(version: Version, packet_bytes_max: u32) -> Self {
        Self { version, packet_bytes_max, partial: Vec::new(), handed_out: false }
    }

    /// The next packet, taken off the front of `input`; `None` when more bytes are needed, and then all of `input` is
    /// taken. Packets that are whole in `input` are not copied.
    ///
    /// # Errors
    /// When the bytes are not MQTT. Nothing after that can be understood.
    pub fn next<'s, 'i: 's>(&'s mut self, input: &mut &'i [u8]) -> Result<Option<Incoming<'s>>, Malformed> {
        if std::mem::take(&mut self.handed_out) {
            self.partial = Vec::new();
        }
        if !self.partial.is_empty() {
            return self.complete(input);
        }
        let whole = self.length(input)?.and_then(|(header, length)| {
            let (packet, rest) = input.split_at_checked(length)?;
            *input = rest;
            Some((packet[0], &packet[header..]))
        });
        let Some((first, body)) = whole else {
            self.partial.extend_from_slice(input);
            *input = &[];
            return Ok(None);
        };
        decode::packet(self.version, first, body).map(Some)
    }

    /// Bytes held of a packet that is not whole.
    pub fn held_bytes(&self) -> usize {
        self.partial.capacity()
    }

    /// Takes what is missing of the packet in `partial`.
    fn complete<'s>(&'s mut self, input: &mut &[u8]) -> Result<Option<Incoming<'s>>, Malformed> {
        loop {
            let known = self.length(&self.partial)?;
            if let Some((header, length)) = known
                && self.partial.len() == length
            {
                self.handed_out = true;
                return decode::packet(self.version, self.partial[0], &self.partial[header..]).map(Some);
            }
            let missing = known.map_or(1, |(_, length)| length - self.partial.len());
            let (taken, rest) = input.split_at(missing.min(input.len()));
            *input = rest;
            if taken.is_empty() {
                return Ok(None);
            }
            self.partial.extend_from_slice(taken);
        }
    }

    /// How long the header is, and how long the packet with it; `None` while the header is not whole.
    fn length(&self, bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
        let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
        decode::check_first(self.version, *first)?;
        let rest = &rest[..rest.len().min(HEADER_BYTES_MAX - 1)];
        let Some((remaining, bytes)) = number::read(rest)? else { return Ok(None) };
        let header = 1 + bytes;
        let length = header as u32 + remaining;
        if length > self.packet_bytes_max {
            return Err(Malformed::TooLong { bytes: length, bytes_max: self.packet_bytes_max });
        }
        Ok(Some((header, length as usize)))
    }
}
