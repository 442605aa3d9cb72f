use super::*;

fn only_failure(line: &str) -> String {
    let report = run(line, None);
    assert_eq!(report.passed, 0, "{line}");
    report.failures[0].to_string()
}

#[test]
fn a_failure_shows_both_sides() {
    let line = r#"{"id":"a","sql":"SELECT x FROM 'a'","topic":"a","payload":{"x":1},"expect":{"match":true,"output":{"x":2}}}"#;
    assert_eq!(only_failure(line), "line 1, case `a`:\n  expected {\"x\":2}\n  got      {\"x\":1}");
}

#[test]
fn cases_that_can_not_run_are_failures() {
    assert!(only_failure("{}").contains("not a case: missing field `id`"));
    assert!(only_failure(r#"{"id":"a","topic":"a","expects":{}}"#).contains("unknown field `expects`"));
    assert!(only_failure(r#"{"id":"a","topic":"a","expect":{"match":true}}"#).contains("case has no `sql`"));
    assert!(
        only_failure(r#"{"id":"a","sql":"SELEC","topic":"a","expect":{"match":true}}"#)
            .contains("did you mean `SELECT`?")
    );
}

#[test]
fn numbers_compare_by_value_and_text_by_letter() {
    let case = |expect: &str| {
        format!(
            r#"{{"id":"a","sql":"SELECT x FROM 'a'","topic":"a","payload":{{"x":1.50}},"expect":{{"match":true,{expect}}}}}"#
        )
    };
    assert_eq!(run(&case(r#""output":{"x":15e-1}"#), None).passed, 1);
    assert_eq!(run(&case(r#""output_text":"{\"x\":1.5}""#), None).passed, 1);
    assert_eq!(run(&case(r#""output_text":"{\"x\":1.50}""#), None).passed, 0);
    assert_eq!(run(&case(r#""output":{"x":1.6},"tolerance":0.2"#), None).passed, 1);
}
