//! Pieces with values as a list of parts, without those that tell nothing.

use super::look::{Seen, SeenElement};
use super::value::shown;
use super::{Part, Shown, cause};
use crate::message::Message;
use crate::statement::Statement;
use crate::syntax::{Expression, Form, Operator};

/// The longest piece of a statement that is shown, in characters.
const SQL_CHARACTERS_MAX: usize = 400;

/// A piece and the pieces it is made of.
pub(super) fn parts(statement: &Statement, seen: &Seen<'_>, message: &Message<'_>) -> Vec<Part> {
    let mut lister = Lister { statement, message, parts: Vec::new() };
    lister.add(seen, 0, None);
    lister.parts
}

struct Lister<'s> {
    statement: &'s Statement,
    message: &'s Message<'s>,
    parts: Vec<Part>,
}

impl Lister<'_> {
    fn add(&mut self, seen: &Seen<'_>, depth: usize, name: Option<&str>) {
        let mut sql = self.sql(seen.piece.expression);
        if let Some(name) = name.filter(|name| !name.is_empty() && *name != sql) {
            sql = format!("{sql} AS {name}");
        }
        let why = cause::own(self.statement, seen, self.message);
        self.parts.push(Part { depth, sql, value: shown(&seen.value), why });
        for input in telling_inputs(seen) {
            self.add(input, depth + 1, None);
        }
        for (at, element) in seen.elements.iter().enumerate() {
            self.add_element(element, at, depth + 1);
        }
        if seen.elements_left_out > 0 {
            self.remark(depth + 1, format!("and {} more elements", seen.elements_left_out));
        }
        if seen.piece.is_cut {
            self.remark(depth + 1, "the statement is too long to be shown further".to_owned());
        }
    }

    fn add_element(&mut self, seen: &SeenElement<'_>, at: usize, depth: usize) {
        let value = shown(&Ok(seen.element.clone()));
        self.parts.push(Part { depth, sql: format!("element {at}"), value, why: None });
        if let Some(condition) = &seen.condition {
            self.add(condition, depth + 1, None);
        }
        for (name, item) in seen.items.iter().filter(|(_, item)| is_telling(item.piece.expression)) {
            self.add(item, depth + 1, Some(name));
        }
    }

    fn remark(&mut self, depth: usize, text: String) {
        self.parts.push(Part { depth, sql: String::new(), value: Shown::Remark(text), why: None });
    }

    fn sql(&self, expression: &Expression) -> String {
        cut(&self.statement.sql()[expression.span.start..expression.span.end], SQL_CHARACTERS_MAX)
    }
}

/// The inputs whose values say more than the text of the whole: no literals, no beginnings of a path, and of CASE what was
/// looked at until a branch was taken.
fn telling_inputs<'s, 'v>(seen: &'s Seen<'v>) -> Vec<&'s Seen<'v>> {
    let inputs = match &seen.piece.expression.form {
        Form::Member(inner, _) if is_path(inner) => return Vec::new(),
        Form::Case(_) => looked_at_by_case(seen),
        Form::Binary(operator @ (Operator::And | Operator::Or), ..) => {
            let mut chain = Vec::new();
            links(seen, *operator, &mut chain);
            chain
        }
        _ => seen.inputs.iter().collect(),
    };
    inputs.into_iter().filter(|input| is_telling(input.piece.expression)).collect()
}

/// The operands of `a OR b OR c`, which is read as `(a OR b) OR c`.
pub(super) fn links<'s, 'v>(seen: &'s Seen<'v>, operator: Operator, chain: &mut Vec<&'s Seen<'v>>) {
    for input in &seen.inputs {
        let is_link = matches!(input.piece.expression.form, Form::Binary(inner, ..) if inner == operator);
        if is_link && !input.inputs.is_empty() { links(input, operator, chain) } else { chain.push(input) }
    }
}

fn looked_at_by_case<'s, 'v>(seen: &'s Seen<'v>) -> Vec<&'s Seen<'v>> {
    let Some((subject, rest)) = seen.inputs.split_first() else { return Vec::new() };
    let mut looked_at = vec![subject];
    for pair in rest.chunks(2) {
        match pair {
            [wanted, result] => {
                looked_at.push(wanted);
                let is_equal = match (&subject.value, &wanted.value) {
                    (Ok(subject), Ok(wanted)) => subject.equals(wanted) == Some(true),
                    _ => false,
                };
                if is_equal {
                    looked_at.push(result);
                    break;
                }
            }
            otherwise => looked_at.extend(otherwise),
        }
    }
    looked_at
}

fn is_path(expression: &Expression) -> bool {
    match &expression.form {
        Form::Member(inner, _) => is_path(inner),
        Form::Field(_) | Form::Star | Form::Variable(_) => true,
        _ => false,
    }
}

/// Whether a part's value says more than its text.
pub(super) fn is_telling(expression: &Expression) -> bool {
    match &expression.form {
        Form::Null | Form::Boolean(_) | Form::Number(_) | Form::String(_) | Form::Star => false,
        Form::Negate(inner) => is_telling(inner),
        Form::Array(elements) => elements.iter().any(is_telling),
        Form::Object(members) => members.iter().any(|(_, value)| is_telling(value)),
        _ => true,
    }
}

/// A text on one line, cut where it is long.
pub(super) fn cut(text: &str, characters_max: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(characters_max) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
