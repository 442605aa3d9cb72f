//! Why a message does or doesn't match: every part of WHERE with its value.
//!
//! For people: each part is compiled anew from the tree, so that evaluation proper carries no cost for it.

use crate::check::{Check, Reach};
use crate::evaluate::{Evaluation, Scope};
use crate::message::Message;
use crate::statement::{Fault, Outcome, Statement};
use crate::syntax::{Expression, Form, Operator};
use crate::value::write_json;

/// What a statement makes of a message, and why.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// Whether FROM lets the topic through; true without FROM.
    pub topic_matches: bool,
    /// WHERE and its parts, each before the parts it is made of; empty without WHERE.
    pub parts: Vec<Part>,
    /// The result, were the topic to match.
    pub outcome: Result<Outcome, Fault>,
}

/// A piece of WHERE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// As it is written in the statement.
    pub sql: String,
    /// Its value as JSON, or `Undefined`.
    pub value: String,
    /// How deep it stands: 0 for WHERE as a whole.
    pub depth: usize,
}

impl Statement {
    /// Evaluates the statement and says what each part of WHERE is.
    pub fn explain(&self, message: &Message<'_>) -> Explanation {
        let topic_matches = self.topic_filter().is_none_or(|filter| filter.matches(message.topic()));
        let mut parts = Vec::new();
        if let Some(condition) = &self.select().condition {
            self.collect(condition, 0, message, &mut parts);
        }
        Explanation { topic_matches, parts, outcome: self.evaluate(message) }
    }

    fn collect(&self, expression: &Expression, depth: usize, message: &Message<'_>, parts: &mut Vec<Part>) {
        let sql = self.sql()[expression.span.start..expression.span.end].to_owned();
        parts.push(Part { sql, value: self.value_of(expression, message), depth });
        match &expression.form {
            Form::Binary(_, left, right) | Form::In(left, right) => {
                for operand in [left, right].into_iter().filter(|operand| is_telling(operand)) {
                    self.collect(operand, depth + 1, message, parts);
                }
            }
            Form::Not(inner) | Form::Negate(inner) => self.collect(inner, depth + 1, message, parts),
            Form::Call(_, arguments) => {
                for argument in arguments.iter().filter(|argument| is_telling(argument)) {
                    self.collect(argument, depth + 1, message, parts);
                }
            }
            _ => {}
        }
    }

    fn value_of(&self, expression: &Expression, message: &Message<'_>) -> String {
        let options = self.options();
        // The statement was accepted, so this part of it is.
        let mut check = Check::new(self.sql(), options.version).reaching(Reach::Everybody);
        check.know_variables(self.variables());
        let plan = check.expression(expression);
        let mut text = String::new();
        let evaluated = Evaluation::start(&options, self.variables(), message).and_then(|evaluation| {
            write_json(&evaluation.value(&plan, Scope::Payload), false, &mut text);
            evaluation.fault()
        });
        if let Err(fault) = evaluated {
            text = fault.to_string();
        }
        if text.is_empty() { "Undefined".to_owned() } else { text }
    }
}

/// Whether a part's value says more than its text.
fn is_telling(expression: &Expression) -> bool {
    let is_operator = matches!(expression.form, Form::Binary(Operator::And | Operator::Or, ..));
    let is_literal = matches!(
        expression.form,
        Form::Null | Form::Boolean(_) | Form::Number(_) | Form::String(_) | Form::Star
    );
    is_operator || !is_literal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::CompileOptions;

    fn explain(sql: &str) -> String {
        let statement = Statement::compile(sql, CompileOptions::default()).unwrap();
        let randomness = || [7u8; 16];
        let message =
            Message::new("plant/kiln/telemetry", br#"{"temperature":75,"on":true}"#, 0, &randomness);
        let explanation = statement.explain(&message);
        let mut text = format!("topic {}\n", explanation.topic_matches);
        for part in explanation.parts {
            text.push_str(&format!("{}{} = {}\n", "  ".repeat(part.depth), part.sql, part.value));
        }
        text
    }

    #[test]
    fn every_part_of_where_is_shown_with_its_value() {
        assert_eq!(
            explain(
                "SELECT * FROM 'plant/+/telemetry' WHERE temperature > 80 AND (on = true OR humidity < 5)"
            ),
            "topic true\n\
             temperature > 80 AND (on = true OR humidity < 5) = Undefined\n\
             \x20 temperature > 80 = false\n\
             \x20   temperature = 75\n\
             \x20 (on = true OR humidity < 5) = Undefined\n\
             \x20   on = true = true\n\
             \x20     on = true\n\
             \x20   humidity < 5 = Undefined\n\
             \x20     humidity = Undefined\n"
        );
        assert_eq!(explain("SELECT * FROM 'hall/#'"), "topic false\n");
    }
}
