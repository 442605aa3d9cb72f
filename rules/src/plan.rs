//! The compiled form of statements: names resolved, paths joined, patterns prepared.
//!
//! Made by the check, walked by the evaluator; must not know text positions.

use std::collections::HashSet;
use std::sync::Arc;

use crate::ask::AskPlan;
use crate::functions::{Expression, Function};
use crate::json::write_string;
use crate::number::Number;
use crate::protobuf::MessageType;
use crate::syntax::CastTarget;
use crate::syntax::Operator;
use crate::value::Value;

#[derive(Debug)]
pub(crate) enum Plan {
    Constant(Constant),
    /// Members from the payload, or the element a subquery looks at, downwards.
    Path(Box<[Box<str>]>),
    /// The whole payload or element.
    Star,
    /// `encode(*, 'base64')`: the payload's bytes, JSON or not.
    EncodedPayload,
    /// `decode` with a scheme that makes more of bytes than text.
    Decode(Box<DecodePlan>),
    /// The variable with this number.
    Variable(usize),
    Member(Box<Plan>, Box<str>),
    Not(Box<Plan>),
    Negate(Box<Plan>),
    Binary(Operator, Box<Plan>, Box<Plan>),
    In(Box<Plan>, Box<Plan>),
    Exists(Box<QueryPlan>),
    Query(Box<QueryPlan>),
    Call(Box<CallPlan>),
    /// A call that asks the world outside.
    Ask(Box<AskPlan>),
    Cast(Box<Plan>, CastTarget),
    Case(Box<CasePlan>),
    Object(Vec<(Box<str>, Plan)>),
    Array(Vec<Plan>),
}

#[derive(Debug, Clone)]
pub(crate) enum Constant {
    /// What a CASE without ELSE falls back to, and a call with the wrong number of arguments gives.
    Undefined,
    Null,
    Boolean(bool),
    Number(Number),
    String(Box<str>),
}

impl Constant {
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Self::Undefined => Value::Undefined,
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Number(number) => Value::Number(*number),
            Self::String(text) => Value::string(text.as_ref()),
        }
    }
}

#[derive(Debug)]
pub(crate) struct CallPlan {
    pub(crate) function: &'static Function,
    pub(crate) arguments: Vec<Plan>,
    /// The compiled pattern, when the function takes one and it is a literal.
    pub(crate) pattern: Option<Arc<Expression>>,
}

#[derive(Debug)]
pub(crate) struct DecodePlan {
    /// What gives the base64 text; the payload's bytes when there is nothing.
    pub(crate) source: Option<Plan>,
    pub(crate) scheme: Scheme,
}

/// How bytes are decoded.
#[derive(Debug)]
pub(crate) enum Scheme {
    Proto(MessageType),
    Cbor,
}

#[derive(Debug)]
pub(crate) struct CasePlan {
    pub(crate) subject: Plan,
    pub(crate) branches: Vec<(Plan, Plan)>,
    pub(crate) otherwise: Plan,
}

#[derive(Debug)]
pub(crate) struct QueryPlan {
    pub(crate) projection: Projection,
    pub(crate) source: Plan,
    pub(crate) condition: Option<Plan>,
    /// How many nodes are walked for an element at most, those of subqueries within once.
    pub(crate) nodes: usize,
}

/// What a SELECT makes.
#[derive(Debug)]
pub(crate) enum Projection {
    /// `SELECT VALUE expression`
    Value(Plan),
    Items {
        items: Vec<ItemPlan>,
        shape: Shape,
    },
}

/// What can be known of the items of a SELECT before there is a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// No `*`, no nested alias and no repeated name: members can be written as they are computed.
    Flat,
    /// `*`, and after it nothing or items as in [`Shape::Flat`].
    StarThenFlat,
    Other,
}

impl Shape {
    pub(crate) fn of(items: &[ItemPlan]) -> Self {
        let is_flat = |items: &[ItemPlan]| {
            let mut names = HashSet::new();
            items.iter().all(|item| item.path.len() == 1 && names.insert(&item.path))
        };
        match items {
            [star, rest @ ..] if star.path.is_empty() && is_flat(rest) => Self::StarThenFlat,
            items if is_flat(items) => Self::Flat,
            _ => Self::Other,
        }
    }
}

impl Projection {
    /// An empty object: what a statement over windows makes of a message.
    pub(crate) fn nothing() -> Self {
        Self::Items { items: Vec::new(), shape: Shape::Flat }
    }
}

#[derive(Debug)]
pub(crate) struct ItemPlan {
    /// Where the value goes in the output; empty for `*`, whose members are spread.
    pub(crate) path: Box<[Box<str>]>,
    /// The last name of the path as a member begins with it: `"name":`.
    pub(crate) label: Box<str>,
    pub(crate) plan: Plan,
}

impl ItemPlan {
    pub(crate) fn new(path: Box<[Box<str>]>, plan: Plan) -> Self {
        let mut label = String::new();
        if let Some(name) = path.last() {
            write_string(name, &mut label);
            label.push(':');
        }
        Self { path, label: label.into(), plan }
    }
}

/// The variables of SET, in order; shared by a statement and the templates made for it.
pub(crate) type Variables = Arc<[(Box<str>, Plan)]>;
