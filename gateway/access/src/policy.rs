//! The policy language of AWS IoT: from JSON to a compiled form that is bound to each connection.
//!
//! A policy is compiled once and shared by every connection it is attached to.

mod action;
mod condition;
mod document;
mod error;
mod parse;
mod pattern;
mod resource;
mod template;
mod variable;

pub use action::Action;
pub use error::{PolicyError, PolicyProblem};

pub(crate) use action::ActionSet;
pub(crate) use condition::{Condition, Truth};
pub(crate) use pattern::Pattern;
pub(crate) use resource::{Resource, ResourceKind};
pub(crate) use template::Bound;
pub(crate) use variable::Facts;

/// Limits on one policy document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyLimits {
    /// Characters of the document, white space not counted. AWS IoT has 2,048.
    pub document_characters_max: usize,
}

impl Default for PolicyLimits {
    fn default() -> Self {
        Self { document_characters_max: 2_048 }
    }
}

/// What a statement does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Allows it, unless something denies it.
    Allow,
    /// Denies it, whatever allows it.
    Deny,
}

/// A compiled policy.
#[derive(Debug, PartialEq, Eq)]
pub struct Policy {
    name: String,
    pub(crate) statements: Vec<Statement>,
    warnings: Vec<String>,
}

/// One statement. What no MQTT action can meet has been left out already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) sid: Option<String>,
    pub(crate) effect: Effect,
    pub(crate) actions: ActionSet,
    pub(crate) resources: Vec<Resource>,
    /// All must hold.
    pub(crate) conditions: Vec<Condition>,
}

impl Policy {
    /// Compiles a policy document. `name` is used in explanations only.
    ///
    /// # Errors
    /// When the document is not JSON, not a policy, or names something that does not exist; with its place.
    pub fn parse(name: &str, document: &str, limits: PolicyLimits) -> Result<Self, PolicyError> {
        let (statements, warnings) = parse::parse(document, limits)?;
        Ok(Self { name: name.to_owned(), statements, warnings })
    }

    /// The policy's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is legal but has no effect, a sentence each; to be shown to whoever wrote the policy.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
