//! Beside the codecs of a public client: what we write it reads, what it writes we read, and of bytes that are damaged
//! both understand the same, if both understand them.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::QoS as QoS5;
use rumqttc::v5::mqttbytes::v5;

use super::*;

const BYTES_MAX: usize = 1 << 20;

fn read_v4(bytes: &[u8]) -> Option<v4::Packet> {
    v4::Packet::read(&mut BytesMut::from(bytes), BYTES_MAX).ok()
}

fn read_v5(bytes: &[u8]) -> Option<v5::Packet> {
    v5::Packet::read(&mut BytesMut::from(bytes), None).ok()
}

fn written_v4(packet: &v4::Packet) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes, BYTES_MAX).unwrap();
    bytes.to_vec()
}

fn written_v5(packet: &v5::Packet) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes, None).unwrap();
    bytes.to_vec()
}

fn number4(qos: QoS) -> u8 {
    qos as u8
}

fn number5(qos: QoS5) -> u8 {
    qos as u8
}

/// A message as (flags and id, topic, payload, what MQTT 5 adds).
type Message =
    ((bool, u8, bool, u16), String, Vec<u8>, (Option<u16>, Option<u32>, Option<String>, Option<Vec<u8>>));

fn ours(publish: &Publish<'_>) -> Message {
    let flags = (publish.dup, publish.qos.number(), publish.retain, publish.packet_id);
    let more = (
        publish.topic_alias,
        publish.expiry_secs,
        publish.response_topic.map(str::to_owned),
        publish.correlation.map(<[u8]>::to_vec),
    );
    (flags, publish.topic.to_owned(), publish.payload.to_vec(), more)
}

fn theirs_v4(publish: &v4::Publish) -> Message {
    let flags = (publish.dup, number4(publish.qos), publish.retain, publish.pkid);
    (flags, publish.topic.clone(), publish.payload.to_vec(), (None, None, None, None))
}

fn theirs_v5(publish: &v5::Publish) -> Message {
    let flags = (publish.dup, number5(publish.qos), publish.retain, publish.pkid);
    let topic = String::from_utf8_lossy(&publish.topic).into_owned();
    let more = publish.properties.clone().map_or((None, None, None, None), |properties| {
        (
            properties.topic_alias,
            properties.message_expiry_interval,
            properties.response_topic,
            properties.correlation_data.map(|data| data.to_vec()),
        )
    });
    (flags, topic, publish.payload.to_vec(), more)
}

/// A message that either version can say, once what only MQTT 5 can say is taken away.
fn message() -> impl Strategy<Value = Message> {
    let flags = (any::<bool>(), 0..=2_u8, any::<bool>(), 1..=u16::MAX);
    let more = (
        option::of(1..=u16::MAX),
        option::of(any::<u32>()),
        option::of("[a-z/]{1,20}"),
        option::of(vec(any::<u8>(), 0..20)),
    );
    (flags, "[a-zäß/0-9]{1,40}", vec(any::<u8>(), 0..300), more).prop_map(
        |((dup, qos, retain, packet_id), topic, payload, more)| {
            // At QoS 0 nothing is sent again, and nothing has a number.
            let (dup, packet_id) = if qos == 0 { (false, 0) } else { (dup, packet_id) };
            ((dup, qos, retain, packet_id), topic, payload, more)
        },
    )
}

fn publish_of(message: &Message) -> Publish<'_> {
    let ((dup, qos, retain, packet_id), topic, payload, (alias, expiry, response, correlation)) = message;
    Publish {
        topic,
        payload,
        qos: Qos::from_number(*qos).unwrap(),
        packet_id: *packet_id,
        dup: *dup,
        retain: *retain,
        topic_alias: *alias,
        expiry_secs: *expiry,
        response_topic: response.as_deref(),
        correlation: correlation.as_deref(),
    }
}

fn without_properties((flags, topic, payload, _): Message) -> Message {
    (flags, topic, payload, (None, None, None, None))
}

fn qos4(number: u8) -> QoS {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(number)]
}

/// Any packet of a server of MQTT 3.1.1.
fn served_v4() -> impl Strategy<Value = v4::Packet> {
    let codes = prop::sample::select(vec![
        v4::SubscribeReasonCode::Success(QoS::AtMostOnce),
        v4::SubscribeReasonCode::Success(QoS::ExactlyOnce),
        v4::SubscribeReasonCode::Failure,
    ]);
    let returned = prop::sample::select(vec![
        v4::ConnectReturnCode::Success,
        v4::ConnectReturnCode::BadClientId,
        v4::ConnectReturnCode::NotAuthorized,
    ]);
    prop_oneof![
        (returned, any::<bool>())
            .prop_map(|(code, present)| v4::ConnAck::new(code, present))
            .prop_map(v4::Packet::ConnAck),
        message().prop_map(|((dup, qos, retain, pkid), topic, payload, _)| {
            let publish = v4::Publish::new(topic, qos4(qos), payload);
            v4::Packet::Publish(v4::Publish { dup, retain, pkid, ..publish })
        }),
        (1..=u16::MAX).prop_map(|pkid| v4::Packet::PubAck(v4::PubAck::new(pkid))),
        (1..=u16::MAX).prop_map(|pkid| v4::Packet::PubRec(v4::PubRec::new(pkid))),
        (1..=u16::MAX).prop_map(|pkid| v4::Packet::PubRel(v4::PubRel::new(pkid))),
        (1..=u16::MAX).prop_map(|pkid| v4::Packet::PubComp(v4::PubComp::new(pkid))),
        (1..=u16::MAX, vec(codes, 1..5))
            .prop_map(|(pkid, codes)| v4::Packet::SubAck(v4::SubAck::new(pkid, codes))),
        (1..=u16::MAX).prop_map(|pkid| v4::Packet::UnsubAck(v4::UnsubAck::new(pkid))),
        Just(v4::Packet::PingResp),
    ]
}

/// What both must agree on, as text.
fn said_v4(packet: &v4::Packet) -> String {
    match packet {
        v4::Packet::ConnAck(ack) => format!("connack {} {}", ack.session_present, ack.code as u8),
        v4::Packet::Publish(publish) => format!("{:?}", theirs_v4(publish)),
        v4::Packet::PubAck(ack) => format!("puback {}", ack.pkid),
        v4::Packet::PubRec(ack) => format!("pubrec {}", ack.pkid),
        v4::Packet::PubRel(ack) => format!("pubrel {}", ack.pkid),
        v4::Packet::PubComp(ack) => format!("pubcomp {}", ack.pkid),
        v4::Packet::SubAck(ack) => {
            let codes = ack.return_codes.iter().map(|code| match code {
                v4::SubscribeReasonCode::Success(qos) => number4(*qos),
                v4::SubscribeReasonCode::Failure => 0x80,
            });
            format!("suback {} {:?}", ack.pkid, codes.collect::<Vec<u8>>())
        }
        v4::Packet::UnsubAck(ack) => format!("unsuback {}", ack.pkid),
        v4::Packet::PingResp => "pingresp".to_owned(),
        other => format!("not a server's: {other:?}"),
    }
}

fn said(packet: &Incoming<'_>) -> String {
    match packet {
        Incoming::ConnAck(accepted) => format!("connack {} {}", accepted.session_present, accepted.code),
        Incoming::Publish(publish) => format!("{:?}", ours(publish)),
        Incoming::PubAck { packet_id, .. } => format!("puback {packet_id}"),
        Incoming::PubRec { packet_id, .. } => format!("pubrec {packet_id}"),
        Incoming::PubRel { packet_id, .. } => format!("pubrel {packet_id}"),
        Incoming::PubComp { packet_id, .. } => format!("pubcomp {packet_id}"),
        Incoming::SubAck { packet_id, codes } => format!("suback {packet_id} {codes:?}"),
        Incoming::UnsubAck { packet_id, .. } => format!("unsuback {packet_id}"),
        Incoming::PingResp => "pingresp".to_owned(),
        other => format!("not of this version: {other:?}"),
    }
}

/// The first packet, as what it says.
fn first(version: Version, bytes: &[u8]) -> Result<Option<String>, Malformed> {
    let mut decoder = Decoder::new(version, PACKET_BYTES_MAX);
    Ok(decoder.next(&mut &*bytes)?.map(|packet| said(&packet)))
}

proptest! {
    #[test]
    fn messages_mean_the_same_in_both_directions(message in message()) {
        for version in [Version::V3, Version::V5] {
            let mut bytes = Vec::new();
            encode::publish(&mut bytes, version, &publish_of(&message)).unwrap();
            let theirs = match version {
                Version::V3 => match read_v4(&bytes) {
                    Some(v4::Packet::Publish(publish)) => theirs_v4(&publish),
                    other => panic!("{other:?}"),
                },
                Version::V5 => match read_v5(&bytes) {
                    Some(v5::Packet::Publish(publish)) => theirs_v5(&publish),
                    other => panic!("{other:?}"),
                },
            };
            let expected = match version {
                Version::V3 => without_properties(message.clone()),
                Version::V5 => message.clone(),
            };
            prop_assert_eq!(&theirs, &expected);
            prop_assert_eq!(first(version, &bytes).unwrap().unwrap(), format!("{expected:?}"));
        }
    }

    #[test]
    fn what_a_server_says_is_understood_however_it_is_cut(packets in vec(served_v4(), 1..10), piece in 1..40_usize) {
        let bytes: Vec<u8> = packets.iter().flat_map(written_v4).collect();
        let mut decoder = Decoder::new(Version::V3, PACKET_BYTES_MAX);
        let mut read = Vec::new();
        for mut piece in bytes.chunks(piece) {
            while let Some(packet) = decoder.next(&mut piece).unwrap() {
                read.push(said(&packet));
            }
        }
        prop_assert_eq!(read, packets.iter().map(said_v4).collect::<Vec<_>>());
        prop_assert!(matches!(decoder.next(&mut &[][..]), Ok(None)));
        prop_assert_eq!(decoder.held_bytes(), 0);
    }

    #[test]
    fn damaged_bytes_mean_the_same_to_both_or_are_refused_by_one(
        packet in served_v4(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = written_v4(&packet);
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let (Ok(Some(ours)), Some(theirs)) = (first(Version::V3, &bytes), read_v4(&bytes)) {
            // It takes a zero for a packet id, and does not look behind the last field.
            prop_assert_eq!(ours, said_v4(&theirs), "{:02x?}", bytes);
        }
    }

    #[test]
    fn anything_is_read_or_refused_and_the_pieces_do_not_matter(
        bytes in vec(any::<u8>(), 0..200),
        piece in 1..20_usize,
    ) {
        for version in [Version::V3, Version::V5] {
            let whole = decode_in_pieces(version, &bytes, bytes.len());
            prop_assert_eq!(decode_in_pieces(version, &bytes, piece), whole);
        }
    }

    #[test]
    fn a_connect_is_understood(
        client_id in "[a-z0-9-]{0,30}",
        clean in any::<bool>(),
        keep_alive_secs in any::<u16>(),
        login in option::of(("[a-z]{1,10}", "[ -~]{1,10}")),
        will in option::of(("[a-z/]{1,10}", vec(any::<u8>(), 0..200), 0..=2_u8, any::<bool>(), any::<u32>())),
        limits in (any::<u32>(), 1..=u16::MAX, 1..1_000_000_u32, any::<u16>()),
    ) {
        let mut connect = Connect::new(Version::V3, &client_id);
        (connect.clean, connect.keep_alive_secs) = (clean, keep_alive_secs);
        (connect.session_expiry_secs, connect.receive_max, connect.packet_bytes_max, connect.topic_alias_max) = limits;
        connect.user_name = login.as_ref().map(|(name, _)| name.as_str());
        connect.password = login.as_ref().map(|(_, password)| password.as_bytes());
        connect.will = will.as_ref().map(|(topic, payload, qos, retain, delay_secs)| {
            Will { topic, payload, qos: Qos::ALL[usize::from(*qos)], retain: *retain, delay_secs: *delay_secs }
        });
        let mut bytes = Vec::new();
        encode::connect(&mut bytes, &connect).unwrap();
        let Some(v4::Packet::Connect(theirs)) = read_v4(&bytes) else { panic!("not read: {bytes:02x?}") };
        prop_assert_eq!((&theirs.client_id, theirs.clean_session, theirs.keep_alive), (&client_id, clean, keep_alive_secs));
        prop_assert_eq!(theirs.login.map(|login| (login.username, login.password)), login.clone());
        prop_assert_eq!(
            theirs.last_will.map(|will| (will.topic, will.message.to_vec(), number4(will.qos), will.retain)),
            will.clone().map(|(topic, payload, qos, retain, _)| (topic, payload, qos, retain))
        );

        connect.version = Version::V5;
        bytes.clear();
        encode::connect(&mut bytes, &connect).unwrap();
        let Some(v5::Packet::Connect(theirs, their_will, their_login)) = read_v5(&bytes) else {
            panic!("not read: {bytes:02x?}")
        };
        prop_assert_eq!((&theirs.client_id, theirs.clean_start, theirs.keep_alive), (&client_id, clean, keep_alive_secs));
        let properties = theirs.properties.unwrap_or_else(v5::ConnectProperties::new);
        prop_assert_eq!(properties.session_expiry_interval.unwrap_or(0), limits.0);
        prop_assert_eq!(properties.receive_maximum.unwrap_or(u16::MAX), limits.1);
        prop_assert_eq!(properties.max_packet_size, Some(limits.2));
        prop_assert_eq!(properties.topic_alias_max.unwrap_or(0), limits.3);
        prop_assert_eq!(their_login.map(|login| (login.username, login.password)), login);
        prop_assert_eq!(
            their_will.map(|will| {
                let delay = will.properties.and_then(|properties| properties.delay_interval).unwrap_or(0);
                (String::from_utf8(will.topic.to_vec()).unwrap(), will.message.to_vec(), number5(will.qos), will.retain, delay)
            }),
            will
        );
    }

    #[test]
    fn subscriptions_are_understood(filters in vec(("[a-z/+]{1,20}", 0..=2_u8), 1..6), packet_id in 1..=u16::MAX) {
        let subscriptions: Vec<Subscription<'_>> = filters
            .iter()
            .map(|(filter, qos)| Subscription { filter, qos: Qos::ALL[usize::from(*qos)] })
            .collect();
        let mut bytes = Vec::new();
        encode::subscribe(&mut bytes, Version::V3, packet_id, &subscriptions).unwrap();
        let Some(v4::Packet::Subscribe(theirs)) = read_v4(&bytes) else { panic!("not read: {bytes:02x?}") };
        let read: Vec<_> = theirs.filters.iter().map(|filter| (filter.path.clone(), number4(filter.qos))).collect();
        prop_assert_eq!((theirs.pkid, &read), (packet_id, &filters));
        bytes.clear();
        encode::subscribe(&mut bytes, Version::V5, packet_id, &subscriptions).unwrap();
        let Some(v5::Packet::Subscribe(theirs)) = read_v5(&bytes) else { panic!("not read: {bytes:02x?}") };
        let read: Vec<_> = theirs.filters.iter().map(|filter| (filter.path.clone(), number5(filter.qos))).collect();
        prop_assert_eq!((theirs.pkid, &read), (packet_id, &filters));

        let names: Vec<&str> = filters.iter().map(|(filter, _)| filter.as_str()).collect();
        for version in [Version::V3, Version::V5] {
            bytes.clear();
            encode::unsubscribe(&mut bytes, version, packet_id, &names).unwrap();
            let theirs = match version {
                Version::V3 => read_v4(&bytes).map(|packet| format!("{packet:?}")),
                Version::V5 => read_v5(&bytes).map(|packet| format!("{packet:?}")),
            };
            let theirs = theirs.unwrap_or_default();
            prop_assert!(theirs.starts_with("Unsubscribe("), "{:02x?}", bytes);
            prop_assert!(names.iter().all(|name| theirs.contains(&format!("{name:?}"))), "{theirs}");
        }
    }
}

#[test]
fn the_properties_of_a_connack_are_understood() {
    let properties = v5::ConnAckProperties {
        session_expiry_interval: Some(7200),
        receive_max: Some(20),
        max_qos: Some(1),
        retain_available: Some(0),
        max_packet_size: Some(4096),
        assigned_client_identifier: Some("chosen".to_owned()),
        topic_alias_max: Some(8),
        reason_string: Some("because".to_owned()),
        user_properties: vec![("a".to_owned(), "b".to_owned()), ("a".to_owned(), "c".to_owned())],
        wildcard_subscription_available: Some(1),
        subscription_identifiers_available: Some(1),
        shared_subscription_available: Some(0),
        server_keep_alive: Some(30),
        response_information: Some("info".to_owned()),
        server_reference: Some("elsewhere".to_owned()),
        authentication_method: None,
        authentication_data: None,
    };
    let code = v5::ConnectReturnCode::Success;
    let ack = v5::ConnAck { session_present: true, code, properties: Some(properties) };
    let bytes = written_v5(&v5::Packet::ConnAck(ack));
    let mut decoder = Decoder::new(Version::V5, PACKET_BYTES_MAX);
    let expected = Accepted {
        session_present: true,
        code: SUCCESS,
        receive_max: 20,
        qos_max: Qos::AtLeastOnce,
        retain_available: false,
        packet_bytes_max: 4096,
        topic_alias_max: 8,
        keep_alive_secs: Some(30),
        session_expiry_secs: Some(7200),
        client_id: Some("chosen"),
        reason: Some("because"),
    };
    assert_eq!(decoder.next(&mut &bytes[..]), Ok(Some(Incoming::ConnAck(expected))));
}

#[test]
fn acknowledgements_with_reasons_are_understood_in_both_directions() {
    let reason = v5::PubAckProperties { reason_string: Some("full".to_owned()), user_properties: vec![] };
    let mut ack = v5::PubAck::new(258, Some(reason));
    ack.reason = v5::PubAckReason::QuotaExceeded;
    let bytes = written_v5(&v5::Packet::PubAck(ack));
    let mut decoder = Decoder::new(Version::V5, PACKET_BYTES_MAX);
    let read = decoder.next(&mut &bytes[..]).unwrap();
    assert_eq!(read, Some(Incoming::PubAck { packet_id: 258, code: 0x97 }));
    assert_eq!((is_refused(Version::V5, 0x97), words(Version::V5, 0x97)), (true, "quota exceeded"));

    let mut bytes = Vec::new();
    encode::puback(&mut bytes, Version::V5, 258, 0x97);
    let theirs = read_v5(&bytes).map(|packet| format!("{packet:?}")).unwrap_or_default();
    assert!(theirs.contains("pkid: 258, reason: QuotaExceeded"), "{theirs}");
    bytes.clear();
    encode::pubrel(&mut bytes, Version::V5, 7, 0x92);
    let theirs = read_v5(&bytes).map(|packet| format!("{packet:?}")).unwrap_or_default();
    assert!(theirs.contains("pkid: 7, reason: PacketIdentifierNotFound"), "{theirs}");
    bytes.clear();
    encode::disconnect(&mut bytes, Version::V5, 0x04);
    let theirs = read_v5(&bytes).map(|packet| format!("{packet:?}")).unwrap_or_default();
    assert!(theirs.contains("DisconnectWithWillMessage"), "{theirs}");
}

#[test]
fn short_acknowledgements_are_four_bytes_in_both_versions() {
    for version in [Version::V3, Version::V5] {
        let mut bytes = Vec::new();
        encode::puback(&mut bytes, version, 1, SUCCESS);
        encode::pubrec(&mut bytes, version, 1, SUCCESS);
        encode::pubrel(&mut bytes, version, 1, SUCCESS);
        encode::pubcomp(&mut bytes, version, 1, SUCCESS);
        encode::pingreq(&mut bytes);
        encode::disconnect(&mut bytes, version, CLOSED_IN_ORDER);
        assert_eq!(bytes.len(), 20);
        let mut rest = BytesMut::from(&bytes[..]);
        let mut names = Vec::new();
        while let Ok(packet) = v4::Packet::read(&mut rest, BYTES_MAX) {
            names.push(format!("{packet:?}").split('(').next().unwrap_or_default().to_owned());
        }
        assert_eq!(names, ["PubAck", "PubRec", "PubRel", "PubComp", "PingReq", "Disconnect"]);
    }
}
