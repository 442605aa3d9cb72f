//! Packets to bytes. Each function appends one packet; nothing is appended if it fails.

use super::{Connect, Publish, Qos, Subscription, Version, number};

/// A packet that has no form in bytes. The caller's fault: scenarios are checked before they are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unencodable {
    /// A text or will payload is too long.
    #[error("the {0} is longer than 65535 bytes, the most that MQTT can say; make it shorter")]
    Field(&'static str),
    /// The packet as a whole is too long.
    #[error(
        "the packet is longer than 268435455 bytes, the most that MQTT can say; make the payload smaller"
    )]
    Packet,
    /// A packet id is zero where there must be one, or there is none to have.
    #[error("packet id `0` cannot be used with QoS 1 and 2, and no other with QoS 0")]
    PacketId,
}

/// The property numbers that a client writes [MQTT-2.2.2.2].
mod property {
    pub(super) const MESSAGE_EXPIRY: u8 = 0x02;
    pub(super) const RESPONSE_TOPIC: u8 = 0x08;
    pub(super) const CORRELATION_DATA: u8 = 0x09;
    pub(super) const SESSION_EXPIRY: u8 = 0x11;
    pub(super) const WILL_DELAY: u8 = 0x18;
    pub(super) const RECEIVE_MAXIMUM: u8 = 0x21;
    pub(super) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub(super) const TOPIC_ALIAS: u8 = 0x23;
    pub(super) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
}

/// Appends a CONNECT.
///
/// # Errors
/// When a text or the will is longer than MQTT can say.
pub fn connect(out: &mut Vec<u8>, connect: &Connect<'_>) -> Result<(), Unencodable> {
    packet(out, 0x10, |out| {
        text(out, "MQTT", "protocol name")?;
        out.push(if connect.version == Version::V5 { 5 } else { 4 });
        out.push(connect_flags(connect));
        out.extend_from_slice(&connect.keep_alive_secs.to_be_bytes());
        if connect.version == Version::V5 {
            properties(out, |out| {
                optional_u32(out, property::SESSION_EXPIRY, connect.session_expiry_secs, 0);
                optional_u16(out, property::RECEIVE_MAXIMUM, connect.receive_max, u16::MAX);
                let any = super::PACKET_BYTES_MAX;
                optional_u32(out, property::MAXIMUM_PACKET_SIZE, connect.packet_bytes_max, any);
                optional_u16(out, property::TOPIC_ALIAS_MAXIMUM, connect.topic_alias_max, 0);
                Ok(())
            })?;
        }
        text(out, connect.client_id, "client id")?;
        if let Some(will) = &connect.will {
            if connect.version == Version::V5 {
                properties(out, |out| {
                    optional_u32(out, property::WILL_DELAY, will.delay_secs, 0);
                    Ok(())
                })?;
            }
            text(out, will.topic, "topic of the will")?;
            binary(out, will.payload, "payload of the will")?;
        }
        if let Some(user_name) = connect.user_name {
            text(out, user_name, "user name")?;
        }
        if let Some(password) = connect.password {
            binary(out, password, "password")?;
        }
        Ok(())
    })
}

fn connect_flags(connect: &Connect<'_>) -> u8 {
    let will = connect.will.map_or(0, |will| 0x04 | will.qos.number() << 3 | u8::from(will.retain) << 5);
    u8::from(connect.clean) << 1
        | will
        | u8::from(connect.password.is_some()) << 6
        | u8::from(connect.user_name.is_some()) << 7
}

/// Appends a PUBLISH. What only MQTT 5 can say is left out with 3.1.1.
///
/// # Errors
/// When something is longer than MQTT can say, or the packet id does not suit the quality of service.
pub fn publish(out: &mut Vec<u8>, version: Version, publish: &Publish<'_>) -> Result<(), Unencodable> {
    if (publish.qos == Qos::AtMostOnce) != (publish.packet_id == 0) {
        return Err(Unencodable::PacketId);
    }
    let first = 0x30 | u8::from(publish.dup) << 3 | publish.qos.number() << 1 | u8::from(publish.retain);
    packet(out, first, |out| {
        text(out, publish.topic, "topic")?;
        if publish.qos != Qos::AtMostOnce {
            out.extend_from_slice(&publish.packet_id.to_be_bytes());
        }
        if version == Version::V5 {
            properties(out, |out| publish_properties(out, publish))?;
        }
        out.extend_from_slice(publish.payload);
        Ok(())
    })
}

fn publish_properties(out: &mut Vec<u8>, publish: &Publish<'_>) -> Result<(), Unencodable> {
    if let Some(secs) = publish.expiry_secs {
        out.push(property::MESSAGE_EXPIRY);
        out.extend_from_slice(&secs.to_be_bytes());
    }
    if let Some(alias) = publish.topic_alias {
        out.push(property::TOPIC_ALIAS);
        out.extend_from_slice(&alias.to_be_bytes());
    }
    if let Some(topic) = publish.response_topic {
        out.push(property::RESPONSE_TOPIC);
        text(out, topic, "response topic")?;
    }
    if let Some(data) = publish.correlation {
        out.push(property::CORRELATION_DATA);
        binary(out, data, "correlation data")?;
    }
    Ok(())
}

/// Appends a PUBACK. The code is left out with MQTT 3.1.1, which has none.
pub fn puback(out: &mut Vec<u8>, version: Version, packet_id: u16, code: u8) {
    answer(out, 0x40, version, packet_id, code);
}

/// Appends a PUBREC. The code is left out with MQTT 3.1.1, which has none.
pub fn pubrec(out: &mut Vec<u8>, version: Version, packet_id: u16, code: u8) {
    answer(out, 0x50, version, packet_id, code);
}

/// Appends a PUBREL. The code is left out with MQTT 3.1.1, which has none.
pub fn pubrel(out: &mut Vec<u8>, version: Version, packet_id: u16, code: u8) {
    answer(out, 0x62, version, packet_id, code);
}

/// Appends a PUBCOMP. The code is left out with MQTT 3.1.1, which has none.
pub fn pubcomp(out: &mut Vec<u8>, version: Version, packet_id: u16, code: u8) {
    answer(out, 0x70, version, packet_id, code);
}

fn answer(out: &mut Vec<u8>, first: u8, version: Version, packet_id: u16, code: u8) {
    let [high, low] = packet_id.to_be_bytes();
    if version == Version::V5 && code != super::SUCCESS {
        out.extend_from_slice(&[first, 3, high, low, code]);
    } else {
        out.extend_from_slice(&[first, 2, high, low]);
    }
}

/// Appends a SUBSCRIBE. `subscriptions` is not empty [MQTT-3.8.3-3].
///
/// # Errors
/// When a filter or all of them together are longer than MQTT can say, or the packet id is 0.
pub fn subscribe(
    out: &mut Vec<u8>,
    version: Version,
    packet_id: u16,
    subscriptions: &[Subscription<'_>],
) -> Result<(), Unencodable> {
    asked(out, 0x82, version, packet_id, |out| {
        for subscription in subscriptions {
            text(out, subscription.filter, "topic filter")?;
            out.push(subscription.qos.number());
        }
        Ok(())
    })
}

/// Appends an UNSUBSCRIBE. `filters` is not empty [MQTT-3.10.3-2].
///
/// # Errors
/// When a filter or all of them together are longer than MQTT can say, or the packet id is 0.
pub fn unsubscribe(
    out: &mut Vec<u8>,
    version: Version,
    packet_id: u16,
    filters: &[&str],
) -> Result<(), Unencodable> {
    asked(out, 0xA2, version, packet_id, |out| {
        filters.iter().try_for_each(|filter| text(out, filter, "topic filter"))
    })
}

fn asked(
    out: &mut Vec<u8>,
    first: u8,
    version: Version,
    packet_id: u16,
    filters: impl FnOnce(&mut Vec<u8>) -> Result<(), Unencodable>,
) -> Result<(), Unencodable> {
    if packet_id == 0 {
        return Err(Unencodable::PacketId);
    }
    packet(out, first, |out| {
        out.extend_from_slice(&packet_id.to_be_bytes());
        if version == Version::V5 {
            out.push(0);
        }
        filters(out)
    })
}

/// Appends a PINGREQ.
pub fn pingreq(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xC0, 0]);
}

/// Appends a DISCONNECT. The code is left out with MQTT 3.1.1, which has none.
pub fn disconnect(out: &mut Vec<u8>, version: Version, code: u8) {
    if version == Version::V5 && code != super::CLOSED_IN_ORDER {
        // The length of the properties could be left out, but there are servers that miss it.
        out.extend_from_slice(&[0xE0, 2, code, 0]);
    } else {
        out.extend_from_slice(&[0xE0, 0]);
    }
}

/// The first byte, the length of the rest, the rest; or nothing.
fn packet(
    out: &mut Vec<u8>,
    first: u8,
    rest: impl FnOnce(&mut Vec<u8>) -> Result<(), Unencodable>,
) -> Result<(), Unencodable> {
    let start = out.len();
    out.push(first);
    let written = measured(out, rest);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// The length of the properties, and they.
fn properties(
    out: &mut Vec<u8>,
    rest: impl FnOnce(&mut Vec<u8>) -> Result<(), Unencodable>,
) -> Result<(), Unencodable> {
    measured(out, rest)
}

/// Writes `rest` behind its own length. Most are shorter than 128 bytes, so that one byte is kept free; a longer one
/// is moved.
fn measured(
    out: &mut Vec<u8>,
    rest: impl FnOnce(&mut Vec<u8>) -> Result<(), Unencodable>,
) -> Result<(), Unencodable> {
    let place = out.len();
    out.push(0);
    rest(out)?;
    let length = out.len() - place - 1;
    if let Ok(short @ 0..=0x7F) = u8::try_from(length) {
        out[place] = short;
        return Ok(());
    }
    let length = u32::try_from(length).ok().filter(|length| *length <= number::MAX);
    let length = length.ok_or(Unencodable::Packet)?;
    let more = number::bytes(length) as usize - 1;
    let end = out.len();
    out.resize(end + more, 0);
    out.copy_within(place + 1..end, place + 1 + more);
    number::place(&mut out[place..=place + more], length);
    Ok(())
}

fn text(out: &mut Vec<u8>, text: &str, what: &'static str) -> Result<(), Unencodable> {
    binary(out, text.as_bytes(), what)
}

fn binary(out: &mut Vec<u8>, bytes: &[u8], what: &'static str) -> Result<(), Unencodable> {
    let length = u16::try_from(bytes.len()).map_err(|_| Unencodable::Field(what))?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

fn optional_u32(out: &mut Vec<u8>, property: u8, value: u32, absent: u32) {
    if value != absent {
        out.push(property);
        out.extend_from_slice(&value.to_be_bytes());
    }
}

fn optional_u16(out: &mut Vec<u8>, property: u8, value: u16, absent: u16) {
    if value != absent {
        out.push(property);
        out.extend_from_slice(&value.to_be_bytes());
    }
}
