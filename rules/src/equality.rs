//! What a statement compares for equality with a constant, so that rules can be found by the values of a message.
//!
//! Knows plans; must not know rules or topics.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use crate::number::Number;
use crate::plan::{Constant, Plan};
use crate::syntax::Operator;
use crate::value::Value;

/// A value that is equal to another exactly if `=` says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key<'v> {
    Null,
    Boolean(bool),
    Number(Number),
    String(Cow<'v, str>),
}

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Null => state.write_u8(0),
            Self::Boolean(value) => state.write_u8(1 + u8::from(*value)),
            Self::Number(number) => number.hash(state),
            Self::String(text) => text.hash(state),
        }
    }
}

impl<'v> Key<'v> {
    /// The key of a value; none for Undefined, which equals nothing, and for arrays and objects, which no constant can be.
    pub(crate) fn of(value: Value<'v>) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Null),
            Value::Boolean(value) => Some(Self::Boolean(value)),
            Value::String(text) => Some(Self::String(text)),
            Value::Number(_) | Value::LongNumber(_) => value.to_number().map(Self::Number),
            Value::Undefined | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn of_constant(plan: &Plan) -> Option<Key<'static>> {
        match plan {
            Plan::Constant(Constant::Null) => Some(Key::Null),
            Plan::Constant(Constant::Boolean(value)) => Some(Key::Boolean(*value)),
            Plan::Constant(Constant::Number(number)) => Some(Key::Number(*number)),
            Plan::Constant(Constant::String(text)) => Some(Key::String(Cow::Owned(text.to_string()))),
            Plan::Negate(inner) => match inner.as_ref() {
                Plan::Constant(Constant::Number(number)) => Some(Key::Number(number.negated())),
                _ => None,
            },
            _ => None,
        }
    }
}

/// `path = constant`, either way round.
#[derive(Debug)]
pub(crate) struct Equality<'p> {
    pub(crate) path: &'p [Box<str>],
    pub(crate) key: Key<'static>,
}

/// The equalities without which `condition` can't be true: the whole of it, or one side of its outermost ANDs.
pub(crate) fn required(condition: &Plan) -> Vec<Equality<'_>> {
    let mut found = Vec::new();
    collect(condition, &mut found);
    found
}

/// Recursion is bounded by the nesting of the statement.
fn collect<'p>(condition: &'p Plan, found: &mut Vec<Equality<'p>>) {
    let Plan::Binary(operator, left, right) = condition else { return };
    match (operator, left.as_ref(), right.as_ref()) {
        (Operator::And, left, right) => {
            collect(left, found);
            collect(right, found);
        }
        (Operator::Equal, Plan::Path(path), constant) | (Operator::Equal, constant, Plan::Path(path)) => {
            found.extend(Key::of_constant(constant).map(|key| Equality { path, key }));
        }
        _ => {}
    }
}
