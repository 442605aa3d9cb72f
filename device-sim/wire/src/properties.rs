//! The properties of MQTT 5 that a server sends: those of use are kept, all are checked.

use super::decode::Fields;
use super::{Accepted, Malformed, Publish, Qos};

/// How a property's value is written.
enum Value<'a> {
    Byte(u8),
    TwoBytes(u16),
    FourBytes(u32),
    Number(u32),
    Text(&'a str),
    Binary(&'a [u8]),
    /// A name and a value; the only property that every packet may have any number of times.
    User,
}

/// Reads one property after the other, and refuses what comes twice.
struct Properties<'a> {
    fields: Fields<'a>,
    /// One bit for each number.
    seen: u64,
}

impl<'a> Properties<'a> {
    fn new(fields: Fields<'a>) -> Self {
        Self { fields, seen: 0 }
    }

    fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Malformed> {
        if self.fields.is_empty() {
            return Ok(None);
        }
        let property = self.fields.number()?;
        let fields = &mut self.fields;
        let value = match property {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => Value::Byte(fields.byte()?),
            0x13 | 0x21 | 0x22 | 0x23 => Value::TwoBytes(fields.two_bytes()?),
            0x02 | 0x11 | 0x18 | 0x27 => Value::FourBytes(fields.four_bytes()?),
            0x0B => Value::Number(fields.number()?),
            0x03 | 0x08 | 0x12 | 0x15 | 0x1A | 0x1C | 0x1F => Value::Text(fields.text()?),
            0x09 | 0x16 => Value::Binary(fields.binary()?),
            0x26 => {
                fields.text()?;
                fields.text()?;
                Value::User
            }
            _ => return Err(self.wrong(property)),
        };
        let bit = 1_u64 << property;
        // A message that several subscriptions of this client match names each of them.
        let any_number = matches!(property, 0x26 | 0x0B);
        if self.seen & bit != 0 && !any_number {
            return Err(self.wrong(property));
        }
        self.seen |= bit;
        Ok(Some((property, value)))
    }

    fn wrong(&self, property: u32) -> Malformed {
        Malformed::Property { packet: self.fields.packet, property }
    }
}

/// Of a CONNACK [MQTT-3.2.2.3].
pub(super) fn of_accepted<'a>(fields: Fields<'a>, accepted: &mut Accepted<'a>) -> Result<(), Malformed> {
    let mut properties = Properties::new(fields);
    while let Some((property, value)) = properties.next()? {
        match (property, value) {
            (0x11, Value::FourBytes(secs)) => accepted.session_expiry_secs = Some(secs),
            (0x21, Value::TwoBytes(messages @ 1..)) => accepted.receive_max = messages,
            (0x24, Value::Byte(qos @ 0..=1)) => accepted.qos_max = Qos::ALL[usize::from(qos)],
            (0x25, Value::Byte(available @ 0..=1)) => accepted.retain_available = available == 1,
            (0x27, Value::FourBytes(bytes @ 1..)) => accepted.packet_bytes_max = bytes,
            (0x12, Value::Text(client_id)) => accepted.client_id = Some(client_id),
            (0x22, Value::TwoBytes(aliases)) => accepted.topic_alias_max = aliases,
            (0x1F, Value::Text(reason)) => accepted.reason = Some(reason),
            (0x13, Value::TwoBytes(secs)) => accepted.keep_alive_secs = Some(secs),
            // Wildcards, subscription identifiers, shared subscriptions; then response information, another server,
            // and authentication.
            (0x28..=0x2A, Value::Byte(0..=1)) | (0x1A | 0x1C | 0x15 | 0x16 | 0x26, _) => {}
            _ => return Err(properties.wrong(property)),
        }
    }
    Ok(())
}

/// Of a PUBLISH [MQTT-3.3.2.3].
pub(super) fn of_publish<'a>(fields: Fields<'a>, publish: &mut Publish<'a>) -> Result<(), Malformed> {
    let mut properties = Properties::new(fields);
    while let Some((property, value)) = properties.next()? {
        match (property, value) {
            (0x02, Value::FourBytes(secs)) => publish.expiry_secs = Some(secs),
            (0x23, Value::TwoBytes(alias @ 1..)) => publish.topic_alias = Some(alias),
            (0x08, Value::Text(topic)) => publish.response_topic = Some(topic),
            (0x09, Value::Binary(data)) => publish.correlation = Some(data),
            // Payload format; subscription identifiers; content type and user properties.
            (0x01, Value::Byte(0..=1)) | (0x0B, Value::Number(1..)) | (0x03 | 0x26, _) => {}
            _ => return Err(properties.wrong(property)),
        }
    }
    Ok(())
}

/// Of the acknowledgements: a reason for people, and user properties.
pub(super) fn of_answer(fields: Fields<'_>) -> Result<(), Malformed> {
    let mut properties = Properties::new(fields);
    while let Some((property, _)) = properties.next()? {
        if !matches!(property, 0x1F | 0x26) {
            return Err(properties.wrong(property));
        }
    }
    Ok(())
}

/// Of a DISCONNECT or AUTH: the reason for people.
pub(super) fn of_farewell(fields: Fields<'_>) -> Result<Option<&str>, Malformed> {
    let authentication = fields.packet == "AUTH";
    let mut properties = Properties::new(fields);
    let mut reason = None;
    while let Some((property, value)) = properties.next()? {
        match (property, value) {
            (0x1F, Value::Text(text)) => reason = Some(text),
            (0x1C, _) if !authentication => {}
            (0x15 | 0x16, _) if authentication => {}
            (0x26, _) => {}
            _ => return Err(properties.wrong(property)),
        }
    }
    Ok(reason)
}
