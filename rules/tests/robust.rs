//! No text makes the compiler panic, no payload the evaluator; what comes out as JSON is JSON.

mod generate;

use proptest::prelude::*;
use rules::{CompileOptions, Fault, Message, Outcome, Output, Statement, Template};

const STATEMENTS: &[&str] = &[
    "SELECT *, temperature * 9 / 5 + 32 AS f, topic(2) AS a.b.c FROM 'plant/+/telemetry' WHERE temperature > 80",
    "SET @a = concat(a, b), @b = [@a, @a] SELECT @b.x AS x, {'k': *, \"l\": null} AS y FROM '#' WHERE NOT (a = b) OR c <> 1",
    "SELECT (SELECT VALUE v FROM a WHERE n = 'co' AND v IN [1, 2.5]) AS co, EXISTS (SELECT * FROM *) AS e FROM '#'",
    "SELECT VALUE CASE a WHEN 1 THEN 'x' WHEN b THEN upper(c) ELSE cast(d AS Int) END FROM '#'",
    "SELECT a + b AS s, a - b AS d, a * b AS p, a / b AS q, a % b AS r, -a AS n, abs(a) AS m, round(b) AS o FROM '#'",
    "SELECT * FROM '#' WHERE a = b OR a < b OR a IN b OR get(a, b) = c OR substring(a, b) = c",
    "SELECT VALUE transform('enrichArray', a, b) FROM '#'",
    "SELECT replace(a, b, c) AS x, regexp_replace(a, '(.)', '$1$1') AS y, decode(a, 'base64') AS z FROM '#'",
];

fn randomness() -> [u8; 16] {
    [7; 16]
}

fn evaluate(sql: &str, payload: &[u8]) -> Option<Result<Outcome, Fault>> {
    let statement = Statement::compile(sql, CompileOptions::default()).ok()?;
    let message = Message::new("plant/kiln7/telemetry", payload, 1_718_000_000_123, &randomness);
    let _ = statement.explain(&message);
    let outcome = statement.evaluate(&message);
    if let Ok(Outcome::Match(Output::Json(json))) = &outcome {
        let parsed: Result<&serde_json::value::RawValue, _> = serde_json::from_slice(json);
        assert!(parsed.is_ok(), "`{sql}` made {}", String::from_utf8_lossy(json));
    }
    Some(outcome)
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?",
        "[a-e ]{0,4}".prop_map(|text| format!("{text:?}")),
        "\\PC{0,4}".prop_map(|text| serde_json::to_string(&text).expect("texts have JSON")),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(("[a-envk]|temperature", inner), 0..6).prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_compiled_or_refused(text in "\\PC{0,60}") {
        for text in [text.clone(), format!("SELECT {text} FROM 'a' WHERE {text}")] {
            if let Err(errors) = Statement::compile(&text, CompileOptions::default()) {
                prop_assert!(!errors.diagnostics.is_empty());
                let _ = errors.render(&text, "sql");
            }
            if let Err(errors) = Template::compile(&text, CompileOptions::default()) {
                let _ = errors.render(&text, "template");
            }
        }
    }

    #[test]
    fn damaged_statements_are_compiled_or_refused(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        cut in 0usize..6,
        with in "[-+*/%=<>.,:@'\"(){}\\[\\]a-z0-9 €]{0,4}|SELECT|FROM|CASE|NOT|IN|\\PC",
        payload in json(),
    ) {
        let sql = STATEMENTS[which.index(STATEMENTS.len())];
        let at = at.index(sql.len());
        let end = (at + cut).min(sql.len());
        let damaged = format!("{}{with}{}", &sql[..at], &sql[end..]);
        if let Err(errors) = Statement::compile(&damaged, CompileOptions::default()) {
            let _ = errors.render(&damaged, "sql");
        }
        evaluate(&damaged, payload.as_bytes());
    }

    /// Every construct of the grammar over payloads made for it; the statement's normal form gives the same.
    #[test]
    fn any_statement_is_evaluated(
        sql in prop::collection::vec(any::<u8>(), 0..200), payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let functions = rules::functions::catalogue().map(|function| (function.name, function.argument_counts()));
        let functions = generate::functions(functions);
        let sql = generate::Choices::new(&sql, &functions).statement();
        let payload = generate::Choices::new(&payload, &functions).payload();
        if let Ok(statement) = Statement::compile(&sql, CompileOptions::default()) {
            let outcome = evaluate(&sql, &payload);
            let again = evaluate(&statement.normalized_sql(), &payload);
            // Rows carry the mark of the text they were made by.
            if !matches!(outcome, Some(Ok(Outcome::Row(_)))) {
                prop_assert_eq!(again, outcome, "{}", sql);
            }
        }
    }

    #[test]
    fn any_payload_is_evaluated(
        json in json(), members in prop::collection::vec(json(), 5), bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let object = format!(
            r#"{{"a":{},"b":{},"c":{},"d":{},"temperature":{}}}"#, members[0], members[1], members[2], members[3], members[4],
        );
        for sql in STATEMENTS {
            for payload in [json.as_bytes(), object.as_bytes(), &bytes] {
                prop_assert!(evaluate(sql, payload).is_some());
            }
        }
    }
}

#[test]
fn deep_payloads_are_not_json_and_cost_no_stack() {
    for pattern in ["[", "{\"a\":"] {
        let deep = pattern.repeat(1_000_000);
        let outcome = evaluate("SELECT * FROM '#'", deep.as_bytes());
        assert!(matches!(outcome, Some(Ok(Outcome::Match(Output::Raw(_))))));
    }
}

#[test]
fn work_and_size_are_bounded() {
    let array = format!("{{\"a\":[{}1]}}", "1,".repeat(2_000));
    let nested = "SET @a = a SELECT VALUE (SELECT VALUE (SELECT VALUE (SELECT VALUE 1 FROM @a) FROM @a) FROM @a) FROM '#'";
    assert!(matches!(
        evaluate(nested, array.as_bytes()),
        Some(Err(Fault::TooMuchWork { elements_max: 100_000 }))
    ));

    let doubling: Vec<String> =
        (1..10).map(|n| format!("@v{n} = concat(@v{0}, @v{0}, @v{0}, @v{0}, @v{0}, @v{0})", n - 1)).collect();
    let text = format!("{{\"a\":\"{}\"}}", "x".repeat(10_000));
    let sql = format!("SET @v0 = a, {} SELECT VALUE @v9 FROM '#'", doubling.join(", "));
    assert!(matches!(evaluate(&sql, text.as_bytes()), Some(Err(Fault::TooLarge { bytes_max: 1_048_576 }))));
    let sql = sql.replace("@v0 = a", "@v0 = [a]");
    assert!(matches!(evaluate(&sql, text.as_bytes()), Some(Err(Fault::TooLarge { .. }))));

    let replaced = evaluate("SELECT VALUE isUndefined(replace(a, '', a)) FROM '#'", text.as_bytes());
    assert!(matches!(replaced, Some(Ok(Outcome::Match(output))) if output.bytes() == b"true"));
}
