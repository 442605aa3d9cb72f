//! Packets whose bytes are known from the standard.

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn a_connect_says_what_it_is_given() {
    let mut bytes = Vec::new();
    let connect = Connect { keep_alive_secs: 60, ..Connect::new(Version::V3, "a-1") };
    encode::connect(&mut bytes, &connect).unwrap();
    assert_eq!(bytes, hex("10 0f 0004 4d515454 04 02 003c 0003 612d31"));

    let will = Will { topic: "w", payload: b"x", qos: Qos::AtLeastOnce, retain: true, delay_secs: 5 };
    let connect = Connect {
        clean: false,
        user_name: Some("u"),
        password: Some(b"p"),
        will: Some(will),
        session_expiry_secs: 3600,
        receive_max: 20,
        ..Connect::new(Version::V5, "a-1")
    };
    bytes.clear();
    encode::connect(&mut bytes, &connect).unwrap();
    assert_eq!(
        bytes,
        hex("10 2a 0004 4d515454 05 ec 0000  08 11 00000e10 21 0014  0003 612d31
             05 18 00000005  0001 77  0001 78  0001 75  0001 70")
    );
}

#[test]
fn a_publish_says_what_it_is_given() {
    let publish = Publish {
        topic: "t/1",
        payload: b"hello",
        qos: Qos::AtLeastOnce,
        packet_id: 10,
        dup: true,
        topic_alias: Some(2),
        ..Publish::default()
    };
    for (version, expected) in [
        (Version::V3, "3a 0c 0003 742f31 000a 68656c6c6f"),
        (Version::V5, "3a 10 0003 742f31 000a 03 23 0002 68656c6c6f"),
    ] {
        let mut bytes = Vec::new();
        encode::publish(&mut bytes, version, &publish).unwrap();
        assert_eq!(bytes, hex(expected), "{version:?}");
        // In this packet nothing differs between the two directions.
        let read = decode_in_pieces(version, &bytes, 64).unwrap();
        let expected = match version {
            Version::V3 => Publish { topic_alias: None, ..publish },
            Version::V5 => publish,
        };
        assert_eq!(read, [format!("{:?}", Incoming::Publish(expected))]);
    }
}

#[test]
fn a_long_packet_has_a_long_length() {
    for (payload, header) in [(122, "30 7f"), (123, "30 80 01"), (20_000, "30 a5 9c 01")] {
        let body = vec![b'x'; payload];
        let mut bytes = b"before".to_vec();
        let publish = Publish { topic: "t/1", payload: &body, ..Publish::default() };
        encode::publish(&mut bytes, Version::V3, &publish).unwrap();
        let header = hex(header);
        assert_eq!(bytes[6..6 + header.len()], header, "{payload}");
        assert!(bytes.ends_with(&body));
        assert_eq!(bytes.len(), 6 + header.len() + 5 + payload);
    }
}

#[test]
fn what_a_server_sends_is_read_whole_or_in_pieces() {
    let cases = [
        (Version::V3, "20 02 01 00", "ConnAck(Accepted { session_present: true, code: 0,"),
        (Version::V5, "20 06 00 00 03 21 000a", "code: 0, receive_max: 10,"),
        (Version::V3, "40 02 0102", "PubAck { packet_id: 258, code: 0 }"),
        (Version::V5, "40 03 0102 10", "PubAck { packet_id: 258, code: 16 }"),
        (Version::V5, "50 04 0102 97 00", "PubRec { packet_id: 258, code: 151 }"),
        (Version::V3, "62 02 0001", "PubRel { packet_id: 1, code: 0 }"),
        (Version::V3, "70 02 0001", "PubComp { packet_id: 1, code: 0 }"),
        (Version::V3, "90 04 0001 01 80", "SubAck { packet_id: 1, codes: [1, 128] }"),
        (Version::V5, "90 04 0001 00 87", "SubAck { packet_id: 1, codes: [135] }"),
        (Version::V3, "b0 02 0001", "UnsubAck { packet_id: 1, codes: [] }"),
        (Version::V3, "d0 00", "PingResp"),
        (Version::V5, "e0 07 8e 05 1f 0002 6869", "Disconnect { code: 142, reason: Some(\"hi\") }"),
        (Version::V5, "e0 00", "Disconnect { code: 0, reason: None }"),
    ];
    for (version, bytes, expected) in cases {
        let bytes = hex(bytes);
        for piece in 1..=bytes.len() {
            let read = decode_in_pieces(version, &bytes, piece).unwrap();
            assert!(read.len() == 1 && read[0].contains(expected), "{read:?} in pieces of {piece}");
        }
    }
}

#[test]
fn what_no_server_may_send_is_refused_with_its_reason() {
    use Malformed as M;
    let packet = "CONNACK";
    let cases = [
        (Version::V3, "10 00", M::FirstByte(0x10)),
        (Version::V3, "60 02 0001", M::FirstByte(0x60)),
        (Version::V3, "e0 00", M::FirstByte(0xE0)),
        (Version::V3, "d0 01 00", M::Trailing("PINGRESP")),
        (Version::V3, "40 82 00 0001", M::LongNumber),
        (Version::V3, "40 ff ff ff ff 01", M::LongNumber),
        (Version::V3, "40 01 00", M::Short("PUBACK")),
        (Version::V3, "40 02 0000", M::PacketId("PUBACK")),
        (Version::V3, "40 03 0001 00", M::Trailing("PUBACK")),
        (Version::V3, "20 02 02 00", M::Value { packet, field: "flags", value: 2 }),
        (Version::V3, "20 02 00 06", M::Value { packet, field: "return code", value: 6 }),
        (Version::V3, "30 03 0001 2b", M::Topic),
        (Version::V3, "30 02 0000", M::Topic),
        (Version::V3, "30 03 0001 ff", M::Text("PUBLISH")),
        (Version::V3, "36 05 0001 61 0001", M::Value { packet: "PUBLISH", field: "flags", value: 6 }),
        (Version::V3, "38 03 0001 61", M::Value { packet: "PUBLISH", field: "flags", value: 8 }),
        (Version::V3, "90 02 0001", M::Short("SUBACK")),
        (Version::V3, "90 03 0001 03", M::Value { packet: "SUBACK", field: "return code", value: 3 }),
        (Version::V5, "20 06 00 00 03 21 0000", M::Property { packet, property: 0x21 }),
        (Version::V5, "20 09 00 00 06 21 0001 21 0001", M::Property { packet, property: 0x21 }),
        (Version::V5, "20 05 00 00 02 01 01", M::Property { packet, property: 0x01 }),
        (Version::V5, "20 05 00 00 05 21 00", M::Short("CONNACK")),
    ];
    for (version, bytes, expected) in cases {
        assert_eq!(decode_in_pieces(version, &hex(bytes), 64), Err(expected), "{bytes}");
        assert_eq!(decode_in_pieces(version, &hex(bytes), 1), Err(expected), "{bytes} in pieces");
    }
}

#[test]
fn a_packet_is_refused_by_its_length_before_it_is_held() {
    let mut decoder = Decoder::new(Version::V3, 100);
    let mut input: &[u8] = &[0x30, 0xE4, 0x00];
    assert_eq!(decoder.next(&mut input), Err(Malformed::LongNumber));
    let mut input: &[u8] = &[0x30, 99];
    let mut decoder = Decoder::new(Version::V3, 100);
    assert_eq!(decoder.next(&mut input), Err(Malformed::TooLong { bytes: 101, bytes_max: 100 }));
}

#[test]
fn a_decoder_holds_nothing_between_packets() {
    let mut decoder = Decoder::new(Version::V3, 100);
    for (mut piece, whole) in [(&[0x40, 2, 0][..], false), (&[1][..], true), (&[][..], false)] {
        assert_eq!(decoder.next(&mut piece).unwrap().is_some(), whole);
    }
    assert_eq!(decoder.held_bytes(), 0);
}

#[test]
fn what_has_no_form_in_bytes_leaves_no_bytes() {
    let long = "x".repeat(65_536);
    let mut bytes = b"before".to_vec();
    let publish = Publish { topic: &long, ..Publish::default() };
    let error = encode::publish(&mut bytes, Version::V3, &publish).unwrap_err();
    assert_eq!(error, encode::Unencodable::Field("topic"));
    let unnumbered = Publish { topic: "t", qos: Qos::AtLeastOnce, ..Publish::default() };
    let error = encode::publish(&mut bytes, Version::V3, &unnumbered).unwrap_err();
    assert_eq!(error, encode::Unencodable::PacketId);
    assert!(encode::connect(&mut bytes, &Connect::new(Version::V5, &long)).is_err());
    assert!(encode::subscribe(&mut bytes, Version::V5, 0, &[]).is_err());
    assert_eq!(bytes, b"before");
}
