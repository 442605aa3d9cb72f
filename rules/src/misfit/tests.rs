//! Statements, a payload, and the misfits that are told: text in, text out.

use std::fmt::Write as _;

use super::{MisfitKind, MisfitKinds};
use crate::check::Check;
use crate::syntax::Body;
use crate::{CompileOptions, Message, Statement};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/misfits.txt");

fn told(sql: &str, payload: &str) -> String {
    let statement = Statement::compile(sql, CompileOptions::default()).expect(sql);
    let randomness = || [7u8; 16];
    let message = Message::new("plant/kiln7/telemetry", payload.as_bytes(), 0, &randomness);
    let noted = statement.run(&message).misfits;
    let misfits = statement.misfits(&message);
    let found = misfits.iter().fold(MisfitKinds::default(), |kinds, misfit| kinds.with(misfit.kind));
    assert_eq!(noted, found, "what is noted and what is found differ: {sql} of {payload}");
    let mut text = String::new();
    for misfit in misfits {
        let super::Misfit { kind, sql, line, column, message, inputs } = misfit;
        let inputs = inputs.join(", ");
        writeln!(text, "{} {line}:{column} `{sql}`: {message} [{inputs}]", kind.name())
            .expect("a String grows");
    }
    if text.is_empty() { "none\n".to_owned() } else { text }
}

#[test]
fn misfits_are_noted_and_found() {
    let text = std::fs::read_to_string(PATH).unwrap();
    let mut rewritten = String::new();
    for case in text.split("\n====\n") {
        let mut lines = case.trim().splitn(3, '\n');
        let (sql, payload) = (lines.next().unwrap(), lines.next().unwrap());
        if !rewritten.is_empty() {
            rewritten.push_str("====\n");
        }
        write!(rewritten, "{sql}\n{payload}\n{}", told(sql, payload)).unwrap();
    }
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(PATH, &rewritten).unwrap();
    }
    assert_eq!(text, rewritten);
}

#[test]
fn the_functions_that_are_told_apart_by_name_exist() {
    for name in super::LOOKUPS.iter().chain(super::EXPECTING) {
        let is_known = crate::functions::find(name).is_some_and(|function| function.name == *name);
        assert!(is_known, "{name}");
    }
}

/// Whether a device's pattern has failed is known from its search: nothing is compiled for it again or without bounds.
#[test]
fn patterns_of_messages_are_misfits_when_they_are_bad_or_too_many() {
    let sql = "SELECT VALUE regexp_substr('zz', p) FROM '#'";
    let long = "a".repeat(2_000);
    for (pattern, is_misfit) in [("a", false), ("(", true), ("(?=a)", true), (long.as_str(), true)] {
        let told = told(sql, &format!("{{\"p\":\"{pattern}\"}}"));
        assert_eq!(told != "none\n", is_misfit, "{pattern}: {told}");
    }
    let patterns = |count: usize| {
        let patterns: Vec<String> = (0..count).map(|n| format!("\"a{n}\"")).collect();
        told(
            "SELECT VALUE (SELECT VALUE regexp_substr('zz', *) FROM a) FROM '#'",
            &format!("{{\"a\":[{}]}}", patterns.join(",")),
        )
    };
    assert_eq!(patterns(64), "none\n");
    assert_ne!(patterns(65), "none\n");
}

/// Any device can send a text for a number, as often as it likes: finding the place must not compile patterns again.
#[test]
fn misfits_are_found_with_the_patterns_of_the_statement() {
    let nested = |text: String, n: usize| format!("regexp_replace({text}, '(\\p{{L}}{{3}}|{n})x', '')");
    let sql = format!("SELECT VALUE n * 1 + {} FROM '#'", (0..20).fold("n".to_owned(), nested));
    let statement = Statement::compile(&sql, CompileOptions::default()).unwrap();
    assert_eq!(statement.patterns().len(), 20);
    let randomness = || [7u8; 16];
    let message = Message::new("a", br#"{"n":"x"}"#, 0, &randomness);
    assert!(!statement.run(&message).misfits.is_empty());
    assert_eq!(statement.misfits(&message).len(), 1);
    let mut check = Check::of_piece(&statement, 0);
    let Body::Value(value) = &statement.select().body else { panic!("the statement is a SELECT VALUE") };
    check.expression(value);
    assert!(check.take_patterns().is_empty(), "none was compiled again");
}

#[test]
fn a_set_holds_each_kind_once() {
    let kinds = MisfitKinds::default().with(MisfitKind::Function).with(MisfitKind::Function);
    assert_eq!(kinds.iter().collect::<Vec<_>>(), [MisfitKind::Function]);
    assert!(!kinds.is_empty() && !kinds.contains(MisfitKind::Conversion));
}

proptest::proptest! {
    /// Whatever a device sends: what is noted on the way is what is found afterwards.
    #[test]
    fn noting_and_finding_agree(
        a in "null|true|-?[0-9]{1,3}(\\.[0-9])?|\"[a-z0-9=]{0,5}\"|\\[1,\"x\"\\]|\\{\"k\":2\\}",
        b in "null|false|0|[0-9]{1,3}|\"[0-9(*a]{0,3}\"|\\[\\]|\\{\"k\":\"v\"\\}",
    ) {
        for expression in [
            "a - b", "-a", "NOT a", "a + b", "a / b", "a < b", "a AND b", "a IN b", "cast(a AS int)", "get(a, b)",
            "regexp_substr(a, b)", "decode(a, 'base64')", "get_or_default(a - b, 1) + b", "(SELECT k - 1 AS d FROM a)",
            "CASE a WHEN b THEN a - 1 ELSE b - 1 END", "sqrt(a)", "isUndefined(-a)", "{'x': [a * b]}", "a.k % b",
        ] {
            told(&format!("SELECT VALUE {expression} FROM '#'"), &format!("{{\"a\":{a},\"b\":{b}}}"));
            told(&format!("SELECT 1 AS x FROM '#' WHERE b = b AND {expression}"), &format!("{{\"a\":{a},\"b\":{b}}}"));
        }
    }
}
