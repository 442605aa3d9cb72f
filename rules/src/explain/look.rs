//! Evaluates the pieces of a statement and keeps every value.

use super::build::{Piece, Pieces, Subquery};
use crate::evaluate::{Evaluation, Scope};
use crate::message::Message;
use crate::statement::{CompileOptions, Fault, Statement};
use crate::syntax::Form;
use crate::value::Value;

/// The most looks at pieces: subqueries repeat theirs for every element.
const LOOKS_MAX: usize = 1_000;

/// The elements of a subquery that are looked at; the others are counted.
const ELEMENTS_MAX: usize = 5;

/// How often the evaluation begins anew after a fault, so that the pieces beside it have values; bounds the work.
const RESTARTS_MAX: usize = 2;

/// The pieces of a statement with their values.
pub(super) struct Looked<'v> {
    pub(super) variables: Vec<(String, Seen<'v>)>,
    pub(super) condition: Option<Seen<'v>>,
    pub(super) items: Vec<(String, Seen<'v>)>,
    pub(super) row: Vec<(String, Seen<'v>)>,
}

/// A piece and its value.
pub(super) struct Seen<'v> {
    pub(super) piece: &'v Piece<'v>,
    pub(super) value: Result<Value<'v>, Fault>,
    /// The element that names are looked up in; `None` for the payload.
    pub(super) within: Option<Value<'v>>,
    pub(super) inputs: Vec<Seen<'v>>,
    pub(super) elements: Vec<SeenElement<'v>>,
    /// Further elements of a subquery.
    pub(super) elements_left_out: usize,
}

/// What a subquery made of one element.
pub(super) struct SeenElement<'v> {
    pub(super) element: Value<'v>,
    pub(super) condition: Option<Seen<'v>>,
    /// Empty where WHERE isn't true.
    pub(super) items: Vec<(String, Seen<'v>)>,
}

impl Seen<'_> {
    pub(super) fn is_undefined(&self) -> bool {
        matches!(self.value, Ok(Value::Undefined))
    }

    /// Whether this is `*` and its members are in the output, or its bytes are the output.
    pub(super) fn is_whole(&self, is_raw: bool) -> bool {
        matches!(self.piece.expression.form, Form::Star) && (is_raw || !self.is_undefined())
    }

    pub(super) fn is_true(&self) -> bool {
        matches!(&self.value, Ok(value) if value.to_boolean() == Some(true))
    }
}

impl<'v> Looked<'v> {
    /// Looks at the pieces; at what follows WHERE only `with_items`.
    pub(super) fn look(
        statement: &'v Statement,
        options: &'v CompileOptions,
        pieces: &'v Pieces<'v>,
        message: &'v Message<'v>,
        with_items: bool,
    ) -> Self {
        let evaluation = Evaluation::start(options, statement.variables(), message);
        let mut looker = Looker {
            statement,
            options,
            message,
            evaluation,
            restarts_left: RESTARTS_MAX,
            looks_left: LOOKS_MAX,
        };
        let condition = pieces.condition.as_ref().map(|piece| looker.look(piece, Scope::Payload));
        let variables = looker.look_all(&pieces.variables, Scope::Payload);
        let mut look_all = |pieces: &'v [_]| {
            if with_items { looker.look_all(pieces, Scope::Payload) } else { Vec::new() }
        };
        let (items, row) = (look_all(&pieces.items), look_all(&pieces.row));
        Self { variables, condition, items, row }
    }
}

struct Looker<'v> {
    statement: &'v Statement,
    options: &'v CompileOptions,
    message: &'v Message<'v>,
    evaluation: Result<Evaluation<'v>, Fault>,
    restarts_left: usize,
    looks_left: usize,
}

impl<'v> Looker<'v> {
    fn look_all(
        &mut self,
        pieces: &'v [(String, Piece<'v>)],
        scope: Scope<'_, 'v>,
    ) -> Vec<(String, Seen<'v>)> {
        pieces.iter().map(|(name, piece)| (name.clone(), self.look(piece, scope))).collect()
    }

    fn look(&mut self, piece: &'v Piece<'v>, scope: Scope<'_, 'v>) -> Seen<'v> {
        self.looks_left = self.looks_left.saturating_sub(1);
        let value = self.value(piece, scope);
        let within = match scope {
            Scope::Payload => None,
            Scope::Element(element) => Some(element.clone()),
        };
        let mut seen =
            Seen { piece, value, within, inputs: Vec::new(), elements: Vec::new(), elements_left_out: 0 };
        if self.looks_left == 0 {
            return seen;
        }
        seen.inputs = piece.inputs.iter().map(|input| self.look(input, scope)).collect();
        if let (Some(subquery), Some(Seen { value: Ok(source), .. })) = (&piece.subquery, seen.inputs.first())
        {
            let (elements, count) = match source {
                Value::Array(array) => (array.iter().take(ELEMENTS_MAX).collect(), array.len()),
                Value::Object(_) => (vec![source.clone()], 1),
                _ => (Vec::new(), 0),
            };
            seen.elements_left_out = count - elements.len();
            seen.elements = elements.into_iter().map(|element| self.element(subquery, element)).collect();
        }
        seen
    }

    fn element(&mut self, subquery: &'v Subquery<'v>, element: Value<'v>) -> SeenElement<'v> {
        let scope = Scope::Element(&element);
        let condition = subquery.condition.as_ref().map(|condition| self.look(condition, scope));
        let passes = condition.as_ref().is_none_or(Seen::is_true);
        let items = if passes { self.look_all(&subquery.items, scope) } else { Vec::new() };
        SeenElement { condition, items, element }
    }

    /// The value of a piece by itself: what was spent on others before is not held against it.
    fn value(&mut self, piece: &'v Piece<'v>, scope: Scope<'_, 'v>) -> Result<Value<'v>, Fault> {
        let first = self.attempt(piece, scope);
        if first.is_ok() || self.restarts_left == 0 {
            return first;
        }
        self.restart();
        let second = self.attempt(piece, scope);
        if second.is_err() {
            self.restart();
        }
        second
    }

    fn attempt(&self, piece: &'v Piece<'v>, scope: Scope<'_, 'v>) -> Result<Value<'v>, Fault> {
        let evaluation = self.evaluation.as_ref().map_err(Clone::clone)?;
        let value = evaluation.value(&piece.plan, scope);
        evaluation.fault().map(|()| value)
    }

    fn restart(&mut self) {
        self.restarts_left = self.restarts_left.saturating_sub(1);
        self.evaluation = Evaluation::start(self.options, self.statement.variables(), self.message);
    }
}
