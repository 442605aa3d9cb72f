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
        "`rule.toml`, line 3, column 23: unknown key `partition_key` in `queue`; `queue` has the keys `name`, \
         `message_group_id`, `message_deduplication_id`"
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

const WINDOWED: &str =
    "sql = \"SELECT count(*) AS n FROM 'a' TIMESTAMP BY t GROUP BY TUMBLINGWINDOW(ss, 10)\"\n";

#[test]
fn the_limits_of_windows_are_read() {
    let read = |text: &str| Definition::parse("counts", "rule.toml", text).unwrap();
    assert_eq!(read(WINDOWED).window, Some(Limits::default()));
    assert_eq!(read("sql = \"SELECT * FROM 'a'\"").window, None);
    let text = format!(
        "{WINDOWED}[window]\nlateness_secs = 90\nfuture_secs_max = 0\nidle_secs = 1_0\ngroups_max = 0x10\n\
         state_bytes_max = 65536\nlate_events = 'adjust'"
    );
    let expected = Limits {
        lateness_ms: 90_000,
        future_ms_max: 0,
        idle_ms: 10_000,
        groups_max: 16,
        state_bytes_max: 65_536,
        late_events: crate::window::LateEvents::Adjust,
    };
    assert_eq!(read(&text).window, Some(expected));
    let by_arrival = WINDOWED.replace("TIMESTAMP BY t ", "") + "[window]\nlateness_secs = 9\ngroups_max = 5";
    let warnings = read(&by_arrival).warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].message.starts_with("`lateness_secs` changes nothing"), "{}", warnings[0].message);
}

#[test]
fn wrong_limits_of_windows_are_told() {
    for (table, expected) in [
        (
            "[window]\nlatenes_secs = 5",
            "line 3, column 1: unknown key `latenes_secs` in `window`; did you mean `lateness_secs`?",
        ),
        (
            "[window]\nlateness_secs = -1",
            "line 3, column 17: `lateness_secs` is a whole number from 0 to 1814400",
        ),
        (
            "[window]\ngroups_max = 0.5",
            "line 3, column 14: `groups_max` is a whole number from 1 to 10000000",
        ),
        (
            "[window]\nlate_events = 'drop'",
            "line 3, column 15: unknown `late_events` `drop`; there are `leave_out`, `adjust`",
        ),
        ("window = 5", "line 2, column 10: `window` is a table; write `[window]`"),
    ] {
        assert_eq!(errors(&format!("{WINDOWED}{table}")), format!("`rule.toml`, {expected}"));
    }
    let ordinary = errors("sql = \"SELECT * FROM 'a'\"\n[window]\n");
    assert!(ordinary.contains("`window` is for statements with a window"), "{ordinary}");
}
