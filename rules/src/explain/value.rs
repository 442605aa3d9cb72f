//! Values as they are shown: JSON, its beginning where it is long. What is not shown isn't written either.

use serde_json::value::RawValue;

use super::Shown;
use crate::json::write_string;
use crate::statement::Fault;
use crate::value::{Value, write_json};

/// The longest JSON of a value that is shown whole, in bytes.
const BYTES_MAX: usize = 1_024;

/// What is shown of the value of a part.
pub(super) fn shown(value: &Result<Value<'_>, Fault>) -> Shown {
    let value = match value {
        Ok(Value::Undefined) => return Shown::Undefined,
        Ok(value) => value,
        Err(fault) => return Shown::Fault(fault.to_string()),
    };
    let mut text = String::new();
    write(value, BYTES_MAX, &mut text);
    if text.len() <= BYTES_MAX
        && let Ok(json) = RawValue::from_string(text.clone())
    {
        return Shown::Value(json);
    }
    Shown::Excerpt(cut(&text, BYTES_MAX, value))
}

/// A value in a sentence, at most this many bytes of it.
pub(super) fn brief(value: &Value<'_>, bytes_max: usize) -> String {
    let mut text = String::new();
    write(value, bytes_max, &mut text);
    match text.len() {
        0 => "Undefined".to_owned(),
        length if length <= bytes_max => text,
        _ => cut(&text, bytes_max, value),
    }
}

/// Writes the JSON of a value, or more than `bytes_max` of it. Recursion is bounded by the nesting of values.
fn write(value: &Value<'_>, bytes_max: usize, out: &mut String) {
    match value {
        Value::Array(array) => {
            out.push('[');
            for (at, element) in array.iter().enumerate() {
                if out.len() > bytes_max {
                    return;
                }
                out.push_str(if at > 0 { "," } else { "" });
                write(&element, bytes_max, out);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push('{');
            for (at, (name, member)) in object.members().iter().enumerate() {
                if out.len() > bytes_max {
                    return;
                }
                out.push_str(if at > 0 { "," } else { "" });
                write_string(beginning(name, bytes_max), out);
                out.push(':');
                write(member, bytes_max, out);
            }
            out.push('}');
        }
        Value::String(text) => write_string(beginning(text, bytes_max), out),
        other => write_json(other, false, out),
    }
}

/// At least `bytes_max` bytes of a text, and not many more.
fn beginning(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    &text[..end]
}

fn cut(text: &str, bytes_max: usize, value: &Value<'_>) -> String {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let size = match value {
        Value::Array(array) => format!(" ({} elements)", array.len()),
        Value::Object(object) => format!(" ({} members)", object.members().len()),
        Value::String(text) => format!(" ({} bytes)", text.len()),
        _ => String::new(),
    };
    format!("{}…{size}", &text[..end])
}
