//! What the SQL gives, case by case: operators, Undefined, numbers, shapes of output, versions, templates.
//!
//! `vectors.jsonl` holds our own cases, named after what they prove; `aws-vectors.jsonl` holds those made from AWS's
//! documentation and from its service as it was observed.

use std::collections::HashSet;

use rules::cases::{Report, run};

fn failures(report: &Report) -> String {
    let remarks = report.remarks.iter().map(|(line, remark)| format!("line {line}: {remark}"));
    report.failures.iter().map(ToString::to_string).chain(remarks).collect::<Vec<_>>().join("\n")
}

#[test]
fn vectors_hold() {
    let report = run(include_str!("data/vectors.jsonl"), None);
    assert!(failures(&report).is_empty(), "{}", failures(&report));
    assert!(report.passed > 700);
}

#[test]
fn vectors_of_what_is_asked_outside_hold() {
    let report = run(include_str!("data/outside.jsonl"), None);
    assert!(failures(&report).is_empty(), "{}", failures(&report));
    assert!(report.passed > 20);
}

#[test]
fn vectors_of_functions_hold() {
    let report = run(include_str!("data/functions.jsonl"), None);
    assert!(report.failures.is_empty(), "{}", failures(&report));
    assert!(report.passed > 10);
}

#[test]
fn vectors_of_aws_hold() {
    let report = run(include_str!("data/aws-vectors.jsonl"), None);
    assert!(failures(&report).is_empty(), "{}", failures(&report));
    assert_eq!(report.passed, 158);
}

#[test]
fn names_of_vectors_are_unique() {
    let files = [
        include_str!("data/vectors.jsonl"),
        include_str!("data/aws-vectors.jsonl"),
        include_str!("data/functions.jsonl"),
    ];
    let mut names = HashSet::new();
    for line in files.iter().flat_map(|file| file.lines()) {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = case["id"].as_str().unwrap().to_owned();
        assert!(names.insert(name), "{line}");
    }
}
