//! Why a piece is Undefined.

use super::look::Seen;
use super::parts::cut;
use crate::diagnostic::nearest;
use crate::message::Message;
use crate::misfit;
use crate::statement::Statement;
use crate::syntax::{Expression, Form};
use crate::value::{Object, Value};

/// The longest piece of a statement that is told, in characters.
const SQL_CHARACTERS_MAX: usize = 80;

/// The members among which a similar name is looked for.
const MEMBERS_MAX: usize = 200;

/// Why this piece is Undefined, if the reason isn't that a piece inside it is.
pub(super) fn own(statement: &Statement, seen: &Seen<'_>, message: &Message<'_>) -> Option<String> {
    if !seen.is_undefined() {
        return None;
    }
    let is_inside = seen.inputs.iter().any(Seen::is_undefined);
    match &seen.piece.expression.form {
        Form::Field(name) => Some(match &seen.within {
            Some(element) => missing(name, element, "the element"),
            None => match message.payload().root() {
                Some(root) => missing(name, &Value::from_node(root), "the payload"),
                None => not_json(message),
            },
        }),
        Form::Star => Some(not_json(message)),
        Form::Member(inner, name) => match &seen.inputs.first()?.value {
            Ok(Value::Undefined) => own(statement, seen.inputs.first()?, message),
            Ok(value) => Some(missing(&name.text, value, &sql(statement, inner))),
            Err(_) => None,
        },
        Form::Case(_) => Some(case(seen)),
        _ if is_inside => None,
        form => misfit_of(statement, form, seen, message),
    }
}

/// Why this piece is Undefined, whichever piece inside it is to blame.
pub(super) fn root_cause(statement: &Statement, seen: &Seen<'_>, message: &Message<'_>) -> Option<String> {
    own(statement, seen, message).or_else(|| {
        let undefined = seen.inputs.iter().filter(|input| input.is_undefined());
        undefined.filter_map(|input| root_cause(statement, input, message)).next()
    })
}

fn case(seen: &Seen<'_>) -> String {
    match seen.inputs.first() {
        Some(subject) if subject.is_undefined() => "what it compares is Undefined".to_owned(),
        _ => "no branch is taken that has a value".to_owned(),
    }
}

fn misfit_of(statement: &Statement, form: &Form, seen: &Seen<'_>, message: &Message<'_>) -> Option<String> {
    let inputs: Vec<Value<'_>> =
        seen.inputs.iter().map(|input| input.value.clone().ok()).collect::<Option<_>>()?;
    if let (Form::Query(_), [source]) = (form, inputs.as_slice()) {
        return Some(format!("a nested SELECT reads an Array or Object, this is {}", a_type(source)));
    }
    let is_call = matches!(form, Form::Call(..));
    if let Some(null) = inputs.iter().position(|input| matches!(input, Value::Null))
        && !is_call
    {
        return Some(format!("{} is null", sql(statement, seen.inputs[null].piece.expression)));
    }
    let told = misfit::describe(form, &inputs, &Value::Undefined, message);
    told.or_else(|| is_call.then(|| "for these arguments there is nothing".to_owned()))
}

/// What to say of a member that isn't there.
fn missing(name: &str, value: &Value<'_>, whose: &str) -> String {
    let Value::Object(object) = value else {
        return format!("{whose} is {}, not an Object, so it has no `{name}`", a_type(value));
    };
    match similar(name, object) {
        Some(similar) => format!("{whose} has no `{name}`; did you mean `{similar}`?"),
        None => format!("{whose} has no `{name}`"),
    }
}

/// A type with its article.
pub(super) fn a_type(value: &Value<'_>) -> String {
    let name = value.type_name();
    let article = if name.starts_with(['A', 'I', 'O']) { "an" } else { "a" };
    format!("{article} {name}")
}

fn similar(name: &str, object: &Object<'_>) -> Option<String> {
    let members = object.members();
    let names = members.iter().take(MEMBERS_MAX).map(|(name, _)| name.as_ref());
    // Of very short names most differ in one letter.
    let found =
        nearest(name, names).filter(|found| name.chars().count() > 2 || found.eq_ignore_ascii_case(name));
    found.map(str::to_owned)
}

fn not_json(message: &Message<'_>) -> String {
    match message.payload().bytes() {
        [] => "the payload is empty".to_owned(),
        _ => "the payload is not JSON".to_owned(),
    }
}

/// A piece of the statement as it is told in a sentence.
pub(super) fn sql(statement: &Statement, expression: &Expression) -> String {
    cut(&statement.sql()[expression.span.start..expression.span.end], SQL_CHARACTERS_MAX)
}
