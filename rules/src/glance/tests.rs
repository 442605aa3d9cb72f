use proptest::prelude::*;

use crate::message::Message;
use crate::statement::{CompileOptions, Statement};

fn randomness() -> [u8; 16] {
    [7; 16]
}

/// Whether the payload is ruled out unread; what comes of it must be what comes of it when it is read first.
fn is_ruled_out(condition: &str, payload: &[u8]) -> bool {
    let sql = format!("SELECT a FROM '#' WHERE {condition}");
    let compile = || Statement::compile(&sql, CompileOptions::default()).unwrap();
    let (statement, reader) = (compile(), compile());
    let message = Message::new("t", payload, 0, &randomness);
    // What came last decides whether the next is glanced at, so each message comes more than once.
    for _ in 0..3 {
        let unread = statement.run(&Message::new("t", payload, 0, &randomness));
        let read = Message::new("t", payload, 0, &randomness);
        let _ = read.payload().is_json();
        assert_eq!(unread, reader.run(&read), "{condition} of {}", String::from_utf8_lossy(payload));
    }
    let glance = super::Glance::of(statement.condition().unwrap());
    glance.is_some_and(|glance| glance.rules_out(message.payload()))
}

#[test]
fn what_is_false_or_missing_is_ruled_out() {
    for (condition, payload) in [
        ("a > 5", r#"{"a":4}"#),
        ("a > 5", r#"{"b":4}"#),
        ("5 < a", r#"{"a" : 4.5e0 }"#),
        ("a = 'x' AND b > 1", r#"{"a":"y","b":2}"#),
        ("b.a = 5", r#"{"b":{"a":"5"},"a":null}"#),
        ("a <> 'x'", r#"["a",{"a":"x"}]"#),
        ("a = 5", "no JSON"),
        ("a = 5", ""),
    ] {
        assert!(is_ruled_out(condition, payload.as_bytes()), "{condition} of {payload}");
    }
    assert!(is_ruled_out("a = 5", b"{\"a\":4}\xff"));
}

#[test]
fn what_could_hold_or_be_noted_is_read() {
    for (condition, payload) in [
        ("a > 5", r#"{"a":6}"#),
        ("a > 5", r#"{"c":{"a":6}}"#),
        ("a > 5", r#"{"a":4,"a":6}"#),
        ("a > 5", r#"{"a":"six"}"#),
        ("a <> 5", r#"{"a":[5]}"#),
        ("a > 5", r#"{"b":"\\","a":4}"#),
        ("a > 5", r#"{"\u0061":6}"#),
        ("a > 5 OR b > 5", "{}"),
        ("NOT a > 5", "{}"),
        ("upper(b) = 'X' AND a > 5", "{}"),
    ] {
        assert!(!is_ruled_out(condition, payload.as_bytes()), "{condition} of {payload}");
    }
}

proptest! {
    #[test]
    fn a_glance_changes_nothing(
        condition in "(a|b|b\\.a) (=|<>|<|<=|>|>=) ([0-2]|'[a01]?'|true|null)( (AND|OR) b > 1)?",
        payload in "\\{(\"(a|b|\\\\u0061)\" ?: ?([0-2]|\"[a01]?\"|\"\\\\n\"|true|null|\\[1\\]|\\{\"a\":[0-2]\\}),){0,3}\"a\":([0-2]|\"[a01]\"|)\\}?",
    ) {
        is_ruled_out(&condition, payload.as_bytes());
    }
}
