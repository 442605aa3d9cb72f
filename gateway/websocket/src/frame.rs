//! The header of a frame, RFC 6455 section 5.2. It must not know what comes before or after the frame.

use crate::close;

/// The longest header: two bytes, a length of eight, a mask of four.
const HEADER_BYTES_MAX: usize = 14;
/// The longest payload of a control frame.
pub(crate) const CONTROL_BYTES_MAX: usize = 125;

/// How the peer broke the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A text frame `[MQTT-6.0.0-1]`.
    #[error("a text frame, where only binary frames are carried")]
    Text,
    /// RFC 6455 section 5.1.
    #[error("a frame of the client is not masked")]
    Unmasked,
    /// RFC 6455 section 5.2: no extension was agreed to.
    #[error("a reserved bit is set, but no extension was agreed to")]
    ReservedBits,
    /// RFC 6455 section 5.2.
    #[error("a frame with the unknown opcode `{0}`")]
    UnknownOpcode(u8),
    /// RFC 6455 section 5.5.
    #[error("a control frame that is not whole")]
    ControlFragmented,
    /// RFC 6455 section 5.5.
    #[error("a control frame of more than {CONTROL_BYTES_MAX} bytes")]
    ControlTooLong,
    /// RFC 6455 section 5.4.
    #[error("a continuation where there is nothing to continue")]
    StrayContinuation,
    /// RFC 6455 section 5.4.
    #[error("a new message before the last one was whole")]
    Interleaved,
    /// RFC 6455 section 5.2.
    #[error("a length that is not written in the shortest way, or is out of range")]
    Length,
    /// RFC 6455 section 5.5.1.
    #[error("a close frame whose payload is no status code and reason")]
    CloseMalformed,
}

impl Violation {
    /// The status code to close with, RFC 6455 section 7.4.1.
    pub fn status(self) -> u16 {
        match self {
            Self::Text => close::UNSUPPORTED_DATA,
            _ => close::PROTOCOL_ERROR,
        }
    }
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn parse(bits: u8) -> Result<Self, Violation> {
        match bits {
            0x0 => Ok(Self::Continuation),
            0x1 => Err(Violation::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xA => Ok(Self::Pong),
            other => Err(Violation::UnknownOpcode(other)),
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    pub(crate) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The header of a frame from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) is_last: bool,
    pub(crate) opcode: Opcode,
    pub(crate) mask: [u8; 4],
    pub(crate) payload_bytes: u64,
}

/// Collects a header, which may come byte by byte.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Collected {
    bytes: [u8; HEADER_BYTES_MAX],
    len: usize,
}

impl Collected {
    /// Takes what belongs to the header from the front of `bytes`; gives how much that was, and the header once it is whole. A header that
    /// breaks the rules is refused as soon as that shows.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(usize, Option<Header>), Violation> {
        let before = self.len;
        for byte in bytes {
            self.bytes[self.len] = *byte;
            self.len += 1;
            if self.len == 2 {
                self.check_start()?;
            }
            if self.len >= 2 && self.len == self.needed() {
                let header = self.header()?;
                let taken = self.len - before;
                self.len = 0;
                return Ok((taken, Some(header)));
            }
        }
        Ok((bytes.len(), None))
    }

    fn length_code(&self) -> u8 {
        self.bytes[1] & 0x7F
    }

    fn needed(&self) -> usize {
        let extended = match self.length_code() {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + extended + 4
    }

    fn check_start(&self) -> Result<(), Violation> {
        if self.bytes[0] & 0x70 != 0 {
            return Err(Violation::ReservedBits);
        }
        let opcode = Opcode::parse(self.bytes[0] & 0x0F)?;
        if self.bytes[1] & 0x80 == 0 {
            return Err(Violation::Unmasked);
        }
        if opcode.is_control() && self.bytes[0] & 0x80 == 0 {
            return Err(Violation::ControlFragmented);
        }
        if opcode.is_control() && usize::from(self.length_code()) > CONTROL_BYTES_MAX {
            return Err(Violation::ControlTooLong);
        }
        Ok(())
    }

    fn header(&self) -> Result<Header, Violation> {
        let (length, mask) = self.bytes[2..self.len].split_at(self.len - 6);
        let number = length.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let payload_bytes = match length.len() {
            0 => u64::from(self.length_code()),
            2 if number > 125 => number,
            8 if (0x1_0000..1 << 63).contains(&number) => number,
            _ => return Err(Violation::Length),
        };
        Ok(Header {
            is_last: self.bytes[0] & 0x80 != 0,
            opcode: Opcode::parse(self.bytes[0] & 0x0F)?,
            mask: mask.try_into().expect("the last four bytes of the header are the mask"),
            payload_bytes,
        })
    }
}

/// The header of a whole frame to a client, which is never masked.
pub(crate) struct OutHeader {
    bytes: [u8; 10],
    len: usize,
}

impl OutHeader {
    pub(crate) fn new(opcode: Opcode, payload_bytes: usize) -> Self {
        let mut bytes = [0; 10];
        bytes[0] = 0x80 | opcode.bits();
        let len = match payload_bytes {
            0..=125 => {
                bytes[1] = payload_bytes as u8;
                2
            }
            126..=0xFFFF => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(payload_bytes as u16).to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..10].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
                10
            }
        };
        Self { bytes, len }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
