//! Every normative statement of MQTT 3.1.1 and 5.0, and the cases that prove it, played against a running gateway.
//!
//! The tables and the cases are data: see `tests/conformance/README.md`.

mod case;
mod compare;
mod play;
mod properties;
mod read;
mod table;
mod wire;
mod write;

use case::Case;
use end_to_end::{Gateway, Site, workspace};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use table::{Binds, Row};
use wire::Road;

/// Cases under way at once. Most of them wait: for answers, or for time to pass.
const CASES_AT_ONCE: usize = 64;

/// Statements of each version of the standard, as its appendix B numbers them.
const STATEMENTS: [(&str, usize); 2] = [("3.1.1", 141), ("5.0", 251)];

/// What clients of the gateway may do: everything, but for topics and identifiers that end in `forbidden`.
const POLICY: &str = r#"{ "Version": "2012-10-17", "Statement": [
  { "Effect": "Allow", "Action": "iot:*", "Resource": "*" },
  { "Effect": "Deny", "Action": "iot:*", "Resource": "*forbidden" } ] }"#;

fn folder() -> PathBuf {
    workspace().join("tests/conformance")
}

fn cases() -> Vec<Case> {
    case::load(&folder().join("cases")).expect("the cases can be read")
}

fn rows(standard: &str) -> Vec<Row> {
    table::load(&folder().join(format!("mqtt-{standard}.txt"))).expect("the table can be read")
}

#[test]
fn every_statement_has_its_row() {
    for (standard, count) in STATEMENTS {
        let rows = rows(standard);
        let ids: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids.len(), rows.len(), "{standard}: an id has two rows");
        assert_eq!(rows.len(), count, "{standard}: rows of the table");
        let mut last: BTreeMap<&str, u32> = BTreeMap::new();
        for id in rows.iter().map(|row| row.id.as_str()) {
            let (section, number) = id.rsplit_once('-').expect("an id ends in its number");
            let number: u32 = number.parse().expect("an id ends in its number");
            let before = last.insert(section, number);
            // The body of MQTT 5.0 numbers no MQTT-2.2.1-1, and that of MQTT 3.1.1 writes one id with a hyphen for a point.
            let first = match id {
                "MQTT-2.2.1-2" => 1,
                "MQTT-3-8.3-4" => 3,
                _ => 0,
            };
            assert_eq!(before.unwrap_or(first) + 1, number, "{standard}: {id} follows");
        }
    }
}

#[test]
fn every_statement_that_binds_a_server_is_proved_or_says_why_not() {
    for (standard, _) in STATEMENTS {
        let unproved: Vec<String> = rows(standard)
            .into_iter()
            .filter(|row| row.binds != Binds::Client)
            .filter(|row| row.cases.is_empty() && row.tests.is_empty() && row.because.is_none())
            .map(|row| row.id)
            .collect();
        assert!(unproved.is_empty(), "{standard}: neither a case nor a reason: {unproved:#?}");
    }
}

#[test]
fn tables_and_cases_name_each_other() {
    let cases = cases();
    let mut wrong = Vec::new();
    for (standard, _) in STATEMENTS {
        let rows = rows(standard);
        for row in &rows {
            for name in &row.cases {
                match cases.iter().find(|case| case.name == *name) {
                    None => wrong.push(format!("{standard} {}: there is no case `{name}`", row.id)),
                    Some(case) if !proves(case, standard, &row.id) => {
                        wrong.push(format!("{standard} {}: the case `{name}` does not name it", row.id));
                    }
                    Some(_) => {}
                }
            }
        }
        for case in &cases {
            for id in case.statements.get(standard).into_iter().flatten() {
                match rows.iter().find(|row| row.id == *id) {
                    None => wrong.push(format!("{}: there is no statement `{id}` in {standard}", case.name)),
                    Some(row) if !row.cases.contains(&case.name) => {
                        wrong
                            .push(format!("{}: the row of `{id}` in {standard} does not name it", case.name));
                    }
                    Some(_) => {}
                }
            }
        }
    }
    let idle = cases.iter().filter(|case| case.statements.values().all(Vec::is_empty));
    wrong.extend(idle.map(|case| format!("{}: it names no statement", case.name)));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn proves(case: &Case, standard: &str, id: &str) -> bool {
    case.statements.get(standard).is_some_and(|ids| ids.iter().any(|named| named == id))
}

#[test]
fn tests_that_rows_name_exist() {
    for (standard, _) in STATEMENTS {
        for row in rows(standard) {
            for test in &row.tests {
                let (file, function) = test.split_once("::").expect("file::function");
                let source = std::fs::read_to_string(workspace().join(file)).unwrap_or_default();
                assert!(
                    source.contains(&format!("fn {function}(")),
                    "{standard} {}: there is no test `{test}`",
                    row.id
                );
            }
        }
    }
}

/// One case in one version, with the mark that keeps it apart from the others.
struct Turn<'a> {
    case: &'a Case,
    version: u8,
    mark: String,
}

impl Turn<'_> {
    fn play(&self, road: Road) -> Option<String> {
        let played = play::play(road, self.case, self.version, &self.mark);
        let told = |error: anyhow::Error| {
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            format!("{} (version {}): {}", self.case.name, self.version, causes.join(": "))
        };
        played.err().map(told)
    }
}

fn turns(cases: &[Case]) -> Vec<Turn<'_>> {
    let only = std::env::var("CONFORMANCE_ONLY").unwrap_or_default();
    let mut turns = Vec::new();
    for case in cases.iter().filter(|case| case.name.contains(&only)) {
        for version in case.versions() {
            turns.push(Turn { case, version, mark: format!("k{:03x}", turns.len()) });
        }
    }
    // The longest first, so that waiting does not add up.
    turns.sort_by_key(|turn| std::cmp::Reverse(turn.case.waits()));
    turns
}

fn ground() -> anyhow::Result<(Site, Gateway)> {
    let site = Site::new("")?;
    site.write_policy("anyone", POLICY)?;
    let gateway = Gateway::start(&site)?;
    Ok((site, gateway))
}

#[test]
fn every_case_goes_as_the_standard_has_it() -> anyhow::Result<()> {
    play_all(|site| Road::Tcp(site.plain_address))
}

#[test]
fn every_case_goes_so_through_a_websocket_too_mqtt_6_0_0_2() -> anyhow::Result<()> {
    play_all(|site| Road::WebSocket(site.plain_websocket_address))
}

/// Plays every case on one gateway, those that want to be alone on another.
fn play_all(road: fn(&Site) -> Road) -> anyhow::Result<()> {
    let cases = cases();
    let turns = turns(&cases);
    anyhow::ensure!(!turns.is_empty(), "no case has a name with CONFORMANCE_ONLY in it");
    let (alone, together): (Vec<_>, Vec<_>) = turns.into_iter().partition(|turn| turn.case.alone);
    let mut grounds = [ground()?, ground()?];
    let failures = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let report = |failure: Option<String>| failures.lock().expect("no thread panics with it").extend(failure);
    std::thread::scope(|scope| {
        let [(shared, _), (quiet, _)] = &grounds;
        scope.spawn(|| alone.iter().for_each(|turn| report(turn.play(road(quiet)))));
        for _ in 0..CASES_AT_ONCE {
            scope.spawn(|| {
                while let Some(turn) = together.get(next.fetch_add(1, Relaxed)) {
                    report(turn.play(road(shared)));
                }
            });
        }
    });
    for (_, gateway) in &mut grounds {
        assert!(gateway.is_running());
        assert_eq!(gateway.log.panics(), Vec::<String>::new());
    }
    let mut failures = failures.into_inner().expect("no thread panicked with it");
    failures.sort();
    let count = alone.len() + together.len();
    assert!(failures.is_empty(), "{} of {count} failed:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}
