use proptest::prelude::*;

use super::*;

fn target(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

/// One of everything. The golden file of version 4 holds exactly this, that of version 3 the same from a device and not replayed, that of
/// version 2 the same without parameters and not republished, that of version 1 the same without a source, too; none of them must ever
/// change.
fn full() -> Record {
    let queue = Route::to(target("queue/alerts"));
    let stream = Route {
        target: target("stream/telemetry"),
        partition_key: Some("kiln-7".to_owned()),
        format: Format::CloudEvents,
        parameters: vec![("header:x-line".to_owned(), "ofen-ü".to_owned()), (String::new(), String::new())],
    };
    Record {
        base: Uuid::from_u128(0x0190_a0b1_c2d3_7e4f_8a5b_6c7d_8e9f_a0b1),
        accepted_at_ms: 1_720_000_000_123,
        origin: Origin::Replayed { event_id: "0190a0b1-c2d3-7e4f-8a5b-6c7d8e9fa0b1:overheating".to_owned() },
        client_id: "kiln-7".to_owned(),
        principal: "plant-kiln-7".to_owned(),
        topic: "plant/ofen-ü/telemetry".to_owned(),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        resend: Some(ResendKey { packet_id: 513, content_digest: 0x0123_4567_89ab_cdef }),
        republished: 2,
        replay: Some(Replay { name: "after-the-repair".to_owned(), at_ms: 1_720_086_400_123 }),
        source: Some(Source::Exchange { session: 0x0102_0304_0506_0708, packet_id: 513 }),
        events: vec![
            Event {
                error_route: Some(Route::to(target("queue/rule-errors"))),
                routes: vec![queue.clone(), stream],
                ..Event::json("overheating", r#"{"temperature":81}"#)
            },
            Event {
                attributes: vec![Attribute {
                    name: "site".to_owned(),
                    data_type: "String".to_owned(),
                    value: Bytes::from_static(b"north"),
                }],
                content_type: "application/octet-stream".to_owned(),
                routes: vec![queue],
                ..Event::json("raw", vec![0, 1, 255])
            },
        ],
        retained: true,
        message: Some(Message {
            payload: Bytes::from_static(b"{\"temperature\":81}"),
            properties: Bytes::from_static(&[3, 0, 1, b'j']),
            quality_of_service: 1,
            retain: true,
            expires_at_ms: Some(1_720_000_060_123),
        }),
        owed: vec![Owed {
            session: "panel".to_owned(),
            quality_of_service: 2,
            retain: false,
            subscription_ids: vec![1, 268_435_455],
        }],
    }
}

const GOLDEN_VERSION_1: &str = include_str!("../../tests/golden/record-1.hex");
const GOLDEN_VERSION_2: &str = include_str!("../../tests/golden/record-2.hex");
const GOLDEN_VERSION_3: &str = include_str!("../../tests/golden/record-3.hex");
const GOLDEN_VERSION_4: &str = include_str!("../../tests/golden/record-4.hex");

/// What version 3 could hold of it.
fn full_version_3() -> Record {
    Record { origin: Origin::Device, replay: None, ..full() }
}

/// What version 2 could hold of it.
fn full_version_2() -> Record {
    let mut record = Record { republished: 0, ..full_version_3() };
    record.events.iter_mut().flat_map(|event| &mut event.routes).for_each(|route| route.parameters.clear());
    record
}

fn golden(text: &str) -> Bytes {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect::<Vec<u8>>().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .chunks(32)
        .map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n")
        .collect()
}

#[test]
fn version_4_is_read_and_written_as_ever() {
    let (written, golden) = (full().encode().unwrap(), golden(GOLDEN_VERSION_4));
    assert_eq!(hex(&written), hex(&golden), "the format changed: give it a new version and keep this file");
    assert_eq!(Record::decode(&golden).unwrap(), full());
}

#[test]
fn version_3_is_still_read() {
    assert_eq!(Record::decode(&golden(GOLDEN_VERSION_3)).unwrap(), full_version_3());
}

#[test]
fn what_came_with_version_4_has_no_meaning_in_version_3() {
    let mut bytes = golden(GOLDEN_VERSION_3).to_vec();
    bytes[1] = 6;
    bytes[2] |= 16;
    assert!(Record::decode(&Bytes::from(bytes)).is_err(), "an origin that it did not know");
}

#[test]
fn version_2_is_still_read() {
    assert_eq!(Record::decode(&golden(GOLDEN_VERSION_2)).unwrap(), full_version_2());
}

#[test]
fn version_1_is_still_read() {
    let golden = golden(GOLDEN_VERSION_1);
    assert_eq!(Record::decode(&golden).unwrap(), Record { source: None, ..full_version_2() });
    assert!(holds_message(&golden));
    assert_eq!(source(&golden), Ok(None));
}

#[test]
fn message_and_source_are_told_from_the_first_bytes() {
    let bare = Record { message: None, source: None, ..full() }.encode().unwrap();
    assert_eq!((holds_message(&bare), source(&bare)), (false, Ok(None)));
    assert!(holds_message(&full().encode().unwrap()));
    for told in [Source::Exchange { session: u64::MAX, packet_id: 1 }, Source::Will { will: 9 }] {
        let bytes = Record { message: None, source: Some(told), ..full() }.encode().unwrap();
        assert_eq!((holds_message(&bytes), source(&bytes)), (false, Ok(Some(told))));
        assert_eq!(Head::decode(&bytes).unwrap().source, Some(told));
    }
}

#[test]
fn the_head_alone_tells_targets_rules_and_sizes() {
    let head = Head::decode(&full().encode().unwrap()).unwrap();
    let routes: Vec<_> = head.routes().map(|route| (route.rule, route.target, route.bytes)).collect();
    assert_eq!(
        routes,
        [
            ("overheating", "queue/alerts", 18),
            ("overheating", "stream/telemetry", 18),
            ("raw", "queue/alerts", 3)
        ]
    );
    assert!(head.concerns(&target("queue/alerts")) && !head.concerns(&target("queue/alert")));
    assert!(!head.concerns(&target("queue/rule-errors")), "an error target is not owed anything yet");
}

#[test]
fn a_newer_version_is_refused_not_guessed() {
    let mut bytes = full().encode().unwrap().to_vec();
    bytes[0] = VERSION + 1;
    let bytes = Bytes::from(bytes);
    assert_eq!(Record::decode(&bytes), Err(DecodeError::Version(VERSION + 1)));
    assert_eq!(source(&bytes), Err(DecodeError::Version(VERSION + 1)));
    assert!(!holds_message(&bytes));
}

#[test]
fn every_truncation_is_refused() {
    let bytes = full().encode().unwrap();
    for length in 0..bytes.len() {
        assert!(Record::decode(&bytes.slice(..length)).is_err(), "{length} of {} bytes", bytes.len());
    }
}

#[test]
fn what_the_format_cannot_hold_is_refused() {
    let mut record = full();
    record.topic = "x".repeat(65_536);
    assert_eq!(
        record.encode().unwrap_err().to_string(),
        "the record's topic is 65536 long; the format holds at most 65535"
    );
}

#[test]
fn event_ids_differ_within_a_record_and_name_their_origin() {
    let mut record = full_version_3();
    record.add(record.events[0].clone());
    record.add(record.events[0].clone());
    let base = record.base;
    let ids: Vec<_> = (0..4).map(|index| record.event_id(&record.events[index]).to_string()).collect();
    let expected =
        [":overheating", ":raw", ":overheating:1", ":overheating:2"].map(|suffix| format!("{base}{suffix}"));
    assert_eq!(ids, expected);
    record.add_fault_document(record.events[0].clone());
    record.add(record.events[0].clone());
    let ids: Vec<_> = (4..6).map(|index| record.event_id(&record.events[index]).to_string()).collect();
    assert_eq!(ids, [":overheating:fault", ":overheating:3"].map(|suffix| format!("{base}{suffix}")));
    record.origin = Origin::ErrorAction { failed_target: target("http/hook") };
    assert_eq!(record.event_id(&record.events[1]).to_string(), format!("{base}:raw:error:http/hook"));
    let event_id = "as it was".to_owned();
    for again in [Origin::Redriven { event_id: event_id.clone() }, Origin::Replayed { event_id }] {
        record.origin = again;
        assert_eq!(record.event_id(&record.events[1]).to_string(), "as it was");
    }
}

fn any_route() -> impl Strategy<Value = Route> {
    let parameters = proptest::collection::vec((".{0,9}", ".{0,20}"), 0..3);
    ("[a-z]{1,4}/[a-zé/]{1,9}", proptest::option::of(".{0,20}"), any::<bool>(), parameters).prop_map(
        |(name, partition_key, cloud, parameters)| Route {
            parameters,
            target: target(&name),
            partition_key,
            format: if cloud { Format::CloudEvents } else { Format::Data },
        },
    )
}

fn any_bytes(length_max: usize) -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..=length_max).prop_map(Bytes::from)
}

fn any_event() -> impl Strategy<Value = Event> {
    let attribute = (".{0,8}", "(String|Number|Binary)", any_bytes(16))
        .prop_map(|(name, data_type, value)| Attribute { name, data_type, value });
    (
        ("[a-zA-Z0-9_]{1,9}", any::<u16>()),
        any_bytes(64),
        ".{0,20}",
        proptest::collection::vec(attribute, 0..3),
        proptest::collection::vec(any_route(), 0..4),
        proptest::option::of(any_route()),
    )
        .prop_map(|((rule, number), data, content_type, attributes, routes, error_route)| Event {
            rule,
            number,
            data,
            content_type,
            attributes,
            routes,
            error_route,
        })
}

fn any_origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        Just(Origin::Device),
        Just(Origin::Direct),
        Just(Origin::Gateway),
        ".{0,30}".prop_map(|event_id| Origin::Redriven { event_id }),
        ".{0,30}".prop_map(|event_id| Origin::Replayed { event_id }),
        any_route().prop_map(|route| Origin::ErrorAction { failed_target: route.target }),
    ]
}

fn any_owed() -> impl Strategy<Value = Owed> {
    (".{0,12}", 0..3u8, any::<bool>(), proptest::collection::vec(any::<u32>(), 0..3)).prop_map(
        |(session, quality_of_service, retain, subscription_ids)| Owed {
            session,
            quality_of_service,
            retain,
            subscription_ids,
        },
    )
}

fn any_message() -> impl Strategy<Value = Message> {
    (any_bytes(64), any_bytes(16), 0..3u8, any::<bool>(), proptest::option::of(1..u64::MAX)).prop_map(
        |(payload, properties, quality_of_service, retain, expires_at_ms)| Message {
            payload,
            properties,
            quality_of_service,
            retain,
            expires_at_ms,
        },
    )
}

fn any_source() -> impl Strategy<Value = Source> {
    prop_oneof![
        (any::<u64>(), any::<u16>()).prop_map(|(session, packet_id)| Source::Exchange { session, packet_id }),
        any::<u64>().prop_map(|will| Source::Will { will }),
    ]
}

prop_compose! {
    fn any_record()(
        (base, accepted_at_ms, origin, retained) in (any::<u128>(), any::<u64>(), any_origin(), any::<bool>()),
        (client_id, principal, topic) in (".{0,12}", ".{0,12}", ".{0,40}"),
        traceparent in proptest::option::of("[0-9a-f-]{55}"),
        resend in proptest::option::of((any::<u16>(), any::<u64>())),
        (republished, replay) in (any::<u8>(), proptest::option::of((".{0,12}", any::<u64>()))),
        source in proptest::option::of(any_source()),
        events in proptest::collection::vec(any_event(), 0..4),
        message in proptest::option::of(any_message()),
        owed in proptest::collection::vec(any_owed(), 0..3),
    ) -> Record {
        let resend = resend.map(|(packet_id, content_digest)| ResendKey { packet_id, content_digest });
        let base = Uuid::from_u128(base);
        let replay = replay.map(|(name, at_ms)| Replay { name, at_ms });
        Record {
            base, accepted_at_ms, origin, client_id, principal, topic, traceparent, resend, republished, replay, source, events,
            retained, message, owed,
        }
    }
}

proptest! {
    #[test]
    fn every_record_comes_back_as_it_was(record in any_record()) {
        let bytes = record.encode().unwrap();
        let events = Record { message: None, owed: Vec::new(), ..record.clone() };
        prop_assert_eq!(Record::decode_events(&bytes).unwrap(), events);
        prop_assert_eq!(source(&bytes).unwrap(), record.source);
        prop_assert_eq!(Record::decode(&bytes).unwrap(), record);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from(bytes);
        let _ = (Record::decode(&bytes), Record::decode_events(&bytes), source(&bytes));
    }

    #[test]
    fn damaged_records_never_panic(record in any_record(), hits in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4)) {
        let mut bytes = record.encode().unwrap().to_vec();
        for (at, value) in hits {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        let _ = Record::decode(&Bytes::from(bytes));
    }
}
