//! What the SQL gives, case by case: operators, Undefined, numbers, shapes of output, versions, templates.

#[test]
fn vectors_hold() {
    let report = rules::cases::run(include_str!("data/vectors.jsonl"), None);
    let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(report.passed > 70);
}
