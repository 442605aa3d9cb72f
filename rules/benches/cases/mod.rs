//! What is measured, by name: the same cases for time (`evaluate`) and for instructions (`instructions`).

use std::hint::black_box;

use rules::{CompileOptions, Message, Outcome, RuleSet, Statement};
use serde_json::Value;

/// Something done to one payload; what it gives keeps the compiler from leaving it out.
pub(crate) type Case = Box<dyn Fn(&str) -> usize>;

/// The yardsticks: what a payload costs without rules.
const PARSE: &str = "serde_json::Value";
pub(crate) const THREE_FIELDS: &str = "serde_json::Value, three fields written";
pub(crate) const ALL_FIELDS: &str = "serde_json::Value, two fields more, all written";

/// One statement, one message.
const STATEMENTS: &[(&str, &str)] = &[
    ("filter, three fields", "SELECT deviceId, temperature, battery FROM '#' WHERE temperature > 80"),
    (
        "filter, three fields, no match",
        "SELECT deviceId, temperature, battery FROM '#' WHERE temperature > 90",
    ),
    ("SELECT *", "SELECT * FROM '#'"),
    ("SELECT *, a AS x, b AS y", "SELECT *, temperature AS x, battery AS y FROM '#'"),
    ("two levels down", "SELECT deviceId, position.x AS x, position.y AS y FROM '#' WHERE position.x > 3"),
    ("nested query", "SELECT deviceId, (SELECT VALUE value FROM readings WHERE value > 20) AS high FROM '#'"),
    ("functions", "SELECT upper(deviceId) AS id, round(temperature * 9 / 5 + 32) AS f FROM '#'"),
];

/// Many rules, one message: how many rules, and the statement of each, in which `{}` is the number of the rule.
const RULE_SETS: &[(&str, usize, &str)] = &[
    (
        "1 rule, WHERE line = 'a'",
        1,
        "SELECT deviceId, temperature, battery FROM 'plant/+/telemetry' WHERE line = {}",
    ),
    (
        "10 rules of a topic, one matches",
        10,
        "SELECT deviceId, temperature, battery FROM 'plant/+/telemetry' WHERE line = {}",
    ),
    (
        "100 rules of a topic, one matches",
        100,
        "SELECT deviceId, temperature, battery FROM 'plant/+/telemetry' WHERE line = {}",
    ),
    (
        "1,000 rules of a topic, one matches",
        1_000,
        "SELECT deviceId, temperature, battery FROM 'plant/+/telemetry' WHERE line = {}",
    ),
    (
        "1,000 rules of a topic, none matches",
        1_000,
        "SELECT deviceId, temperature, battery FROM 'plant/+/telemetry' WHERE state = {}",
    ),
    (
        "10 rules of a topic, all match",
        10,
        "SELECT deviceId, temperature, battery FROM 'plant/+/telemetry' WHERE temperature > 80 AND line <> {}0",
    ),
    (
        "10,000 rules of 10,000 topics",
        10_000,
        "SELECT deviceId, temperature, battery FROM 'plant/device-{}/+' WHERE temperature > 80",
    ),
];

/// The names of all cases.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let yardsticks = [PARSE, THREE_FIELDS, ALL_FIELDS].into_iter();
    yardsticks.chain(STATEMENTS.iter().map(|(name, _)| *name)).chain(RULE_SETS.iter().map(|(name, ..)| *name))
}

/// The case of this name.
pub(crate) fn case(name: &str) -> Case {
    match name {
        PARSE => Box::new(|payload| black_box(parse(payload)).is_object().into()),
        THREE_FIELDS => Box::new(three_fields),
        ALL_FIELDS => Box::new(all_fields),
        name => statement(name).or_else(|| rule_set(name)).expect("a name of this file"),
    }
}

fn statement(name: &str) -> Option<Case> {
    let (_, sql) = STATEMENTS.iter().find(|(known, _)| *known == name)?;
    let statement = compile(sql);
    Some(Box::new(move |payload| usize::from(is_match(&statement, &message(payload)))))
}

fn rule_set(name: &str) -> Option<Case> {
    let (_, count, sql) = RULE_SETS.iter().find(|(known, ..)| *known == name)?;
    // The first rule is the one of the message's `line`, the second that of its topic.
    let number = |number: usize| match number {
        0 if sql.contains("= {}") => "'a'".to_owned(),
        number if sql.contains("= {}") => format!("'l{number}'"),
        number if sql.contains("<> {}") => number.to_string(),
        number => format!("{number:04}"),
    };
    let statements = (0..*count).map(|rule| compile(&sql.replace("{}", &number(rule))));
    let rules = RuleSet::new(statements.map(|statement| (statement.clone(), statement)));
    Some(Box::new(move |payload| {
        let message = message(payload);
        let mut matches = 0;
        rules.for_each_candidate(
            message.topic(),
            || &message,
            |statement, message| matches += usize::from(is_match(statement, message)),
        );
        matches
    }))
}

fn parse(payload: &str) -> Value {
    serde_json::from_slice(payload.as_bytes()).expect("the payload is JSON")
}

fn three_fields(payload: &str) -> usize {
    let value = parse(payload);
    let mut out = Vec::with_capacity(256);
    out.push(b'{');
    for name in ["deviceId", "temperature", "battery"] {
        let Some(value) = value.get(name) else { continue };
        if out.len() > 1 {
            out.push(b',');
        }
        serde_json::to_writer(&mut out, name).expect("a name has JSON");
        out.push(b':');
        serde_json::to_writer(&mut out, value).expect("a value has JSON");
    }
    out.push(b'}');
    black_box(out).len()
}

fn all_fields(payload: &str) -> usize {
    let mut value = parse(payload);
    value["x"] = value["temperature"].clone();
    value["y"] = value["battery"].clone();
    black_box(serde_json::to_vec(&value)).expect("a value has JSON").len()
}

/// Compiles a statement of this bench.
pub(crate) fn compile(sql: &str) -> Statement {
    Statement::compile(sql, CompileOptions::default()).expect("the statements of the bench are right")
}

/// Evaluates, and keeps the output from being left out.
pub(crate) fn is_match(statement: &Statement, message: &Message<'_>) -> bool {
    matches!(black_box(statement.evaluate(message)), Ok(Outcome::Match(_)))
}

fn no_randomness() -> [u8; 16] {
    [0; 16]
}

/// A message with this payload.
pub(crate) fn message(payload: &str) -> Message<'_> {
    let topic = "plant/device-0001/telemetry";
    let mut message = Message::new(topic, payload.as_bytes(), 1_700_000_000_000, &no_randomness);
    message.client_id = Some("device-0001");
    message
}
