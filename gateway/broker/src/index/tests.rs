//! The index against the standard's matching, and its memory.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

struct Seat(SessionKey);

impl Keyed for Seat {
    fn key(&self) -> SessionKey {
        self.0
    }
}

fn found(index: &Index<Seat>, topic: &str) -> Vec<u64> {
    let mut keys = Vec::new();
    index.matching(topic, |entry| {
        keys.extend(entry.plain().iter().map(|seat| seat.0.0));
        for group in entry.groups() {
            keys.extend(group.choose(|_| Some(())).map(|seat| seat.0.0));
        }
    });
    keys.sort_unstable();
    keys
}

#[test]
fn filters_match_as_the_standard_says() {
    let cases = [
        ("sport/tennis/player1/#", "sport/tennis/player1", true, "section 4.7.1.2, the parent level"),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true, "section 4.7.1.2"),
        ("#", "a/b", true, "section 4.7.1.2"),
        ("sport/+", "sport", false, "4.7.1.3"),
        ("sport/+", "sport/", true, "4.7.1.3, an empty level"),
        ("+/+", "/finance", true, "4.7.1.3"),
        ("/+", "/finance", true, "4.7.1.3"),
        ("+", "/finance", false, "4.7.1.3"),
        ("#", "$SYS/a", false, "[MQTT-4.7.2-1]"),
        ("+/a", "$SYS/a", false, "[MQTT-4.7.2-1]"),
        ("$SYS/#", "$SYS/a", true, "4.7.2"),
        ("$SYS/+", "$SYS/a", true, "4.7.2"),
        ("ACCOUNTS", "Accounts", false, "[MQTT-4.7.3-4]"),
        ("é/+", "é/x", true, "broker-core 3.2 row 1"),
    ];
    for (filter, topic, expected, clause) in cases {
        let index = Index::new(true);
        let whole = Arc::from(filter);
        index.insert(Place::of(&whole), Seat(SessionKey(1)));
        assert_eq!(!found(&index, topic).is_empty(), expected, "`{filter}` on `{topic}`: {clause}");
    }
}

/// Row 17: what nobody subscribes to any more is freed.
#[test]
fn filters_that_nobody_holds_are_freed() {
    let index = Index::new(true);
    let wholes: Vec<Arc<str>> = (0..1_000)
        .flat_map(|n| [format!("a/{n}/b"), format!("a/{n}/+"), format!("$share/g/a/{n}/#"), format!("+/{n}")])
        .map(Arc::from)
        .collect();
    for (at, whole) in wholes.iter().enumerate() {
        index.insert(Place::of(whole), Seat(SessionKey(at as u64)));
    }
    assert!(index.size() > 4_000);
    for (at, whole) in wholes.iter().enumerate() {
        index.remove(Place::of(whole), SessionKey(at as u64));
    }
    assert_eq!(index.size(), 0);
    assert_eq!(index.wild_len.load(Ordering::Relaxed), 0);
}

#[test]
fn a_group_takes_turns_and_prefers_rank() {
    let index = Index::new(true);
    let whole: Arc<str> = Arc::from("$share/g/t");
    for key in 1..=3 {
        index.insert(Place::of(&whole), Seat(SessionKey(key)));
    }
    let turns: Vec<_> = (0..6).flat_map(|_| found(&index, "t")).collect();
    assert_eq!(turns, [1, 2, 3, 1, 2, 3]);
    let second = index.group(&whole, |group| group.choose(|seat| Some(seat.0.0 == 2)).map(|seat| seat.0.0));
    assert_eq!(second, Some(Some(2)));
}

proptest! {
    /// Subscribing and leaving in any order, the index finds what `mqtt::topic::matches` says, and ends empty.
    #[test]
    fn finds_exactly_what_matches(
        filters in proptest::collection::vec("([+]|[$ab]{0,2})(/([+]|[ab]{0,1})){0,3}(/#)?", 1..30),
        topics in proptest::collection::vec("[$ab]{0,2}(/[ab]{0,1}){0,4}", 1..20),
        gone in proptest::collection::btree_set(0..30usize, 0..15),
    ) {
        let index = Index::new(true);
        let wholes: Vec<Arc<str>> = filters.into_iter().map(Arc::from).collect();
        for (at, whole) in wholes.iter().enumerate() {
            index.insert(Place::of(whole), Seat(SessionKey(at as u64)));
        }
        for at in gone.iter().filter(|at| **at < wholes.len()) {
            index.remove(Place::of(&wholes[*at]), SessionKey(*at as u64));
        }
        for topic in &topics {
            let expected: BTreeSet<_> = (0..wholes.len())
                .filter(|at| !gone.contains(at) && mqtt::topic::matches(&wholes[*at], topic))
                .map(|at| at as u64)
                .collect();
            prop_assert_eq!(found(&index, topic), expected.into_iter().collect::<Vec<_>>());
        }
        for (at, whole) in wholes.iter().enumerate() {
            index.remove(Place::of(whole), SessionKey(at as u64));
        }
        prop_assert_eq!(index.size(), 0);
    }
}
