//! Sets that change, and their limits.

use super::{PatternSet, SetError, WILDCARDS_TOGETHER_MAX};
use crate::{EventError, Pattern};

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn found(set: &PatternSet<u32>, event: &str) -> Vec<u32> {
    set.matches(event).unwrap().into_iter().copied().collect()
}

#[test]
fn patterns_come_and_go() {
    let mut set = PatternSet::new();
    let wide = pattern(r#"{"a":[{"anything-but":"x"}]}"#);
    for number in 0..100 {
        set.add(number, &pattern(&format!(r#"{{"a":[{number},{{"prefix":"p{number}"}}]}}"#))).unwrap();
        set.add(1000 + number, &wide).unwrap();
    }
    assert_eq!(found(&set, r#"{"a":7}"#).iter().filter(|id| **id < 1000).count(), 1);
    assert_eq!(found(&set, r#"{"a":"p77-"}"#).len(), 102);
    for number in (0..100).filter(|number| number % 10 != 7) {
        assert!(set.remove(&number) && !set.remove(&number));
        assert!(set.remove(&(1000 + number)));
    }
    assert_eq!(set.len(), 20);
    assert!(set.nodes.len() < 60, "what was removed is built away: {} nodes", set.nodes.len());
    assert_eq!(found(&set, r#"{"a":7}"#).len(), 11);
    assert!(!found(&set, r#"{"a":8}"#).contains(&8));
    set.add(7, &pattern(r#"{"b":[1]}"#)).unwrap();
    assert_eq!(set.len(), 20, "in place of the old one");
    assert!(!found(&set, r#"{"a":7}"#).contains(&7));
    assert_eq!(found(&set, r#"{"b":1}"#), [7]);
}

#[test]
fn wildcards_that_look_alike_are_bounded_and_others_are_not() {
    let mut set = PatternSet::new();
    for number in 0..2000 {
        set.add(number, &pattern(&format!(r#"{{"a":[{{"wildcard":"plant/*/kiln-{number}"}}]}}"#))).unwrap();
    }
    assert_eq!(found(&set, r#"{"a":"plant/7/kiln-1234"}"#), [1234]);
    let mut set = PatternSet::new();
    let alike = |number: u32| {
        let letters: Vec<String> = (0..12)
            .filter(|bit| number >> bit & 1 == 1)
            .map(|bit| format!("*{}", char::from(b'a' + bit)))
            .collect();
        pattern(&format!(
            r#"{{"b":[1],"a":[{{"wildcard":"*{}*"}}]}}"#,
            letters.concat().trim_start_matches('*')
        ))
    };
    let most = WILDCARDS_TOGETHER_MAX as u32;
    (1..=most).for_each(|number| set.add(number, &alike(number)).unwrap());
    let refused = set.add(most + 1, &alike(most + 1));
    assert!(matches!(refused, Err(SetError::Wildcards { .. })), "{refused:?}");
    assert_eq!(set.len(), WILDCARDS_TOGETHER_MAX);
    assert_eq!(found(&set, r#"{"b":1,"a":"xabx"}"#), [1, 2, 3]);
}

#[test]
fn ranges_are_found_by_what_they_hold() {
    let mut set = PatternSet::new();
    for number in 0..300_u32 {
        let (low, high) = (number * 7 % 100, number * 7 % 100 + 1 + number * 13 % 40);
        set.add(number, &pattern(&format!(r#"{{"a":[{{"numeric":[">",{low},"<=",{high}]}}]}}"#))).unwrap();
    }
    set.add(300, &pattern(r#"{"a":[{"numeric":["<",20]}]}"#)).unwrap();
    set.add(301, &pattern(r#"{"a":[{"numeric":[">=",50.5]}]}"#)).unwrap();
    for value in (0..300).map(|half| f64::from(half) / 2.0) {
        let mut expected: Vec<u32> = (0..300_u32)
            .filter(|number| {
                let (low, high) = (number * 7 % 100, number * 7 % 100 + 1 + number * 13 % 40);
                value > f64::from(low) && value <= f64::from(high)
            })
            .collect();
        expected.extend((value < 20.0).then_some(300));
        expected.extend((value >= 50.5).then_some(301));
        assert_eq!(found(&set, &format!(r#"{{"a":{value}}}"#)), expected, "{value}");
    }
}

#[test]
fn an_event_that_is_none_is_told_so() {
    let mut set = PatternSet::new();
    set.add(0, &pattern(r#"{"a":[1]}"#)).unwrap();
    assert_eq!(set.matches("[1]"), Err(EventError::NotAnObject));
    assert_eq!(set.matches("{\"a\":01}"), Err(EventError::NotJson { offset: 6, expected: "`,` or `}`" }));
    assert_eq!(set.matches("{\"b\":[}"), Err(EventError::NotJson { offset: 6, expected: "a value" }));
    assert_eq!(set.matches("{} x"), Err(EventError::NotJson { offset: 3, expected: "the end" }));
    let many = format!("{{\"a\":[{}2]}}", "2,".repeat(100_000));
    assert_eq!(set.matches(&many), Err(EventError::TooManyValues));
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(319), "]".repeat(319));
    assert_eq!(found(&set, &deep), [0]);
    let deeper = format!("{{\"a\":{}1{}}}", "[".repeat(320), "]".repeat(320));
    assert_eq!(set.matches(&deeper), Err(EventError::TooDeep { offset: 324 }));
    for (open, close) in [("[", "]"), ("{\"x\":", "}"), ("[{\"x\":", "}]")] {
        let count = 256 / close.len();
        let beside =
            format!("{{\"detail\":{{\"x\":{}1{}}},\"a\":1}}", open.repeat(count), close.repeat(count));
        assert_eq!(found(&set, &beside), [0], "what a rule can make hides nothing: {open}");
    }
}

/// Arrays beside each other, each with values for every condition: the work is bounded by their sum, not by their product.
#[test]
fn arrays_do_not_multiply() {
    let mut set = PatternSet::new();
    let fields: Vec<String> = (0..8)
        .map(|n| format!(r#""f{n}":{{"x":[{{"anything-but":0}}],"y":[{{"numeric":[">",0]}}]}}"#))
        .collect();
    set.add(0, &pattern(&format!("{{{}}}", fields.join(",")))).unwrap();
    let elements = vec![r#"{"x":1,"y":2}"#; 2000].join(",");
    let fields: Vec<String> = (0..8).map(|n| format!(r#""f{n}":[{elements}]"#)).collect();
    assert_eq!(found(&set, &format!("{{{}}}", fields.join(","))), [0]);
}

/// The work for one array is elements times patterns that let them through; whoever sends the event must not choose it without a bound.
#[test]
fn an_event_that_asks_for_too_much_work_is_given_up() {
    let set_of = |count: u32| {
        let mut set = PatternSet::new();
        for number in 0..count {
            let text = format!(
                r#"{{"t":{{"n":[{{"anything-but":"x{number}"}}],"z":[{{"anything-but":"q{number}"}}]}}}}"#
            );
            set.add(number, &pattern(&text)).unwrap();
        }
        set
    };
    let event = format!("{{\"t\":[{}]}}", vec![r#"{"n":1,"z":2}"#; 9000].join(","));
    assert_eq!(set_of(100).matches(&event), Err(EventError::TooMuchWork));
    assert_eq!(found(&set_of(3), &event), [0, 1, 2], "what is long is not yet too much");
    let event = format!("{{\"t\":{{\"z\":1,\"n\":[{}0]}}}}", "0,".repeat(60_000));
    assert_eq!(set_of(300).matches(&event), Err(EventError::TooMuchWork));
    assert_eq!(found(&set_of(300), r#"{"t":{"n":[1,2,3],"z":2}}"#).len(), 300);
}

/// A text in which the same three bytes stand again and again meets each wildcard once.
#[test]
fn a_text_that_repeats_itself_costs_what_its_length_says() {
    let mut set = PatternSet::new();
    for number in 0..200_u32 {
        let letters = [number / 26, number % 26].map(|letter| char::from(b'a' + letter as u8));
        let text = format!(r#"{{"a":[{{"wildcard":"*xyz*{}*{}*"}}]}}"#, letters[0], letters[1]);
        set.add(number, &pattern(&text)).unwrap();
    }
    let event = format!("{{\"a\":\"{}\"}}", "xyz".repeat(3_000));
    assert_eq!(found(&set, &event), [0; 0]);
    let longer = format!("{{\"a\":\"{}\"}}", "xyz".repeat(250_000));
    assert_eq!(set.matches(&longer), Err(EventError::TooMuchWork));
}

/// From a node lead many fields: those are looked for that the event has, and not its values again and again.
#[test]
fn many_fields_behind_one_do_not_multiply_the_values_of_an_event() {
    let mut set = PatternSet::new();
    for number in 0..20_u32 {
        set.add(number, &pattern(&format!(r#"{{"t":{{"a":[1],"b{number}":[2]}}}}"#))).unwrap();
    }
    let event = format!("{{\"t\":[{}]}}", vec![r#"{"a":1,"b7":2}"#; 20_000].join(","));
    assert_eq!(found(&set, &event), [7]);
}
