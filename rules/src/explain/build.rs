//! Takes a statement apart into pieces, each compiled by itself.

use crate::check::{Check, window_call};
use crate::diagnostic::Span;
use crate::plan::Plan;
use crate::statement::Statement;
use crate::syntax::{Body, Expression, Form, Grouping, Item, Query, is_same};
use crate::window::find_aggregate;

/// The most pieces a statement is taken into.
const PIECES_MAX: usize = 400;

/// The most text that is compiled for them, in bytes: a long chain of operators contains itself again and again.
const COMPILED_BYTES_MAX: usize = 256 * 1024;

/// The pieces of a statement.
pub(super) struct Pieces<'t> {
    pub(super) variables: Vec<(String, Piece<'t>)>,
    pub(super) condition: Option<Piece<'t>>,
    pub(super) items: Vec<(String, Piece<'t>)>,
    /// What a message adds to windows: TIMESTAMP BY, GROUP BY and the arguments of aggregates.
    pub(super) row: Vec<(String, Piece<'t>)>,
}

/// An expression with its own plan, and the pieces it is made of.
pub(super) struct Piece<'t> {
    pub(super) expression: &'t Expression,
    pub(super) plan: Plan,
    pub(super) inputs: Vec<Piece<'t>>,
    pub(super) subquery: Option<Box<Subquery<'t>>>,
    /// The bounds were reached, so that inputs are missing.
    pub(super) is_cut: bool,
}

/// What a nested SELECT does with each element; its source is the input of its piece.
pub(super) struct Subquery<'t> {
    pub(super) condition: Option<Piece<'t>>,
    pub(super) items: Vec<(String, Piece<'t>)>,
}

/// Takes a statement apart.
pub(super) fn build(statement: &Statement) -> Pieces<'_> {
    let mut builder =
        Builder { statement, query_depth: 0, pieces_left: PIECES_MAX, bytes_left: COMPILED_BYTES_MAX };
    let select = statement.select();
    let condition = select.condition.as_ref().map(|condition| builder.piece(condition));
    let variables = select
        .variables
        .iter()
        .map(|assignment| (format!("@{}", assignment.name.text), builder.piece(&assignment.value)))
        .collect();
    let (items, row) = match &select.grouping {
        None => (builder.body(&select.body), Vec::new()),
        Some(grouping) => (Vec::new(), builder.row(grouping, &select.body)),
    };
    Pieces { variables, condition, items, row }
}

struct Builder<'t> {
    statement: &'t Statement,
    query_depth: usize,
    pieces_left: usize,
    bytes_left: usize,
}

impl<'t> Builder<'t> {
    fn piece(&mut self, expression: &'t Expression) -> Piece<'t> {
        let plan = self.compile(expression);
        let bytes = expression.span.end.saturating_sub(expression.span.start);
        self.pieces_left = self.pieces_left.saturating_sub(1);
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        let is_cut = self.pieces_left == 0 || self.bytes_left == 0;
        let (inputs, subquery) = if is_cut { (Vec::new(), None) } else { self.parts(expression) };
        Piece { expression, plan, inputs, subquery, is_cut }
    }

    fn compile(&self, expression: &Expression) -> Plan {
        // The statement was accepted, so this piece of it is.
        let mut check = Check::of_piece(self.statement, self.query_depth);
        check.expression(expression)
    }

    fn parts(&mut self, expression: &'t Expression) -> (Vec<Piece<'t>>, Option<Box<Subquery<'t>>>) {
        if let Form::Query(query) | Form::Exists(query) = &expression.form {
            return (vec![self.piece(&query.source)], Some(Box::new(self.subquery(query))));
        }
        (expression.inputs().into_iter().map(|input| self.piece(input)).collect(), None)
    }

    fn row(&mut self, grouping: &'t Grouping, body: &'t Body) -> Vec<(String, Piece<'t>)> {
        let mut arguments: Vec<(&str, &'t Expression)> = Vec::new();
        for (name, argument) in aggregate_arguments(grouping, body) {
            if !arguments.iter().any(|(_, known)| is_same(known, argument)) {
                arguments.push((name, argument));
            }
        }
        let time = grouping.time.iter().map(|time| ("TIMESTAMP BY", time));
        let keys = grouping.keys.iter().filter(|key| window_call(key).is_none()).map(|key| ("GROUP BY", key));
        let row: Vec<(&str, &'t Expression)> = time.chain(keys).chain(arguments).collect();
        row.into_iter().map(|(name, expression)| (name.to_owned(), self.piece(expression))).collect()
    }

    fn subquery(&mut self, query: &'t Query) -> Subquery<'t> {
        self.query_depth += 1;
        let condition = query.condition.as_ref().map(|condition| self.piece(condition));
        let items = self.body(&query.body);
        self.query_depth -= 1;
        Subquery { condition, items }
    }

    fn body(&mut self, body: &'t Body) -> Vec<(String, Piece<'t>)> {
        match body {
            Body::Value(value) => vec![(String::new(), self.piece(value))],
            Body::Items(items) => {
                items.iter().map(|item| (self.name_of(item), self.piece(&item.expression))).collect()
            }
        }
    }

    /// Where an item goes in the output, as the check decides it.
    fn name_of(&self, item: &Item) -> String {
        let Span { start, end } = item.expression.span;
        match (item.alias.as_slice(), &item.expression.form) {
            ([], Form::Star) => String::new(),
            ([], Form::Field(name) | Form::Variable(name)) => name.clone(),
            ([], Form::Member(_, name)) => name.text.clone(),
            ([], _) => self.statement.sql()[start..end].to_owned(),
            (alias, _) => alias.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join("."),
        }
    }
}

/// The aggregates of a statement over windows, by name, with their arguments but `*`.
pub(crate) fn aggregate_arguments<'t>(
    grouping: &'t Grouping,
    body: &'t Body,
) -> Vec<(&'t str, &'t Expression)> {
    let mut inside: Vec<&'t Expression> = match body {
        Body::Value(value) => vec![value],
        Body::Items(items) => items.iter().map(|item| &item.expression).collect(),
    };
    inside.extend(&grouping.having);
    inside.reverse();
    let mut found = Vec::new();
    while let Some(expression) = inside.pop() {
        match &expression.form {
            Form::Call(name, arguments) if find_aggregate(&name.text).is_some() => {
                let argument = arguments.first().filter(|argument| !matches!(argument.form, Form::Star));
                found.extend(argument.map(|argument| (name.text.as_str(), argument)));
            }
            Form::Query(query) | Form::Exists(query) => inside.push(&query.source),
            _ => inside.extend(expression.inputs().into_iter().rev()),
        }
    }
    found
}
