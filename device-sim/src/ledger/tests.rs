use proptest::prelude::*;

use super::*;
use crate::payload::{DEFAULT_PAYLOAD, Template};

fn body(device: &str, sequence: u64) -> String {
    let message = Message {
        device,
        sequence,
        sent_at_ms: 5,
        reading: Reading { temperature_tenths: 700, humidity_tenths: 400 },
        line: "line-1",
        run: "r",
    };
    Template::payload(DEFAULT_PAYLOAD, false).unwrap().render(&message, "")
}

/// A ledger for one device that made ten messages, of which 1 to 9 were acknowledged.
fn ledger() -> Ledger {
    let mut ledger = Ledger::new("r");
    let mut acknowledged = Ranges::default();
    (1..=9).for_each(|sequence| {
        acknowledged.insert(sequence);
    });
    ledger.expect(&"kiln".into(), 10, acknowledged);
    ledger
}

/// Enters deliveries into a fresh ledger; the expected counts are written as in a report.
fn check(deliveries: &[(String, Option<&str>)], expected: &str) {
    let mut ledger = ledger();
    for (body, event_id) in deliveries {
        ledger.enter(body.as_bytes(), *event_id);
    }
    let rows: Vec<_> = ledger.balance().rows().filter(|(_, count)| *count > 0).collect();
    let text: Vec<_> = rows.iter().map(|(name, count)| format!("{name} {count}")).collect();
    assert_eq!(text.join(", "), expected);
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

proptest! {
    #[test]
    fn the_books_balance(sequences in prop::collection::vec(1..=10_u64, 0..40)) {
        let mut ledger = ledger();
        for sequence in &sequences {
            ledger.enter(body("kiln", *sequence).as_bytes(), Some("id"));
        }
        let balance = ledger.balance();
        let count = |count: Option<u64>| count.unwrap();
        prop_assert_eq!(count(balance.delivered) + count(balance.repeated), sequences.len() as u64);
        prop_assert_eq!(
            count(balance.delivered) - count(balance.unacknowledged_delivered) + count(balance.lost), 9
        );
        prop_assert_eq!(ledger.complete(), count(balance.lost) == 0);
        prop_assert_eq!(count(balance.repeated_with_other_event_id), 0);
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        ledger().enter(&bytes, None);
    }
}
