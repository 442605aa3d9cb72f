//! What the SQL gives, case by case: operators, Undefined, numbers, shapes of output, versions, templates.
//!
//! `vectors.jsonl` holds our own cases, named after what they prove; `aws-vectors.jsonl` holds those made from AWS's
//! documentation and from its service as it was observed.

use rules::cases::{Report, run};

/// Vectors that ask services a rule can't reach: they fail until their fixtures are served, and then leave this list.
const WAITING_FOR_A_SERVICE: &[&str] =
    &["fn-get_thing_shadow-classic", "fn-get_thing_shadow-named", "fn-get_dynamodb-lookup"];

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
fn vectors_of_aws_hold() {
    let report = run(include_str!("data/aws-vectors.jsonl"), None);
    let failed: Vec<&str> = report.failures.iter().map(|failure| failure.id.as_str()).collect();
    assert_eq!(failed, WAITING_FOR_A_SERVICE, "{}", failures(&report));
    assert_eq!(report.passed + failed.len(), 158);
}
