use proptest::prelude::*;

use super::super::proof::{Origin, Proof, seal_json, seal_raw};
use super::*;

const DUE_MICROS: u64 = 1_763_758_800_000_000;

fn proof(device: u32, sequence: u64) -> Proof {
    Proof { run: super::super::proof::run_number("r"), device, sequence, due_micros: DUE_MICROS }
}

fn body(device: &str, sequence: u64) -> String {
    let mut out = br#"{"temperature":70.0,"line":"line-1"}"#.to_vec();
    let origin = Origin { device_id: device, run: "r", clock_ahead_ms: 0 };
    seal_json(&mut out, 0, 0, &origin, &proof(0, sequence)).unwrap();
    String::from_utf8(out).unwrap()
}

fn to_nine() -> Ranges {
    let mut acknowledged = Ranges::default();
    (1..=9).for_each(|sequence| {
        acknowledged.insert(sequence);
    });
    acknowledged
}

/// A ledger for one device that made ten messages, of which 1 to 9 were acknowledged.
fn ledger() -> Ledger {
    let mut ledger = Ledger::new("r", ["kiln".into()]);
    ledger.settle(0, 10, to_nine());
    ledger
}

fn text(ledger: &Ledger) -> String {
    let rows: Vec<_> = ledger.balance().rows().filter(|(_, count)| *count > 0).collect();
    let text: Vec<_> = rows.iter().map(|(name, count)| format!("{name} {count}")).collect();
    text.join(", ")
}

/// Enters deliveries into a fresh ledger; the expected counts are written as in a report. It must not matter whether
/// the page was settled before or after.
fn check(deliveries: &[(String, Option<&str>)], expected: &str) {
    let mut ledger = ledger();
    let mut later = Ledger::new("r", ["kiln".into()]);
    for (body, event_id) in deliveries {
        ledger.enter(body.as_bytes(), *event_id, None);
        later.enter(body.as_bytes(), *event_id, None);
    }
    later.settle(0, 10, to_nine());
    assert_eq!(text(&ledger), expected);
    assert_eq!(text(&later), expected);
}

#[test]
fn deliveries_are_told_apart() {
    let of = |sequence| (body("kiln", sequence), None);
    check(&[], "lost 9");
    check(&(1..=9).map(of).collect::<Vec<_>>(), "delivered 9");
    check(&(1..=10).map(of).collect::<Vec<_>>(), "delivered 10, unacknowledged, delivered 1");
    check(&[of(2), of(1), of(3)], "delivered 3, lost 6, out of order 1");
    check(&[of(11), (body("oven", 1), None), of(0)], "lost 9, corrupted 3");
    check(&[("not json".into(), None), ("{}".into(), None)], "lost 9, foreign 2");
    check(&[(body("kiln", 1).replace(r#""run":"r""#, r#""run":"other""#), None)], "lost 9, foreign 1");
}

#[test]
fn a_repeat_must_keep_its_event_id() {
    let of = |event_id| (body("kiln", 1), event_id);
    check(&[of(Some("a:x")), of(Some("a:x"))], "delivered 1, lost 8, repeated 1");
    check(&[of(Some("a:x")), of(Some("b:x"))], "delivered 1, lost 8, repeated 1, repeated, other event id 1");
    check(&[of(Some("a:x")), of(None)], "delivered 1, lost 8, repeated 1, repeated, other event id 1");
    check(&[of(None), of(None)], "delivered 1, lost 8, repeated 1");
}

#[test]
fn damage_is_found_and_rewriting_is_not_damage() {
    check(&[(body("kiln", 1).replace("70.0", "71.0"), None)], "lost 9, corrupted 1");
    check(&[(body("kiln", 1).replace("70.0", "70.01"), None)], "lost 9, corrupted 1");
    check(&[(body("kiln", 1).replace("70.0", "70"), None)], "delivered 1, lost 8");
    check(&[(body("kiln", 1).replace("\"sequence\":1,", "\"sequence\":1.0,"), None)], "delivered 1, lost 8");
    check(&[(r#"{"deviceId":"kiln","sequence":1}"#.into(), None)], "delivered 1, lost 8, unchecked 1");
}

#[test]
fn a_cloud_event_is_unwrapped() {
    let wrapped =
        |id: &str| (format!(r#"{{"specversion":"1.0","id":"{id}","data":{}}}"#, body("kiln", 1)), None);
    check(&[wrapped("a"), wrapped("b")], "delivered 1, lost 8, repeated 1, repeated, other event id 1");
}

#[test]
fn raw_messages_go_by_index() {
    let mut ledger = Ledger::new("r", ["kiln".into(), "oven".into()]);
    let mut payload = vec![7; 100];
    seal_raw(&mut payload, 0, &proof(1, 3)).unwrap();
    assert!(ledger.enter(&payload, None, None).first);
    seal_raw(&mut payload, 0, &proof(2, 3)).unwrap();
    assert!(!ledger.enter(&payload, None, None).first);
    payload[99] ^= 1;
    ledger.enter(&payload, None, None);
    assert_eq!(text(&ledger), "delivered 1, unacknowledged, delivered 1, corrupted 2");
}

#[test]
fn latency_is_from_due_to_the_first_arrival() {
    let mut ledger = ledger();
    let arrived = |ledger: &mut Ledger, micros: u64| {
        ledger.enter(body("kiln", 1).as_bytes(), None, Some(DUE_MICROS + micros))
    };
    assert_eq!(arrived(&mut ledger, 1500), Entered { first: true, late_micros: Some(1500) });
    assert_eq!(arrived(&mut ledger, 9000), Entered { first: false, late_micros: Some(9000) });
    assert_eq!((ledger.delivery().count(), ledger.delivery().percentiles().max), (1, 1500));
}

#[test]
fn it_says_which_messages_were_lost() {
    let mut ledger = ledger();
    for sequence in [1, 2, 5, 9] {
        ledger.enter(body("kiln", sequence).as_bytes(), None, None);
    }
    let lost = serde_json::to_string(&ledger.lost()).unwrap();
    assert_eq!(lost, r#"[{"device":"kiln","ranges":[[3,4],[6,8]]}]"#);
}

#[test]
fn a_wild_sequence_number_takes_no_room() {
    let mut ledger = Ledger::new("r", ["kiln".into()]);
    let wild = format!(r#"{{"deviceId":"kiln","sequence":{}}}"#, u64::MAX / 2);
    assert!(!ledger.enter(wild.as_bytes(), Some("id"), None).first);
    assert_eq!(ledger.balance().corrupted, Some(1));
}

proptest! {
    #[test]
    fn the_books_balance(sequences in prop::collection::vec(1..=10_u64, 0..40)) {
        let mut ledger = ledger();
        for sequence in &sequences {
            ledger.enter(body("kiln", *sequence).as_bytes(), Some("id"), None);
        }
        let balance = ledger.balance();
        let count = |count: Option<u64>| count.unwrap();
        prop_assert_eq!(count(balance.delivered) + count(balance.repeated), sequences.len() as u64);
        prop_assert_eq!(
            count(balance.delivered) - count(balance.unacknowledged_delivered) + count(balance.lost), 9
        );
        prop_assert_eq!(ledger.complete(), count(balance.lost) == 0);
        prop_assert_eq!(ledger.lost().iter().map(|lost| lost.ranges.count()).sum::<u64>(), count(balance.lost));
        prop_assert_eq!(count(balance.repeated_with_other_event_id), 0);
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        ledger().enter(&bytes, None, Some(0));
    }
}
