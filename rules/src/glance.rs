//! Whether a message can be told to be none for a statement before anybody reads its payload.
//!
//! What WHERE demands first is looked at where the name stands in the text. Only what is sure to be false, or not there, rules a message out: a value
//! that can't be compared is for the evaluation to note.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::evaluate::binary;
use crate::json::Sought;
use crate::message::Payload;
use crate::plan::{Constant, Plan};
use crate::syntax::Operator;
use crate::value::Value;

/// A comparison of a field with a constant that has to hold, and that is looked at before anything else.
#[derive(Debug)]
pub(crate) struct Glance {
    sought: Sought,
    operator: Operator,
    constant: Constant,
    constant_is_left: bool,
    guess: Guess,
}

/// Whether a glance is worth its cost, which is lost when the payload has to be read after all. What came last is expected to come again: rules
/// that take nearly every message never glance, and rules that take few nearly always do. It decides how long an answer takes, never which one.
#[derive(Debug, Default)]
pub(crate) struct Guess {
    expects_none: AtomicBool,
}

impl Guess {
    /// Whether the message is expected to be none.
    pub(crate) fn expects_none(&self) -> bool {
        self.expects_none.load(Ordering::Relaxed)
    }

    /// Learns from a message that was read: where a glance was of no use, the next is left out, too. Threads share a guess, so it is only written
    /// when it changes.
    pub(crate) fn learn(&self, is_none: bool) {
        let glanced = self.expects_none();
        if glanced || is_none {
            self.expects_none.store(!glanced, Ordering::Relaxed);
        }
    }
}

impl Clone for Guess {
    fn clone(&self) -> Self {
        Self { expects_none: AtomicBool::new(self.expects_none()) }
    }
}

impl Glance {
    /// What WHERE demands first; `None` when that is anything but a comparison of a field with a constant.
    pub(crate) fn of(condition: &Plan) -> Option<Self> {
        let Plan::Binary(operator, left, right) = condition else { return None };
        let (path, constant, constant_is_left) = match (operator, left.as_ref(), right.as_ref()) {
            // Recursion is bounded by the nesting of the statement.
            (Operator::And, left, _) => return Self::of(left),
            (
                Operator::Equal
                | Operator::NotEqual
                | Operator::Less
                | Operator::LessOrEqual
                | Operator::Greater
                | Operator::GreaterOrEqual,
                left,
                right,
            ) => match (left, right) {
                (Plan::Path(path), Plan::Constant(constant)) => (path, constant, false),
                (Plan::Constant(constant), Plan::Path(path)) => (path, constant, true),
                _ => return None,
            },
            _ => return None,
        };
        let sought = Sought::new(path.last()?)?;
        Some(Self {
            sought,
            operator: *operator,
            constant: constant.clone(),
            constant_is_left,
            guess: Guess::default(),
        })
    }

    /// Whether the message is seen to be none; not looked for unless that is expected.
    pub(crate) fn sees_none(&self, payload: &Payload<'_>) -> bool {
        self.guess.expects_none() && self.rules_out(payload)
    }

    /// Learns from a message that was read.
    pub(crate) fn learn(&self, is_none: bool) {
        self.guess.learn(is_none);
    }

    /// Whether the demand can't hold of the payload, so that WHERE is false or Undefined and nothing is noted.
    fn rules_out(&self, payload: &Payload<'_>) -> bool {
        let Some(text) = payload.unread() else { return false };
        let constant = self.constant.value();
        self.sought.is_nowhere(text, |scalar| {
            let value = Value::from_scalar(scalar);
            let (left, right) = if self.constant_is_left { (&constant, &value) } else { (&value, &constant) };
            !matches!(binary(self.operator, left, right, false), Value::Boolean(false))
        })
    }
}

#[cfg(test)]
mod tests;
