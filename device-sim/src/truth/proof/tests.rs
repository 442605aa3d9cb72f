use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ORIGIN: Origin<'static> = Origin { device_id: "meter-1", run: "night \"shift\"", clock_ahead_ms: 0 };

/// What a rule, or damage, does to the members.
type Change = fn(&mut serde_json::Map<String, Value>);

fn proof(sequence: u64) -> Proof {
    Proof { run: run_number(ORIGIN.run), device: 3, sequence, due_micros: 1_763_758_800_123_456 }
}

fn sealed(object: &str) -> Value {
    let mut out = b"before".to_vec();
    out.extend_from_slice(object.as_bytes());
    seal_json(&mut out, 6, 0, &ORIGIN, &proof(7)).unwrap();
    serde_json::from_slice(&out[6..]).unwrap()
}

fn check(value: &Value) -> Check {
    open(value.to_string().as_bytes(), ORIGIN.run).expect("a delivery").check
}

#[test]
fn a_sealed_object_says_who_and_which() {
    let mut value = sealed(r#" { "t": 20.5 } "#);
    let checksum = value.as_object_mut().unwrap().remove("checksum").unwrap();
    assert_eq!(checksum.as_str().unwrap().len(), CHECKSUM_CHARACTERS);
    let expected = json!({
        "t": 20.5, "deviceId": "meter-1", "sequence": 7, "sentAtMs": 1_763_758_800_123_u64,
        "dueMicros": 1_763_758_800_123_456_u64, "run": "night \"shift\"",
    });
    assert_eq!(value, expected);
    let delivery = open(sealed("{}").to_string().as_bytes(), ORIGIN.run).unwrap();
    assert_eq!(delivery.device, DeviceKey::Name("meter-1".into()));
    assert_eq!((delivery.sequence, delivery.due_micros), (7, Some(1_763_758_800_123_456)));
    assert_eq!((delivery.event_id, delivery.check), (None, Check::Intact));
}

#[test]
fn a_clock_that_is_ahead_shows_in_sent_at_alone() {
    let mut out = b"{}".to_vec();
    let origin = Origin { clock_ahead_ms: -60_000, ..ORIGIN };
    seal_json(&mut out, 0, 0, &origin, &proof(1)).unwrap();
    let delivery = open(&out, ORIGIN.run).unwrap();
    assert_eq!((delivery.check, delivery.due_micros), (Check::Intact, Some(1_763_758_800_123_456)));
    assert!(std::str::from_utf8(&out).unwrap().contains(r#""sentAtMs":1763758740123,"#));
}

#[test]
fn rules_may_pick_add_reorder_and_rewrite_numbers() {
    let whole = sealed(r#"{"t":20.5,"n":7,"deep":{"a":[1,2],"b":null},"s":"x"}"#);
    let cases: &[(&str, Change, Check)] = &[
        ("nothing", |_| (), Check::Intact),
        ("another order", |map| *map = map.clone().into_iter().rev().collect(), Check::Intact),
        ("7 as 7.0", |map| drop(map.insert("n".into(), json!(7.0))), Check::Intact),
        ("one member more", |map| drop(map.insert("receivedAtMs".into(), json!(5))), Check::Intact),
        (
            "two members more",
            |map| map.extend([("a".to_owned(), json!(1)), ("b".to_owned(), json!(2))]),
            Check::Intact,
        ),
        (
            "too many to see through",
            |map| map.extend(["a", "b", "c"].map(|n| (n.to_owned(), json!(1)))),
            Check::Unchecked,
        ),
        ("a member less", |map| drop(map.remove("t")), Check::Unchecked),
        ("without checksum", |map| drop(map.remove("checksum")), Check::Unchecked),
        ("without run", |map| drop(map.remove("run")), Check::Unchecked),
        ("another value", |map| drop(map.insert("t".into(), json!(20.6))), Check::Altered),
        ("a value of another type", |map| drop(map.insert("n".into(), json!("7"))), Check::Altered),
        ("another deep value", |map| map["deep"]["a"][1] = json!(3), Check::Altered),
        ("another sequence", |map| drop(map.insert("sequence".into(), json!(8))), Check::Altered),
        ("another device", |map| drop(map.insert("deviceId".into(), json!("meter-2"))), Check::Altered),
        ("another due time", |map| drop(map.insert("dueMicros".into(), json!(5))), Check::Altered),
        ("half a checksum", |map| drop(map.insert("checksum".into(), json!("abc"))), Check::Altered),
        (
            "a member more and a value changed",
            |map| {
                map.insert("receivedAtMs".into(), json!(5));
                map.insert("s".into(), json!("y"));
            },
            Check::Altered,
        ),
        (
            "another sequence and a member less",
            |map| {
                map.remove("t");
                map.insert("sequence".into(), json!(8));
            },
            Check::Altered,
        ),
    ];
    for (name, change, expected) in cases {
        let mut value = whole.clone();
        change(value.as_object_mut().unwrap());
        assert_eq!(check(&value), *expected, "{name}");
    }
}

#[test]
fn a_cloud_event_is_unwrapped() {
    let event = json!({"specversion": "1.0", "id": "a:b", "data": sealed(r#"{"t":1}"#)});
    let delivery = open(event.to_string().as_bytes(), ORIGIN.run).unwrap();
    assert_eq!((delivery.event_id.as_deref(), delivery.check), (Some("a:b"), Check::Intact));
}

#[test]
fn what_is_not_of_this_run_is_not_opened() {
    let sealed = sealed("{}").to_string();
    for (body, run) in [
        (sealed.as_bytes(), "another run"),
        (b"{}", ORIGIN.run),
        (b"plain text", ORIGIN.run),
        (b"", ORIGIN.run),
        (b"\xa1\x61a\x01", ORIGIN.run),
        (br#"{"deviceId":"d","sequence":-1}"#, ORIGIN.run),
    ] {
        assert_eq!(open(body, run), None);
    }
    let mut raw = vec![0; 64];
    seal_raw(&mut raw, 0, &proof(1)).unwrap();
    assert_eq!(open(&raw, "another run"), None);
}

#[test]
fn what_cannot_carry_a_proof_stays_as_it_was() {
    for object in ["[1]", "7", "{", "", r#"{"sequence":1}"#, r#"{"checksum":""}"#, "plain"] {
        let mut out = object.as_bytes().to_vec();
        seal_json(&mut out, 0, 0, &ORIGIN, &proof(1)).unwrap_err();
        assert_eq!(out, object.as_bytes());
    }
    for map in [&b""[..], b"\x80", b"\x01", b"\xa1\x63run\x01", b"\xa1", b"\xd9\xd9\xf7\xa0"] {
        let mut out = map.to_vec();
        seal_cbor(&mut out, 0, 0, &ORIGIN, &proof(1)).unwrap_err();
        assert_eq!(out, map);
    }
    assert_eq!(seal_raw(&mut [0; 39], 0, &proof(1)), Err(Unsealable::Raw { bytes: 39 }));
    let taken = seal_json(&mut br#"{"run":1}"#.to_vec(), 0, 0, &ORIGIN, &proof(1)).unwrap_err().to_string();
    assert!(taken.contains("a member `run` of its own"), "{taken}");
}

/// Any map that a generator may make.
fn maps() -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{1,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::hash_map("[a-zé]{1,3}_[a-z]{0,2}", value, 0..30)
        .prop_map(|map| map.into_iter().collect())
}

fn cbor(map: &serde_json::Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    ciborium::into_writer(map, &mut out).unwrap();
    out
}

proptest! {
    // Maps of any shape take long to make.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn json_that_was_sealed_is_intact(map in maps(), bytes in 0..2000_usize, sequence in 1..1_000_000_u64) {
        let mut out = Value::Object(map).to_string().into_bytes();
        let mut unpadded = out.clone();
        seal_json(&mut unpadded, 0, 0, &ORIGIN, &proof(sequence)).unwrap();
        seal_json(&mut out, 0, bytes, &ORIGIN, &proof(sequence)).unwrap();
        prop_assert_eq!(out.len(), if bytes >= unpadded.len() + 13 { bytes } else { unpadded.len() });
        let delivery = open(&out, ORIGIN.run).unwrap();
        prop_assert_eq!((delivery.check, delivery.sequence), (Check::Intact, sequence));
    }

    #[test]
    fn cbor_that_was_sealed_is_intact(map in maps(), bytes in 0..2000_usize, sequence in 1..u64::MAX) {
        let mut out = cbor(&map);
        let mut unpadded = out.clone();
        seal_cbor(&mut unpadded, 0, 0, &ORIGIN, &proof(sequence)).unwrap();
        seal_cbor(&mut out, 0, bytes, &ORIGIN, &proof(sequence)).unwrap();
        prop_assert!(out.len() <= bytes.max(unpadded.len()));
        // The length of the map and of the padding may each need a byte or two more.
        prop_assert!(bytes < unpadded.len() + 16 || out.len() + 2 >= bytes, "{} of {}", out.len(), bytes);
        let delivery = open(&out, ORIGIN.run).unwrap();
        prop_assert_eq!((delivery.check, delivery.sequence), (Check::Intact, sequence));
        // A second reader agrees that it is a map with all members.
        let read: ciborium::Value = ciborium::from_reader(&out[..]).unwrap();
        prop_assert!(read.as_map().unwrap().len() >= map.len() + 6);
    }
}

proptest! {
    #[test]
    fn raw_that_was_sealed_is_intact_and_any_flipped_bit_shows(
        mut payload in prop::collection::vec(any::<u8>(), RAW_HEADER_BYTES..700),
        place: prop::sample::Index,
        bit in 0..8_u32,
    ) {
        seal_raw(&mut payload, 0, &proof(9)).unwrap();
        prop_assert_eq!(open_raw(&payload), Some((proof(9), true)));
        let place = place.index(payload.len());
        payload[place] ^= 1 << bit;
        prop_assert!(open_raw(&payload).is_none_or(|(_, intact)| !intact));
    }

    #[test]
    fn a_map_that_ends_with_a_break_is_sealed_too(bytes in 0..400_usize) {
        let mut out = b"\xbf\x61a\x18\x2a\xff".to_vec();
        seal_cbor(&mut out, 0, bytes, &ORIGIN, &proof(1)).unwrap();
        prop_assert_eq!(out.last(), Some(&0xFF));
        prop_assert_eq!(open(&out, ORIGIN.run).unwrap().check, Check::Intact);
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = open(&bytes, "run");
        let _ = seal_json(&mut bytes.clone(), 0, 300, &ORIGIN, &proof(1));
        let _ = seal_cbor(&mut bytes.clone(), 0, 300, &ORIGIN, &proof(1));
        let _ = checksum_json(&bytes, &ORIGIN, &proof(1));
    }
}
