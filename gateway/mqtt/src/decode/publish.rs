//! PUBLISH (section 3.3).

use super::reader::Reader;
use crate::error::Failure;
use crate::properties::catalogue::{Place, id};
use crate::topic::has_wildcard;
use crate::{Fault, Packet, PacketType, Publish, Qos, Version};

#[inline]
pub(super) fn publish(flags: u8, mut reader: Reader) -> Result<Packet, Failure> {
    let qos = Qos::from_number(flags >> 1 & 0b11).ok_or(Fault::QosThree)?;
    let topic = reader.text()?;
    if has_wildcard(topic.as_bytes()) {
        return Err(Fault::TopicWildcard.into());
    }
    let packet_id = if qos == Qos::AtMostOnce { None } else { Some(reader.packet_id()?) };
    let properties = reader.properties(Place::Packet(PacketType::Publish))?;
    if topic.is_empty() && properties.present() & 1 << id::TOPIC_ALIAS == 0 {
        return Err(match reader.version {
            Version::V3_1_1 => Fault::TopicEmpty,
            Version::V5 => Fault::TopicEmptyWithoutAlias,
        }
        .into());
    }
    Ok(Packet::Publish(Publish {
        dup: flags & 0b1000 != 0,
        qos,
        retain: flags & 1 != 0,
        topic,
        packet_id,
        properties,
        payload: reader.into_rest(),
    }))
}
