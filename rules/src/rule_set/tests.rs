use proptest::prelude::*;

use super::*;
use crate::statement::{CompileOptions, Outcome};

fn randomness() -> [u8; 16] {
    [7; 16]
}

fn set(statements: &[String]) -> RuleSet<Statement> {
    let compiled = |sql: &String| Statement::compile(sql, CompileOptions::default()).unwrap();
    RuleSet::new(statements.iter().map(compiled).map(|statement| (statement.clone(), statement)))
}

/// The statements that are candidates for a message, and those among them that accept it, in order of their texts.
fn found<'r>(set: &'r RuleSet<Statement>, payload: &str) -> (Vec<&'r str>, Vec<&'r str>) {
    let message = Message::new("plant/kiln/telemetry", payload.as_bytes(), 0, &randomness);
    let (mut candidates, mut accepting) = (Vec::new(), Vec::new());
    set.for_each_candidate(
        "plant/kiln/telemetry",
        || &message,
        |statement, message| {
            candidates.push(statement.sql());
            if matches!(statement.evaluate(message), Ok(Outcome::Match(_))) {
                accepting.push(statement.sql());
            }
        },
    );
    candidates.sort_unstable();
    accepting.sort_unstable();
    (candidates, accepting)
}

/// The statements that accept a message when each is asked.
fn scanned<'s>(statements: &'s [String], payload: &str) -> Vec<&'s str> {
    let message = Message::new("plant/kiln/telemetry", payload.as_bytes(), 0, &randomness);
    // Read at once, so that nothing is told from the text alone.
    let _ = message.payload().is_json();
    let accepts = |sql: &String| {
        let statement = Statement::compile(sql, CompileOptions::default()).unwrap();
        let sees = statement.topic_filter().is_some_and(|filter| filter.matches("plant/kiln/telemetry"));
        sees && matches!(statement.evaluate(&message), Ok(Outcome::Match(_)))
    };
    let mut accepting: Vec<&str> = statements.iter().filter(|sql| accepts(sql)).map(String::as_str).collect();
    accepting.sort_unstable();
    accepting
}

fn rules(conditions: &[&str]) -> Vec<String> {
    conditions.iter().map(|condition| format!("SELECT * FROM 'plant/#' WHERE {condition}")).collect()
}

#[test]
fn a_constant_that_the_message_does_not_have_keeps_a_rule_out() {
    let statements =
        rules(&["site = 'north'", "site = 'south'", "'north' = site AND level > 3", "level = 5"]);
    let set = set(&statements);
    let (candidates, accepting) = found(&set, r#"{"site":"north","level":1}"#);
    assert_eq!(candidates, [&statements[2], &statements[0]]);
    assert_eq!(accepting, [&statements[0]]);
    assert_eq!(found(&set, r#"{"site":"no\u0072th"}"#).1, [&statements[0]]);
    assert_eq!(found(&set, r#"{"level":5.0}"#).0, [&statements[3]]);
    assert!(found(&set, r#"{"level":"5"}"#).0.is_empty());
    assert!(found(&set, "no JSON").0.is_empty());
}

#[test]
fn the_field_with_the_most_constants_is_the_one_looked_at() {
    let statements: Vec<String> = (0..9)
        .map(|number| format!("SELECT * FROM 'plant/#' WHERE kind = 'reading' AND device = {number}"))
        .collect();
    let set = set(&statements);
    assert_eq!(found(&set, r#"{"kind":"reading","device":4}"#).0, [&statements[4]]);
}

#[test]
fn what_need_not_hold_is_no_way_to_find_a_rule() {
    let conditions = ["a = 1 OR b = 2", "NOT a = 1", "a <> 1", "a = b", "a + 1 = 2"];
    let mut statements = rules(&conditions);
    statements.push("SET @x = 1 SELECT * FROM 'plant/#' WHERE a = 1".to_owned());
    assert_eq!(found(&set(&statements), "{}").0.len(), statements.len());
}

#[test]
fn every_rule_of_the_topic_can_be_visited() {
    let mut statements = rules(&["a = 1", "a = 2", "b > 1"]);
    statements.push("SELECT * FROM 'hall/#'".to_owned());
    let mut count = 0;
    set(&statements).for_each_match("plant/kiln", |_| count += 1);
    assert_eq!(count, 3);
}

fn condition() -> impl Strategy<Value = String> {
    let constant = prop_oneof![
        "-?[0-2](\\.[05])?(e[01])?",
        "'[a01]?'",
        Just("'true'".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("null".to_owned()),
        Just("1E40".to_owned()),
        Just("'\u{e9}\"'".to_owned()),
        Just("[]".to_owned()),
    ];
    let path = prop_oneof![Just("a"), Just("b"), Just("b.a"), Just("*.a"), Just("*")];
    let operator = prop_oneof![4 => Just("="), 1 => Just("<>"), 1 => Just(">")];
    let simple = (path, operator, constant, any::<bool>()).prop_map(|(path, operator, constant, swap)| {
        if swap { format!("{constant} {operator} {path}") } else { format!("{path} {operator} {constant}") }
    });
    simple.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            4 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} AND {b}")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            1 => inner.prop_map(|a| format!("NOT ({a})")),
        ]
    })
}

fn payload() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        "-?[0-2](\\.[05])?(e[01])?",
        "\"[a01]?\"",
        "true|false|null|\"true\"|\"\\\\u0061\"|\"\u{e9}\\\\\"\"",
        "1(0){40}|1(0){39}1|1e2000|\\[\\]",
    ]
    .boxed();
    let member = (
        "[ab]|\\\\u0061",
        prop_oneof![4 => scalar.clone(), 1 => scalar.clone().prop_map(|a| format!("{{\"a\":{a}}}"))],
    );
    let object = prop::collection::vec(member, 0..4).prop_map(|members| {
        let members: Vec<String> =
            members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    });
    prop_oneof![8 => object, 1 => scalar, 1 => Just("{".to_owned())]
}

proptest! {
    #[test]
    fn finds_the_rules_that_asking_each_finds(
        conditions in prop::collection::vec(condition(), 1..12),
        payloads in prop::collection::vec(payload(), 1..6),
        filters in prop::collection::vec("plant/#|plant/\\+/telemetry|hall/#", 12),
    ) {
        let statements: Vec<String> = conditions
            .iter()
            .zip(&filters)
            .map(|(condition, filter)| format!("SELECT * FROM '{filter}' WHERE {condition}"))
            .collect();
        let set = set(&statements);
        for payload in &payloads {
            prop_assert_eq!(found(&set, payload).1, scanned(&statements, payload), "{}", payload);
        }
    }
}
