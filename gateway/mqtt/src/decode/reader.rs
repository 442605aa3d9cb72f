//! Reads the fields of one packet, each a slice of the packet's bytes.

use crate::error::Failure;
use crate::properties::catalogue::Place;
use crate::properties::wire::variable_integer;
use crate::{Fault, PacketId, PacketType, Properties, ReasonCode, Text, Version};
use bytes::{Buf, Bytes};
use std::ops::Range;

#[derive(Debug)]
pub(super) struct Reader {
    /// The whole packet; exactly one.
    packet: Bytes,
    at: usize,
    pub(super) version: Version,
}

impl Reader {
    #[inline]
    pub(super) fn new(packet: Bytes, at: usize, version: Version) -> Self {
        Self { packet, at, version }
    }

    #[inline]
    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.packet.len()
    }

    /// The bytes not read yet.
    #[inline]
    pub(super) fn unread(&self) -> &[u8] {
        &self.packet[self.at..]
    }

    #[inline]
    fn range(&mut self, length: usize) -> Result<Range<usize>, Failure> {
        let start = self.at;
        let end = start + length;
        if end > self.packet.len() {
            return Err(Fault::Truncated.into());
        }
        self.at = end;
        Ok(start..end)
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Failure> {
        let range = self.range(1)?;
        Ok(self.packet[range.start])
    }

    #[inline]
    pub(super) fn short(&mut self) -> Result<u16, Failure> {
        let range = self.range(2)?;
        Ok(u16::from_be_bytes([self.packet[range.start], self.packet[range.start + 1]]))
    }

    /// Binary data after its two-byte length (section 1.5.6).
    #[inline]
    pub(super) fn binary(&mut self) -> Result<Bytes, Failure> {
        let length = self.short()?;
        let range = self.range(usize::from(length))?;
        Ok(self.packet.slice(range))
    }

    /// A string after its two-byte length (section 1.5.4).
    #[inline]
    pub(super) fn text(&mut self) -> Result<Text, Failure> {
        Text::from_bytes(self.binary()?).map_err(|error| Fault::from(error).into())
    }

    #[inline]
    pub(super) fn packet_id(&mut self) -> Result<PacketId, Failure> {
        PacketId::new(self.short()?).ok_or_else(|| Fault::PacketIdZero.into())
    }

    /// The properties that stand here in MQTT 5; none in MQTT 3.1.1.
    #[inline]
    pub(super) fn properties(&mut self, place: Place) -> Result<Properties, Failure> {
        if self.version == Version::V3_1_1 {
            return Ok(Properties::default());
        }
        let (length, start) = variable_integer(&self.packet, self.at)?.ok_or(Fault::Truncated)?;
        self.at = start;
        if length == 0 {
            return Ok(Properties::default());
        }
        let range = self.range(length as usize)?;
        Properties::checked(self.packet.slice(range), place)
    }

    /// A reason code that MQTT 5 allows in the packet.
    #[inline]
    pub(super) fn reason(&mut self, packet: PacketType) -> Result<ReasonCode, Failure> {
        let number = self.byte()?;
        ReasonCode::from_number(number)
            .filter(|reason| reason.allowed_in(packet))
            .ok_or_else(|| Fault::ReasonCodeForbidden.with_number(u32::from(number)))
    }

    /// All bytes not read yet.
    #[inline]
    pub(super) fn into_rest(mut self) -> Bytes {
        self.packet.advance(self.at);
        self.packet
    }

    /// Refuses bytes after the last field.
    #[inline]
    pub(super) fn finish(&self) -> Result<(), Failure> {
        if self.is_at_end() { Ok(()) } else { Err(Fault::TrailingBytes.into()) }
    }
}
