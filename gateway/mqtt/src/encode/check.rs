//! What must hold of a packet before it is written.

use crate::properties::catalogue::{self, Place, id};
use crate::topic::{has_wildcard, is_shared};
use crate::{
    Auth, Connect, EncodeError, Fault, Packet, PacketType, Properties, Publish, Qos, ReasonCode, Subscribe,
    Version, Will,
};

type Checked = Result<(), EncodeError>;

pub(super) fn check(packet: &Packet, version: Version) -> Checked {
    let kind = packet.packet_type();
    if version == Version::V3_1_1 && kind == PacketType::Auth {
        return Err(EncodeError::NotInVersion { packet: kind });
    }
    let forbid = |fault| Err(EncodeError::Forbidden { packet: kind, version, fault });
    properties(packet.properties(), Place::Packet(kind), version)?;
    match packet {
        Packet::Connect(packet) => connect(packet),
        Packet::ConnAck(packet) if packet.session_present && packet.reason != ReasonCode::Success => {
            forbid(Fault::SessionPresentWithError)
        }
        Packet::ConnAck(packet) => reason(packet.reason, kind, version),
        Packet::Publish(packet) => publish(packet, version),
        Packet::PubAck(packet)
        | Packet::PubRec(packet)
        | Packet::PubRel(packet)
        | Packet::PubComp(packet) => reason(packet.reason, kind, version),
        Packet::Subscribe(packet) => subscribe(packet, version),
        Packet::SubAck(packet) if packet.reasons.is_empty() => forbid(Fault::NoSubAckCode),
        Packet::SubAck(packet) => packet.reasons.iter().try_for_each(|code| reason(*code, kind, version)),
        Packet::Unsubscribe(packet) if packet.filters.is_empty() => forbid(Fault::NoUnsubscribeFilter),
        Packet::UnsubAck(packet) if packet.reasons.is_empty() && version == Version::V5 => {
            forbid(Fault::NoUnsubAckCode)
        }
        Packet::UnsubAck(packet) => packet.reasons.iter().try_for_each(|code| reason(*code, kind, version)),
        Packet::Disconnect(packet) => reason(packet.reason, kind, version),
        Packet::Auth(packet) => auth(packet),
        Packet::Unsubscribe(_) | Packet::PingReq | Packet::PingResp => Ok(()),
    }
}

/// Checks that properties were built well and belong where they stand. MQTT 3.1.1 leaves them out, so there they may be anything.
pub(super) fn properties(properties: Option<&Properties>, place: Place, version: Version) -> Checked {
    let Some(properties) = properties.filter(|_| version == Version::V5) else { return Ok(()) };
    let packet = place.packet();
    let fault = |property| Err(EncodeError::Property { packet, property });
    if let Some(property) = properties.refused_name() {
        return fault(property);
    }
    if properties.present() & !catalogue::allowed_in(place) != 0 {
        let misplaced = properties.spans().find(|span| !span.kind.allowed_in(place));
        return fault(misplaced.map_or("", |span| span.kind.name));
    }
    if packet == PacketType::Subscribe && properties.subscription_identifiers().nth(1).is_some() {
        return fault("Subscription Identifier");
    }
    let authentication =
        properties.present() & (1 << id::AUTHENTICATION_METHOD | 1 << id::AUTHENTICATION_DATA);
    if authentication == 1 << id::AUTHENTICATION_DATA {
        return Err(EncodeError::Forbidden { packet, version, fault: Fault::AuthDataWithoutMethod });
    }
    Ok(())
}

fn reason(reason: ReasonCode, packet: PacketType, version: Version) -> Checked {
    if reason.allowed_in(packet) {
        Ok(())
    } else {
        Err(EncodeError::Forbidden { packet, version, fault: Fault::ReasonCodeForbidden })
    }
}

fn binary(bytes: &[u8], packet: PacketType) -> Checked {
    if bytes.len() > usize::from(u16::MAX) {
        return Err(EncodeError::BinaryTooLong { packet, bytes: bytes.len() });
    }
    Ok(())
}

fn connect(connect: &Connect) -> Checked {
    let packet = PacketType::Connect;
    let version = connect.version;
    let forbid = |fault| Err(EncodeError::Forbidden { packet, version, fault });
    if version == Version::V3_1_1 && connect.client_id.is_empty() && !connect.clean_start {
        return forbid(Fault::ClientIdMissing);
    }
    if version == Version::V3_1_1 && connect.username.is_none() && connect.password.is_some() {
        return forbid(Fault::PasswordWithoutUserName);
    }
    binary(connect.password.as_deref().unwrap_or_default(), packet)?;
    let Some(Will { topic, payload, properties: will_properties, .. }) = &connect.will else { return Ok(()) };
    properties(Some(will_properties), Place::Will, version)?;
    binary(payload, packet)?;
    if topic.is_empty() {
        return forbid(Fault::TopicEmpty);
    }
    if has_wildcard(topic.as_bytes()) {
        return forbid(Fault::WillTopicWildcard);
    }
    Ok(())
}

fn publish(publish: &Publish, version: Version) -> Checked {
    let forbid = |fault| Err(EncodeError::Forbidden { packet: PacketType::Publish, version, fault });
    publish_fields(publish.dup, publish.qos, publish.packet_id.is_some(), version)?;
    if has_wildcard(publish.topic.as_bytes()) {
        return forbid(Fault::TopicWildcard);
    }
    if publish.topic.is_empty() {
        return match version {
            Version::V3_1_1 => forbid(Fault::TopicEmpty),
            Version::V5 if publish.properties.topic_alias().is_none() => {
                forbid(Fault::TopicEmptyWithoutAlias)
            }
            Version::V5 => Ok(()),
        };
    }
    Ok(())
}

/// The rules of the flags and of the packet identifier `[MQTT-3.3.1-2]` `[MQTT-2.2.1-2]`.
pub(super) fn publish_fields(dup: bool, qos: Qos, has_packet_id: bool, version: Version) -> Checked {
    if dup && qos == Qos::AtMostOnce {
        return Err(EncodeError::Forbidden {
            packet: PacketType::Publish,
            version,
            fault: Fault::DupWithQosZero,
        });
    }
    if has_packet_id == (qos == Qos::AtMostOnce) {
        return Err(EncodeError::PacketId);
    }
    Ok(())
}

fn subscribe(subscribe: &Subscribe, version: Version) -> Checked {
    let forbid = |fault| Err(EncodeError::Forbidden { packet: PacketType::Subscribe, version, fault });
    if subscribe.filters.is_empty() {
        return forbid(Fault::NoSubscribeFilter);
    }
    let no_local_shared = |entry: &crate::SubscribeFilter| entry.options.no_local && is_shared(&entry.filter);
    if version == Version::V5 && subscribe.filters.iter().any(no_local_shared) {
        return forbid(Fault::NoLocalShared);
    }
    Ok(())
}

fn auth(auth: &Auth) -> Checked {
    let short_form = auth.reason == ReasonCode::Success && auth.properties.is_empty();
    if !short_form && auth.properties.authentication_method().is_none() {
        let fault = Fault::AuthMethodMissing;
        return Err(EncodeError::Forbidden { packet: PacketType::Auth, version: Version::V5, fault });
    }
    reason(auth.reason, PacketType::Auth, Version::V5)
}
