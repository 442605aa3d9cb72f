use proptest::prelude::*;

use super::super::parse_statement;
use super::super::tests::show_select;
use crate::statement::{CompileOptions, SqlVersion, Statement};

#[path = "../../../tests/generate/mod.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with tests outside of the crate, which make payloads, too"
)]
mod generate;

fn print(sql: &str) -> String {
    parse_statement(sql).unwrap_or_else(|error| panic!("{sql}: {error}")).to_string()
}

#[test]
fn statements_are_written_one_way() {
    for (written, printed) in [
        ("select  *\nfrom \"a/b\" where  (x > 1)", "SELECT * FROM 'a/b' WHERE x > 1"),
        ("SELECT value, a.b as c.d FROM 'a'", "SELECT value, a.b AS c.d FROM 'a'"),
        ("SELECT VALUE value FROM 'a'", "SELECT VALUE value FROM 'a'"),
        ("SELECT (value + 1) AS x FROM 'a'", "SELECT (value + 1) AS x FROM 'a'"),
        ("SELECT (a OR b) AND NOT (c) = d", "SELECT (a OR b) AND NOT c = d"),
        ("SELECT a - (b - c) - d", "SELECT a - (b - c) - d"),
        ("SELECT (a = b) = c", "SELECT (a = b) = c"),
        ("SELECT (NOT a) IN [b]", "SELECT (NOT a) IN [b]"),
        ("SELECT a NOT IN [b]", "SELECT NOT a IN [b]"),
        ("SELECT -(-a), --1, - -x.y, -(5).z", "SELECT -(-a), 1, -(-x.y), -(5).z"),
        ("SELECT 1.0, 1e3, 1E-9, 007", "SELECT 1.0, 1000.0, 1E-9, 7"),
        ("SELECT \"it's\", 'say \"hi\"'", "SELECT 'it''s', 'say \"hi\"'"),
        ("SELECT isNull(SELECT VALUE x FROM y)", "SELECT isNull((SELECT VALUE x FROM y))"),
        (
            "SELECT CAST(x AS ntext), case x when 1 then 2 end",
            "SELECT cast(x AS String), CASE x WHEN 1 THEN 2 END",
        ),
        ("SET @a=1,@b = @a SELECT {\"k\":[@a,@b]}", "SET @a = 1, @b = @a SELECT {'k': [@a, @b]}"),
    ] {
        assert_eq!(print(written), printed, "{written}");
        assert_eq!(print(printed), printed);
    }
}

/// Printing loses nothing: the tree of the printed text is the tree it was printed from, and so is the plan.
fn check(sql: &str, version: SqlVersion) -> Result<(), TestCaseError> {
    let Ok(tree) = parse_statement(sql) else {
        return Err(TestCaseError::fail(format!("no statement: {sql}")));
    };
    let printed = tree.to_string();
    let again = match parse_statement(&printed) {
        Ok(again) => again,
        Err(error) => return Err(TestCaseError::fail(format!("{sql}\nis printed as\n{printed}\n{error}"))),
    };
    prop_assert_eq!(show_select(&tree), show_select(&again), "{}\nis printed as\n{}", sql, printed);
    prop_assert_eq!(&again.to_string(), &printed);

    let options = CompileOptions { version, ..CompileOptions::default() };
    match (Statement::compile(sql, options), Statement::compile(&printed, options)) {
        (Ok(first), Ok(second)) => prop_assert_eq!(first.plan_text(), second.plan_text(), "{}", printed),
        (Err(first), Err(second)) => prop_assert_eq!(first.diagnostics.len(), second.diagnostics.len()),
        (first, second) => prop_assert!(false, "{:?}\n{:?}", first.err(), second.err()),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn reading_what_is_printed_gives_the_same_plan(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        version in prop::sample::select(&SqlVersion::ALL[..]),
    ) {
        let functions = generate::functions(crate::functions::catalogue().map(|f| (f.name, f.argument_counts())));
        check(&generate::Choices::new(&bytes, &functions).statement(), version)?;
    }
}

#[test]
fn vectors_are_printed_and_read_again() {
    let files = [
        include_str!("../../../tests/data/vectors.jsonl"),
        include_str!("../../../tests/data/aws-vectors.jsonl"),
    ];
    let mut count = 0;
    for line in files.iter().flat_map(|file| file.lines()) {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let sql = case["sql"].as_str().unwrap();
        if parse_statement(sql).is_ok() {
            check(sql, SqlVersion::default()).unwrap();
            count += 1;
        }
    }
    assert!(count > 200, "{count} statements");
}
