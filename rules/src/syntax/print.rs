//! From tree to text: one line, one way of writing everything, and no parentheses but those that carry meaning.
//!
//! Reading the text again gives the same tree; a property test holds printer and parser to it.

#[cfg(test)]
mod tests;

use std::fmt::{self, Display, Formatter, Write};

use super::tree::{
    Assignment, Body, Case, CastTarget, Expression, Form, Item, Name, Query, Select, strength,
};

impl Display for Select {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { variables, body, from, condition, grouping } = self;
        if !variables.is_empty() {
            out.write_str("SET ")?;
            separated(out, variables, assignment)?;
            out.write_char(' ')?;
        }
        write!(out, "SELECT {body}")?;
        if let Some(filter) = from {
            out.write_str(" FROM ")?;
            string(out, &filter.text)?;
        }
        let grouping = grouping.as_ref();
        if let Some(time) = grouping.and_then(|grouping| grouping.time.as_ref()) {
            write!(out, " TIMESTAMP BY {time}")?;
        }
        where_clause(out, condition.as_ref())?;
        if let Some(grouping) = grouping.filter(|grouping| !grouping.keys.is_empty()) {
            out.write_str(" GROUP BY ")?;
            separated(out, &grouping.keys, |out, key| write!(out, "{key}"))?;
        }
        let having = grouping.and_then(|grouping| grouping.having.as_ref());
        having.map_or(Ok(()), |having| write!(out, " HAVING {having}"))
    }
}

impl Display for Query {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "SELECT {} FROM {}", self.body, Operand(&self.source, strength::MEMBER))?;
        where_clause(out, self.condition.as_ref())
    }
}

fn where_clause(out: &mut Formatter<'_>, condition: Option<&Expression>) -> fmt::Result {
    condition.map_or(Ok(()), |condition| write!(out, " WHERE {condition}"))
}

fn assignment(out: &mut Formatter<'_>, assignment: &Assignment) -> fmt::Result {
    write!(out, "@{} = {}", assignment.name.text, assignment.value)
}

impl Display for Body {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(out, "VALUE {value}"),
            Self::Items(items) => separated(out, items, |out, item| {
                let is_first = items.first().is_some_and(|first| std::ptr::eq(first, item));
                write_item(out, item, is_first)
            }),
        }
    }
}

fn write_item(out: &mut Formatter<'_>, item: &Item, is_first: bool) -> fmt::Result {
    // Right after SELECT, `value + 1` would be read as SELECT VALUE.
    if is_first && !item.expression.is_path() && item.expression.starts_with_value() {
        write!(out, "({})", item.expression)?;
    } else {
        write!(out, "{}", item.expression)?;
    }
    for (number, name) in item.alias.iter().enumerate() {
        out.write_str(if number == 0 { " AS " } else { "." })?;
        out.write_str(&name.text)?;
    }
    Ok(())
}

impl Display for Expression {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match &self.form {
            Form::Null => out.write_str("null"),
            Form::Boolean(value) => write!(out, "{value}"),
            Form::Number(number) => {
                let mut digits = String::new();
                number.print(true, &mut digits);
                out.write_str(&digits)
            }
            Form::String(text) => string(out, text),
            Form::Field(name) => out.write_str(name),
            Form::Star => out.write_char('*'),
            Form::Variable(name) => write!(out, "@{name}"),
            Form::Member(inner, name) => member(out, inner, name),
            Form::Not(inner) => write!(out, "NOT {}", Operand(inner, strength::NOT)),
            Form::Negate(inner) => write!(out, "-{}", Operand(inner, strength::MEMBER)),
            Form::Binary(operator, left, right) => {
                let strength = operator.strength();
                // Comparisons don't chain; the other operators do, to the left.
                let left_min = strength + u8::from(strength == strength::COMPARISON);
                infix(out, left, left_min, operator.text(), right, strength + 1)
            }
            Form::In(left, right) => {
                infix(out, left, strength::COMPARISON + 1, "IN", right, strength::COMPARISON + 1)
            }
            Form::Exists(query) => write!(out, "EXISTS ({query})"),
            Form::Query(query) => write!(out, "({query})"),
            Form::Call(name, arguments) => {
                write!(out, "{}(", name.text)?;
                separated(out, arguments, |out, argument| write!(out, "{argument}"))?;
                out.write_char(')')
            }
            Form::Cast(inner, target) => write!(out, "cast({inner} AS {})", type_name(*target)),
            Form::Case(case) => write_case(out, case),
            Form::Object(members) => {
                out.write_char('{')?;
                separated(out, members, |out, (name, value)| {
                    string(out, &name.text)?;
                    write!(out, ": {value}")
                })?;
                out.write_char('}')
            }
            Form::Array(elements) => {
                out.write_char('[')?;
                separated(out, elements, |out, element| write!(out, "{element}"))?;
                out.write_char(']')
            }
        }
    }
}

impl Expression {
    fn strength(&self) -> u8 {
        match &self.form {
            Form::Binary(operator, ..) => operator.strength(),
            Form::In(..) => strength::COMPARISON,
            Form::Not(_) => strength::NOT,
            Form::Negate(_) => strength::NEGATE,
            Form::Number(number) if number.is_negative() => strength::NEGATE,
            _ => strength::MEMBER,
        }
    }

    fn is_path(&self) -> bool {
        match &self.form {
            Form::Field(_) => true,
            Form::Member(inner, _) => inner.is_path(),
            _ => false,
        }
    }

    /// Whether the first word of the text is `value`.
    fn starts_with_value(&self) -> bool {
        match &self.form {
            Form::Field(name) => name.eq_ignore_ascii_case("VALUE"),
            Form::Call(name, _) => name.text.eq_ignore_ascii_case("VALUE"),
            Form::Member(inner, _) | Form::Binary(_, inner, _) | Form::In(inner, _) => {
                inner.starts_with_value()
            }
            _ => false,
        }
    }
}

/// An expression in a place that takes nothing weaker than this strength without parentheses.
struct Operand<'e>(&'e Expression, u8);

impl Display for Operand<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(expression, strength_min) = self;
        if expression.strength() < *strength_min {
            write!(out, "({expression})")
        } else {
            write!(out, "{expression}")
        }
    }
}

fn infix(
    out: &mut Formatter<'_>,
    left: &Expression,
    left_min: u8,
    operator: &str,
    right: &Expression,
    right_min: u8,
) -> fmt::Result {
    write!(out, "{} {operator} {}", Operand(left, left_min), Operand(right, right_min))
}

fn member(out: &mut Formatter<'_>, inner: &Expression, name: &Name) -> fmt::Result {
    match inner.form {
        // The point would be read as part of the number.
        Form::Number(_) => write!(out, "({inner}).{}", name.text),
        _ => write!(out, "{}.{}", Operand(inner, strength::MEMBER), name.text),
    }
}

fn write_case(out: &mut Formatter<'_>, case: &Case) -> fmt::Result {
    write!(out, "CASE {}", case.subject)?;
    for (wanted, result) in &case.branches {
        write!(out, " WHEN {wanted} THEN {result}")?;
    }
    if let Some(otherwise) = &case.otherwise {
        write!(out, " ELSE {otherwise}")?;
    }
    out.write_str(" END")
}

fn type_name(target: CastTarget) -> &'static str {
    match target {
        CastTarget::String => "String",
        CastTarget::Int => "Int",
        CastTarget::Double => "Double",
        CastTarget::Decimal => "Decimal",
        CastTarget::Boolean => "Boolean",
    }
}

/// A string in single quotes; those inside it are written twice.
fn string(out: &mut Formatter<'_>, text: &str) -> fmt::Result {
    write!(out, "'{}'", text.replace('\'', "''"))
}

fn separated<T>(
    out: &mut Formatter<'_>,
    items: &[T],
    mut write_one: impl FnMut(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            out.write_str(", ")?;
        }
        write_one(out, item)?;
    }
    Ok(())
}
