//! The vectors in `tests/vectors`: bytes in, a line of text or the clause broken out.

use crate::describe::describe;
use bytes::BytesMut;
use mqtt::{DecodeError, Packet, Version, bytes_missing, decode, encode, encoded_bytes};
use serde::Deserialize;
use std::collections::BTreeSet;

pub(crate) const LIMIT: usize = 1 << 20;

/// One file: the vectors of one packet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vectors {
    pub valid: Vec<Valid>,
    pub invalid: Vec<Invalid>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Valid {
    /// The clause it proves, and what is particular.
    pub name: String,
    pub version: String,
    #[serde(with = "hex::serde")]
    pub bytes: Vec<u8>,
    /// What it means.
    pub packet: String,
    /// Whether it is the form an encoder chooses.
    #[serde(default = "yes")]
    pub shortest: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invalid {
    pub name: String,
    pub version: String,
    #[serde(with = "hex::serde")]
    pub bytes: Vec<u8>,
    pub clause: String,
    /// The reason code to answer with.
    pub reason: String,
}

fn yes() -> bool {
    true
}

pub(crate) fn all() -> Vec<(String, Vectors)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let vectors =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path.file_stem().unwrap().to_string_lossy().into_owned(), vectors)
        })
        .collect()
}

pub(crate) fn version(text: &str) -> Option<Version> {
    match text {
        "3.1.1" => Some(Version::V3_1_1),
        "5" => Some(Version::V5),
        "none" => None,
        _ => panic!("no version `{text}`"),
    }
}

pub(crate) fn decode_bytes(bytes: &[u8], version: Option<Version>) -> Result<Option<Packet>, DecodeError> {
    decode(&mut BytesMut::from(bytes), version, LIMIT)
}

#[test]
fn valid_packets_mean_what_the_vectors_say() {
    let mut count = 0;
    for (file, vectors) in all() {
        for vector in vectors.valid {
            let context = format!("{file}, version {}: {}", vector.version, vector.name);
            let version = version(&vector.version).unwrap();
            let packet = decode_bytes(&vector.bytes, Some(version))
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            let packet = packet.unwrap_or_else(|| panic!("{context}: incomplete"));
            assert_eq!(describe(&packet), vector.packet, "{context}");
            let mut encoded = BytesMut::new();
            encode(&packet, version, &mut encoded).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(encoded.len(), encoded_bytes(&packet, version), "{context}");
            assert_eq!(hex::encode(&encoded) == hex::encode(&vector.bytes), vector.shortest, "{context}");
            assert_eq!(decode(&mut encoded, Some(version), LIMIT), Ok(Some(packet)), "{context}");
            count += 1;
        }
    }
    assert!(count >= 300, "only {count} vectors were found");
}

#[test]
fn invalid_packets_are_refused_with_their_clause() {
    let mut count = 0;
    for (file, vectors) in all() {
        for vector in vectors.invalid {
            let context = format!("{file}, version {}: {}", vector.version, vector.name);
            let error = match decode_bytes(&vector.bytes, version(&vector.version)) {
                Err(error) => error,
                accepted => panic!("{context}: accepted as {accepted:?}"),
            };
            let reason = format!("0x{:02x}", error.reason_code().number());
            assert_eq!(
                (error.clause(), reason.as_str()),
                (vector.clause.as_str(), vector.reason.as_str()),
                "{context}: {error}"
            );
            assert!(vector.name.starts_with(&vector.clause), "{context}: named after another clause");
            count += 1;
        }
    }
    assert!(count >= 280, "only {count} vectors were found");
}

/// MQTT-3.2.2-15 and the read loop: a packet that comes byte by byte is asked for until it is whole, and nothing else is taken.
#[test]
fn a_packet_that_comes_in_pieces_is_waited_for() {
    for (file, vectors) in all() {
        for vector in vectors.valid {
            let context = format!("{file}, version {}: {}", vector.version, vector.name);
            let version = version(&vector.version);
            let mut buffer = BytesMut::new();
            for length in 0..vector.bytes.len() {
                let missing = bytes_missing(&buffer, version, LIMIT).unwrap();
                assert!(
                    (1..=vector.bytes.len() - length).contains(&missing),
                    "{context} after {length} bytes"
                );
                assert_eq!(decode(&mut buffer, version, LIMIT), Ok(None), "{context} after {length} bytes");
                buffer.extend_from_slice(&vector.bytes[length..=length]);
            }
            assert_eq!(bytes_missing(&buffer, version, LIMIT), Ok(0), "{context}");
            buffer.extend_from_slice(&[0xC0, 0x00]);
            assert!(decode(&mut buffer, version, LIMIT).unwrap().is_some(), "{context}");
            assert_eq!(&buffer[..], &[0xC0, 0x00], "{context}: takes exactly one packet");
        }
    }
}

#[test]
fn a_packet_above_the_limit_is_refused_at_its_fixed_header() {
    let refuse = |bytes: &[u8], limit| {
        let mut buffer = BytesMut::from(bytes);
        let error = decode(&mut buffer, Some(Version::V5), limit).unwrap_err();
        assert_eq!(error.reason_code(), mqtt::ReasonCode::PacketTooLarge);
        assert_eq!(error, bytes_missing(bytes, Some(Version::V5), limit).unwrap_err());
        error.to_string()
    };
    assert_eq!(
        refuse(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], 1 << 20),
        "PUBLISH: the packet is larger than the receiver takes: `268435460` [MQTT-3.2.2-15]"
    );
    refuse(&[0x30, 99], 100);
    assert_eq!(decode(&mut BytesMut::from(&[0x30, 98][..]), Some(Version::V5), 100), Ok(None));
}

#[test]
fn every_connect_vector_reads_the_same_before_the_version_is_known() {
    let (_, connects) = all().into_iter().find(|(file, _)| file == "connect").unwrap();
    for vector in connects.valid {
        let packet = decode_bytes(&vector.bytes, None).unwrap().unwrap();
        assert_eq!(describe(&packet), vector.packet, "{}", vector.name);
    }
    let wrong_version = |level: u8| {
        let bytes = [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', level, 2, 0, 60, 0, 1, b'c'];
        let error = decode_bytes(&bytes, None).unwrap_err();
        assert_eq!(error.fault(), mqtt::Fault::ProtocolVersion);
        error.version()
    };
    assert_eq!(wrong_version(3), Some(Version::V3_1_1), "answered with return code 1");
    assert_eq!(wrong_version(6), Some(Version::V5), "answered with reason 0x84");
}

#[test]
fn every_fault_is_proven_by_a_vector() {
    let mut proven = BTreeSet::new();
    for (_, vectors) in all() {
        for vector in vectors.invalid {
            if let Err(error) = decode_bytes(&vector.bytes, version(&vector.version)) {
                proven.insert(format!("{:?}", error.fault()));
            }
        }
    }
    let elsewhere = [
        "PacketTooLarge",
        "NotFromClient",
        "SubscriptionIdFromClient",
        "ServerReferenceFromClient",
        "ReasonCodeFromClient",
        "FilterEmpty",
        "FilterMultiLevel",
        "FilterSingleLevel",
        "ShareName",
        "ShareFilterMissing",
        "ControlCharacter",
        "ClientIdControlCharacter",
    ];
    let missing: Vec<_> = mqtt::Fault::ALL
        .iter()
        .map(|fault| format!("{fault:?}"))
        .filter(|fault| !proven.contains(fault) && !elsewhere.contains(&fault.as_str()))
        .collect();
    assert!(missing.is_empty(), "no vector proves {missing:?}");
}

#[test]
fn what_only_a_server_says_is_refused_from_a_client() {
    use mqtt::{Fault, check_from_client};
    let check = |bytes: &[u8]| {
        let packet = decode_bytes(bytes, Some(Version::V5)).unwrap().unwrap();
        check_from_client(&packet, Version::V5).map_err(|error| error.fault()).err()
    };
    assert_eq!(check(&[0x20, 3, 0, 0, 0]), Some(Fault::NotFromClient), "CONNACK, section 2.1.2");
    assert_eq!(check(&[0x90, 4, 0, 1, 0, 0]), Some(Fault::NotFromClient), "SUBACK, section 2.1.2");
    assert_eq!(check(&[0xB0, 4, 0, 1, 0, 0]), Some(Fault::NotFromClient), "UNSUBACK, section 2.1.2");
    assert_eq!(check(&[0xD0, 0]), Some(Fault::NotFromClient), "PINGRESP, section 2.1.2");
    assert_eq!(
        check(&[0x30, 6, 0, 1, b'a', 2, 0x0B, 1]),
        Some(Fault::SubscriptionIdFromClient),
        "[MQTT-3.3.4-6]"
    );
    assert_eq!(check(&[0xE0, 1, 0x8B]), Some(Fault::ReasonCodeFromClient), "section 3.14.2.1");
    assert_eq!(
        check(&[0xE0, 6, 0, 4, 0x1C, 0, 1, b'b']),
        Some(Fault::ServerReferenceFromClient),
        "section 3.14.2.2.5"
    );
    for legal in
        [&[0x30, 4, 0, 1, b'a', 0][..], &[0xE0, 1, 4], &[0xE0, 0], &[0xC0, 0], &[0x40, 2, 0, 1], &[0xF0, 0]]
    {
        assert_eq!(check(legal), None);
    }
}

/// A filter whose syntax is wrong is data that the protocol does not allow: the connection closes `[MQTT-4.13.1-1]` `[MQTT-4.8.0-1]`.
#[test]
fn filters_and_names_are_checked_when_a_client_sends_them() {
    use mqtt::{Fault, check_from_client};
    let check = |bytes: &[u8], version| {
        let packet = decode_bytes(bytes, Some(version)).unwrap().unwrap();
        check_from_client(&packet, version).map_err(|error| error.fault()).err()
    };
    let filter = |filter: &str, version| {
        let properties = if version == Version::V5 { &[0][..] } else { &[] };
        let length = u8::try_from(filter.len()).unwrap();
        let id = [&[0, 1], properties, &[0, length], filter.as_bytes()].concat();
        let packet = |first, body: Vec<u8>| [vec![first, u8::try_from(body.len()).unwrap()], body].concat();
        let subscribed = check(&packet(0x82, [&id[..], &[0]].concat()), version);
        assert_eq!(subscribed, check(&packet(0xA2, id), version), "SUBSCRIBE and UNSUBSCRIBE: {filter}");
        subscribed
    };
    for version in [Version::V3_1_1, Version::V5] {
        assert_eq!(filter("", version), Some(Fault::FilterEmpty));
        assert_eq!(filter("a/#/b", version), Some(Fault::FilterMultiLevel));
        assert_eq!(filter("a#", version), Some(Fault::FilterMultiLevel));
        assert_eq!(filter("a/b+", version), Some(Fault::FilterSingleLevel));
        assert_eq!(filter("a/\u{1}", version), Some(Fault::ControlCharacter));
        for legal in ["#", "+/a/+", "/", "a//#", "$SYS/#", "größe"] {
            assert_eq!(filter(legal, version), None, "{legal}");
        }
    }
    assert_eq!(filter("$share//a", Version::V5), Some(Fault::ShareName));
    assert_eq!(filter("$share/g#/a", Version::V5), Some(Fault::ShareName));
    assert_eq!(filter("$share/g", Version::V5), Some(Fault::ShareFilterMissing));
    assert_eq!(filter("$share//a", Version::V3_1_1), None, "an ordinary filter there");
    assert_eq!(check(b"\x30\x04\0\x01\x7f\0", Version::V5), Some(Fault::ControlCharacter));
    let connect = |fields: &[u8], flags| {
        let body = [b"\0\x04MQTT\x05", &[flags, 0, 60, 0][..], fields].concat();
        check(&[vec![0x10, u8::try_from(body.len()).unwrap()], body].concat(), Version::V5)
    };
    assert_eq!(connect(b"\0\x01\x1f", 2), Some(Fault::ClientIdControlCharacter));
    assert_eq!(connect(b"\0\x01c\0\x01\x1f", 0x82), Some(Fault::ControlCharacter), "user name");
    assert_eq!(connect(b"\0\x01c\0\0\x01\x1f\0\0", 6), Some(Fault::ControlCharacter), "will topic");
    assert_eq!(connect(b"\0\x01c\0\x01u", 0x82), None);
}

#[test]
fn what_only_a_server_sends_is_that_before_it_is_malformed() {
    let seen = |bytes: &[u8], version| {
        mqtt::fault_seen_by_server(decode_bytes(bytes, Some(version)).unwrap_err()).fault()
    };
    for bytes in [&[0x20, 1, 0][..], &[0x90, 0], &[0xB0, 3, 0, 0, 1], &[0xD0, 1, 0]] {
        assert_eq!(seen(bytes, Version::V5), mqtt::Fault::NotFromClient, "section 2.1.2");
        assert_eq!(seen(bytes, Version::V3_1_1), mqtt::Fault::NotFromClient, "section 2.2.1");
    }
    assert_eq!(seen(&[0xB1, 3, 0, 0, 1], Version::V5), mqtt::Fault::ReservedFlags, "MQTT-2.1.3-1");
    assert_eq!(seen(&[0xC0, 1, 0], Version::V5), mqtt::Fault::TrailingBytes);
}

#[test]
fn a_payload_is_held_against_its_format_indicator_when_asked() {
    let holds = |payload: u8, indicator: u8| {
        let bytes = [0x30, 7, 0, 1, b'a', 2, 1, indicator, payload];
        match decode_bytes(&bytes, Some(Version::V5)) {
            Ok(Some(Packet::Publish(publish))) => publish.payload_format_holds(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!([holds(b'x', 1), holds(0xFF, 0), holds(0xFF, 1)], [true, true, false], "section 3.3.2.3.2");
}

/// The six return codes of CONNACK and the one failure of SUBACK are all MQTT 3.1.1 can say.
#[test]
fn reasons_become_return_codes_in_mqtt_3_1_1() {
    use mqtt::{ConnAck, PacketId, PacketType, Properties, ReasonCode, SubAck};
    let encoded = |packet: Packet| {
        let mut out = BytesMut::new();
        encode(&packet, Version::V3_1_1, &mut out).unwrap();
        hex::encode(out)
    };
    let properties = Properties::default();
    for reason in ReasonCode::ALL.iter().copied().filter(|reason| reason.allowed_in(PacketType::ConnAck)) {
        let code = match reason {
            ReasonCode::Success => 0,
            ReasonCode::UnsupportedProtocolVersion => 1,
            ReasonCode::ClientIdentifierNotValid => 2,
            ReasonCode::BadUserNameOrPassword | ReasonCode::BadAuthenticationMethod => 4,
            ReasonCode::NotAuthorized | ReasonCode::Banned => 5,
            _ => 3,
        };
        let connack = ConnAck { session_present: false, reason, properties: properties.clone() };
        assert_eq!(encoded(Packet::ConnAck(connack)), format!("200200{code:02x}"), "{}", reason.name());
    }
    let reasons = vec![ReasonCode::GrantedQos2, ReasonCode::NotAuthorized, ReasonCode::TopicFilterInvalid];
    let suback = SubAck { packet_id: PacketId::FIRST, properties, reasons };
    assert_eq!(encoded(Packet::SubAck(suback)), "90050001028080", "[MQTT-3.9.3-2]");
}
