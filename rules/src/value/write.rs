//! Values as JSON and as text.

use super::{Array, ArrayForm, Object, ObjectForm, Value};
use crate::json::{Kind, Node, write_string};

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
        Value::Array(Array(ArrayForm::Read(node))) | Value::Object(Object(ObjectForm::Read(node))) => {
            write_node(*node, keep_decimal_point, out);
        }
        Value::Array(Array(ArrayForm::Built(elements, _))) => {
            out.push('[');
            for (number, element) in elements.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                write_json(element, keep_decimal_point, out);
            }
            out.push(']');
        }
        Value::Object(Object(ObjectForm::Built(members, _))) => {
            out.push('{');
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

/// Appends what was read, without making values of it: texts and plain numbers are copied. Recursion is bounded by the
/// nesting a document may have.
pub(crate) fn write_node(node: Node<'_>, keep_decimal_point: bool, out: &mut String) {
    match node.kind() {
        Kind::Plain => out.push_str(node.quoted()),
        Kind::Number if node.is_plain_number() => out.push_str(node.raw()),
        Kind::Array => {
            out.push('[');
            for (number, element) in node.elements().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                write_node(element, keep_decimal_point, out);
            }
            out.push(']');
        }
        Kind::Object if node.members().count() <= COMPARED_MEMBERS_MAX => {
            out.push('{');
            let start = out.len();
            let mut members = node.members();
            while let Some((name, member)) = members.next() {
                // Of repeated names the last counts.
                if members.clone().any(|(later, _)| later.is_same(name)) {
                    continue;
                }
                if out.len() > start {
                    out.push(',');
                }
                name.write(out);
                out.push(':');
                write_node(member, keep_decimal_point, out);
            }
            out.push('}');
        }
        Kind::Object => {
            let members = Object(ObjectForm::Read(node)).members();
            write_json(&Value::object(members), keep_decimal_point, out);
        }
        _ => write_json(&Value::from_node(node), keep_decimal_point, out),
    }
}

/// Up to this many members, comparing each name with the later ones beats hashing.
const COMPARED_MEMBERS_MAX: usize = 24;

/// Appends what a value converts to as a String: the text itself, or its JSON; nothing for Undefined.
pub(crate) fn write_text(value: &Value<'_>, keep_decimal_point: bool, out: &mut String) {
    match value {
        Value::String(text) => out.push_str(text),
        other => write_json(other, keep_decimal_point, out),
    }
}
