//! Text of a policy with wildcards and variables in it.

use super::pattern::{Pattern, Step};
use super::variable::{Facts, Variable};
use super::{Effect, PolicyProblem};
use std::sync::Arc;

/// One character, wildcard or variable of a policy's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Glyph {
    Character(char),
    One,
    Any,
    Variable(Variable, Arc<str>),
}

/// What `*` and `?` mean in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wildcards {
    Meant,
    Literal,
}

/// Splits the text. `${*}`, `${?}` and `${$}` stand for the characters themselves.
pub(crate) fn glyphs(text: &str, wildcards: Wildcards) -> Result<Vec<Glyph>, PolicyProblem> {
    let mut glyphs = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(opened) = rest.strip_prefix("${") {
            let Some((name, after)) = opened.split_once('}') else {
                return Err(PolicyProblem::Invalid {
                    value: rest.to_owned(),
                    expected: "a policy variable, the `}` is missing",
                });
            };
            glyphs.push(variable(name)?);
            rest = after;
            continue;
        }
        glyphs.push(match (character, wildcards) {
            ('*', Wildcards::Meant) => Glyph::Any,
            ('?', Wildcards::Meant) => Glyph::One,
            (character, _) => Glyph::Character(character),
        });
        rest = &rest[character.len_utf8()..];
    }
    Ok(glyphs)
}

fn variable(name: &str) -> Result<Glyph, PolicyProblem> {
    match name {
        "*" => return Ok(Glyph::Character('*')),
        "?" => return Ok(Glyph::Character('?')),
        "$" => return Ok(Glyph::Character('$')),
        _ => {}
    }
    let variable = Variable::parse(name, "policy variable")?;
    if !variable.is_substitutable() {
        return Err(PolicyProblem::Invalid {
            value: name.to_owned(),
            expected: "a variable that has one value; use it as the key of a condition",
        });
    }
    Ok(Glyph::Variable(variable, format!("${{{name}}}").into()))
}

/// A text ready to be bound to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Template {
    /// Without variables: the same for every connection, and shared by all.
    Fixed(Arc<Pattern>),
    /// With variables.
    Variable(Box<[Glyph]>),
}

/// A text bound to a connection.
#[derive(Clone, Debug)]
pub(crate) enum Bound {
    /// The pattern to match.
    Pattern(Arc<Pattern>),
    /// A variable in it has no usable value; what to tell people.
    Unresolved(String),
}

impl Template {
    pub(crate) fn new(glyphs: &[Glyph]) -> Self {
        if glyphs.iter().any(|glyph| matches!(glyph, Glyph::Variable(..))) {
            return Self::Variable(glyphs.into());
        }
        let never_asked = |_: &Variable, _: &str| Ok(Step::Any);
        Self::Fixed(Arc::new(Pattern::new(glyphs.iter().filter_map(|glyph| step(glyph, never_asked).ok()))))
    }

    /// Puts the values in. Where there is none to use, an Allow has no pattern and a Deny has `*` in its place.
    pub(crate) fn bind(&self, facts: &Facts<'_>, effect: Effect) -> Bound {
        let glyphs = match self {
            Self::Fixed(pattern) => return Bound::Pattern(Arc::clone(pattern)),
            Self::Variable(glyphs) => glyphs,
        };
        let value = |variable: &Variable, name: &str| match (facts.substitute(variable), effect) {
            (Ok(value), _) => Ok(Step::Literal(value)),
            (Err(_), Effect::Deny) => Ok(Step::Any),
            (Err(why), Effect::Allow) => Err(format!("`{name}` {why}")),
        };
        match glyphs.iter().map(|glyph| step(glyph, value)).collect::<Result<Vec<_>, _>>() {
            Ok(steps) => Bound::Pattern(Arc::new(Pattern::new(steps))),
            Err(unresolved) => Bound::Unresolved(unresolved),
        }
    }
}

fn step(glyph: &Glyph, value: impl Fn(&Variable, &str) -> Result<Step, String>) -> Result<Step, String> {
    match glyph {
        Glyph::Character(character) => Ok(Step::Literal(character.to_string())),
        Glyph::One => Ok(Step::One),
        Glyph::Any => Ok(Step::Any),
        Glyph::Variable(variable, name) => value(variable, name),
    }
}
