use super::*;

fn errors(text: &str) -> String {
    match Definition::parse("overheating", "rule.toml", text) {
        Ok(_) => "no error".to_owned(),
        Err(errors) => errors.to_string(),
    }
}

const GOOD: &str = r#"
description = "Kilns above their limit"
sql = """
SELECT deviceId, temperature, topic(2) AS line, timestamp() AS at
FROM 'plant/+/telemetry' WHERE temperature > 80
"""
[[action]]
queue = "alerts"
[[action]]
stream = { name = "telemetry", partition_key = "${deviceId}" }
format = "cloudevents"
[[action]]
function = "notify"
[error_action]
queue = "rule-errors"
"#;

#[test]
fn a_definition_names_statement_and_targets() {
    let definition = Definition::parse("overheating", "rule.toml", GOOD).unwrap();
    assert_eq!(definition.description, "Kilns above their limit");
    assert_eq!(definition.statement.topic_filter().unwrap().as_str(), "plant/+/telemetry");
    let actions: Vec<(TargetKind, &str)> =
        definition.actions.iter().map(|action| (action.kind, action.target.source())).collect();
    assert_eq!(
        actions,
        [(TargetKind::Queue, "alerts"), (TargetKind::Stream, "telemetry"), (TargetKind::Function, "notify")]
    );
    assert_eq!(definition.actions[1].partition_key.as_ref().unwrap().source(), "${deviceId}");
    assert_eq!(definition.actions[1].format, Format::CloudEvents);
    assert_eq!(definition.actions[1].line, 10);
    assert_eq!(definition.error_action.unwrap().target.source(), "rule-errors");
    assert!(definition.enabled);
}

#[test]
fn unknown_keys_get_a_suggestion() {
    assert_eq!(
        errors("sqll = 'x'\nsql = \"SELECT * FROM 'a'\""),
        "`rule.toml`, line 1, column 1: unknown key `sqll` in a definition; did you mean `sql`?"
    );
    assert_eq!(
        errors("sql = \"SELECT * FROM 'a'\"\n[[action]]\nqueu = \"alerts\""),
        "`rule.toml`, line 3, column 1: unknown key `queu` in an action; did you mean `queue`?"
    );
    assert_eq!(
        errors("sql = \"SELECT * FROM 'a'\"\n[[action]]\nqueue = { name = \"a\", partition_key = \"b\" }"),
        "`rule.toml`, line 3, column 23: unknown key `partition_key` in `queue`; `queue` has the keys `name`"
    );
}

#[test]
fn mistakes_in_the_sql_are_placed_in_the_file() {
    let text = "description = \"x\"\nsql = \"\"\"\nSELECT uper(deviceId) AS id\nFROM 'plant/#/x'\n\"\"\"\n";
    assert_eq!(
        errors(text),
        "`rule.toml`, line 3, column 8: unknown function `uper`; did you mean `upper`?\n\
         `rule.toml`, line 4, column 6: `#` must be the whole last level of a topic filter; \
         write for example `'plant/+/telemetry'` or `'plant/#'`"
    );
    assert_eq!(
        errors("sql = \"SELECT \\\"\\u00e9\\\" AS a, uper(x) AS b FROM 'a'\""),
        "`rule.toml`, line 1, column 32: unknown function `uper`; did you mean `upper`?"
    );
    assert_eq!(
        errors("sql = \"\"\"\\\n   SELECT \\\n   uper(x) AS b FROM 'a'\"\"\""),
        "`rule.toml`, line 3, column 4: unknown function `uper`; did you mean `upper`?"
    );
    assert_eq!(
        errors("sql = '''\r\nSELECT *\r\nFROM 'a'\r\nWHERE uper(x)'''"),
        "`rule.toml`, line 4, column 7: unknown function `uper`; did you mean `upper`?"
    );
}

#[test]
fn mistakes_in_templates_are_placed_in_the_file() {
    let text =
        "sql = \"SELECT * FROM 'a'\"\n[[action]]\nstream = { name = \"s\", partition_key = \"${deviceId\" }";
    assert_eq!(
        errors(text),
        "`rule.toml`, line 3, column 41: `${` is not closed; put `}` after the expression; \
         a `$` of the text itself is written `$$`"
    );
}

#[test]
fn a_rendered_error_underlines_the_piece() {
    let text = "sql = '''\nSELECT uper(x) AS b FROM \"a\"'''";
    let errors = Definition::parse("overheating", "rules/overheating/rule.toml", text).unwrap_err();
    assert_eq!(
        errors.render(text),
        "rules/overheating/rule.toml:2:8: unknown function `uper`\n  |\n2 | SELECT uper(x) AS b FROM \"a\"'''\n  |        ^^^^\n  \
         = did you mean `upper`?\n"
    );
}

#[test]
fn everything_else_that_is_wrong_is_named() {
    let sql = "sql = \"SELECT * FROM 'a'\"\n";
    for (text, expected) in [
        (String::new(), "definition has no `sql`"),
        ("sql = 5".to_owned(), "`sql` is a text"),
        ("sql = \"".to_owned(), "line 1"),
        (format!("{sql}enabled = 1"), "`enabled` is `true` or `false`"),
        (format!("{sql}sql_version = \"2015-10-8\""), "unknown SQL version `2015-10-8`"),
        (format!("{sql}[action]\nqueue = \"a\""), "write `[[action]]` with double brackets"),
        (format!("{sql}[[action]]"), "action names no target"),
        (format!("{sql}[[action]]\nqueue = \"a\"\nstream = \"b\""), "action has two targets"),
        (format!("{sql}[[action]]\nqueue = \"\""), "name of the `queue` is empty"),
        (format!("{sql}[[action]]\nqueue = 5"), "`queue` is the name of a target or a table"),
        (format!("{sql}[[action]]\nqueue = {{}}"), "`queue` has no `name`"),
        (format!("{sql}[[action]]\nqueue = \"a\"\nformat = \"cloudevent\""), "did you mean `cloudevents`?"),
        (format!("{sql}{}", "[[action]]\nqueue = \"a\"\n".repeat(11)), "rule has more than 10 actions"),
        (
            "sql_version = \"2015-10-08\"\nsql = \"SELECT [1] AS a FROM 'a'\"".to_owned(),
            "SQL version `2015-10-08`",
        ),
        ("x".repeat(300_000), "the most is 262144"),
    ] {
        let found = errors(&text);
        assert!(found.contains(expected), "`{text}` gives: {found}");
    }
    let bad_name = Definition::parse("over heating", "rule.toml", sql).unwrap_err().to_string();
    assert!(bad_name.contains("`over heating` can't be the name of a rule"), "{bad_name}");
}

proptest::proptest! {
    #[test]
    fn damaged_definitions_never_panic(
        at in proptest::prelude::any::<proptest::sample::Index>(), with in "\\PC{0,3}|[\"'\\\\\n]{1,3}",
    ) {
        let mut at = at.index(GOOD.len());
        while !GOOD.is_char_boundary(at) {
            at -= 1;
        }
        let (before, after) = GOOD.split_at(at);
        if let Err(errors) = Definition::parse("overheating", "rule.toml", &format!("{before}{with}{after}")) {
            let _ = errors.render(GOOD);
        }
    }
}
