//! Statements that are refused, and what their author reads: `UPDATE_SNAPSHOTS=1` rewrites the messages.

use rules::{CompileOptions, Statement};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/errors.txt");

#[test]
fn bad_statements_are_refused_with_these_words() {
    let text = std::fs::read_to_string(PATH).unwrap();
    let mut rewritten = String::new();
    for case in text.split("\n====\n") {
        let sql = case.split("\n----\n").next().unwrap().trim();
        let errors = Statement::compile(sql, CompileOptions::default()).expect_err(sql);
        if !rewritten.is_empty() {
            rewritten.push_str("\n====\n");
        }
        rewritten.push_str(&format!("{sql}\n----\n{}", errors.render(sql, "sql").trim_end()));
    }
    rewritten.push('\n');
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(PATH, &rewritten).unwrap();
    }
    assert_eq!(text, rewritten);
}
