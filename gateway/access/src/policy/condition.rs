//! Conditions of a statement.
//!
//! The rules of IAM: all conditions of a block must hold; of several operands one must match (for a negated operator:
//! none may). A key without a value fails every positive operator and passes every negated one, passes `…IfExists` and
//! `ForAllValues:`, and fails `ForAnyValue:`. A key with several values needs a quantifier in IAM; without one it is
//! read here as `ForAnyValue:` (for a negated operator: as `ForAllValues:`).

use super::resource::Resource;
use super::template::{Bound, Template, Wildcards, glyphs};
use super::variable::{Facts, Variable};
use super::{Effect, PolicyProblem};
use crate::ConnectAttributes;
use crate::nearest::nearest;
use std::borrow::Cow;
use std::net::IpAddr;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    No,
    /// An operand has a variable without a usable value: an Allow is not given, a Deny is.
    Unknown,
    Yes,
}

impl Truth {
    fn of(truth: bool) -> Self {
        if truth { Self::Yes } else { Self::No }
    }

    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
            Self::Yes => Self::No,
        }
    }

    pub(crate) fn all(truths: impl IntoIterator<Item = Self>) -> Self {
        truths.into_iter().fold(Self::Yes, |all, one| if all as u8 <= one as u8 { all } else { one })
    }

    fn any(truths: impl IntoIterator<Item = Self>) -> Self {
        truths.into_iter().fold(Self::No, |any, one| if any as u8 >= one as u8 { any } else { one })
    }

    /// Whether a statement with this effect takes part.
    pub(crate) fn admits(self, effect: Effect) -> bool {
        match effect {
            Effect::Allow => self == Self::Yes,
            Effect::Deny => self != Self::No,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equals,
    EqualsIgnoreCase,
    Like,
    Arn,
    Bool,
    IpAddress,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    None,
    ForAllValues,
    ForAnyValue,
}

/// Word, comparison, and whether it is negated.
const OPERATORS: [(&str, Comparison, bool); 14] = [
    ("StringEquals", Comparison::Equals, false),
    ("StringNotEquals", Comparison::Equals, true),
    ("StringEqualsIgnoreCase", Comparison::EqualsIgnoreCase, false),
    ("StringNotEqualsIgnoreCase", Comparison::EqualsIgnoreCase, true),
    ("StringLike", Comparison::Like, false),
    ("StringNotLike", Comparison::Like, true),
    ("ArnEquals", Comparison::Arn, false),
    ("ArnNotEquals", Comparison::Arn, true),
    ("ArnLike", Comparison::Arn, false),
    ("ArnNotLike", Comparison::Arn, true),
    ("Bool", Comparison::Bool, false),
    ("IpAddress", Comparison::IpAddress, false),
    ("NotIpAddress", Comparison::IpAddress, true),
    ("Null", Comparison::Null, false),
];

/// The word before a block of keys, like `ForAllValues:StringEqualsIfExists`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    comparison: Comparison,
    negated: bool,
    quantifier: Quantifier,
    if_exists: bool,
}

impl Operator {
    pub(crate) fn parse(word: &str) -> Result<Self, PolicyProblem> {
        let (quantifier, rest) = match word.split_once(':') {
            Some(("ForAllValues", rest)) => (Quantifier::ForAllValues, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::ForAnyValue, rest),
            _ => (Quantifier::None, word),
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        if name.starts_with("Date") || name.starts_with("Numeric") || name.starts_with("Binary") {
            return Err(PolicyProblem::Unsupported {
                word: word.to_owned(),
                advice: "no key of an MQTT connection is a date, a number or binary",
            });
        }
        let found = OPERATORS.iter().find(|(known, ..)| *known == name);
        let Some((_, comparison, negated)) = found else {
            let nearest = nearest(name, OPERATORS.iter().map(|(known, ..)| *known)).map(str::to_owned);
            return Err(PolicyProblem::Unknown {
                what: "condition operator",
                word: word.to_owned(),
                nearest,
            });
        };
        Ok(Self { comparison: *comparison, negated: *negated, quantifier, if_exists })
    }
}

/// The key of a condition.
pub(crate) fn parse_key(word: &str, operator: Operator) -> Result<Variable, PolicyProblem> {
    let key = Variable::parse(word, "condition key")?;
    let fits = match operator.comparison {
        Comparison::Null => true,
        Comparison::Bool => key == Variable::ThingIsAttached,
        Comparison::IpAddress => key == Variable::SourceIp,
        Comparison::Arn => key == Variable::LastWillTopic,
        Comparison::Equals | Comparison::EqualsIgnoreCase | Comparison::Like => {
            !matches!(key, Variable::ThingIsAttached | Variable::SourceIp | Variable::LastWillTopic)
        }
    };
    if fits {
        return Ok(key);
    }
    Err(PolicyProblem::Invalid {
        value: word.to_owned(),
        expected: match operator.comparison {
            Comparison::Bool => "a key for `Bool`; `iot:Connection.Thing.IsAttached` is the only one",
            Comparison::IpAddress => "a key for `IpAddress`; `aws:SourceIp` is the only one",
            Comparison::Arn => "a key for an ARN operator; `iot:LastWillTopic` is the only one",
            _ => {
                "a key for a string operator; use `Bool` with `iot:Connection.Thing.IsAttached`, `IpAddress` with `aws:SourceIp`, `ArnLike` with `iot:LastWillTopic`"
            }
        },
    })
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operand {
    Text(Template),
    Topics(Vec<Resource>),
    Bool(bool),
    Network { address: u128, mask: u128 },
}

/// One key of a condition block with its operator and operands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    operator: Operator,
    key: Variable,
    operands: Vec<Operand>,
}

impl Condition {
    pub(crate) fn new(operator: Operator, key: Variable) -> Self {
        Self { operator, key, operands: Vec::new() }
    }

    /// Whether it is about the CONNECT itself.
    pub(crate) fn is_about_connect(&self) -> bool {
        matches!(self.key, Variable::ConnectAttributes | Variable::LastWillTopic)
    }

    /// Adds one of the values that stand beside the key.
    pub(crate) fn push(&mut self, text: &str) -> Result<(), PolicyProblem> {
        let operand = self.operand(text)?;
        self.operands.push(operand);
        Ok(())
    }

    fn operand(&self, text: &str) -> Result<Operand, PolicyProblem> {
        if self.key == Variable::ConnectAttributes && self.operator.comparison == Comparison::Equals {
            const ATTRIBUTES: [&str; 2] = ["PersistentConnect", "LastWill"];
            if !ATTRIBUTES.contains(&text) {
                let nearest = nearest(text, ATTRIBUTES).map(str::to_owned);
                return Err(PolicyProblem::Unknown {
                    what: "connect attribute",
                    word: text.to_owned(),
                    nearest,
                });
            }
        }
        match self.operator.comparison {
            Comparison::Equals => Ok(Operand::Text(Template::new(&glyphs(text, Wildcards::Literal)?))),
            Comparison::EqualsIgnoreCase if text.contains("${") => Err(PolicyProblem::Unsupported {
                word: text.to_owned(),
                advice: "a policy variable cannot be compared ignoring case; use `StringEquals`",
            }),
            Comparison::EqualsIgnoreCase => {
                Ok(Operand::Text(Template::new(&glyphs(&text.to_lowercase(), Wildcards::Literal)?)))
            }
            Comparison::Like => Ok(Operand::Text(Template::new(&glyphs(text, Wildcards::Meant)?))),
            Comparison::Arn => Resource::parse(text).map(Operand::Topics),
            Comparison::Bool | Comparison::Null => match text {
                "true" => Ok(Operand::Bool(true)),
                "false" => Ok(Operand::Bool(false)),
                _ => Err(PolicyProblem::Invalid { value: text.to_owned(), expected: "`true` or `false`" }),
            },
            Comparison::IpAddress => network(text).ok_or_else(|| PolicyProblem::Invalid {
                value: text.to_owned(),
                expected: "an IP address or a range like `10.0.0.0/8`",
            }),
        }
    }

    /// Whether it holds. `connect` is absent for every action but `iot:Connect`.
    pub(crate) fn evaluate(&self, facts: &Facts<'_>, connect: Option<&ConnectAttributes<'_>>) -> Truth {
        let values = self.values(facts, connect);
        let Operator { comparison, negated, quantifier, if_exists } = self.operator;
        if comparison == Comparison::Null {
            return Truth::of(self.operands.contains(&Operand::Bool(values.is_empty())));
        }
        if values.is_empty() {
            let missing = if_exists
                || quantifier == Quantifier::ForAllValues
                || (quantifier == Quantifier::None && negated);
            return Truth::of(missing);
        }
        let truths = values.iter().map(|value| {
            let matched = Truth::any(self.operands.iter().map(|operand| self.matches(operand, value, facts)));
            if negated { matched.not() } else { matched }
        });
        match (quantifier, negated) {
            (Quantifier::ForAllValues, _) | (Quantifier::None, true) => Truth::all(truths),
            (Quantifier::ForAnyValue, _) | (Quantifier::None, false) => Truth::any(truths),
        }
    }

    fn values<'a>(&self, facts: &'a Facts<'_>, connect: Option<&ConnectAttributes<'a>>) -> Vec<Cow<'a, str>> {
        match (&self.key, connect) {
            (Variable::ConnectAttributes, Some(connect)) => {
                let persistent = connect.persistent.then_some("PersistentConnect".into());
                persistent.into_iter().chain(connect.will.map(|_| "LastWill".into())).collect()
            }
            (Variable::LastWillTopic, Some(connect)) => {
                connect.will.map(|(topic, _)| topic.into()).into_iter().collect()
            }
            (key, _) => facts.values(key),
        }
    }

    fn matches(&self, operand: &Operand, value: &str, facts: &Facts<'_>) -> Truth {
        match operand {
            Operand::Text(template) if self.operator.comparison == Comparison::EqualsIgnoreCase => {
                matches_template(template, &value.to_lowercase(), facts)
            }
            Operand::Text(template) => matches_template(template, value, facts),
            Operand::Topics(resources) => Truth::any(
                resources
                    .iter()
                    .filter(|resource| resource.kind == super::ResourceKind::Topic)
                    .map(|resource| matches_template(&resource.name, value, facts)),
            ),
            Operand::Bool(expected) => Truth::of(value == if *expected { "true" } else { "false" }),
            Operand::Network { address, mask } => Truth::of(bits(facts.source_ip) & mask == *address),
        }
    }
}

fn matches_template(template: &Template, value: &str, facts: &Facts<'_>) -> Truth {
    // Bound as for an Allow, an operand without a value is told apart; what follows from it is the statement's affair.
    match template.bind(facts, Effect::Allow) {
        Bound::Pattern(pattern) => Truth::of(pattern.matches(value)),
        Bound::Unresolved(_) => Truth::Unknown,
    }
}

/// An address among those of IPv6, where IPv4 has its own corner.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn network(text: &str) -> Option<Operand> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let (width, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
    let length: u32 = match length {
        Some(length) => length.parse().ok().filter(|length| *length <= width)?,
        None => width,
    };
    let mask = u128::MAX.checked_shl(128 - before - length).unwrap_or(0);
    Some(Operand::Network { address: bits(address) & mask, mask })
}
