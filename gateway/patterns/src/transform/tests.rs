//! Templates as data, what is refused, and that JSON comes out whatever goes in.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::{Context, TransformFault, Transformer};

const CONTEXT: Context<'_> =
    Context { rule_name: "example", rule_arn: "arn:rule/example", ingestion_time: "2026-01-01T00:00:00Z" };

fn template(variables: &str, text: &str) -> Result<Transformer, String> {
    let variables: BTreeMap<String, String> = serde_json::from_str(variables).unwrap();
    let variables = variables.iter().map(|(name, path)| (name.as_str(), path.as_str()));
    Transformer::template(variables, text).map_err(|error| error.to_string())
}

#[test]
fn templates_are_filled_in() {
    for case in include_str!("../../tests/data/transform.txt").split("----\n") {
        let lines: Vec<&str> = case.lines().filter(|line| !line.starts_with('#')).collect();
        let [variables, text, event, expected] = lines[..] else { panic!("four lines: {lines:?}") };

        let transformer = template(variables, text).unwrap_or_else(|error| panic!("`{text}`: {error}"));
        assert_eq!(transformer.apply(event, &CONTEXT).unwrap(), expected, "`{text}`");
        serde_json::from_str::<Value>(expected).unwrap();
    }
}

#[test]
fn a_constant_and_a_part_take_the_place_of_the_event() {
    let constant = Transformer::constant("{\"go\": true}").unwrap();
    assert_eq!(constant.apply("{}", &CONTEXT).unwrap(), "{\"go\": true}");
    for (path, expected) in [
        ("$.detail", "{\"a\":[7, 8]}"),
        ("$.detail.a[1]", "8"),
        ("$.gone.x", "null"),
        ("$.detail.a.b", "null"),
    ] {
        let part = Transformer::path(path).unwrap();
        assert_eq!(part.apply("{\"detail\":{\"a\":[7, 8]}}", &CONTEXT).unwrap(), expected, "`{path}`");
    }
    let part = Transformer::path("$.a").unwrap();
    assert!(matches!(part.apply("{\"a\":1", &CONTEXT), Err(TransformFault::NotJson { offset: 6, .. })));
}

#[test]
fn what_is_wrong_is_said() {
    let refused = [
        (
            template("{}", "{\"a\":<b>}"),
            "template names the variable `<b>`, which there is not; declare it, as in `b = \"$.detail.b\"`",
        ),
        (
            template(r#"{"device":"$.a"}"#, "\"<devise>\""),
            "template names the variable `<devise>`, which there is not; did you mean `<device>`?",
        ),
        (
            template("{}", "\"<aws.events.event>\""),
            "`<aws.events.event>` is an object and stands where a value stands, not within a text",
        ),
        (
            template("{}", "hello"),
            "template is not JSON with `<name>` in it: expected a value at byte 0; a text stands in quotes, as in `\"state of <device>\"`",
        ),
        (
            template("{}", "{\"a\":<b"),
            "template is not JSON with `<name>` in it: expected `>` at byte 6; a text stands in quotes, as in `\"state of <device>\"`",
        ),
        (
            template(r#"{"aws.x":"$.a"}"#, "1"),
            "variable `aws.x`: names that begin with `aws.` are predefined",
        ),
        (
            template(r#"{"a b":"$.a"}"#, "1"),
            "`a b` can't be the name of a variable: it has 1 to 256 letters, digits, `_`, `-` and `.`",
        ),
        (
            template(r#"{"a":"detail"}"#, "1"),
            "variable `a`: `detail` is no path: it does not begin with `$`; write for example `$.detail.tags[0]` or `$['detail-type']`",
        ),
        (
            template(r#"{"a":"$..b"}"#, "1"),
            "variable `a`: `$..b` is no path: a name is missing behind `.`; write for example `$.detail.tags[0]` or `$['detail-type']`",
        ),
        (
            template(r#"{"a":"$.b[*]"}"#, "1"),
            "variable `a`: `$.b[*]` is no path: brackets hold a number or a name in quotes; write for example `$.detail.tags[0]` or `$['detail-type']`",
        ),
        (
            Transformer::constant("yes").map_err(|error| error.to_string()),
            "constant input is not JSON: expected a value at byte 0; a text stands in quotes: `\"…\"`",
        ),
    ];
    for (outcome, expected) in refused {
        assert_eq!(outcome.expect_err(expected), expected);
    }
}

#[test]
fn limits_are_kept() {
    let text = |characters: usize| format!("\"{}\"", "é".repeat(characters - 2));
    assert!(Transformer::constant(&text(8192)).is_ok() && Transformer::constant(&text(8193)).is_err());
    assert!(template("{}", &text(8192)).is_ok() && template("{}", &text(8193)).is_err());
    let path = |characters: usize| format!("$.{}", "a".repeat(characters - 2));
    assert!(Transformer::path(&path(256)).is_ok() && Transformer::path(&path(257)).is_err());
    let variables = |count: usize| {
        let all: BTreeMap<String, &str> = (0..count).map(|number| (format!("v{number}"), "$.a")).collect();
        serde_json::to_string(&all).unwrap()
    };
    assert!(template(&variables(100), "1").is_ok() && template(&variables(101), "1").is_err());
    let large = template(r#"{"a":"$.a"}"#, &format!("[{}<a>]", "<a>,".repeat(2000))).unwrap();
    assert_eq!(
        large.apply(&format!("{{\"a\":\"{}\"}}", "x".repeat(1000)), &CONTEXT),
        Err(TransformFault::TooLarge)
    );
    assert!(template("{}", &format!("{}1{}", "[".repeat(500), "]".repeat(500))).is_err());
}

proptest! {
    #[test]
    fn json_comes_out_of_any_template_that_is_accepted(text in "[\\[\\]{}\":,<>a \\\\0n]{0,30}", event in "\\{(\"a\":(1|\"x\\\\\\\\\"|\"\\\\\"\"|\\[1, \"y\"\\]|\\{\\}))?\\}") {
        if let Ok(transformer) = template(r#"{"a":"$.a"}"#, &text) {
            let result = transformer.apply(&event, &CONTEXT).unwrap();
            prop_assert!(serde_json::from_str::<Value>(&result).is_ok(), "`{}` with `{}`: `{}`", text, event, result);
        }
    }
}
