use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use super::*;
use crate::cases::Fixtures;
use crate::outside::{Capabilities, Service};
use crate::protobuf::Descriptors;
use crate::protobuf::tests::descriptors;
use crate::statement::{CompileOptions, Outcome, Statement};

fn evaluate(expression: &str) -> String {
    let sql = format!("SELECT VALUE {expression} FROM '#'");
    // Thousands of calls share what takes long to read.
    static DESCRIPTORS: LazyLock<Arc<Descriptors>> = LazyLock::new(|| Arc::new(descriptors()));
    let capabilities = Capabilities::all().with_descriptors(Arc::clone(&DESCRIPTORS));
    let compiled = Statement::compile_for(&sql, CompileOptions::default(), &capabilities);
    let statement = compiled.unwrap_or_else(|errors| panic!("{expression}: {errors}"));
    let randomness = || [7u8; 16];
    let mut message =
        Message::new("plant/kiln7/telemetry", EXAMPLE_PAYLOAD.as_bytes(), 1_718_000_000_123, &randomness);
    message.client_id = Some("kiln7");
    message.principal = Some("abab");
    message.account_id = Some("000000000000");
    message.source_ip = Some("192.0.2.44");
    message.trace_id = Some("trace-1");
    message.properties.content_type = Some("application/json");
    message.properties.payload_is_utf8 = Some(true);
    message.properties.user_properties = vec![("owner", "p1"), ("zone", "z"), ("owner", "p2")];
    let fixtures = Fixtures::parse(EXAMPLE_FIXTURES).unwrap();
    message.outside = &fixtures;
    match statement.evaluate(&message) {
        Ok(Outcome::Match(output)) if output.bytes().is_empty() => "Undefined".to_owned(),
        Ok(Outcome::Match(output)) => String::from_utf8(output.bytes().to_vec()).unwrap(),
        other => panic!("{expression}: {other:?}"),
    }
}

#[test]
fn examples_give_what_they_say() {
    for function in catalogue().chain([&CAST]) {
        assert!(function.examples.len() >= 2, "`{}` needs two examples", function.name);
        for example in function.examples {
            assert_eq!(evaluate(example.sql), example.gives, "`{}`", example.sql);
        }
        assert!(
            function.examples.iter().any(|example| example.sql.contains(function.name)),
            "the examples of `{}` don't call it",
            function.name
        );
    }
}

#[test]
fn names_are_unique_in_any_case_and_described() {
    let mut names = HashSet::new();
    for function in catalogue() {
        assert!(names.insert(function.name.to_lowercase()), "`{}` comes twice", function.name);
        assert!(function.description.ends_with('.'), "`{}` is described in a sentence", function.name);
    }
}

#[test]
fn signatures_read_like_the_documentation() {
    assert_eq!(find("SUBSTRING").unwrap().signature(), "substring(text, start[, end])");
    assert_eq!(find("topic").unwrap().signature(), "topic([level])");
    assert_eq!(find("concat").unwrap().signature(), "concat(value…)");
}

/// Every function with every mixture of odd arguments, in number and kind: nothing panics, all ends.
#[test]
fn no_arguments_make_a_function_panic() {
    // Literal patterns and zones are refused earlier, so texts come out of a function here.
    let odd = [
        "missing",
        "none",
        "on",
        "-1",
        "1e999",
        "0.5",
        "concat('')",
        "concat('€')",
        "concat('-5E-1')",
        "[]",
        "[1,'a']",
        "{}",
        "*",
        "lower('(')",
    ];
    // Those that ask are refused with a wrong number of arguments; odd ones are tried in `outside/tests.rs`.
    for function in catalogue().filter(|function| Service::of_function(function.name).is_none()) {
        evaluate(&format!("{}()", function.name));
        for a in odd {
            evaluate(&format!("{}({a})", function.name));
            for b in odd {
                evaluate(&format!("{}({a}, {b})", function.name));
            }
            evaluate(&format!("{}({a}, name, {a})", function.name));
        }
    }
}

/// What fits an argument, as SQL.
fn fitting(function: &Function, argument: &Argument) -> &'static str {
    match (argument.kind, function.name) {
        (ArgumentKind::Number, _) => "1",
        (ArgumentKind::Text, _) => "'a'",
        (ArgumentKind::String, "decode") => "'NQ=='",
        (ArgumentKind::String, "time_to_epoch") => "'2020'",
        (ArgumentKind::String, "get_user_properties") => "'owner'",
        (ArgumentKind::String, _) => "'content_type'",
        (ArgumentKind::Pattern, _) => "'a'",
        (ArgumentKind::WritePattern | ArgumentKind::ReadPattern, _) => "'yyyy'",
        (ArgumentKind::Zone, _) => "'UTC'",
        (ArgumentKind::Scheme, "transform") => "'enrichArray'",
        (ArgumentKind::Scheme, _) => "'base64'",
        (ArgumentKind::Array, _) => "[{'a': 1}]",
        (ArgumentKind::Object, _) => "{'b': 2}",
        (ArgumentKind::Any | ArgumentKind::Mode | ArgumentKind::Role, _) => "'x'",
    }
}

/// What doesn't fit an argument of a kind; texts come out of a function, as bad literals are refused.
fn unfitting(kind: ArgumentKind) -> &'static [&'static str] {
    match kind {
        ArgumentKind::Number => &["missing", "none", "on", "tags", "position", "'x'", "'+5'", "' 5'"],
        ArgumentKind::Text => &["missing", "none"],
        ArgumentKind::Pattern => &["missing", "none", "lower('(')"],
        ArgumentKind::String => &["missing", "none", "on", "5", "tags", "position"],
        ArgumentKind::WritePattern | ArgumentKind::ReadPattern => &["missing", "none", "5", "lower('j')"],
        ArgumentKind::Zone => &["missing", "none", "5", "lower('nowhere')"],
        ArgumentKind::Array => &["missing", "none", "on", "5", "'x'", "position"],
        ArgumentKind::Object => &["missing", "none", "on", "5", "'x'", "tags"],
        _ => &[],
    }
}

/// The sentence that says which arguments give Undefined is true of every argument of every function.
#[test]
fn what_does_not_fit_is_undefined() {
    for function in catalogue().filter(|function| Service::of_function(function.name).is_none()) {
        // `get` takes anything, and finds nothing in most.
        // What a scheme needs beside is checked when the rule is created.
        let arguments = function.arguments.iter().filter(|argument| argument.kind != ArgumentKind::Mode);
        let fitting: Vec<_> = arguments.map(|argument| fitting(function, argument)).collect();
        if !fitting.is_empty() && function.name != "get" {
            let call = format!("{}({})", function.name, fitting.join(", "));
            assert_ne!(evaluate(&call), "Undefined", "`{call}`");
        }
        for (place, argument) in function.arguments.iter().enumerate() {
            for bad in unfitting(argument.kind) {
                let mut arguments = fitting.clone();
                arguments[place] = bad;
                let call = format!("{}({})", function.name, arguments.join(", "));
                assert_eq!(evaluate(&call), "Undefined", "`{call}`");
            }
        }
    }
}

#[test]
fn the_sentence_about_undefined_names_the_arguments() {
    assert_eq!(
        find("substring").unwrap().undefined_when().unwrap(),
        "Undefined when `start` or `end` is neither a number nor a numeric String, or `text` is Null or Undefined."
    );
    assert_eq!(find("isNull").unwrap().undefined_when(), None);
}

#[test]
fn a_misspelt_function_is_looked_up_by_its_nearest() {
    assert_eq!(look_up("REGEXP_SUBSTR").unwrap().name, "regexp_substr");
    assert_eq!(look_up("regex_substr").unwrap_err(), Some("regexp_substr"));
    assert_eq!(look_up("cast").unwrap().signature(), "cast(value AS type)");
    assert_eq!(look_up("frobnicate").unwrap_err(), None);
}
