//! What decoding and encoding answer when they refuse.

use crate::properties::catalogue::{self, Kind};
use crate::{Fault, PacketType, ReasonCode, Version};
use std::fmt;

/// Why bytes are not a packet: the peer's fault, never worth a retry.
///
/// Reads as `SUBSCRIBE: it holds no topic filter [MQTT-3.8.3-2]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    pub(crate) fault: Fault,
    pub(crate) version: Option<Version>,
    pub(crate) packet: Option<PacketType>,
    pub(crate) detail: Detail,
}

/// What the sentence of a fault leaves open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Detail {
    #[default]
    None,
    /// The property at fault, by its number.
    Property(u8),
    /// The number found.
    Number(u32),
}

/// A fault on its way up to where version and packet are known; small, for it is half of every result on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) fault: Fault,
    pub(crate) detail: Detail,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { fault, detail: Detail::None }
    }
}

impl Fault {
    pub(crate) fn of_property(self, kind: &Kind) -> Failure {
        Failure { fault: self, detail: Detail::Property(kind.id) }
    }

    pub(crate) fn with_number(self, number: u32) -> Failure {
        Failure { fault: self, detail: Detail::Number(number) }
    }
}

impl Failure {
    pub(crate) fn in_packet(self, version: Option<Version>, packet: Option<PacketType>) -> DecodeError {
        DecodeError { fault: self.fault, version, packet, detail: self.detail }
    }
}

impl DecodeError {
    /// What was wrong.
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// The version in which to answer. For a CONNECT it is the version it asked for, or the nearest one served when that is not
    /// served; `None` when the bytes do not say, and then the connection is closed without an answer.
    pub const fn version(&self) -> Option<Version> {
        self.version
    }

    /// The packet that was wrong; `None` when its type does not exist.
    pub const fn packet(&self) -> Option<PacketType> {
        self.packet
    }

    /// The clause broken, without brackets: `MQTT-3.8.3-2`, or a section where the standard numbers no statement.
    pub const fn clause(&self) -> &'static str {
        match self.version {
            Some(version) => self.fault.clause(version),
            None => self.fault.clause(Version::V5),
        }
    }

    /// The reason code to answer with in a CONNACK or DISCONNECT. Encoded for MQTT 3.1.1, `UnsupportedProtocolVersion` becomes return
    /// code 1 and `ClientIdentifierNotValid` return code 2; the others are answered by closing the connection.
    pub const fn reason_code(&self) -> ReasonCode {
        self.fault.reason_code()
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.packet {
            Some(packet) => write!(formatter, "{packet}: ")?,
            None => formatter.write_str("packet: ")?,
        }
        formatter.write_str(self.fault.sentence())?;
        match self.detail {
            Detail::None => {}
            Detail::Property(id) => {
                let name = catalogue::find(id).map_or("", |kind| kind.name);
                write!(formatter, ": `{name}`")?;
            }
            Detail::Number(number) => write!(formatter, ": `{number}`")?,
        }
        write!(formatter, " [{}]", self.clause())
    }
}

impl std::error::Error for DecodeError {}

/// Why a packet cannot be put on the wire: the caller's fault. Nothing has been written then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The packet would pass 268,435,455 bytes after its fixed header (section 2.1.4).
    #[error(
        "{packet} has `{bytes}` bytes, more than the standard lets a packet have; send a smaller payload"
    )]
    TooLarge {
        /// The packet.
        packet: PacketType,
        /// Bytes after the fixed header.
        bytes: usize,
    },
    /// A password, will payload or other binary field is longer than its two-byte length can say (section 1.5.6).
    #[error("a binary field of {packet} has `{bytes}` bytes, more than 65,535")]
    BinaryTooLong {
        /// The packet.
        packet: PacketType,
        /// Bytes of the field.
        bytes: usize,
    },
    /// The packet does not exist in the version (AUTH in MQTT 3.1.1).
    #[error("{packet} does not exist in MQTT 3.1.1")]
    NotInVersion {
        /// The packet.
        packet: PacketType,
    },
    /// A property does not belong in the packet, or the built properties hold a forbidden value or a repeat.
    #[error("property `{property}` of {packet} is misplaced, repeated or has a forbidden value")]
    Property {
        /// The packet.
        packet: PacketType,
        /// The standard's name of the property.
        property: &'static str,
    },
    /// The packet breaks another rule a receiver would refuse it for.
    #[error("{packet}: {} [{}]", .fault.sentence(), .fault.clause(*.version))]
    Forbidden {
        /// The packet.
        packet: PacketType,
        /// The version it was to be encoded for.
        version: Version,
        /// The rule broken.
        fault: Fault,
    },
    /// A publish has a packet identifier at QoS 0, or none above `[MQTT-2.2.1-2]`.
    #[error("PUBLISH must have a packet identifier exactly when its QoS is above 0 [MQTT-2.2.1-2]")]
    PacketId,
}
