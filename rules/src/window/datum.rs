//! A value that outlives its message: what a row carries and a group keeps.

use crate::json::{Tape, write_string};
use crate::number::Number;
use crate::value::{Value, write_json};

use super::bytes::{Reader, push_bytes, push_number};

/// A value without the message it came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Datum {
    #[default]
    Undefined,
    Null,
    Boolean(bool),
    Number(Number),
    Text(Box<str>),
    /// An Array, an Object or a number of more digits than a [`Number`] keeps, as JSON.
    Json(Box<str>),
    /// There is a value, but none that any aggregate over it can use.
    Present,
}

const UNDEFINED: u8 = 0;
const NULL: u8 = 1;
const FALSE: u8 = 2;
const TRUE: u8 = 3;
const NUMBER: u8 = 4;
const TEXT: u8 = 5;
const JSON: u8 = 6;
const PRESENT: u8 = 7;

impl Datum {
    /// The value as it is.
    pub(super) fn of(value: &Value<'_>) -> Self {
        match value {
            Value::Undefined => Self::Undefined,
            Value::Null => Self::Null,
            Value::Boolean(value) => Self::Boolean(*value),
            Value::Number(number) => Self::Number(*number),
            Value::LongNumber(text) => Self::Json((*text).into()),
            Value::String(text) => Self::Text(text.as_ref().into()),
            Value::Array(_) | Value::Object(_) => {
                let mut text = String::new();
                write_json(value, false, &mut text);
                Self::Json(text.into())
            }
        }
    }

    /// The value such that equal ones become the same: members sorted, numbers rounded to the digits that count.
    pub(super) fn key_of(value: &Value<'_>) -> Self {
        match value {
            Value::Number(_) | Value::LongNumber(_) => {
                value.to_number().map_or(Self::Undefined, |number| Self::Number(number.as_int_if_whole()))
            }
            Value::Array(_) | Value::Object(_) => {
                let mut text = String::new();
                write_sorted(value, &mut text);
                Self::Json(text.into())
            }
            other => Self::of(other),
        }
    }

    /// Whether SQL's aggregates look at it at all.
    pub(super) fn is_present(&self) -> bool {
        !matches!(self, Self::Undefined | Self::Null)
    }

    /// The number it is or, as a text, stands for.
    pub(super) fn number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => Value::string(text.as_ref()).to_number(),
            Self::Json(text) if !text.starts_with(['[', '{']) => Number::parse_json(text),
            _ => None,
        }
    }

    /// How many bytes it takes beyond its fixed size.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Text(text) | Self::Json(text) => text.len(),
            _ => 0,
        }
    }

    /// The structure of what is kept as JSON, for [`Datum::value`].
    pub(super) fn tape(&self) -> Option<Tape> {
        match self {
            Self::Json(text) => Tape::read(text.as_bytes()),
            _ => None,
        }
    }

    /// The value again, with what [`Datum::tape`] gave.
    pub(super) fn value<'v>(&'v self, tape: Option<&'v Tape>) -> Value<'v> {
        match self {
            Self::Undefined => Value::Undefined,
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Present => Value::Boolean(true),
            Self::Number(number) => Value::Number(*number),
            Self::Text(text) => Value::string(text.as_ref()),
            Self::Json(text) => {
                tape.map_or(Value::Undefined, |tape| Value::from_node(tape.root(text.as_bytes())))
            }
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Undefined => out.push(UNDEFINED),
            Self::Null => out.push(NULL),
            Self::Boolean(false) => out.push(FALSE),
            Self::Boolean(true) => out.push(TRUE),
            Self::Present => out.push(PRESENT),
            Self::Number(number) => {
                out.push(NUMBER);
                push_number(out, *number);
            }
            Self::Text(text) => {
                out.push(TEXT);
                push_bytes(out, text.as_bytes());
            }
            Self::Json(text) => {
                out.push(JSON);
                push_bytes(out, text.as_bytes());
            }
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.byte()? {
            UNDEFINED => Self::Undefined,
            NULL => Self::Null,
            FALSE => Self::Boolean(false),
            TRUE => Self::Boolean(true),
            PRESENT => Self::Present,
            NUMBER => Self::Number(reader.number()?),
            TEXT => Self::Text(reader.text()?.into()),
            JSON => Self::Json(reader.text()?.into()),
            _ => return None,
        })
    }
}

/// JSON with the members of objects in the order of their names. Recursion is bounded by the nesting a value can have.
fn write_sorted(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Array(array) => {
            out.push('[');
            for (at, element) in array.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_sorted(&element, out);
            }
            out.push(']');
        }
        Value::Object(object) => {
            let mut members = object.members();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            out.push('{');
            for (at, (name, member)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_string(name, out);
                out.push(':');
                write_sorted(member, out);
            }
            out.push('}');
        }
        other => match other.to_number() {
            Some(number) if !matches!(other, Value::String(_)) => number.print(false, out),
            _ => write_json(other, false, out),
        },
    }
}
