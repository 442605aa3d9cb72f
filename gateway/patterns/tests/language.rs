//! Sentences of the language, as data: what matches, what doesn't, what is refused and how.

#![allow(clippy::unwrap_used, reason = "cases of the repository are as they should be")]

use patterns::{Pattern, PatternError, PatternSet};
use serde_json::Value;

fn matches(pattern: &str, event: &str) -> bool {
    let pattern = Pattern::parse(pattern).unwrap_or_else(|error| panic!("`{pattern}`: {error}"));
    let mut set = PatternSet::new();
    set.add((), &pattern).unwrap();
    !set.matches(event).unwrap().is_empty()
}

fn cases() -> Vec<Value> {
    include_str!("data/language.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events(case: &Value, key: &str) -> Vec<String> {
    case[key].as_array().unwrap().iter().map(Value::to_string).collect()
}

#[test]
fn every_sentence_of_the_language_holds() {
    for case in cases() {
        let pattern = case["pattern"].to_string();
        for (key, expected) in [("match", true), ("differ", false)] {
            for event in events(&case, key) {
                assert_eq!(
                    matches(&pattern, &event),
                    expected,
                    "{}: `{pattern}` and `{event}`",
                    case["name"]
                );
            }
        }
    }
}

#[test]
fn patterns_that_share_a_set_keep_out_of_each_others_way() {
    let cases = cases();
    let mut set = PatternSet::new();
    for (number, case) in cases.iter().enumerate() {
        set.add(number, &Pattern::parse(&case["pattern"].to_string()).unwrap()).unwrap();
    }
    assert_eq!(set.len(), cases.len());
    for event in cases.iter().flat_map(|case| [events(case, "match"), events(case, "differ")].concat()) {
        let together: Vec<usize> = set.matches(&event).unwrap().into_iter().copied().collect();
        let alone: Vec<usize> = (0..cases.len())
            .filter(|number| matches(&cases[*number]["pattern"].to_string(), &event))
            .collect();
        assert_eq!(together, alone, "`{event}`");
    }
}

#[test]
fn texts_beyond_json_libraries_are_understood() {
    for case in include_str!("data/repeated.txt").split("----\n") {
        let lines: Vec<&str> = case.lines().filter(|line| !line.starts_with('#')).collect();
        let [pattern, event, verdict] = lines[..] else { panic!("three lines: {lines:?}") };
        assert_eq!(matches(pattern, event), verdict == "yes", "`{pattern}` and `{event}`");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for case in include_str!("data/errors.txt").split("====\n") {
        let (pattern, expected) = case.split_once("\n----\n").unwrap();
        let error = Pattern::parse(pattern).err().unwrap_or_else(|| panic!("`{pattern}` is accepted"));
        assert_eq!(error.to_string(), expected.trim_end(), "`{pattern}`");
    }
}

fn refused(pattern: &str) -> PatternError {
    Pattern::parse(pattern).expect_err("it is beyond a limit")
}

#[test]
fn limits_are_kept() {
    let long = |characters: usize| format!("{{\"a\":[\"{}\"]}}", "é".repeat(characters - 10));
    assert!(Pattern::parse(&long(4096)).is_ok());
    assert!(refused(&long(4097)).message.contains("4097 characters"));

    let choices = |fields: &str| {
        format!(
            "\"{fields}\":{{\"$or\":[{}]}}",
            (0..10).map(|n| format!("{{\"f{n}\":[1]}}")).collect::<Vec<_>>().join(",")
        )
    };
    let three = format!("{{{},{},{}}}", choices("a"), choices("b"), choices("c"));
    assert_eq!(Pattern::parse(&three).unwrap().combinations(), 1000);
    let more = format!(
        "{{{},{},{},\"d\":{{\"$or\":[{{\"x\":[1]}},{{\"y\":[1]}}]}}}}",
        choices("a"),
        choices("b"),
        choices("c")
    );
    assert_eq!(refused(&more).message, "the `$or`s make 2000 combinations; the most is 1000");

    let fields: String = (0..20).map(|n| format!(",\"f{n}\":[1]")).collect();
    let wide = format!("{{{},{},{}{fields}}}", choices("a"), choices("b"), choices("c"));
    assert_eq!(refused(&wide).message, "the `$or`s repeat 23000 fields; the most is 10000");

    let nested = |depth: usize| format!("{}[1]{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert!(Pattern::parse(&nested(100)).is_ok());
    assert_eq!(refused(&nested(101)).message, "pattern is nested deeper than 100");

    let stars = |count: usize| format!("{{\"a\":[{{\"wildcard\":\"{}\"}}]}}", "*a".repeat(count));
    assert!(Pattern::parse(&stars(64)).is_ok());
    assert!(refused(&stars(65)).message.contains("more than 64 `*`"));
}
