//! What the SQL gives, case by case: operators, Undefined, numbers, shapes of output, versions, templates.
//!
//! `vectors.jsonl` holds our own cases, named after what they prove; `aws-vectors.jsonl` holds those made from AWS's
//! documentation and from its service as it was observed.

use rules::cases::{Report, run};

fn failures(report: &Report) -> String {
    report.failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn vectors_hold() {
    let report = run(include_str!("data/vectors.jsonl"), None);
    assert!(report.failures.is_empty(), "{}", failures(&report));
    assert!(report.passed > 70);
}

#[test]
fn vectors_of_what_is_asked_outside_hold() {
    let report = run(include_str!("data/outside.jsonl"), None);
    assert!(report.failures.is_empty(), "{}", failures(&report));
    assert!(report.passed > 20);
}

#[test]
fn vectors_of_aws_hold() {
    let report = run(include_str!("data/aws-vectors.jsonl"), None);
    assert!(report.failures.is_empty(), "{}", failures(&report));
    assert_eq!(report.passed, 158);
}
