//! A packet as the one line of text that the vectors are written in.

use mqtt::{Ack, Connect, Packet, Properties, Property, Publish, Qos, ReasonCode, Subscribe, Version};
use std::fmt::Write;

pub(crate) fn describe(packet: &Packet) -> String {
    let name = packet.packet_type().name();
    let mut line = match packet {
        Packet::Connect(packet) => connect(packet),
        Packet::ConnAck(packet) => {
            format!("{name} session_present={} {}", u8::from(packet.session_present), reason(packet.reason))
        }
        Packet::Publish(packet) => publish(packet),
        Packet::PubAck(Ack { packet_id, reason: code, .. })
        | Packet::PubRec(Ack { packet_id, reason: code, .. })
        | Packet::PubRel(Ack { packet_id, reason: code, .. })
        | Packet::PubComp(Ack { packet_id, reason: code, .. }) => {
            format!("{name} id={packet_id} {}", reason(*code))
        }
        Packet::Subscribe(packet) => subscribe(packet),
        Packet::SubAck(packet) => codes(format!("{name} id={}", packet.packet_id), &packet.reasons),
        Packet::Unsubscribe(packet) => packet
            .filters
            .iter()
            .fold(format!("{name} id={}", packet.packet_id), |line, filter| format!("{line} \"{filter}\"")),
        Packet::UnsubAck(packet) => codes(format!("{name} id={}", packet.packet_id), &packet.reasons),
        Packet::PingReq | Packet::PingResp => name.to_owned(),
        Packet::Disconnect(packet) => format!("{name} {}", reason(packet.reason)),
        Packet::Auth(packet) => format!("{name} {}", reason(packet.reason)),
    };
    line.push_str(&packet.properties().map(properties).unwrap_or_default());
    line
}

fn reason(code: ReasonCode) -> String {
    format!("reason=\"{}\"", code.name())
}

fn codes(line: String, codes: &[ReasonCode]) -> String {
    codes.iter().fold(line, |line, code| format!("{line} \"{}\"", code.name()))
}

fn connect(packet: &Connect) -> String {
    let mut line = format!(
        "CONNECT {} clean={} keep_alive={} client=\"{}\"",
        match packet.version {
            Version::V3_1_1 => "3.1.1",
            Version::V5 => "5",
        },
        u8::from(packet.clean_start),
        packet.keep_alive_secs,
        packet.client_id,
    );
    if let Some(will) = &packet.will {
        let (qos, retain) = (will.qos.number(), u8::from(will.retain));
        let (topic, payload) = (&will.topic, hex::encode(&will.payload));
        let fields = properties(&will.properties);
        let _ = write!(line, " will=(qos={qos} retain={retain} topic=\"{topic}\" payload={payload}{fields})");
    }
    if let Some(username) = &packet.username {
        let _ = write!(line, " user=\"{username}\"");
    }
    if let Some(password) = &packet.password {
        let _ = write!(line, " password={}", hex::encode(password));
    }
    line
}

fn publish(packet: &Publish) -> String {
    let (dup, qos, retain) = (u8::from(packet.dup), packet.qos.number(), u8::from(packet.retain));
    let id = packet.packet_id.map(|id| format!(" id={id}")).unwrap_or_default();
    let (topic, payload) = (&packet.topic, hex::encode(&packet.payload));
    format!("PUBLISH dup={dup} qos={qos} retain={retain} topic=\"{topic}\"{id} payload={payload}")
}

fn subscribe(packet: &Subscribe) -> String {
    packet.filters.iter().fold(format!("SUBSCRIBE id={}", packet.packet_id), |line, entry| {
        let options = entry.options;
        let (no_local, keeps) = (u8::from(options.no_local), u8::from(options.retain_as_published));
        let (filter, qos, handling) = (&entry.filter, options.qos.number(), options.retain_handling as u8);
        format!("{line} (\"{filter}\" qos={qos} no_local={no_local} retain_as_published={keeps} retain_handling={handling})")
    })
}

fn properties(properties: &Properties) -> String {
    properties
        .iter()
        .fold(String::new(), |line, property| format!("{line}; {}={}", property.name(), value(&property)))
}

fn value(property: &Property) -> String {
    match property {
        Property::PayloadFormatIndicator(flag)
        | Property::RequestProblemInformation(flag)
        | Property::RequestResponseInformation(flag)
        | Property::RetainAvailable(flag)
        | Property::WildcardSubscriptionAvailable(flag)
        | Property::SubscriptionIdentifierAvailable(flag)
        | Property::SharedSubscriptionAvailable(flag) => u8::from(*flag).to_string(),
        Property::MessageExpiryInterval(number)
        | Property::SubscriptionIdentifier(number)
        | Property::SessionExpiryInterval(number)
        | Property::WillDelayInterval(number)
        | Property::MaximumPacketSize(number) => number.to_string(),
        Property::ServerKeepAlive(number)
        | Property::ReceiveMaximum(number)
        | Property::TopicAliasMaximum(number)
        | Property::TopicAlias(number) => number.to_string(),
        Property::ContentType(text)
        | Property::ResponseTopic(text)
        | Property::AssignedClientIdentifier(text)
        | Property::AuthenticationMethod(text)
        | Property::ResponseInformation(text)
        | Property::ServerReference(text)
        | Property::ReasonString(text) => format!("\"{text}\""),
        Property::CorrelationData(data) | Property::AuthenticationData(data) => hex::encode(data),
        Property::MaximumQos(qos) => u8::from(*qos != Qos::AtMostOnce).to_string(),
        Property::UserProperty(name, value) => format!("\"{name}\":\"{value}\""),
    }
}
