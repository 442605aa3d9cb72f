//! Packets of every kind, made at random.

use bytes::Bytes;
use mqtt::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, PacketId, PacketType, Properties, Property, Publish,
    Qos, ReasonCode, RetainHandling, SubAck, Subscribe, SubscribeFilter, SubscriptionOptions, Text, UnsubAck,
    Unsubscribe, Version, Will,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = Text> {
    prop_oneof![4 => "[a-z0-9 /$_-]{0,12}", 1 => "[^\u{0}]{0,8}"]
        .prop_map(|text| Text::try_from(text).expect("the pattern leaves U+0000 out"))
}

fn topic() -> impl Strategy<Value = Text> {
    prop_oneof![4 => "[a-z0-9/$]{1,20}", 1 => "[^\u{0}+#]{1,8}"]
        .prop_map(|text| Text::try_from(text).expect("the pattern leaves U+0000 out"))
}

fn filter() -> impl Strategy<Value = Text> {
    prop_oneof!["[a-z/]{1,12}", "[a-z]{1,3}/\\+/#", "\\$share/[a-z]{1,3}/[a-z]{1,5}"]
        .prop_map(|text| Text::try_from(text).expect("the pattern leaves U+0000 out"))
}

fn data() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}

fn qos() -> impl Strategy<Value = Qos> {
    prop_oneof![Just(Qos::AtMostOnce), Just(Qos::AtLeastOnce), Just(Qos::ExactlyOnce)]
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_map(|number| PacketId::new(number).expect("the range leaves 0 out"))
}

fn reason(packet: PacketType) -> impl Strategy<Value = ReasonCode> {
    let allowed: Vec<_> = ReasonCode::ALL.iter().copied().filter(|code| code.allowed_in(packet)).collect();
    proptest::sample::select(allowed)
}

/// One property of the kind with this number in the list.
fn property(kind: usize) -> BoxedStrategy<Property> {
    match kind {
        0 => any::<bool>().prop_map(Property::PayloadFormatIndicator).boxed(),
        1 => any::<u32>().prop_map(Property::MessageExpiryInterval).boxed(),
        2 => text().prop_map(Property::ContentType).boxed(),
        3 => topic().prop_map(Property::ResponseTopic).boxed(),
        4 => data().prop_map(Property::CorrelationData).boxed(),
        5 => (1..=268_435_455_u32).prop_map(Property::SubscriptionIdentifier).boxed(),
        6 => any::<u32>().prop_map(Property::SessionExpiryInterval).boxed(),
        7 => text().prop_map(Property::AssignedClientIdentifier).boxed(),
        8 => any::<u16>().prop_map(Property::ServerKeepAlive).boxed(),
        9 => text().prop_map(Property::AuthenticationMethod).boxed(),
        10 => any::<bool>().prop_map(Property::RequestProblemInformation).boxed(),
        11 => any::<u32>().prop_map(Property::WillDelayInterval).boxed(),
        12 => any::<bool>().prop_map(Property::RequestResponseInformation).boxed(),
        13 => text().prop_map(Property::ResponseInformation).boxed(),
        14 => text().prop_map(Property::ServerReference).boxed(),
        15 => text().prop_map(Property::ReasonString).boxed(),
        16 => (1..=u16::MAX).prop_map(Property::ReceiveMaximum).boxed(),
        17 => any::<u16>().prop_map(Property::TopicAliasMaximum).boxed(),
        18 => (1..=u16::MAX).prop_map(Property::TopicAlias).boxed(),
        19 => any::<bool>()
            .prop_map(|one| Property::MaximumQos(if one { Qos::AtLeastOnce } else { Qos::AtMostOnce }))
            .boxed(),
        20 => any::<bool>().prop_map(Property::RetainAvailable).boxed(),
        21 => (text(), text()).prop_map(|(name, value)| Property::UserProperty(name, value)).boxed(),
        22 => (1..=u32::MAX).prop_map(Property::MaximumPacketSize).boxed(),
        23 => any::<bool>().prop_map(Property::WildcardSubscriptionAvailable).boxed(),
        24 => any::<bool>().prop_map(Property::SubscriptionIdentifierAvailable).boxed(),
        _ => any::<bool>().prop_map(Property::SharedSubscriptionAvailable).boxed(),
    }
}

/// User properties in any number, each of `kinds` at most once, in any order.
fn properties(kinds: &'static [usize]) -> impl Strategy<Value = Properties> {
    (proptest::sample::subsequence(kinds, 0..=kinds.len()), 0..3_usize)
        .prop_map(|(kinds, users)| {
            kinds.into_iter().chain(std::iter::repeat_n(21, users)).collect::<Vec<_>>()
        })
        .prop_shuffle()
        .prop_flat_map(|kinds| kinds.into_iter().map(property).collect::<Vec<_>>())
        .prop_map(Properties::from_iter)
}

const PUBLISH: &[usize] = &[0, 1, 2, 3, 4, 5, 18];
const WILL: &[usize] = &[0, 1, 2, 3, 4, 11];

fn will() -> impl Strategy<Value = Will> {
    (qos(), any::<bool>(), properties(WILL), topic(), data()).prop_map(
        |(qos, retain, properties, topic, payload)| Will { qos, retain, properties, topic, payload },
    )
}

fn connect(version: Version) -> impl Strategy<Value = Packet> {
    let first = (any::<bool>(), any::<u16>(), properties(&[6, 9, 10, 12, 16, 17, 22]), text());
    let second = (option::of(will()), option::of(text()), option::of(data()));
    (first, second).prop_map(
        move |((clean, keep_alive_secs, properties, client_id), (will, username, password))| {
            let clean_start = clean || version == Version::V3_1_1 && client_id.is_empty();
            let password = password.filter(|_| version == Version::V5 || username.is_some());
            let connect = Connect {
                version,
                clean_start,
                keep_alive_secs,
                properties,
                client_id,
                will,
                username,
                password,
            };
            Packet::Connect(Box::new(connect))
        },
    )
}

fn connack() -> impl Strategy<Value = Packet> {
    const KINDS: &[usize] = &[6, 7, 8, 9, 13, 14, 15, 16, 17, 19, 20, 22, 23, 24, 25];
    (any::<bool>(), reason(PacketType::ConnAck), properties(KINDS)).prop_map(
        |(present, reason, properties)| {
            Packet::ConnAck(ConnAck {
                session_present: present && reason == ReasonCode::Success,
                reason,
                properties,
            })
        },
    )
}

pub(crate) fn publish() -> impl Strategy<Value = Publish> {
    let flags = (any::<bool>(), qos(), any::<bool>(), packet_id());
    (flags, topic(), properties(PUBLISH), data()).prop_map(
        |((dup, qos, retain, id), topic, properties, payload)| {
            let acknowledged = qos != Qos::AtMostOnce;
            let packet_id = acknowledged.then_some(id);
            Publish { dup: dup && acknowledged, qos, retain, topic, packet_id, properties, payload }
        },
    )
}

fn ack(packet: PacketType) -> impl Strategy<Value = Ack> {
    (packet_id(), reason(packet), properties(&[15])).prop_map(|(packet_id, reason, properties)| Ack {
        packet_id,
        reason,
        properties,
    })
}

fn subscribe() -> impl Strategy<Value = Packet> {
    let handling = proptest::sample::select(vec![
        RetainHandling::SendAtSubscribe,
        RetainHandling::SendIfNew,
        RetainHandling::DoNotSend,
    ]);
    let entry = (filter(), qos(), any::<bool>(), any::<bool>(), handling).prop_map(
        |(filter, qos, no_local, retain_as_published, retain_handling)| {
            let no_local = no_local && !filter.starts_with("$share/");
            let options = SubscriptionOptions { qos, no_local, retain_as_published, retain_handling };
            SubscribeFilter { filter, options }
        },
    );
    (packet_id(), properties(&[5]), vec(entry, 1..4)).prop_map(|(packet_id, properties, filters)| {
        Packet::Subscribe(Subscribe { packet_id, properties, filters })
    })
}

fn suback() -> impl Strategy<Value = Packet> {
    (packet_id(), properties(&[15]), vec(reason(PacketType::SubAck), 1..4)).prop_map(
        |(packet_id, properties, reasons)| Packet::SubAck(SubAck { packet_id, properties, reasons }),
    )
}

fn unsubscribe() -> impl Strategy<Value = Packet> {
    (packet_id(), properties(&[]), vec(filter(), 1..4)).prop_map(|(packet_id, properties, filters)| {
        Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters })
    })
}

fn unsuback() -> impl Strategy<Value = Packet> {
    (packet_id(), properties(&[15]), vec(reason(PacketType::UnsubAck), 1..4)).prop_map(
        |(packet_id, properties, reasons)| Packet::UnsubAck(UnsubAck { packet_id, properties, reasons }),
    )
}

fn disconnect() -> impl Strategy<Value = Packet> {
    (reason(PacketType::Disconnect), properties(&[6, 14, 15]))
        .prop_map(|(reason, properties)| Packet::Disconnect(Disconnect { reason, properties }))
}

fn auth() -> impl Strategy<Value = Packet> {
    (reason(PacketType::Auth), text(), data(), properties(&[15])).prop_map(
        |(reason, method, data, others)| {
            let named = [Property::AuthenticationMethod(method), Property::AuthenticationData(data)];
            Packet::Auth(Auth { reason, properties: others.iter().chain(named).collect() })
        },
    )
}

/// Any packet that MQTT 5 can carry.
pub(crate) fn packet() -> impl Strategy<Value = Packet> {
    prop_oneof![
        connect(Version::V5),
        connack(),
        publish().prop_map(Packet::Publish),
        ack(PacketType::PubAck).prop_map(Packet::PubAck),
        ack(PacketType::PubRec).prop_map(Packet::PubRec),
        ack(PacketType::PubRel).prop_map(Packet::PubRel),
        ack(PacketType::PubComp).prop_map(Packet::PubComp),
        subscribe(),
        suback(),
        unsubscribe(),
        unsuback(),
        prop_oneof![Just(Packet::PingReq), Just(Packet::PingResp)],
        disconnect(),
        auth(),
    ]
}

/// A packet and the version to write it in. Written in MQTT 3.1.1 it may lose what only MQTT 5 can say.
pub(crate) fn versioned() -> impl Strategy<Value = (Packet, Version)> {
    let is_auth = |packet: &Packet| matches!(packet, Packet::Auth(_) | Packet::Connect(_));
    prop_oneof![
        packet().prop_map(|packet| (packet, Version::V5)),
        packet()
            .prop_filter("exists in MQTT 3.1.1", move |packet| !is_auth(packet))
            .prop_map(|packet| (packet, Version::V3_1_1)),
        connect(Version::V3_1_1).prop_map(|packet| (packet, Version::V3_1_1)),
    ]
}
