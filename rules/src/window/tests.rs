//! Statements with their messages and what their windows give, as text in `tests/*.txt`; the same over random messages
//! against windows computed from their definition.

mod golden;
mod scenario;

use scenario::Scenario;

#[test]
fn windows_give_these_results() {
    scenario::check("results.txt");
}

#[test]
fn ordinary_statements_give_no_windows() {
    let statement = crate::Statement::compile("SELECT * FROM 'a'", crate::CompileOptions::default()).unwrap();
    assert!(super::Windows::new(&statement, super::Limits::default()).is_none());
    assert!(!statement.is_windowed() && statement.fingerprint().is_none());
}

#[test]
fn rows_of_another_statement_are_refused() {
    let mut one = Scenario::of("SELECT count(*) AS n FROM '#' GROUP BY TUMBLINGWINDOW(ss, 10)");
    let other = Scenario::of("SELECT sum(x) AS n FROM '#' GROUP BY TUMBLINGWINDOW(ss, 10)");
    let row = other.row("{}", 1).unwrap();
    let refused = super::Added::Refused(super::Refusal::OtherStatement);
    assert_eq!(one.windows.add(&row, 1), refused);
}

#[test]
fn actions_see_the_result_and_no_message() {
    let sql = "SET @a = 1 SELECT k, count(*) AS n FROM '#' GROUP BY k, TUMBLINGWINDOW(ss, 10)";
    let statement = crate::Statement::compile(sql, crate::CompileOptions::default()).unwrap();
    for text in ["${k}-${n + 1}", "${timestamp()} ${newuuid()}", "${upper(get(*, 'k'))}"] {
        assert!(statement.template(text).is_ok(), "{text}");
    }
    for text in ["${@a}", "${topic(2)}", "${clientid()}", "${count(*)}", "${window_end()}"] {
        let refused = statement.template(text).unwrap_err().to_string();
        assert!(refused.contains("is not known of the result of a window; select it"), "{refused}");
    }
}
