//! Values as JSON and as text.

use super::{ObjectForm, Value};
use crate::json::write_string;

/// Appends the JSON of a value; nothing for Undefined.
///
/// With `keep_decimal_point` (SQL version 2015-10-08) the Decimal 10.0 is not printed as 10.
pub(crate) fn write_json(value: &Value<'_>, keep_decimal_point: bool, out: &mut String) {
    match value {
        Value::Undefined => {}
        Value::Null => out.push_str("null"),
        Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => number.print(keep_decimal_point, out),
        Value::LongNumber(text) => out.push_str(text),
        Value::String(text) => write_string(text, out),
        Value::Array(array) => {
            out.push('[');
            for (number, element) in array.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                write_json(&element, keep_decimal_point, out);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push('{');
            let members = match &object.0 {
                ObjectForm::Built(members) => members.as_ref(),
                ObjectForm::Read(_) => &object.members(),
            };
            for (number, (name, member)) in members.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                write_string(name, out);
                out.push(':');
                write_json(member, keep_decimal_point, out);
            }
            out.push('}');
        }
    }
}

/// Appends what a value converts to as a String: the text itself, or its JSON; nothing for Undefined.
pub(crate) fn write_text(value: &Value<'_>, keep_decimal_point: bool, out: &mut String) {
    match value {
        Value::String(text) => out.push_str(text),
        other => write_json(other, keep_decimal_point, out),
    }
}
