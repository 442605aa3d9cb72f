//! MQTT packets as bytes, written and read by hand: a test must be able to send what no library would.

/// Packet types, in the upper half of the first byte.
pub mod kind {
    #![allow(missing_docs)]
    pub const CONNECT: u8 = 1;
    pub const CONNACK: u8 = 2;
    pub const PUBLISH: u8 = 3;
    pub const PUBACK: u8 = 4;
    pub const PUBREC: u8 = 5;
    pub const PUBREL: u8 = 6;
    pub const PUBCOMP: u8 = 7;
    pub const SUBSCRIBE: u8 = 8;
    pub const SUBACK: u8 = 9;
    pub const UNSUBSCRIBE: u8 = 10;
    pub const UNSUBACK: u8 = 11;
    pub const PINGREQ: u8 = 12;
    pub const PINGRESP: u8 = 13;
    pub const DISCONNECT: u8 = 14;
    pub const AUTH: u8 = 15;
}

/// A packet as it was read: its type, its flags and what follows the remaining length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// See [`kind`].
    pub kind: u8,
    /// The lower half of the first byte.
    pub flags: u8,
    /// Variable header and payload.
    pub body: Vec<u8>,
}

/// A PUBLISH taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The topic; empty when an alias stands for it.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// Quality of service.
    pub qos: u8,
    /// Sent before.
    pub dup: bool,
    /// Retained.
    pub retain: bool,
    /// Packet identifier; 0 at QoS 0.
    pub id: u16,
    /// The raw properties of MQTT 5.
    pub properties: Vec<u8>,
}

impl Packet {
    /// Takes the first packet off `buffer`, if it is there whole.
    pub(crate) fn take(buffer: &mut Vec<u8>) -> Option<Self> {
        let first = *buffer.first()?;
        let (length, used) = variable(&buffer[1..])?;
        let end = 1 + used + length;
        if buffer.len() < end {
            return None;
        }
        let body = buffer[1 + used..end].to_vec();
        buffer.drain(..end);
        Some(Self { kind: first >> 4, flags: first & 15, body })
    }

    /// The packet identifier that the body begins with.
    pub fn id(&self) -> u16 {
        u16::from_be_bytes([self.body[0], self.body[1]])
    }

    /// The reason of an acknowledgement, or of a DISCONNECT; left out means success.
    pub fn reason(&self) -> u8 {
        let at = match self.kind {
            kind::DISCONNECT | kind::AUTH => 0,
            kind::CONNACK => 1,
            _ => 2,
        };
        self.body.get(at).copied().unwrap_or(0)
    }

    /// The codes at the end of a SUBACK or UNSUBACK.
    pub fn codes(&self, version: u8) -> Vec<u8> {
        let mut rest = &self.body[2..];
        if version == 5 {
            rest = skip_properties(rest).1;
        }
        rest.to_vec()
    }

    /// The properties of a CONNACK, a DISCONNECT or an AUTH, each with its number; of a text or binary value without its length.
    pub(crate) fn properties_of_mqtt_5(&self) -> Vec<(u8, Vec<u8>)> {
        let at = if self.kind == kind::CONNACK { 2 } else { 1 };
        let mut rest = self.body.get(at..).map_or(&[][..], |rest| skip_properties(rest).0);
        let mut found = Vec::new();
        while let Some((id, value)) = rest.split_first() {
            let size = match id {
                0x24 | 0x25 | 0x28..=0x2A => 1,
                0x13 | 0x21 | 0x22 => 2,
                0x11 | 0x27 => 4,
                // Two texts.
                0x26 => 4 + length_at(value, 0) + length_at(value, 2 + length_at(value, 0)),
                _ => 2 + length_at(value, 0),
            };
            let begins =
                if size > 4 || !matches!(id, 0x11 | 0x13 | 0x21 | 0x22 | 0x24..=0x2A) { 2 } else { 0 };
            found.push((*id, value[begins..size].to_vec()));
            rest = &value[size..];
        }
        found
    }

    /// Takes a PUBLISH apart.
    ///
    /// # Errors
    /// When the packet is another, or its topic is not UTF-8.
    pub fn publish(&self, version: u8) -> anyhow::Result<Publish> {
        anyhow::ensure!(self.kind == kind::PUBLISH, "not a PUBLISH: {self:?}");
        let length = usize::from(u16::from_be_bytes([self.body[0], self.body[1]]));
        let topic = String::from_utf8(self.body[2..2 + length].to_vec())?;
        let mut rest = &self.body[2 + length..];
        let qos = self.flags >> 1 & 3;
        let mut id = 0;
        if qos > 0 {
            id = u16::from_be_bytes([rest[0], rest[1]]);
            rest = &rest[2..];
        }
        let mut properties = Vec::new();
        if version == 5 {
            let (found, after) = skip_properties(rest);
            properties = found.to_vec();
            rest = after;
        }
        let (dup, retain) = (self.flags & 8 != 0, self.flags & 1 != 0);
        Ok(Publish { topic, payload: rest.to_vec(), qos, dup, retain, id, properties })
    }
}

fn length_at(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

fn skip_properties(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, used) = variable(bytes).unwrap_or((0, 0));
    (&bytes[used..used + length], &bytes[used + length..])
}

/// A variable byte integer: its value and its length.
fn variable(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 127) << (7 * index);
        if byte & 128 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// A whole packet around `body`.
pub(crate) fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    loop {
        let byte = u8::try_from(length % 128).expect("a remainder of 128 is a byte");
        length /= 128;
        packet.push(if length > 0 { byte | 128 } else { byte });
        if length == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

/// Text with its length before it.
pub(crate) fn text(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let length = u16::try_from(bytes.len()).expect("a text in a test is short");
    [&length.to_be_bytes()[..], bytes].concat()
}

/// Properties with their length before them; nothing in MQTT 3.1.1.
pub(crate) fn properties(version: u8, properties: &[u8]) -> Vec<u8> {
    if version == 5 { frame(0, properties)[1..].to_vec() } else { Vec::new() }
}
