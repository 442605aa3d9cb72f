use super::*;
use crate::definition::Definition;

/// A case with this statement, these further fields and this expectation.
fn case(sql: &str, fields: &str, expect: &str) -> String {
    let sql = serde_json::Value::from(sql);
    format!(r#"{{"id":"a","sql":{sql},"topic":"a/b"{fields},"expect":{{{expect}}}}}"#)
}

/// What the failures and remarks of a text say.
fn told(text: &str) -> String {
    let report = run(text, None);
    let failures = report.failures.iter().map(ToString::to_string);
    let remarks = report.remarks.iter().map(|(line, remark)| format!("line {line}: {remark}"));
    failures.chain(remarks).collect::<Vec<_>>().join("\n")
}

fn assert_passes(line: &str) {
    let report = run(line, None);
    assert_eq!((report.passed, told(line)), (1, String::new()), "{line}");
}

#[test]
fn a_failure_shows_both_sides_and_where_they_differ() {
    let line = case(
        "SELECT x,\n  y FROM 'a/b'",
        r#","payload":{"x":{"b c":[1,2]},"y":"é\u0007"}"#,
        r#""match":true,"output":{"x":{"b c":[1,3,4]},"z":null}"#,
    );
    assert_eq!(
        told(&format!("\n{line}\n")),
        "line 2, case `a`:\n\
         \x20 sql      SELECT x,\n\
         \x20            y FROM 'a/b'\n\
         \x20 topic    a/b\n\
         \x20 expected {\"x\":{\"b c\":[1,3,4]},\"z\":null}\n\
         \x20 got      {\"x\":{\"b c\":[1,2]},\"y\":\"é\\u0007\"}\n\
         \x20 at       $.x[\"b c\"][1]  expected 3, got 2\n\
         \x20 at       $.x[\"b c\"][2]  expected 4, got nothing\n\
         \x20 at       $.z            expected null, got nothing\n\
         \x20 at       $.y            expected nothing, got \"é\\u0007\""
    );
}

#[test]
fn cases_that_can_not_run_are_failures_with_their_line() {
    let refused = [
        ("{}", "not a case: it has no `topic`"),
        ("nonsense", "not a case: expected ident"),
        ("{\"id\":[1]}", "`id`: `[1]` is no text"),
        (r#"{"id":"a","topic":"a"}"#, "not a case: it has no `expect`"),
        (r#"{"id":"a","topic":"a","expect":{}}"#, "`expect` asks for nothing"),
        (r#"{"id":"a","topic":"a","expect":{"match":true}}"#, "case has no `sql`"),
        (r#"{"id":"a","sql":"SELEC","topic":"a","expect":{"match":true}}"#, "did you mean `SELECT`?"),
        (r#"{"id":"a","sql":"","sql_version":"1","topic":"a","expect":{"match":true}}"#, "SQL version `1`"),
        (
            r#"{"id":"a","topic":"a","now_ms":-1,"expect":{"match":true}}"#,
            "`now_ms`: `-1` is no whole number",
        ),
    ];
    let text: Vec<&str> = refused.iter().map(|(line, _)| *line).collect();
    let report = run(&text.join("\n"), None);
    assert_eq!((report.passed, report.failures.len()), (0, refused.len()));
    for (at, (failure, (_, words))) in report.failures.iter().zip(refused).enumerate() {
        assert_eq!(failure.line, at + 1);
        assert!(failure.to_string().contains(words), "{failure}");
    }
    let report = Suite::default().run(b"\xff\n\"a\"");
    assert_eq!(report.failures[0].reason, "not a case: no UTF-8 after byte 0");
    assert_eq!(report.failures.len(), 2);
}

#[test]
fn what_nobody_reads_is_remarked_on_and_changes_nothing() {
    let line =
        case("SELECT * FROM 'a/b'", r#","payloads":1,"source":[],"x":{}"#, r#""match":true,"outputs":1"#);
    assert_eq!(run(&line, None).passed, 1);
    assert_eq!(
        told(&line),
        "line 1: `expect` has a field `outputs`, which nobody reads; did you mean `output`?\n\
         line 1: the case has a field `payloads`, which nobody reads; did you mean `payload`?\n\
         line 1: the case has a field `x`, which nobody reads"
    );
}

#[test]
fn a_payload_reaches_the_statement_byte_for_byte() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let payloads = [
        r#"{ "a" : 1.0,"a":100e-2 , "b":123456789012345678901234567890123456789012345}"#,
        r#""\ud800 \u0041""#,
        "null",
        "-0",
        &deep,
    ];
    for payload in payloads {
        let bytes = crate::functions::base64_text(payload.as_bytes());
        let sql = "SELECT VALUE encode(*, 'base64') FROM 'a/b'";
        assert_passes(&case(sql, &format!(r#","payload": {payload} "#), &format!(r#""output":"{bytes}""#)));
    }
    let sql = "SELECT VALUE encode(*, 'base64') FROM 'a/b'";
    for (payload, bytes) in [
        ("", ""),
        (r#","payload":"YWI=","payload_encoding":"base64""#, "YWI="),
        (r#","payload":"ab","payload_encoding":"text""#, "YWI="),
        (r#","payload":"6162","payload_encoding":"hex""#, "YWI="),
    ] {
        assert_passes(&case(sql, payload, &format!(r#""output":"{bytes}""#)));
    }
    let wrong = [
        ("", r#"5,"payload_encoding":"base64""#),
        ("", r#""*","payload_encoding":"base64""#),
        ("", r#""","payload_encoding":"b""#),
    ];
    for (_, payload) in wrong {
        assert!(
            told(&case(sql, &format!(r#","payload":{payload}"#), r#""match":true"#)).contains("`payload")
        );
    }
}

#[test]
fn outputs_compare_as_json_as_text_and_as_bytes() {
    let x = |payload: &str, expect: &str| {
        case("SELECT VALUE x FROM 'a/b'", &format!(r#","payload":{{"x":{payload}}}"#), expect)
    };
    assert_passes(&x("1.50", r#""output":15e-1"#));
    assert_passes(&x("1.50", r#""match":true,"output_text":"1.5""#));
    assert!(told(&x("1.50", r#""output_text":"1.50""#)).contains("expected 1.50\n  got      1.5\n"));
    assert_passes(&x("1.50", r#""output":1.6,"tolerance":0.2"#));
    assert!(
        told(&x("1.50", r#""output":1.8,"tolerance":0.2"#)).contains("at       $  expected 1.8, got 1.5")
    );
    assert_passes(&x("{\"a\":1,\"b\":[2]}", r#""output":{"b":[2.0],"a":1},"tolerance":0"#));
    assert_passes(&x("null", r#""output":null"#));
    assert!(told(&x("1", r#""output":null"#)).contains("expected null, got 1"));
    assert!(told(&x("\"a\"", r#""output":1"#)).contains("expected 1, got \"a\""));
    assert_passes(&case("SELECT VALUE y FROM 'a/b'", "", r#""match":true,"output_text":"""#));
    assert!(told(&case("SELECT VALUE y FROM 'a/b'", "", r#""output":null"#)).contains("the output is empty"));
    let raw = case(
        "SELECT * FROM 'a/b'",
        r#","payload":"/wA=","payload_encoding":"base64""#,
        r#""output_base64":"/wA=""#,
    );
    assert_passes(&raw);
    assert!(
        told(&raw.replace("64\":\"/wA=\"}", "64\":\"/w==\"}")).contains("expected /w==\n  got      /wA=")
    );
    let digits = "12345678901234567890123456789012345";
    assert!(
        told(&x(&format!("[{digits}]"), "\"output\":[12345678901234567890123456789012340000]"))
            .contains("$[0]")
    );
}

#[test]
fn many_differences_are_counted() {
    let numbers = |from: usize| format!("{:?}", (from..from + 30).collect::<Vec<_>>());
    let line = case(
        "SELECT * FROM 'a/b'",
        &format!(",\"payload\":{}", numbers(1)),
        &format!("\"output\":{}", numbers(2)),
    );
    let report = run(&line, None);
    assert_eq!((report.failures[0].differing.len(), report.failures[0].differing_left_out), (20, 10));
    assert!(told(&line).ends_with("and 10 more"));
}

#[test]
fn expected_refusals_may_say_which() {
    for (sql, expect, words) in [
        ("SELEC", r#""parse_error":true"#, ""),
        ("SELEC", r#""match":false,"parse_error":"Expected `SELECT`""#, ""),
        ("SELEC", r#""parse_error":"topic""#, "refused for another reason"),
        ("SELECT * FROM 'a/b'", r#""parse_error":true"#, "it is accepted"),
        ("SELECT * FROM 'a/b'", r#""parse_error":false,"match":true"#, ""),
        (
            "SELECT * FROM 'a/b'",
            r#""aborted":true"#,
            "expected a fault that ends the evaluation\n  got      a match",
        ),
        ("SELECT * FROM 'a/b' WHERE x", r#""aborted":true"#, "got      no match"),
        ("SELECT * FROM 'a/b' WHERE x", r#""match":true"#, "got      no match"),
        ("SELECT * FROM 'a/c'", r#""output":{}"#, "level 2 of the topic is `b`; the rule wants `c`"),
        ("SELECT * FROM 'a/b'", r#""match":false"#, "got      a match: "),
    ] {
        let text = told(&case(sql, "", expect));
        assert!(text.contains(words) && text.is_empty() == words.is_empty(), "{text}");
    }
    let long = format!(r#","payload":{{"a":"{}"}}"#, "x".repeat(200_000));
    let sql = "SELECT VALUE concat(a, a, a, a, a, a) FROM 'a/b'";
    assert_passes(&case(sql, &long, r#""match":false,"aborted":"1048576 bytes""#));
    assert!(told(&case(sql, &long, r#""match":false"#)).contains("evaluation failed"));
}

#[test]
fn the_message_is_what_the_case_says() {
    let show = |sql: &str, fields: &str, output: &str| {
        assert_passes(&case(
            &format!("SELECT VALUE {sql} FROM 'a/b'"),
            fields,
            &format!("\"output\":{output}"),
        ));
    };
    show("clientid()", r#","clientid":"k7""#, r#""k7""#);
    show("clientid()", r#","clientid":"k7","protocol":"http""#, r#""n/a""#);
    show("isUndefined(traceid())", r#","trace_id":"t","protocol":"https""#, "true");
    show("traceid()", r#","trace_id":"t","protocol":"mqtt""#, r#""t""#);
    show("length(traceid())", "", "36");
    show("timestamp()", r#","now_ms":5.0"#, "5");
    show(
        "[principal(), accountid(), sourceip()]",
        r#","principal":"p","account_id":"1","source_ip":"::1""#,
        r#"["p","1","::1"]"#,
    );
    for pairs in [r#"[["k","1"],["k","2"]]"#, r#"{"k":["1","2"]}"#, r#"[{"k":"1"},{"k":2}]"#] {
        show("get_user_properties('k')", &format!(r#","user_properties":{pairs}"#), r#"["1","2"]"#);
        show(
            "get_user_properties('k')",
            &format!(r#","mqtt_properties":{{"user_properties":{pairs}}}"#),
            r#"["1","2"]"#,
        );
    }
    let properties = r#","mqtt_properties":{"content_type":"c","format_indicator":"UTF8_DATA","response_topic":"r","correlation_data":"YWI=","x":1}"#;
    for (name, value) in [
        ("content_type", "c"),
        ("format_indicator", "UTF8_DATA"),
        ("response_topic", "r"),
        ("correlation_data", "YWI="),
    ] {
        show(&format!("get_mqtt_property('{name}')"), properties, &format!("{value:?}"));
    }
    assert!(
        told(&case("SELECT * FROM 'a/b'", r#","user_properties":5"#, r#""match":true"#))
            .contains("`user_properties`")
    );
    assert!(
        told(&case(
            "SELECT * FROM 'a/b'",
            r#","mqtt_properties":{"format_indicator":"x"}"#,
            r#""match":true"#
        ))
        .contains("UTF8_DATA")
    );
}

#[test]
fn templates_are_filled_or_refused() {
    let with = |template: &str| {
        case(
            "SET @n = n + 1 SELECT * FROM 'a/b'",
            &format!(r#","payload":{{"n":1}},"templates":[{template}]"#),
            r#""match":true"#,
        )
    };
    assert_passes(&with(r#"{"in":"${@n}/${topic(2)}","out":"2/b"}"#));
    assert_passes(&with(r#"{"in":"${nope(}","parse_error":true}"#));
    assert!(
        told(&with(r#"{"in":"${@n}","out":"3"}"#)).ends_with("expected 3\n  got      2\n  template `${@n}`")
    );
    assert!(told(&with(r#"{"in":"${@m}","out":"3"}"#)).contains("unknown variable `@m`"));
    assert!(told(&with(r#"{"in":"a"}"#)).contains("a template has no `out`"));
}

#[test]
fn a_case_beside_a_definition_says_which_actions_get_what() {
    let toml = "sql = \"SELECT n FROM 'a/+' WHERE n > 0\"\n\
        [[action]]\nqueue = \"alerts\"\nformat = \"cloudevents\"\n\
        [[action]]\nstream = { name = \"readings\", partition_key = \"key-${n}\" }\n";
    let definition = Definition::parse("hot", "rule.toml", toml).unwrap();
    let told = |n: &str, actions: &str| {
        let line =
            format!(r#"{{"id":"a","topic":"a/b","payload":{{"n":{n}}},"expect":{{"actions":{actions}}}}}"#);
        let report = run(&line, Some(&definition));
        report.failures.first().map(ToString::to_string).unwrap_or_default()
    };
    assert_eq!(
        told(
            "7",
            r#"[{"queue":"alerts","format":"cloudevents"},{"stream":"readings","partition_key":"key-7"}]"#
        ),
        ""
    );
    assert_eq!(told("7", r#"[{"queue":"alerts"},{}]"#), "");
    assert_eq!(told("0", "[]"), "");
    let text = told("7", r#"[{"queue":"alerts"},{"partition_key":"key-8"}]"#);
    assert!(
        text.contains("sql      SELECT n FROM 'a/+'") && text.contains(r#""partition_key":"key-7""#),
        "{text}"
    );
    assert!(told("7", r#"[{"queue":"alerts"}]"#).contains("the actions differ"));
    assert!(told("0", r#"[{"queue":"alerts"}]"#).contains("expected a match\n  got      no match"));
}

#[test]
fn files_may_begin_with_a_mark_end_lines_as_windows_does_and_be_filtered() {
    let one = case("SELECT * FROM 'a/b'", "", r#""match":true"#);
    let other = one.replace("\"id\":\"a\",", "");
    let text = format!("\u{feff}{one}\r\n\r\n{other}\r\n");
    assert_eq!((run(&text, None).passed, told(&text)), (2, String::new()));
    let filtered =
        |filter: &'static str| Suite { filter: Some(filter), ..Suite::default() }.run(text.as_bytes());
    assert_eq!((filtered("line 3").passed, filtered("b").passed), (1, 0));
}

const COUNTS: &str = "SELECT k, count(*) AS n FROM 'a/+' TIMESTAMP BY t GROUP BY k, TUMBLINGWINDOW(ss, 10)";

fn windowed(rest: &str) -> Report {
    let sql = serde_json::Value::from(COUNTS);
    let messages = r#"[{"topic":"a/1","at_ms":20000,"payload":{"k":1,"t":1000}},{"at_ms":20001,"payload":{"k":1,"t":12000}},
        {"at_ms":30000,"payload":{"k":1,"t":28000}},{"at_ms":30001,"payload":{"k":1,"t":2000}},{"at_ms":30001,"payload":{"k":1}},
        {"at_ms":30002,"payload":{"t":99999}},{"topic":"b","at_ms":30003,"payload":{"t":1}}]"#;
    let line = format!(r#"{{"id":"w","sql":{sql},"topic":"a/2","messages":{messages},{rest}}}"#);
    run(&line.replace('\n', " "), None)
}

#[test]
fn windows_are_played_through() {
    let first = r#"{"k":1,"n":1}"#;
    let rest = format!(
        r#""advance_to_ms":40000,"expect":{{"outputs":[{first},{first},{first}],"late":1,"refused":1,"faults":1}}"#
    );
    let report = windowed(&rest);
    assert_eq!((report.passed, report.failures, report.remarks), (1, vec![], vec![]));
    let report = windowed(r#""expect":{"outputs":[],"late":1,"refused":1,"faults":1}"#);
    assert_eq!(report.failures[0].got.as_deref(), Some(r#"[{"k":1,"n":1},{"k":1,"n":1}]"#));
    let report = windowed(r#""expect":{"outputs":[]}"#);
    assert_eq!(report.failures[0].got.as_deref(), Some("1 late, 1 refused, 1 faults"));
}

#[test]
fn windows_need_messages_and_messages_windows() {
    let reason = |line: &str| run(line, None).failures[0].reason.clone();
    let sql = serde_json::Value::from(COUNTS);
    let one = |expect: &str| {
        format!(r#"{{"id":"w","sql":{sql},"topic":"a/1","payload":{{"t":1}},"expect":{expect}}}"#)
    };
    assert!(reason(&one(r#"{"output":{}}"#)).contains("write `messages`"));
    let several = r#"{"id":"w","sql":"SELECT * FROM 'a'","messages":[],"expect":{"match":true}}"#;
    assert!(reason(several).contains("`messages` are for windows"));
    assert_eq!(run(&one(r#"{"match":true}"#), None).passed, 1);
    let several = r#"{"id":"w","sql":"SELECT * FROM 'a'","messages":[],"expect":{"outputs":[]}}"#;
    assert!(reason(several).contains("has no window"));
    let unread = r#"{"id":"w","sql":"SELECT * FROM 'a'","messages":[{"payload":1}],"expect":{"outputs":[]}}"#;
    assert!(reason(unread).contains("a message has no `at_ms`"));
}

proptest::proptest! {
    #[test]
    fn damaged_lines_are_failures_and_never_panic(
        at in proptest::prelude::any::<proptest::sample::Index>(),
        cut in 0usize..12,
        with in "[{}\\[\\]\",:0-9a-z\\\\ -]{0,8}|null|true|\\PC",
    ) {
        let line = concat!(
            r#"{"id":"a","sql":"SELECT x FROM 'a/+'","topic":"a/b","payload":{"x":[1,"é"]},"now_ms":5,"user_properties":[["k","v"]],"#,
            r#""mqtt_properties":{"content_type":"c"},"fixtures":{"tables":{}},"templates":[{"in":"${x}","out":"1"}],"expect":{"match":true,"output":{"x":1}}}"#,
        );
        let boundaries: Vec<usize> = line.char_indices().map(|(at, _)| at).collect();
        let start = boundaries[at.index(boundaries.len())];
        let end = boundaries.iter().copied().find(|end| *end >= start + cut).unwrap_or(line.len());
        let damaged = format!("{}{with}{}", &line[..start], &line[end..]);
        let report = Suite::default().run(damaged.as_bytes());
        proptest::prop_assert!(report.passed + report.failures.len() >= usize::from(!damaged.trim().is_empty()));
        if let Ok(trial) = Trial::read(&damaged, 0) {
            let _ = trial.run(None, None);
        }
    }
}
