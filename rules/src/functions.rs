//! The functions of the SQL: one catalogue, one file per family.
//!
//! A new function is an item with at least two examples in its family's list. The examples are documentation and run
//! as tests. Functions know values and the message; they must not know plans or statements.

mod context;
mod encoding;
mod hash;
mod numeric;
mod outside;
mod pattern;
mod reference;
mod string;
mod structure;
#[cfg(test)]
mod tests;
mod time;

use std::borrow::Cow;

pub(crate) use encoding::{base64_bytes, base64_text};
pub use outside::EXAMPLE_FIXTURES;
pub(crate) use pattern::{Expression, ForeignPatterns};
pub use reference::{describe, look_up, markdown, overview};
pub use structure::CAST;

use crate::message::Message;
use crate::statement::SqlVersion;
use crate::value::Value;

/// One function of the SQL.
pub struct Function {
    /// The name as the documentation writes it; statements may use any case.
    pub name: &'static str,
    /// What it takes.
    pub arguments: &'static [Argument],
    /// The first SQL version that has it.
    pub since: SqlVersion,
    /// What it does, in a sentence.
    pub description: &'static str,
    /// Calls and what they give; at least two. They run as tests.
    pub examples: &'static [Example],
    pub(crate) evaluate: Evaluate,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

/// One argument of a function.
#[derive(Debug, Clone, Copy)]
pub struct Argument {
    /// Its name in documentation.
    pub name: &'static str,
    /// What may be passed.
    pub kind: ArgumentKind,
    /// How often it comes.
    pub count: Count,
}

/// What a function does something useful with; anything else makes its result Undefined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentKind {
    /// Every value.
    Any,
    /// A number or numeric String.
    Number,
    /// A String, or what converts to one.
    Text,
    /// A String; nothing is converted.
    String,
    /// A regular expression.
    Pattern,
    /// A pattern by which a time is printed.
    WritePattern,
    /// A pattern by which a time is read.
    ReadPattern,
    /// A time zone: `UTC` or an offset.
    Zone,
    /// A word that says what the function does: an encoding, a mode. No variable may stand for it.
    Scheme,
    /// Which of several things is asked for; not from a variable.
    Mode,
    /// A role of AWS, accepted and not looked at; not from a variable.
    Role,
    /// An Array.
    Array,
    /// An Object.
    Object,
}

/// How often an argument comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Once.
    One,
    /// Once or not at all.
    Optional,
    /// Any number of times.
    Many,
}

/// A call and its result.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// An expression over the [`EXAMPLE_PAYLOAD`].
    pub sql: &'static str,
    /// The result as JSON, or `Undefined`.
    pub gives: &'static str,
}

/// The payload the examples of functions see.
pub const EXAMPLE_PAYLOAD: &str = r#"{"temperature":81.3,"name":"Kiln 7","tags":["hot","east"],"position":{"x":1,"y":-2},"none":null,"on":true}"#;

/// What a function sees when it is called.
pub(crate) struct Call<'c, 'v> {
    /// As many as the function takes.
    pub(crate) arguments: &'c [Value<'v>],
    pub(crate) message: &'v Message<'v>,
    pub(crate) version: SqlVersion,
    /// The longest text a function may make, in bytes.
    pub(crate) text_bytes_max: usize,
    /// The pattern, when it was prepared.
    pub(crate) pattern: Option<&'c Expression>,
    /// Counts work that is not in proportion to the arguments, in bytes as [`CompileOptions::work_bytes_max`] has them;
    /// false when it was too much for the message.
    ///
    /// [`CompileOptions::work_bytes_max`]: crate::CompileOptions::work_bytes_max
    pub(crate) charge: &'c dyn Fn(usize) -> bool,
}

pub(crate) type Evaluate = for<'c, 'v> fn(&Call<'c, 'v>) -> Value<'v>;

impl<'v> Call<'_, 'v> {
    /// The argument at `index`; Undefined when it was left out.
    pub(crate) fn argument(&self, index: usize) -> &Value<'v> {
        const LEFT_OUT: Value<'static> = Value::Undefined;
        self.arguments.get(index).unwrap_or(&LEFT_OUT)
    }

    /// The text the argument at `index` converts to; `None` for Null and Undefined.
    pub(crate) fn text(&self, index: usize) -> Option<Cow<'v, str>> {
        self.argument(index).to_text_keeping(self.keep_decimal_point())
    }

    /// The text of the argument at `index` if it is a String: nothing is converted.
    pub(crate) fn string(&self, index: usize) -> Option<&str> {
        match self.argument(index) {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the Decimal 10.0 is `10.0` as a text.
    pub(crate) fn keep_decimal_point(&self) -> bool {
        self.version == SqlVersion::V2015
    }
}

impl Function {
    /// The fewest and the most arguments it takes.
    pub fn argument_counts(&self) -> (usize, usize) {
        let count = |kind: Count| self.arguments.iter().filter(|argument| argument.count == kind).count();
        let many = count(Count::Many) > 0;
        (count(Count::One), if many { usize::MAX } else { self.arguments.len() })
    }

    /// Name and arguments as in the documentation: `substring(text, start[, end])`.
    pub fn signature(&self) -> String {
        let mut text = format!("{}(", self.name);
        for (number, argument) in self.arguments.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            text.push_str(&match argument.count {
                Count::One => format!("{comma}{}", argument.name),
                Count::Optional => format!("[{comma}{}]", argument.name),
                Count::Many => format!("{comma}{}…", argument.name),
            });
        }
        text.push(')');
        text
    }
}

/// Functions that belong together, as the reference page shows them.
struct Family {
    title: &'static str,
    /// What holds for all of them.
    introduction: &'static str,
    functions: &'static [Function],
}

const fn family(title: &'static str, introduction: &'static str, functions: &'static [Function]) -> Family {
    Family { title, introduction, functions }
}

/// Every family of functions.
const FAMILIES: &[Family] = &[
    family("The message", "What a message says about itself.", context::FUNCTIONS),
    family("Numbers", "Computed exactly, with up to 34 digits.", numeric::FUNCTIONS),
    family(
        "Numbers in double precision",
        "Computed with some 16 digits, as AWS does. A result that is infinite or no real number is Undefined.",
        numeric::DOUBLE_FUNCTIONS,
    ),
    family("Strings", "What is no String is converted to one first.", string::FUNCTIONS),
    family(
        "Regular expressions",
        "In Java's syntax. Bounds, and what differs from Java, are in [DIALECT.md](DIALECT.md).",
        pattern::FUNCTIONS,
    ),
    family(
        "Structure and conversion",
        "Looking into values, and asking what is there.",
        structure::FUNCTIONS,
    ),
    family("Encodings", "Bytes as text and back.", encoding::FUNCTIONS),
    family("Hashes", "In lower-case hexadecimal, of the text's bytes in UTF-8.", hash::FUNCTIONS),
    family("Time", "Times are milliseconds since 1970-01-01T00:00:00Z.", time::FUNCTIONS),
    family(
        "The world outside",
        "What they may ask, and when they are refused, is in [DIALECT.md](DIALECT.md).",
        outside::FUNCTIONS,
    ),
];

/// Every function, family by family.
pub fn catalogue() -> impl Iterator<Item = &'static Function> {
    FAMILIES.iter().flat_map(|family| family.functions)
}

/// The function called `name` in any case.
pub fn find(name: &str) -> Option<&'static Function> {
    catalogue().find(|function| function.name.eq_ignore_ascii_case(name))
}

/// What is wrong with a literal argument of this kind, known when the rule is created.
pub(crate) fn check_literal(kind: ArgumentKind, text: &str) -> Result<(), String> {
    time::check_literal(kind, text)
}

const fn one(name: &'static str, kind: ArgumentKind) -> Argument {
    Argument { name, kind, count: Count::One }
}

const fn optional(name: &'static str, kind: ArgumentKind) -> Argument {
    Argument { name, kind, count: Count::Optional }
}

const fn example(sql: &'static str, gives: &'static str) -> Example {
    Example { sql, gives }
}
