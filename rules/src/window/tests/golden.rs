//! Rows and states as this version writes them, kept as bytes: `UPDATE_SNAPSHOTS=1` rewrites the file, which is right only
//! together with a new number of the format and code that reads the old one.

use std::fmt::Write as _;

use super::scenario::Scenario;
use crate::Outcome;
use crate::window::{Limits, Row, Windows};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/window/tests/golden-1.txt");

const SQL: &str = "SELECT k, count(*) AS n, count(a) AS c, sum(a) AS s, min(b) AS lo, max(a) AS hi, first(d) AS f, last(a) AS l, \
                   percentile(a, 0.5) AS p FROM '#' TIMESTAMP BY t GROUP BY k, HOPPINGWINDOW(ms, 20, 10)";

const MESSAGES: &[&str] = &[
    r#"{"t":15,"k":{"y":1,"x":[true,null]},"a":12.5,"b":"kiln","d":{"deep":[1]}}"#,
    r#"{"t":1700000000000,"k":"é","a":-9999999999999999999999999999999999,"b":"7e300","d":123456789012345678901234567890123456789}"#,
    r#"{"t":21,"k":{"x":[true,null],"y":1.0},"a":"0.25","b":"anvil","d":null}"#,
    r#"{"t":22,"a":[1],"b":false,"d":"text"}"#,
];

fn played() -> Scenario {
    let limits = Limits { lateness_ms: 2_000_000_000_000, ..Limits::default() };
    let mut scenario = Scenario::with_limits(SQL, limits);
    for message in MESSAGES {
        let row = scenario.row(message, 1_700_000_000_001).unwrap();
        scenario.windows.add(&row, 1_700_000_000_001);
    }
    scenario
}

fn results(windows: &mut Windows) -> Vec<String> {
    let closed = windows.advance(9_000_000_000_000, usize::MAX);
    let output = |outcome| match outcome {
        Ok(Outcome::Match(output)) => String::from_utf8(output.bytes().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    };
    closed.into_iter().map(|closed| output(closed.outcome)).collect()
}

#[test]
fn rows_and_states_are_written_as_ever() {
    let mut scenario = played();
    let mut text = String::new();
    for message in MESSAGES {
        let row = scenario.row(message, 1_700_000_000_001).unwrap();
        writeln!(text, "row {}", hex::encode(row.encode())).unwrap();
    }
    for change in scenario.windows.changes() {
        writeln!(text, "state {} {}", hex::encode(change.key), hex::encode(change.value.unwrap())).unwrap();
    }
    for result in results(&mut scenario.windows) {
        writeln!(text, "result {result}").unwrap();
    }
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(PATH, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(PATH).unwrap(), text);
}

#[test]
fn rows_and_states_of_format_1_are_read() {
    let text = std::fs::read_to_string(PATH).unwrap();
    let lines = |kind: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.split_once(' ').filter(|(first, _)| *first == kind));
        lines.map(|(_, rest)| rest.to_owned()).collect()
    };
    let scenario = played();
    for (line, message) in lines("row").iter().zip(MESSAGES) {
        let row = Row::decode(&hex::decode(line).unwrap()).unwrap();
        assert_eq!(row, scenario.row(message, 1_700_000_000_001).unwrap());
    }
    let kept = lines("state");
    let kept = kept.iter().map(|line| {
        let (key, value) = line.split_once(' ').unwrap();
        (hex::decode(key).unwrap(), hex::decode(value).unwrap())
    });
    let limits = Limits { lateness_ms: 2_000_000_000_000, ..Limits::default() };
    let mut windows = Windows::restore(&scenario.statement, limits, kept).unwrap();
    assert_eq!(results(&mut windows), lines("result"));
}
