//! Finds the places of misfits: evaluates a statement once more, piece by piece, from its tree.
//!
//! For people and error documents: each piece is compiled anew, except for its regular expressions, so that evaluation
//! proper carries no cost for it.

use super::{Misfit, MisfitKind, expects_misfits, is_failure};
use crate::check::{Check, window_call};
use crate::diagnostic::{Position, Span};
use crate::evaluate::{Evaluation, Scope};
use crate::explain::aggregate_arguments;
use crate::functions;
use crate::message::Message;
use crate::plan::Plan;
use crate::statement::Statement;
use crate::syntax::{Body, Expression, Form, Grouping, Operator, Query};
use crate::value::{Value, write_json};
use crate::window::is_aggregated;

/// The most misfits that are told of one message.
const MISFITS_MAX: usize = 16;

/// The most pieces of a statement that are looked at, and the most looks: subqueries repeat theirs for every element.
const PIECES_MAX: usize = 2_000;

const SQL_CHARACTERS_MAX: usize = 200;
const INPUT_CHARACTERS_MAX: usize = 100;

/// The misfits of `message`, in the order in which they are met.
pub(super) fn examine(statement: &Statement, message: &Message<'_>) -> Vec<Misfit> {
    let select = statement.select();
    let mut builder = Builder { statement, query_depth: 0, pieces: 0 };
    let variables: Vec<Piece<'_>> =
        select.variables.iter().map(|assignment| builder.piece(&assignment.value)).collect();
    let condition = select.condition.as_ref().map(|condition| builder.piece(condition));
    let (body, row) = match &select.grouping {
        None => (builder.body(&select.body), Vec::new()),
        Some(grouping) => (Vec::new(), builder.row(grouping, &select.body)),
    };
    let options = statement.options();
    let Ok(evaluation) = Evaluation::start(&options, statement.variables(), message) else {
        return Vec::new();
    };
    let mut examiner = Examiner { statement, evaluation, found: Vec::new(), looks_left: PIECES_MAX };
    variables.iter().for_each(|piece| examiner.look(piece, Scope::Payload));
    if condition.as_ref().is_none_or(|condition| examiner.holds(condition, Scope::Payload)) {
        body.iter().for_each(|piece| examiner.look(piece, Scope::Payload));
        row.iter().for_each(|part| examiner.look_at_row(part));
    }
    examiner.found
}

/// An expression with its own plan, and the pieces it is made of.
struct Piece<'t> {
    expression: &'t Expression,
    plan: Plan,
    inputs: Vec<Piece<'t>>,
    subquery: Option<Box<Subquery<'t>>>,
}

/// What a nested SELECT does with each element.
struct Subquery<'t> {
    condition: Option<Piece<'t>>,
    body: Vec<Piece<'t>>,
}

/// What a message adds to windows: a value of GROUP BY or TIMESTAMP BY, or the argument of an aggregate.
struct RowPart<'t> {
    piece: Piece<'t>,
    aggregate: Option<&'t str>,
}

struct Builder<'t> {
    statement: &'t Statement,
    query_depth: usize,
    pieces: usize,
}

impl<'t> Builder<'t> {
    fn piece(&mut self, expression: &'t Expression) -> Piece<'t> {
        self.pieces += 1;
        // The statement was accepted, so this piece of it is.
        let mut check = Check::of_piece(self.statement, self.query_depth);
        let plan = check.expression(expression);
        let (inputs, subquery) =
            if self.pieces > PIECES_MAX { (Vec::new(), None) } else { self.parts(expression) };
        Piece { expression, plan, inputs, subquery }
    }

    fn parts(&mut self, expression: &'t Expression) -> (Vec<Piece<'t>>, Option<Box<Subquery<'t>>>) {
        if let Form::Query(query) | Form::Exists(query) = &expression.form {
            return (vec![self.piece(&query.source)], Some(Box::new(self.subquery(query))));
        }
        (expression.inputs().into_iter().map(|input| self.piece(input)).collect(), None)
    }

    fn subquery(&mut self, query: &'t Query) -> Subquery<'t> {
        self.query_depth += 1;
        let condition = query.condition.as_ref().map(|condition| self.piece(condition));
        let body = self.body(&query.body);
        self.query_depth -= 1;
        Subquery { condition, body }
    }

    fn row(&mut self, grouping: &'t Grouping, body: &'t Body) -> Vec<RowPart<'t>> {
        let keys = grouping.keys.iter().filter(|key| window_call(key).is_none());
        let others = grouping.time.iter().chain(keys).map(|expression| (None, expression));
        let arguments = aggregate_arguments(grouping, body);
        let arguments = arguments.into_iter().map(|(name, argument)| (Some(name), argument));
        let all: Vec<_> = others.chain(arguments).collect();
        all.into_iter()
            .map(|(aggregate, expression)| RowPart { piece: self.piece(expression), aggregate })
            .collect()
    }

    fn body(&mut self, body: &'t Body) -> Vec<Piece<'t>> {
        match body {
            Body::Value(value) => vec![self.piece(value)],
            Body::Items(items) => items.iter().map(|item| self.piece(&item.expression)).collect(),
        }
    }
}

struct Examiner<'v> {
    statement: &'v Statement,
    evaluation: Evaluation<'v>,
    found: Vec<Misfit>,
    looks_left: usize,
}

impl<'v> Examiner<'v> {
    /// WHERE, as the evaluator takes it: the right side of an AND counts only if the left one holds.
    fn holds(&mut self, condition: &'v Piece<'v>, scope: Scope<'_, 'v>) -> bool {
        if let (Form::Binary(Operator::And, ..), [left, right]) =
            (&condition.expression.form, condition.inputs.as_slice())
        {
            return self.holds(left, scope) && self.holds(right, scope);
        }
        self.look(condition, scope);
        let value = self.evaluation.value(&condition.plan, scope);
        let holds = value.to_boolean();
        if holds.is_none() && value.is_there() {
            let message = format!("WHERE takes a Boolean, this is {}", value.type_name());
            self.tell(MisfitKind::Conversion, condition.expression.span, message, &[value]);
        }
        holds == Some(true)
    }

    /// An aggregate leaves out what it can't use.
    fn look_at_row(&mut self, part: &'v RowPart<'v>) {
        self.look(&part.piece, Scope::Payload);
        let Some(aggregate) = part.aggregate else { return };
        let value = self.evaluation.value(&part.piece.plan, Scope::Payload);
        if value.is_there() && !is_aggregated(aggregate, &value) {
            let message = format!("`{aggregate}` leaves out this {}", value.type_name());
            self.tell(MisfitKind::Conversion, part.piece.expression.span, message, &[value]);
        }
    }

    /// Looks at everything in a piece that the evaluator looks at, then at the piece itself.
    fn look(&mut self, piece: &'v Piece<'v>, scope: Scope<'_, 'v>) {
        if self.found.len() >= MISFITS_MAX || self.looks_left == 0 || self.evaluation.fault().is_err() {
            return;
        }
        self.looks_left -= 1;
        match &piece.expression.form {
            Form::Case(_) => self.case(piece, scope),
            Form::Call(name, _) if functions::find(&name.text).is_some_and(expects_misfits) => {}
            _ => piece.inputs.iter().for_each(|input| self.look(input, scope)),
        }
        let inputs: Vec<Value<'v>> =
            piece.inputs.iter().map(|input| self.evaluation.value(&input.plan, scope)).collect();
        if let Some(subquery) = &piece.subquery {
            self.subquery(piece, subquery, &inputs);
        }
        if inputs.iter().all(Value::is_there) {
            // What became of questions before this piece is told with theirs.
            self.evaluation.asked.take_failure();
            let result = self.evaluation.value(&piece.plan, scope);
            if let (Plan::Ask(_), Some(reason)) = (&piece.plan, self.evaluation.asked.take_failure()) {
                self.tell(MisfitKind::Function, piece.expression.span, reason, &inputs);
            } else if let Some((kind, message)) =
                misfit(&piece.expression.form, &inputs, &result, self.evaluation.message)
            {
                self.tell(kind, piece.expression.span, message, &inputs);
            }
        }
    }

    /// Only the branch that is taken is looked at.
    fn case(&mut self, piece: &'v Piece<'v>, scope: Scope<'_, 'v>) {
        let Some((subject, rest)) = piece.inputs.split_first() else { return };
        self.look(subject, scope);
        let value = self.evaluation.value(&subject.plan, scope);
        if value.is_undefined() {
            return;
        }
        for pair in rest.chunks(2) {
            match pair {
                [wanted, result] => {
                    self.look(wanted, scope);
                    if value.equals(&self.evaluation.value(&wanted.plan, scope)) == Some(true) {
                        return self.look(result, scope);
                    }
                }
                _ => pair.iter().for_each(|otherwise| self.look(otherwise, scope)),
            }
        }
    }

    fn subquery(&mut self, piece: &'v Piece<'v>, subquery: &'v Subquery<'v>, source: &[Value<'v>]) {
        match source {
            [Value::Array(array)] => {
                for element in array.iter().take(PIECES_MAX) {
                    self.element(subquery, &element);
                }
            }
            [object @ Value::Object(_)] => self.element(subquery, object),
            [other] if other.is_there() => {
                let span =
                    piece.inputs.first().map_or(piece.expression.span, |source| source.expression.span);
                let message =
                    format!("a nested SELECT reads an Array or Object, this is {}", other.type_name());
                self.tell(MisfitKind::Conversion, span, message, source);
            }
            _ => {}
        }
    }

    fn element(&mut self, subquery: &'v Subquery<'v>, element: &Value<'v>) {
        let scope = Scope::Element(element);
        if subquery.condition.as_ref().is_none_or(|condition| self.holds(condition, scope)) {
            subquery.body.iter().for_each(|piece| self.look(piece, scope));
        }
    }

    fn tell(&mut self, kind: MisfitKind, span: Span, message: String, inputs: &[Value<'v>]) {
        let sql = self.statement.sql();
        let Position { line, column } = Position::of(sql, span.start);
        // A subquery meets the same piece with many elements.
        let is_known = |known: &Misfit| (known.line, known.column, known.kind) == (line, column, kind);
        if self.found.len() >= MISFITS_MAX || self.found.iter().any(is_known) {
            return;
        }
        let sql = cut(&sql[span.start..span.end], SQL_CHARACTERS_MAX);
        let inputs = inputs.iter().map(excerpt).collect();
        self.found.push(Misfit { kind, sql, line, column, message, inputs });
    }
}

/// Whether an expression gives nothing although its inputs, all there, would let it; and what to say then.
pub(super) fn misfit(
    form: &Form,
    inputs: &[Value<'_>],
    result: &Value<'_>,
    message: &Message<'_>,
) -> Option<(MisfitKind, String)> {
    let types: Vec<&str> = inputs.iter().map(Value::type_name).collect();
    let types = types.join(" and ");
    let conversion = |message: String| Some((MisfitKind::Conversion, message));
    match (form, inputs) {
        (Form::Call(name, arguments), _) if matches!(result, Value::Undefined | Value::Null) => {
            let function = functions::find(&name.text)?;
            let (fewest, most) = function.argument_counts();
            if !(fewest..=most).contains(&inputs.len()) {
                // That is Undefined always, and was said when the rule was created.
                return None;
            }
            let told = format!("`{}` can make nothing of {types}", function.name);
            // What the device sent was compiled when it was evaluated, within its bounds; a literal with the statement.
            let is_literal = arguments.get(1).is_some_and(|pattern| matches!(pattern.form, Form::String(_)));
            let is_pattern = |pattern: &str| is_literal || message.foreign_patterns.get(pattern).is_some();
            is_failure(function, inputs, result, &is_pattern).then_some((MisfitKind::Function, told))
        }
        _ if !result.is_undefined() => None,
        (Form::Binary(operator, ..), [left, right]) => {
            let kind = MisfitKind::of_operation(*operator, left, right);
            let operator = operator.text();
            Some((
                kind,
                match kind {
                    MisfitKind::Arithmetic => {
                        format!("`{operator}` has no result: division by zero, or out of range")
                    }
                    _ => format!("`{operator}` does not take {types}"),
                },
            ))
        }
        (Form::In(..), [_, right]) => conversion(format!("IN takes an Array, this is {}", right.type_name())),
        (Form::Not(_), _) => conversion(format!("NOT takes a Boolean, this is {types}")),
        (Form::Negate(_), _) => conversion(format!("`-` takes a number, this is {types}")),
        (Form::Cast(_, target), _) => conversion(format!("a {types} can't be cast to {target:?}")),
        _ => None,
    }
}

fn excerpt(value: &Value<'_>) -> String {
    let mut text = String::new();
    write_json(value, false, &mut text);
    cut(&text, INPUT_CHARACTERS_MAX)
}

fn cut(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
