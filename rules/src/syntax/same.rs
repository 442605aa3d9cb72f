//! Whether two pieces of a statement say the same, wherever they stand.

use super::tree::{Body, Case, Expression, Form, Item, Name, Query};

/// Whether two expressions are written alike, but for spaces, parentheses and the case of keywords and functions.
pub(crate) fn is_same(left: &Expression, right: &Expression) -> bool {
    // Different depths can't be alike, which keeps comparing a long expression with each of its parts cheap.
    left.depth == right.depth && is_same_form(&left.form, &right.form)
}

fn is_same_form(left: &Form, right: &Form) -> bool {
    match (left, right) {
        (Form::Null, Form::Null) | (Form::Star, Form::Star) => true,
        (Form::Boolean(a), Form::Boolean(b)) => a == b,
        (Form::Number(a), Form::Number(b)) => a == b,
        (Form::String(a), Form::String(b))
        | (Form::Field(a), Form::Field(b))
        | (Form::Variable(a), Form::Variable(b)) => a == b,
        (Form::Member(a, name), Form::Member(b, other)) => name.text == other.text && is_same(a, b),
        (Form::Not(a), Form::Not(b)) | (Form::Negate(a), Form::Negate(b)) => is_same(a, b),
        (Form::Binary(operator, a, b), Form::Binary(other, c, d)) => {
            operator == other && is_same(a, c) && is_same(b, d)
        }
        (Form::In(a, b), Form::In(c, d)) => is_same(a, c) && is_same(b, d),
        (Form::Exists(a), Form::Exists(b)) | (Form::Query(a), Form::Query(b)) => is_same_query(a, b),
        (Form::Call(name, a), Form::Call(other, b)) => {
            name.text.eq_ignore_ascii_case(&other.text) && are_same(a, b)
        }
        (Form::Cast(a, target), Form::Cast(b, other)) => target == other && is_same(a, b),
        (Form::Case(a), Form::Case(b)) => is_same_case(a, b),
        (Form::Object(a), Form::Object(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|((name, a), (other, b))| name.text == other.text && is_same(a, b))
        }
        (Form::Array(a), Form::Array(b)) => are_same(a, b),
        _ => false,
    }
}

fn are_same(left: &[Expression], right: &[Expression]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| is_same(a, b))
}

fn are_both(left: Option<&Expression>, right: Option<&Expression>) -> bool {
    match (left, right) {
        (Some(a), Some(b)) => is_same(a, b),
        (None, None) => true,
        _ => false,
    }
}

fn is_same_case(left: &Case, right: &Case) -> bool {
    is_same(&left.subject, &right.subject)
        && left.branches.len() == right.branches.len()
        && left.branches.iter().zip(&right.branches).all(|((a, b), (c, d))| is_same(a, c) && is_same(b, d))
        && are_both(left.otherwise.as_ref(), right.otherwise.as_ref())
}

fn is_same_query(left: &Query, right: &Query) -> bool {
    is_same_body(&left.body, &right.body)
        && is_same(&left.source, &right.source)
        && are_both(left.condition.as_ref(), right.condition.as_ref())
}

fn is_same_body(left: &Body, right: &Body) -> bool {
    match (left, right) {
        (Body::Value(a), Body::Value(b)) => is_same(a, b),
        (Body::Items(a), Body::Items(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same_item(a, b))
        }
        _ => false,
    }
}

fn is_same_item(left: &Item, right: &Item) -> bool {
    let names = |names: &[Name]| names.iter().map(|name| name.text.clone()).collect::<Vec<_>>();
    names(&left.alias) == names(&right.alias) && is_same(&left.expression, &right.expression)
}
