//! Base64, into text and back into values.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::ArgumentKind::{Scheme, Text};
use super::{Call, Function, example, one};
use crate::json::Tape;
use crate::statement::SqlVersion::V2016;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "encode",
        arguments: &[one("value", Text), one("scheme", Scheme)],
        since: V2016,
        description: "The text in base64. `encode(*, 'base64')` takes the payload's bytes, JSON or not.",
        examples: &[
            example("encode(name, 'base64')", "\"S2lsbiA3\""),
            example("encode(5, 'base64')", "\"NQ==\""),
            example("encode(name, 'rot13')", "Undefined"),
        ],
        evaluate: |call| match (call.argument(0).to_text(), is_base64(call)) {
            (Some(text), true) => Value::string(base64_text(text.as_bytes())),
            _ => Value::Undefined,
        },
    },
    Function {
        name: "decode",
        arguments: &[one("text", Text), one("scheme", Scheme)],
        since: V2016,
        description: "What the base64 text holds: a value when it is JSON, else a String; Null when it is no base64.",
        examples: &[
            example("decode('eyJhIjoxfQ==', 'base64').a", "1"),
            example("decode('bm90IGpzb24=', 'base64')", "\"not json\""),
            example("decode('@@@@', 'base64')", "null"),
        ],
        evaluate: decode,
    },
];

/// Base64 with padding (RFC 4648, section 4).
pub(crate) fn base64_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn is_base64(call: &Call<'_, '_>) -> bool {
    matches!(call.argument(1), Value::String(scheme) if scheme == "base64")
}

fn decode<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let (Value::String(text), true) = (call.argument(0), is_base64(call)) else { return Value::Undefined };
    let Ok(bytes) = STANDARD.decode(text.as_bytes()) else { return Value::Null };
    if let Some(tape) = Tape::read(&bytes) {
        return Value::copied_from(tape.root(&bytes));
    }
    String::from_utf8(bytes).map_or(Value::Null, Value::string)
}
