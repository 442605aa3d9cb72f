//! Base64, into text and back into values.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::ArgumentKind::{self, Mode, Scheme, Text};
use super::{Call, Function, example, one, optional};
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
            example("encode(tags, 'base64')", "\"WyJob3QiLCJlYXN0Il0=\""),
        ],
        evaluate: |call| match (call.text(0), is_base64(call)) {
            (Some(text), true) => Value::string(base64_text(text.as_bytes())),
            _ => Value::Undefined,
        },
    },
    Function {
        name: "decode",
        arguments: &[
            one("text", ArgumentKind::String),
            one("scheme", Scheme),
            optional("bucket", Mode),
            optional("key", Mode),
            optional("file", Mode),
            optional("message", Mode),
        ],
        since: V2016,
        description: "What the text holds, which is base64. With the scheme `base64`: a value when it is JSON, else a String. With `proto`: a \
                      message of Protocol Buffers as the JSON of proto3; `message` is its type in the file `file` of the descriptor \
                      file `bucket`/`key`, all four written as texts. With `cbor` (an extension): the value that CBOR holds. \
                      `decode(*, 'proto', …)` and `decode(*, 'cbor')` take the payload's bytes. Null when it can't be decoded.",
        examples: &[
            example("decode('eyJhIjoxfQ==', 'base64').a", "1"),
            example("decode('eyAidGVtcGVyYXR1cmUiOiAzMyB9Cg==', 'base64').temperature", "33"),
            example("decode('bm90IGpzb24=', 'base64')", "\"not json\""),
            example("decode('NQ', 'base64')", "5"),
            example("decode('@@@@', 'base64')", "null"),
            example("decode('oWF0GFE=', 'cbor').t", "81"),
            example(
                "decode('CgJrNxEAAAAAAGBUQA==', 'proto', 'plant', 'kiln.desc', 'kiln', 'Reading')",
                "{\"deviceId\":\"k7\",\"temperature\":81.5}",
            ),
        ],
        evaluate: decode,
    },
];

/// Base64 with padding (RFC 4648, section 4).
pub(crate) fn base64_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// What base64 holds, padded or not.
pub(crate) fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    LENIENT.decode(text.as_bytes()).ok()
}

/// Reads what Java's decoder reads: padding may be missing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn is_base64(call: &Call<'_, '_>) -> bool {
    call.string(1) == Some("base64")
}

fn decode<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let (Some(text), true) = (call.string(0), is_base64(call)) else { return Value::Undefined };
    let Some(bytes) = base64_bytes(text) else { return Value::Null };
    if let Some(tape) = Tape::read(&bytes) {
        return Value::copied_from(tape.root(&bytes));
    }
    String::from_utf8(bytes).map_or(Value::Null, Value::string)
}
