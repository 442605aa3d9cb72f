//! What stands after the fixed header of each packet.

use super::sink::{Sink, put_length};
use crate::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, Properties, Publish, ReasonCode, SubAck, Subscribe,
    UnsubAck, Unsubscribe, Version,
};

/// The return code of MQTT 3.1.1 for a refusal that none of them says better.
const SERVER_UNAVAILABLE: u8 = 3;

pub(super) fn write(packet: &Packet, version: Version, out: &mut impl Sink) {
    match packet {
        Packet::Connect(packet) => connect(packet, out),
        Packet::ConnAck(packet) => connack(packet, version, out),
        Packet::Publish(packet) => publish(packet, version, out),
        Packet::PubAck(packet)
        | Packet::PubRec(packet)
        | Packet::PubRel(packet)
        | Packet::PubComp(packet) => {
            ack(packet, version, out);
        }
        Packet::Subscribe(packet) => subscribe(packet, version, out),
        Packet::SubAck(packet) => suback(packet, version, out),
        Packet::Unsubscribe(packet) => unsubscribe(packet, version, out),
        Packet::UnsubAck(packet) => unsuback(packet, version, out),
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(packet) => disconnect(packet, version, out),
        Packet::Auth(packet) => auth(packet, out),
    }
}

fn properties(properties: &Properties, version: Version, out: &mut impl Sink) {
    if version == Version::V5 {
        put_length(out, properties.len_bytes());
        out.slice(properties.as_bytes());
    }
}

fn connect(connect: &Connect, out: &mut impl Sink) {
    let version = connect.version;
    out.prefixed(b"MQTT");
    out.byte(match version {
        Version::V3_1_1 => 4,
        Version::V5 => 5,
    });
    out.byte(connect_flags(connect));
    out.short(connect.keep_alive_secs);
    properties(&connect.properties, version, out);
    out.prefixed(connect.client_id.as_bytes());
    if let Some(will) = &connect.will {
        properties(&will.properties, version, out);
        out.prefixed(will.topic.as_bytes());
        out.prefixed(&will.payload);
    }
    if let Some(username) = &connect.username {
        out.prefixed(username.as_bytes());
    }
    if let Some(password) = &connect.password {
        out.prefixed(password);
    }
}

fn connect_flags(connect: &Connect) -> u8 {
    let will = match &connect.will {
        Some(will) => 0b100 | will.qos.number() << 3 | u8::from(will.retain) << 5,
        None => 0,
    };
    u8::from(connect.username.is_some()) << 7
        | u8::from(connect.password.is_some()) << 6
        | will
        | u8::from(connect.clean_start) << 1
}

fn connack(connack: &ConnAck, version: Version, out: &mut impl Sink) {
    out.byte(u8::from(connack.session_present));
    out.byte(match version {
        Version::V3_1_1 => connack.reason.connect_return_code().unwrap_or(SERVER_UNAVAILABLE),
        Version::V5 => connack.reason.number(),
    });
    properties(&connack.properties, version, out);
}

fn publish(publish: &Publish, version: Version, out: &mut impl Sink) {
    out.prefixed(publish.topic.as_bytes());
    if let Some(packet_id) = publish.packet_id {
        out.short(packet_id.get());
    }
    properties(&publish.properties, version, out);
    out.slice(&publish.payload);
}

fn ack(ack: &Ack, version: Version, out: &mut impl Sink) {
    out.short(ack.packet_id.get());
    if version == Version::V5 {
        reason_and_properties(ack.reason, &ack.properties, out);
    }
}

/// Leaves out what may be left out (section 3.4.2.1): no properties, then no reason either when it is success.
fn reason_and_properties(reason: ReasonCode, fields: &Properties, out: &mut impl Sink) {
    if fields.is_empty() && reason == ReasonCode::Success {
        return;
    }
    out.byte(reason.number());
    if !fields.is_empty() {
        properties(fields, Version::V5, out);
    }
}

fn subscribe(subscribe: &Subscribe, version: Version, out: &mut impl Sink) {
    out.short(subscribe.packet_id.get());
    properties(&subscribe.properties, version, out);
    for entry in &subscribe.filters {
        let options = entry.options;
        out.prefixed(entry.filter.as_bytes());
        out.byte(match version {
            Version::V3_1_1 => options.qos.number(),
            Version::V5 => {
                options.qos.number()
                    | u8::from(options.no_local) << 2
                    | u8::from(options.retain_as_published) << 3
                    | (options.retain_handling as u8) << 4
            }
        });
    }
}

fn suback(suback: &SubAck, version: Version, out: &mut impl Sink) {
    out.short(suback.packet_id.get());
    properties(&suback.properties, version, out);
    for reason in &suback.reasons {
        out.byte(match version {
            Version::V3_1_1 if reason.is_error() => ReasonCode::UnspecifiedError.number(),
            _ => reason.number(),
        });
    }
}

fn unsubscribe(unsubscribe: &Unsubscribe, version: Version, out: &mut impl Sink) {
    out.short(unsubscribe.packet_id.get());
    properties(&unsubscribe.properties, version, out);
    for filter in &unsubscribe.filters {
        out.prefixed(filter.as_bytes());
    }
}

fn unsuback(unsuback: &UnsubAck, version: Version, out: &mut impl Sink) {
    out.short(unsuback.packet_id.get());
    properties(&unsuback.properties, version, out);
    if version == Version::V5 {
        unsuback.reasons.iter().for_each(|reason| out.byte(reason.number()));
    }
}

fn disconnect(disconnect: &Disconnect, version: Version, out: &mut impl Sink) {
    if version == Version::V5 {
        reason_and_properties(disconnect.reason, &disconnect.properties, out);
    }
}

/// Unlike the other packets, AUTH may leave out its properties only together with its reason (section 3.15.2.1).
fn auth(auth: &Auth, out: &mut impl Sink) {
    if auth.reason != ReasonCode::Success || !auth.properties.is_empty() {
        out.byte(auth.reason.number());
        properties(&auth.properties, Version::V5, out);
    }
}
