//! Regular expressions, in the syntax of the `regex` crate: as in Java, but without look-around and back-references,
//! so that no pattern can take more than linear time.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder, Replacer};

use super::ArgumentKind::{Pattern, Text};
use super::{Call, Function, example, one};
use crate::statement::SqlVersion::V2015;
use crate::value::Value;

/// The most memory a compiled pattern takes, in bytes.
const COMPILED_BYTES_MAX: usize = 256 * 1024;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "regexp_matches",
        arguments: &[one("text", Text), one("pattern", Pattern)],
        since: V2015,
        description: "Whether the pattern matches somewhere in the text.",
        examples: &[
            example("regexp_matches('kiln77', '7{2,}')", "true"),
            example("regexp_matches(123, '^2')", "false"),
            example("regexp_matches(none, 'a')", "Undefined"),
        ],
        evaluate: |call| with_pattern(call, |pattern, text| Value::Boolean(pattern.is_match(text))),
    },
    Function {
        name: "regexp_substr",
        arguments: &[one("text", Text), one("pattern", Pattern)],
        since: V2015,
        description: "The first match of the pattern.",
        examples: &[
            example("regexp_substr('ababcd', '(ab)*')", "\"abab\""),
            example("regexp_substr('kiln', '[0-9]')", "Undefined"),
        ],
        evaluate: |call| {
            with_pattern(call, |pattern, text| {
                pattern.find(text).map_or(Value::Undefined, |found| Value::string(found.as_str().to_owned()))
            })
        },
    },
    Function {
        name: "regexp_replace",
        arguments: &[one("text", Text), one("pattern", Pattern), one("replacement", Text)],
        since: V2015,
        description: "The text with every match replaced; `$1` in the replacement is the first group.",
        examples: &[
            example("regexp_replace('kiln77', '7', '8')", "\"kiln88\""),
            example("regexp_replace('a1b2', '([a-z])([0-9])', '$2$1')", "\"1a2b\""),
        ],
        evaluate: replace,
    },
];

/// Compiles a pattern within bounds.
///
/// # Errors
/// What is wrong with it, on one line.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|error| {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.trim().trim_start_matches("error: ").to_owned()
        })
}

fn with_pattern<'v>(call: &Call<'_, 'v>, apply: impl FnOnce(&Regex, &str) -> Value<'v>) -> Value<'v> {
    let Some(text) = call.argument(0).to_text() else { return Value::Undefined };
    if let Some(pattern) = call.pattern {
        return apply(pattern, &text);
    }
    let Value::String(pattern) = call.argument(1) else { return Value::Undefined };
    compile(pattern).map_or(Value::Undefined, |pattern| apply(&pattern, &text))
}

fn replace<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let Some(replacement) = call.argument(2).to_text() else { return Value::Undefined };
    with_pattern(call, |pattern, text| match replaced(pattern, text, &replacement, call.text_bytes_max) {
        Some(replaced) => Value::string(replaced),
        None => Value::Undefined,
    })
}

/// Replaces match by match so that an oversized result is noticed before it is built.
fn replaced(pattern: &Regex, text: &str, replacement: &str, bytes_max: usize) -> Option<String> {
    // `$1x` is group 1 and an `x` in Java; the regex crate would look for a group called `1x`.
    let mut replacement: Cow<'_, str> = braced(replacement).into();
    let mut result = String::with_capacity(text.len());
    let mut end = 0;
    for captures in pattern.captures_iter(text) {
        let Some(whole) = captures.get(0) else { continue };
        result.push_str(&text[end..whole.start()]);
        replacement.replace_append(&captures, &mut result);
        end = whole.end();
        if result.len() > bytes_max {
            return None;
        }
    }
    result.push_str(&text[end..]);
    Some(result)
}

fn braced(replacement: &str) -> String {
    let mut out = String::with_capacity(replacement.len());
    let mut rest = replacement;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            out.push_str(&format!("${{{}}}", &after[..digits]));
        } else {
            out.push_str(if after.starts_with('{') { "$" } else { "$$" });
        }
        rest = &after[digits..];
    }
    out.push_str(rest);
    out
}
