//! Statements and the trees they become, as text in `tests/trees.txt`: `UPDATE_SNAPSHOTS=1` rewrites the trees.

use super::tree::{Body, Expression, Form, Item, Query, Select};
use super::*;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/syntax/tests/trees.txt");

#[test]
fn statements_become_these_trees() {
    let text = std::fs::read_to_string(PATH).unwrap();
    let mut rewritten = String::new();
    for case in text.split("\n====\n") {
        let sql = case.split("\n----\n").next().unwrap().trim();
        let tree = match parse_statement(sql) {
            Ok(select) => show_select(&select),
            Err(error) => error.to_string(),
        };
        if !rewritten.is_empty() {
            rewritten.push_str("\n====\n");
        }
        rewritten.push_str(&format!("{sql}\n----\n{tree}"));
    }
    rewritten.push('\n');
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(PATH, &rewritten).unwrap();
    }
    assert_eq!(text, rewritten);
}

pub(super) fn show_select(select: &Select) -> String {
    let mut lines = Vec::new();
    for assignment in &select.variables {
        lines.push(format!("set @{} {}", assignment.name.text, show(&assignment.value)));
    }
    lines.push(show_body(&select.body));
    lines.extend(select.from.iter().map(|from| format!("from {:?}", from.text)));
    lines.extend(select.condition.iter().map(|condition| format!("where {}", show(condition))));
    if let Some(grouping) = &select.grouping {
        lines.extend(grouping.time.iter().map(|time| format!("timestamp by {}", show(time))));
        lines.push(format!("group by{}", show_all(&grouping.keys)));
        lines.extend(grouping.having.iter().map(|having| format!("having {}", show(having))));
    }
    lines.join("\n")
}

fn show_body(body: &Body) -> String {
    match body {
        Body::Value(value) => format!("select-value {}", show(value)),
        Body::Items(items) => {
            format!("select {}", items.iter().map(show_item).collect::<Vec<_>>().join(", "))
        }
    }
}

fn show_item(item: &Item) -> String {
    let alias: Vec<&str> = item.alias.iter().map(|name| name.text.as_str()).collect();
    let separator = if alias.is_empty() { "" } else { " as " };
    format!("{}{separator}{}", show(&item.expression), alias.join("."))
}

fn show_query(query: &Query) -> String {
    let condition =
        query.condition.as_ref().map_or(String::new(), |condition| format!(" where {}", show(condition)));
    format!("({} from {}{condition})", show_body(&query.body), show(&query.source))
}

fn show_all<'e>(expressions: impl IntoIterator<Item = &'e Expression>) -> String {
    expressions.into_iter().map(|expression| format!(" {}", show(expression))).collect()
}

fn show(expression: &Expression) -> String {
    match &expression.form {
        Form::Null => "null".to_owned(),
        Form::Boolean(value) => value.to_string(),
        Form::Number(number) => {
            let mut text = String::new();
            number.print(true, &mut text);
            text
        }
        Form::String(text) => format!("{text:?}"),
        Form::Field(name) => name.clone(),
        Form::Star => "*".to_owned(),
        Form::Variable(name) => format!("@{name}"),
        Form::Member(inner, name) => format!("{}.{}", show(inner), name.text),
        Form::Not(inner) => format!("(NOT {})", show(inner)),
        Form::Negate(inner) => format!("(negate {})", show(inner)),
        Form::Binary(operator, left, right) => {
            format!("({} {} {})", operator.text(), show(left), show(right))
        }
        Form::In(left, right) => format!("(IN {} {})", show(left), show(right)),
        Form::Exists(query) => format!("(EXISTS {})", show_query(query)),
        Form::Query(query) => show_query(query),
        Form::Call(name, arguments) => format!("({}{})", name.text, show_all(arguments)),
        Form::Cast(inner, target) => format!("(cast {} {target:?})", show(inner)),
        Form::Case(case) => {
            let branches = case.branches.iter().flat_map(|(wanted, result)| [wanted, result]);
            let otherwise = case
                .otherwise
                .as_ref()
                .map_or(String::new(), |otherwise| format!(" else {}", show(otherwise)));
            format!("(case {}{}{otherwise})", show(&case.subject), show_all(branches))
        }
        Form::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{:?}: {}", name.text, show(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Form::Array(elements) => format!("[{}]", show_all(elements).trim_start()),
    }
}

#[test]
fn nesting_is_bounded_on_every_way_down() {
    let openings = [
        "(",
        "[",
        "{'a':",
        "abs(",
        "NOT ",
        "- ",
        "cast(",
        "CASE ",
        "EXISTS (SELECT VALUE ",
        "SELECT VALUE ",
        "1 + (",
    ];
    for opening in openings {
        let sql = format!("SELECT VALUE {} FROM 'a'", opening.repeat(10_000));
        let error = parse_statement(&sql).unwrap_err();
        assert!(error.message.contains("nested more than 64 levels"), "{opening}: {}", error.message);
    }
    for link in ["a + ", "a OR ", "a.", "a AND NOT "] {
        let sql = format!("SELECT VALUE {}a FROM 'a'", link.repeat(10_000));
        let error = parse_statement(&sql).unwrap_err();
        assert!(
            error.message.contains("chain of more than 250") || error.message.contains("nested"),
            "{link}: {}",
            error.message
        );
    }
    let allowed = format!("SELECT VALUE {}1{} FROM 'a'", "(".repeat(60), ")".repeat(60));
    assert!(parse_statement(&allowed).is_ok());
}

#[test]
fn the_length_of_a_statement_is_bounded() {
    let sql = format!("SELECT * FROM 'a' WHERE x = '{}'", "x".repeat(SQL_BYTES_MAX));
    assert!(parse_statement(&sql).unwrap_err().message.contains("the most is 262144"));
}
