//! Statements that are refused, and what their author reads: `UPDATE_SNAPSHOTS=1` rewrites the messages.

use rules::outside::Service;
use rules::{Capabilities, CompileOptions, Statement};

#[test]
fn bad_statements_are_refused_with_these_words() {
    check("errors.txt", &Capabilities::none());
}

/// As on a gateway, which has a registry and functions.
#[test]
fn what_a_gateway_does_not_serve_is_refused_with_these_words() {
    let functions = ["grade".to_owned(), "lookup".to_owned()];
    check("outside.txt", &Capabilities::none().with(Service::Registry).with_functions(functions));
}

/// Statements that are accepted, with what their author is warned of.
#[test]
fn odd_statements_are_accepted_with_these_words() {
    let path = format!("{}/tests/data/warnings.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the file of cases is there");
    let mut rewritten = String::new();
    for case in text.split("\n====\n") {
        let sql = case.split("\n----\n").next().expect("a split has a first part").trim();
        let statement = Statement::compile(sql, CompileOptions::default())
            .unwrap_or_else(|errors| panic!("{}", errors.render(sql, "sql")));
        let warnings: Vec<String> = statement
            .warnings()
            .iter()
            .map(|warning| warning.render(sql, "sql").trim_end().to_owned())
            .collect();
        if !rewritten.is_empty() {
            rewritten.push_str("\n====\n");
        }
        rewritten.push_str(&format!("{sql}\n----\n{}", warnings.join("\n\n")));
    }
    rewritten.push('\n');
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &rewritten).expect("the file of cases can be written");
    }
    assert_eq!(text, rewritten);
}

fn check(file: &str, capabilities: &Capabilities) {
    let path = format!("{}/tests/data/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the file of cases is there");
    let mut rewritten = String::new();
    for case in text.split("\n====\n") {
        let sql = case.split("\n----\n").next().expect("a split has a first part").trim();
        let errors = Statement::compile_for(sql, CompileOptions::default(), capabilities).expect_err(sql);
        if !rewritten.is_empty() {
            rewritten.push_str("\n====\n");
        }
        rewritten.push_str(&format!("{sql}\n----\n{}", errors.render(sql, "sql").trim_end()));
    }
    rewritten.push('\n');
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &rewritten).expect("the file of cases can be written");
    }
    assert_eq!(text, rewritten);
}
