//! Copying the payload's bytes gives what writing its members anew gives.

use proptest::prelude::*;
use rules::{CompileOptions, Message, Outcome, SqlVersion, Statement};

/// Each statement that may copy, beside one that says the same in a way that can't.
const PAIRS: &[(&str, &str)] = &[
    ("SELECT * FROM '#'", "SELECT VALUE * FROM '#'"),
    ("SELECT *, a AS x, b AS y FROM '#'", "SELECT *, a AS x, b AS y, a AS x FROM '#'"),
    ("SELECT *, a AS b FROM '#'", "SELECT *, a AS b, a AS b FROM '#'"),
    ("SELECT *, c.a AS e FROM '#'", "SELECT *, c.a AS e, c.a AS e FROM '#'"),
];

fn randomness() -> [u8; 16] {
    [7; 16]
}

fn output(sql: &str, version: SqlVersion, payload: &str) -> String {
    let options = CompileOptions { version, ..CompileOptions::default() };
    let statement = Statement::compile(sql, options).expect("the statements above are right");
    match statement.evaluate(&Message::new("t", payload.as_bytes(), 0, &randomness)) {
        Ok(Outcome::Match(output)) => String::from_utf8_lossy(output.bytes()).into_owned(),
        other => panic!("`{sql}` gives {other:?}"),
    }
}

fn agree(payload: &str) {
    for version in SqlVersion::ALL {
        for (copying, writing) in PAIRS {
            assert_eq!(
                output(copying, version, payload),
                output(writing, version, payload),
                "{copying} of {payload}"
            );
        }
    }
}

#[test]
fn copies_are_what_would_be_written() {
    for payload in [
        "{}",
        " { } ",
        r#"{"a":1}"#,
        r#"{"a": 1}"#,
        r#"{"a":1.0}"#,
        r#"{"a":1.50,"b":0.0000001,"c":-0,"d":0.000001}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"b":2,"x":3,"e":4}"#,
        r#"{"c":{"a":1,"a":2}}"#,
        r#"{"c":[{"a":1},{"a":2}]}"#,
        r#"{"c":[{"a":1,"b":{},"a":2}]}"#,
        r#"{"c":[{"a":{"b":1}},["a","a"],{"b":"a","a":"b"}]}"#,
        r#"{"a":"é\u00e9\n"}"#,
        r#"{"\u0061":1,"b":2}"#,
        r#"{"a":12345678901234567890123456789012345678901234567890}"#,
    ] {
        agree(payload);
    }
    let many: Vec<String> = (0..100).map(|number| format!("\"m{}\":{number}", number % 99)).collect();
    agree(&format!("{{{}}}", many.join(",")));
    agree(&format!("{{\"c\":[{{{}}}]}}", many.join(",")));
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "null|true|false",
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,8})?([eE][+-]?[0-9]{1,2})?",
        "\"([a-c é]|\\\\n|\\\\u0061){0,3}\"",
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            object(inner),
        ]
    })
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(("[a-exyp]{1,2}", value), 0..4).prop_map(|members| {
        let members: Vec<String> =
            members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #[test]
    fn any_object_is_copied_as_it_would_be_written(payload in object(json())) {
        agree(&payload);
    }
}
