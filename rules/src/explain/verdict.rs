//! Why WHERE isn't true, in a sentence.

use super::cause::{a_type, own, root_cause, sql};
use super::look::Seen;
use super::parts::{is_telling, links};
use super::value::brief;
use crate::message::Message;
use crate::statement::Statement;
use crate::syntax::{Form, Operator};
use crate::value::Value;

/// The longest value that is told, in bytes.
const VALUE_BYTES_MAX: usize = 80;

/// The parts of an OR that are told; the others are counted.
const ALTERNATIVES_MAX: usize = 3;

/// The inputs of an operator or function that are told.
const INPUTS_MAX: usize = 3;

/// Why `seen`, WHERE or a part of it that has to hold, isn't true.
pub(super) fn verdict(statement: &Statement, seen: &Seen<'_>, message: &Message<'_>) -> String {
    Judge { statement, message }.verdict(seen)
}

struct Judge<'s> {
    statement: &'s Statement,
    message: &'s Message<'s>,
}

impl Judge<'_> {
    fn verdict(&self, seen: &Seen<'_>) -> String {
        if let Err(fault) = &seen.value {
            return fault.to_string();
        }
        match &seen.piece.expression.form {
            Form::Binary(Operator::And, ..) => match seen.inputs.iter().find(|input| !input.is_true()) {
                Some(input) => self.verdict(input),
                None => self.plain(seen),
            },
            Form::Binary(Operator::Or, ..) => self.alternatives(seen),
            Form::Exists(_) => self.no_element(seen),
            _ if seen.is_undefined() => self.undefined(seen, seen),
            Form::Binary(operator, ..) if operator.compares() => self.comparison(seen, operator.text()),
            Form::In(..) => self.comparison(seen, "IN"),
            Form::Not(_) => match seen.inputs.first() {
                Some(inner) => {
                    format!("{} is {}; the rule wants that it is not", self.sql(inner), value(inner))
                }
                None => self.plain(seen),
            },
            _ => self.plain(seen),
        }
    }

    /// Why `seen`, for which the rule wants `wanted` to hold, is Undefined.
    fn undefined(&self, seen: &Seen<'_>, wanted: &Seen<'_>) -> String {
        let wanted = self.sql(wanted);
        let telling = || seen.inputs.iter().filter(|input| is_telling(input.piece.expression));
        if let Some(cause) = own(self.statement, seen, self.message)
            && telling().all(|input| !matches!(input.value, Ok(Value::Null | Value::Undefined)))
        {
            let inputs: Vec<String> = telling()
                .take(INPUTS_MAX)
                .map(|input| format!("{} is {}", self.sql(input), value(input)))
                .collect();
            if !inputs.is_empty() {
                return format!("{} ({cause}); the rule wants {wanted}", inputs.join(" and "));
            }
        }
        match root_cause(self.statement, seen, self.message) {
            Some(cause) => format!("{cause}; the rule wants {wanted}"),
            None => format!("{} is Undefined; the rule wants {wanted}", self.sql(seen)),
        }
    }

    /// `temperature is 75; the rule wants > 80`
    fn comparison(&self, seen: &Seen<'_>, operator: &str) -> String {
        let [left, right] = seen.inputs.as_slice() else { return self.plain(seen) };
        let telling = |input: &Seen<'_>| is_telling(input.piece.expression);
        let (left_sql, right_sql) = (self.sql(left), self.sql(right));
        match (telling(left), telling(right)) {
            (true, false) => format!("{left_sql} is {}; the rule wants {operator} {right_sql}", value(left)),
            (false, true) => {
                format!("{right_sql} is {}; the rule wants {left_sql} {operator} it", value(right))
            }
            _ => {
                let (left_value, right_value) = (value(left), value(right));
                format!(
                    "{left_sql} is {left_value} and {right_sql} is {right_value}; the rule wants {left_sql} {operator} {right_sql}"
                )
            }
        }
    }

    fn alternatives(&self, seen: &Seen<'_>) -> String {
        let mut alternatives = Vec::new();
        links(seen, Operator::Or, &mut alternatives);
        // An OR with an Undefined side is Undefined even if the other side is true.
        alternatives.retain(|seen| !seen.is_true());
        let told: Vec<String> = alternatives
            .iter()
            .take(ALTERNATIVES_MAX)
            .map(|seen| format!("({})", self.verdict(seen)))
            .collect();
        let left_out = alternatives.len() - told.len();
        let more = if left_out > 0 { format!(" and {left_out} more") } else { String::new() };
        format!("none of the alternatives holds: {}{more}", told.join(", "))
    }

    fn no_element(&self, seen: &Seen<'_>) -> String {
        let Some(source) = seen.inputs.first() else { return self.plain(seen) };
        if source.is_undefined() {
            return self.undefined(source, seen);
        }
        let count = seen.elements.len() + seen.elements_left_out;
        let source_sql = self.sql(source);
        let first = seen.elements.iter().find_map(|element| element.condition.as_ref());
        match (count, first) {
            (0, _) => format!("{source_sql} has no element; the rule wants one"),
            (_, Some(condition)) => format!(
                "no element of {source_sql} passes its WHERE; of the first, {}",
                self.verdict(condition)
            ),
            (_, None) => self.plain(seen),
        }
    }

    fn plain(&self, seen: &Seen<'_>) -> String {
        let wants = match &seen.value {
            Ok(Value::Boolean(_)) => "true".to_owned(),
            Ok(other) => format!("a Boolean, not {}", a_type(other)),
            Err(_) => "a value".to_owned(),
        };
        format!("{} is {}; the rule wants {wants}", self.sql(seen), value(seen))
    }

    fn sql(&self, seen: &Seen<'_>) -> String {
        sql(self.statement, seen.piece.expression)
    }
}

fn value(seen: &Seen<'_>) -> String {
    match &seen.value {
        Ok(value) => brief(value, VALUE_BYTES_MAX),
        Err(fault) => fault.to_string(),
    }
}
