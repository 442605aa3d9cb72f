//! Regular expressions in Java's syntax, as AWS has them.
//!
//! What differs: `(?i)` knows all letters and not only those of ASCII, `$` without `(?m)` is the very end of the text,
//! and the flag `U` and `\G`, `\N` and `\X` are refused.

mod engine;
mod java;
mod replacement;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;

pub(crate) use engine::Expression;
use engine::{Account, Exceeded};
use replacement::Replacement;

use super::ArgumentKind::{Pattern, Text};
use super::{Call, Function, example, one};
use crate::statement::SqlVersion::V2015;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "regexp_matches",
        arguments: &[one("text", Text), one("pattern", Pattern)],
        since: V2015,
        description: "Whether the pattern matches somewhere in the text.",
        examples: &[
            example("regexp_matches('kiln77', '7{2,}')", "true"),
            example("regexp_matches(123, '^2')", "false"),
            example("regexp_matches(123, 2)", "true"),
            example("regexp_matches(name, '^(?!Oven).* \\d$')", "true"),
            example("regexp_matches('noon', '(.)(.)\\2\\1')", "true"),
            example("regexp_matches(none, 'a')", "Undefined"),
        ],
        evaluate: |call| {
            with_pattern(call, |pattern, text, account| match pattern.is_match(text, account) {
                Ok(matches) => Value::Boolean(matches),
                Err(Exceeded) => Value::Undefined,
            })
        },
    },
    Function {
        name: "regexp_substr",
        arguments: &[one("text", Text), one("pattern", Pattern)],
        since: V2015,
        description: "The first match of the pattern; Undefined when there is none.",
        examples: &[
            example("regexp_substr('hihihello', '(hi)*')", "\"hihi\""),
            example("regexp_substr('kiln 7, hall 2', '(?<=hall )\\d+')", "\"2\""),
            example("regexp_substr('kiln', '[0-9]')", "Undefined"),
        ],
        evaluate: |call| {
            with_pattern(call, |pattern, text, account| match pattern.find(text, account) {
                Ok(Some(found)) => Value::string(found.to_owned()),
                Ok(None) | Err(Exceeded) => Value::Undefined,
            })
        },
    },
    Function {
        name: "regexp_replace",
        arguments: &[one("text", Text), one("pattern", Pattern), one("replacement", Text)],
        since: V2015,
        description: "The text with every match replaced; `$1` in the replacement is the first group, `\\$` a dollar sign. \
                      Undefined when the replacement names a group that the pattern doesn't have.",
        examples: &[
            example("regexp_replace('kiln77', '7', '8')", "\"kiln88\""),
            example("regexp_replace('a1b2', '([a-z])([0-9])', '$2$1')", "\"1a2b\""),
            example("regexp_replace('abcd', 'b(.*)d', '$1')", "\"ac\""),
            example("regexp_replace('ab', 'b', '$1')", "Undefined"),
        ],
        evaluate: replace,
    },
];

/// The patterns that came with one message, so that each is compiled once, and a limited number of them.
#[derive(Default)]
pub(crate) struct ForeignPatterns {
    known: RefCell<Vec<(String, Option<Rc<Expression>>)>>,
}

/// How many different patterns a message may bring; functions with further ones give Undefined.
const FOREIGN_PATTERNS_MAX: usize = 64;

impl ForeignPatterns {
    /// The pattern, compiled; `None` when it is none, needs more than it may, or there were too many others.
    pub(crate) fn get(&self, pattern: &str) -> Option<Rc<Expression>> {
        let mut known = self.known.borrow_mut();
        if let Some((_, expression)) = known.iter().find(|(text, _)| text == pattern) {
            return expression.clone();
        }
        if known.len() >= FOREIGN_PATTERNS_MAX {
            return None;
        }
        let expression = Expression::compile_foreign(pattern).map(Rc::new);
        known.push((pattern.to_owned(), expression.clone()));
        expression
    }
}

fn with_pattern<'v>(
    call: &Call<'_, 'v>,
    apply: impl FnOnce(&Expression, &str, Account<'_>) -> Value<'v>,
) -> Value<'v> {
    let Some(text) = call.text(0) else { return Value::Undefined };
    if let Some(pattern) = call.pattern {
        return apply(pattern, &text, call.charge);
    }
    let Some(pattern) = call.text(1) else { return Value::Undefined };
    let expression = call.message.foreign_patterns.get(&pattern);
    expression.map_or(Value::Undefined, |expression| apply(&expression, &text, call.charge))
}

fn replace<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let Some(text) = call.text(2) else { return Value::Undefined };
    with_pattern(call, |pattern, subject, account| {
        let Some(replacement) = Replacement::parse(&text, pattern) else { return Value::Undefined };
        match replacement.apply(pattern, subject, call.text_bytes_max, account) {
            Ok(Some(replaced)) => Value::string(replaced),
            Ok(None) | Err(Exceeded) => Value::Undefined,
        }
    })
}
