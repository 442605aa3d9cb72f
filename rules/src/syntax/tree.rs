//! The tree of a statement, every piece with its place in the text.

use crate::diagnostic::Span;
use crate::number::Number;

/// `[SET …] SELECT … [FROM …] [TIMESTAMP BY …] [WHERE …] [GROUP BY …] [HAVING …]`
#[derive(Debug, Clone)]
pub(crate) struct Select {
    pub(crate) variables: Vec<Assignment>,
    pub(crate) body: Body,
    /// The text of the topic filter.
    pub(crate) from: Option<Name>,
    pub(crate) condition: Option<Expression>,
    /// What makes it a statement over windows; boxed because few statements have it.
    pub(crate) grouping: Option<Box<Grouping>>,
}

/// `[TIMESTAMP BY …] [GROUP BY …] [HAVING …]`, at least one of them.
#[derive(Debug, Clone)]
pub(crate) struct Grouping {
    /// The time of an event.
    pub(crate) time: Option<Expression>,
    /// What follows GROUP BY, the window among it, in which case it is a call.
    pub(crate) keys: Vec<Expression>,
    pub(crate) having: Option<Expression>,
    /// The first of its keywords.
    pub(crate) keyword: Span,
}

/// `@name = expression`
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) name: Name,
    pub(crate) value: Expression,
}

/// A word and its place. For strings the text is what the quotes hold, the place includes them.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// What follows SELECT.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Value(Expression),
    Items(Vec<Item>),
}

#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) expression: Expression,
    /// `AS a.b`; empty when there is none.
    pub(crate) alias: Vec<Name>,
}

/// A SELECT inside an expression.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) body: Body,
    pub(crate) source: Expression,
    pub(crate) condition: Option<Expression>,
    pub(crate) span: Span,
}

#[derive(Debug, Clone)]
pub(crate) struct Expression {
    pub(crate) form: Form,
    pub(crate) span: Span,
    /// Nodes on the longest way down from here; bounded so that walking the tree is safe on any stack.
    pub(crate) depth: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum Form {
    Null,
    Boolean(bool),
    Number(Number),
    String(String),
    /// A field of the payload or of the element a subquery looks at.
    Field(String),
    /// `*`: the whole payload or element.
    Star,
    /// `@name`
    Variable(String),
    Member(Box<Expression>, Name),
    Not(Box<Expression>),
    Negate(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    In(Box<Expression>, Box<Expression>),
    Exists(Box<Query>),
    Query(Box<Query>),
    Call(Name, Vec<Expression>),
    Cast(Box<Expression>, CastTarget),
    Case(Box<Case>),
    Object(Vec<(Name, Expression)>),
    Array(Vec<Expression>),
}

/// `CASE subject WHEN … THEN … ELSE … END`
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) subject: Expression,
    pub(crate) branches: Vec<(Expression, Expression)>,
    pub(crate) otherwise: Option<Expression>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// How tightly each kind of operator binds its operands, from loosest to tightest.
pub(super) mod strength {
    pub(crate) const OR: u8 = 1;
    pub(crate) const AND: u8 = 2;
    pub(crate) const NOT: u8 = 3;
    pub(crate) const COMPARISON: u8 = 4;
    pub(crate) const SUM: u8 = 5;
    pub(crate) const PRODUCT: u8 = 6;
    pub(crate) const NEGATE: u8 = 7;
    pub(crate) const MEMBER: u8 = 8;
}

impl Operator {
    /// Whether it compares its sides.
    pub(crate) fn compares(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Less
                | Self::LessOrEqual
                | Self::Greater
                | Self::GreaterOrEqual
        )
    }

    /// How tightly it binds its operands.
    pub(super) fn strength(self) -> u8 {
        match self {
            Self::Or => strength::OR,
            Self::And => strength::AND,
            Self::Equal | Self::NotEqual => strength::COMPARISON,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => strength::COMPARISON,
            Self::Add | Self::Subtract => strength::SUM,
            Self::Multiply | Self::Divide | Self::Remainder => strength::PRODUCT,
        }
    }

    /// As statements write it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Or => "OR",
            Self::And => "AND",
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

/// The types `cast` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CastTarget {
    String,
    Int,
    Double,
    Decimal,
    Boolean,
}

impl CastTarget {
    /// Every name of a type, in lower case.
    pub(crate) const NAMES: &'static [(&'static str, Self)] = &[
        ("string", Self::String),
        ("nvarchar", Self::String),
        ("text", Self::String),
        ("ntext", Self::String),
        ("varchar", Self::String),
        ("int", Self::Int),
        ("integer", Self::Int),
        ("double", Self::Double),
        ("decimal", Self::Decimal),
        ("bool", Self::Boolean),
        ("boolean", Self::Boolean),
    ];
}

impl Expression {
    pub(crate) fn leaf(form: Form, span: Span) -> Self {
        Self { form, span, depth: 1 }
    }

    /// The expressions directly inside this one; a subquery has a scope of its own.
    pub(crate) fn inputs(&self) -> Vec<&Self> {
        match &self.form {
            Form::Member(inner, _) | Form::Not(inner) | Form::Negate(inner) | Form::Cast(inner, _) => {
                vec![inner]
            }
            Form::Binary(_, left, right) | Form::In(left, right) => vec![left, right],
            Form::Call(_, arguments) => arguments.iter().collect(),
            Form::Array(elements) => elements.iter().collect(),
            Form::Object(members) => members.iter().map(|(_, value)| value).collect(),
            Form::Case(case) => {
                let branches = case.branches.iter().flat_map(|(wanted, result)| [wanted, result]);
                [&case.subject].into_iter().chain(branches).chain(&case.otherwise).collect()
            }
            Form::Query(_) | Form::Exists(_) | Form::Field(_) | Form::Star | Form::Variable(_) => Vec::new(),
            Form::Null | Form::Boolean(_) | Form::Number(_) | Form::String(_) => Vec::new(),
        }
    }
}
