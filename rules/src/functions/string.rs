//! Texts. What isn't a String is converted first, as the conversion table says; Null and Undefined give Undefined.

use super::ArgumentKind::{Any, Number as Num, Text};
use super::{Argument, Call, Count, Function, example, one, optional};
use crate::number::Number;
use crate::statement::SqlVersion::{V2015, V2016};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "upper",
        arguments: &[one("text", Text)],
        since: V2015,
        description: "The text in capital letters.",
        examples: &[
            example("upper('kiln')", "\"KILN\""),
            example("upper(tags)", "\"[\\\"HOT\\\",\\\"EAST\\\"]\""),
        ],
        evaluate: |call| textually(call, |text| text.to_uppercase()),
    },
    Function {
        name: "lower",
        arguments: &[one("text", Text)],
        since: V2015,
        description: "The text in small letters.",
        examples: &[example("lower(name)", "\"kiln 7\""), example("lower(none)", "Undefined")],
        evaluate: |call| textually(call, |text| text.to_lowercase()),
    },
    Function {
        name: "concat",
        arguments: &[Argument { name: "value", kind: Any, count: Count::Many }],
        since: V2015,
        description: "The texts joined; with an Array among the arguments one Array of all elements.",
        examples: &[
            example("concat('te', 'le', 7)", "\"tele7\""),
            example("concat([1], 'a', [2, 3])", "[1,\"a\",2,3]"),
            example("concat(1)", "1"),
            example("concat()", "Undefined"),
        ],
        evaluate: concat,
    },
    Function {
        name: "length",
        arguments: &[one("text", Text)],
        since: V2016,
        description: "How many characters the text has.",
        examples: &[
            example("length('kiln')", "4"),
            example("length(false)", "5"),
            example("length('€')", "1"),
        ],
        evaluate: |call| numerically(call, |text| text.chars().count()),
    },
    Function {
        name: "numbytes",
        arguments: &[one("text", Text)],
        since: V2016,
        description: "How many bytes the text has in UTF-8.",
        examples: &[example("numbytes('€')", "3"), example("numbytes('')", "0")],
        evaluate: |call| numerically(call, str::len),
    },
    Function {
        name: "indexof",
        arguments: &[one("text", Text), one("part", Text)],
        since: V2016,
        description: "Where the part first stands, counted from 0; -1 when it doesn't. Undefined for Arrays and Objects, too.",
        examples: &[
            example("indexof('telemetry', 'metry')", "4"),
            example("indexof('€uro', 'uro')", "1"),
            example("indexof('a', 'b')", "-1"),
            example("indexof(123, '2')", "1"),
            example("indexof(tags, 'hot')", "Undefined"),
        ],
        evaluate: index_of,
    },
    Function {
        name: "startswith",
        arguments: &[one("text", Text), one("start", Text)],
        since: V2015,
        description: "Whether the text starts so.",
        examples: &[
            example("startswith('kiln7', 'kil')", "true"),
            example("startswith('a', none)", "Undefined"),
        ],
        evaluate: |call| compare(call, |text, part| text.starts_with(part)),
    },
    Function {
        name: "endswith",
        arguments: &[one("text", Text), one("end", Text)],
        since: V2015,
        description: "Whether the text ends so.",
        examples: &[example("endswith(123, '23')", "true"), example("endswith(name, '8')", "false")],
        evaluate: |call| compare(call, |text, part| text.ends_with(part)),
    },
    Function {
        name: "trim",
        arguments: &[one("text", Text)],
        since: V2015,
        description: "The text without spaces and tabs around it.",
        examples: &[example("trim('  ab ')", "\"ab\""), example("trim(none)", "Undefined")],
        evaluate: |call| textually(call, |text| text.trim_matches(BLANK).to_owned()),
    },
    Function {
        name: "ltrim",
        arguments: &[one("text", Text)],
        since: V2015,
        description: "The text without spaces and tabs before it.",
        examples: &[example("ltrim('  ab ')", "\"ab \""), example("ltrim(' h i ')", "\"h i \"")],
        evaluate: |call| textually(call, |text| text.trim_start_matches(BLANK).to_owned()),
    },
    Function {
        name: "rtrim",
        arguments: &[one("text", Text)],
        since: V2015,
        description: "The text without spaces and tabs after it.",
        examples: &[example("rtrim(' ab  ')", "\" ab\""), example("rtrim(7)", "\"7\"")],
        evaluate: |call| textually(call, |text| text.trim_end_matches(BLANK).to_owned()),
    },
    Function {
        name: "lpad",
        arguments: &[one("text", Text), one("spaces", Num)],
        since: V2015,
        description: "The text with so many spaces (0 to 1000) put before it.",
        examples: &[example("lpad('x', 3)", "\"   x\""), example("lpad('x', -1)", "\"x\"")],
        evaluate: |call| pad(call, |text, spaces| format!("{spaces}{text}")),
    },
    Function {
        name: "rpad",
        arguments: &[one("text", Text), one("spaces", Num)],
        since: V2015,
        description: "The text with so many spaces (0 to 1000) put after it.",
        examples: &[example("rpad('x', 2.9)", "\"x  \""), example("rpad('x', 'y')", "Undefined")],
        evaluate: |call| pad(call, |text, spaces| format!("{text}{spaces}")),
    },
    Function {
        name: "replace",
        arguments: &[one("text", Text), one("from", Text), one("to", Text)],
        since: V2015,
        description: "The text with every `from` replaced.",
        examples: &[
            example("replace('a-b-c', '-', '+')", "\"a+b+c\""),
            example("replace(none, 'a', 'b')", "Undefined"),
        ],
        evaluate: replace,
    },
    Function {
        name: "substring",
        arguments: &[one("text", Text), one("start", Num), optional("end", Num)],
        since: V2015,
        description: "The characters from `start`, counted from 0, up to but not including `end`.",
        examples: &[
            example("substring('telemetry', 4)", "\"metry\""),
            example("substring('telemetry', 0, 4)", "\"tele\""),
            example("substring('tele', -9, 99)", "\"tele\""),
            example("substring('tele', 3, 1)", "\"\""),
        ],
        evaluate: substring,
    },
    Function {
        name: "chr",
        arguments: &[one("code", Num)],
        since: V2015,
        description: "The ASCII character with that code; decimals are floored.",
        examples: &[example("chr(66.9)", "\"B\""), example("chr(300)", "Undefined")],
        evaluate: |call| match call.argument(0).to_index() {
            Some(code @ 0..=127) => Value::string(char::from(code as u8).to_string()),
            _ => Value::Undefined,
        },
    },
];

/// What the trimming functions take off.
const BLANK: [char; 2] = [' ', '\t'];

fn textually<'v>(call: &Call<'_, 'v>, change: impl Fn(&str) -> String) -> Value<'v> {
    call.text(0).map_or(Value::Undefined, |text| Value::string(change(&text)))
}

fn numerically<'v>(call: &Call<'_, 'v>, measure: impl Fn(&str) -> usize) -> Value<'v> {
    call.text(0).map_or(Value::Undefined, |text| count(measure(&text)))
}

fn count<'v>(count: usize) -> Value<'v> {
    i64::try_from(count).map_or(Value::Undefined, |count| Value::Number(Number::from(count)))
}

fn compare<'v>(call: &Call<'_, 'v>, holds: impl Fn(&str, &str) -> bool) -> Value<'v> {
    match (call.text(0), call.text(1)) {
        (Some(text), Some(part)) => Value::Boolean(holds(&text, &part)),
        _ => Value::Undefined,
    }
}

fn concat<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    match call.arguments {
        [] => Value::Undefined,
        [only] => only.clone(),
        arguments if arguments.iter().any(|argument| matches!(argument, Value::Array(_))) => {
            let mut elements = Vec::new();
            for argument in arguments {
                match argument {
                    Value::Array(array) => elements.extend(array.iter()),
                    other => elements.push(other.clone()),
                }
            }
            Value::array(elements)
        }
        arguments => {
            let texts: Option<Vec<_>> = (0..arguments.len()).map(|index| call.text(index)).collect();
            texts.map_or(Value::Undefined, |texts| Value::string(texts.concat()))
        }
    }
}

fn index_of<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let is_collection = |value: &Value<'_>| matches!(value, Value::Array(_) | Value::Object(_));
    if call.arguments.iter().any(is_collection) {
        return Value::Undefined;
    }
    let (Some(text), Some(part)) = (call.text(0), call.text(1)) else { return Value::Undefined };
    match text.find(part.as_ref()) {
        Some(at) => count(text[..at].chars().count()),
        None => Value::Number(Number::from(-1)),
    }
}

fn pad<'v>(call: &Call<'_, 'v>, join: impl Fn(&str, &str) -> String) -> Value<'v> {
    match (call.text(0), call.argument(1).to_index()) {
        (Some(text), Some(spaces)) => {
            let spaces = " ".repeat(usize::try_from(spaces.clamp(0, 1000)).unwrap_or(0));
            Value::string(join(&text, &spaces))
        }
        _ => Value::Undefined,
    }
}

fn replace<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let texts = (call.text(0), call.text(1), call.text(2));
    let (Some(text), Some(from), Some(to)) = texts else { return Value::Undefined };
    // Each replacement may make the text longer, so the size is known before anything is built.
    let growth = to.len().saturating_sub(from.len());
    let matches = if growth == 0 { 0 } else { text.matches(from.as_ref()).count() };
    if text.len().saturating_add(growth.saturating_mul(matches)) > call.text_bytes_max {
        return Value::Undefined;
    }
    Value::string(text.replace(from.as_ref(), &to))
}

fn substring<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let Some(text) = call.text(0) else { return Value::Undefined };
    let clamped = |index: i64| usize::try_from(index.max(0)).unwrap_or(usize::MAX);
    let Some(start) = call.argument(1).to_index().map(clamped) else { return Value::Undefined };
    let end = match call.arguments.get(2) {
        None => usize::MAX,
        Some(end) => match end.to_index() {
            Some(end) => clamped(end),
            None => return Value::Undefined,
        },
    };
    let part: String = text.chars().skip(start).take(end.saturating_sub(start)).collect();
    Value::string(part)
}
