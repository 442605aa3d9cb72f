//! Why a message does or doesn't match: every part of a statement with its value.
//!
//! ```text
//! tree ─ build ─► pieces, each with a plan of its own ─ look ─► pieces with values ─► parts, cause, verdict ─ text ─► a person
//! ```
//!
//! For people: each piece is compiled anew from the tree, so that evaluation proper carries no cost for it. How many pieces
//! are looked at, and how much is shown of a value, is bounded.

mod build;
mod cause;
mod json;
mod look;
mod parts;
mod text;
mod topic;
mod value;
mod verdict;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::message::Message;
use crate::misfit::Misfit;
use crate::statement::{Fault, Outcome, Output, Statement};
pub(crate) use build::aggregate_arguments;
use look::Looked;

/// The windows of a message that are shown.
const WINDOWS_MAX: usize = 5;

/// What a statement makes of a message, and why.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// Whether FROM lets the topic through.
    pub topic: TopicVerdict,
    /// The variables of SET with their parts.
    pub variables: Vec<Named>,
    /// WHERE and its parts; `None` without WHERE.
    pub condition: Option<Vec<Part>>,
    /// What SELECT makes, item by item; empty where WHERE isn't true.
    pub items: Vec<Named>,
    /// What the message adds to windows, if the statement is about windows: TIMESTAMP BY, GROUP BY and what is aggregated.
    pub row: Vec<Named>,
    /// The windows that the message counts in, the earliest first and the first few alone; none for sessions, which depend on other messages.
    pub windows: Vec<WindowBounds>,
    /// The result, were the topic to match.
    pub outcome: Result<Outcome, Fault>,
    /// What was Undefined although its inputs were there.
    pub misfits: Vec<Misfit>,
    /// Why the message doesn't match, in a sentence without a full stop; `None` if it does.
    pub why_not: Option<String>,
}

impl Explanation {
    /// Whether the message passes FROM and WHERE: the actions get what is made of it, or it counts in windows.
    pub fn is_match(&self) -> bool {
        self.topic.matches && is_match(&self.outcome)
    }
}

/// Whether FROM lets a topic through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicVerdict {
    /// The filter of FROM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The topic as the rule sees it.
    pub topic: String,
    /// Whether the message gets to WHERE.
    pub matches: bool,
    /// Which level differs, or why FROM isn't asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A variable of SET or an item of SELECT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// The variable with its `@`, or where the item goes in the output; empty for `SELECT VALUE` and `*`.
    pub name: String,
    /// The expression and its parts.
    pub parts: Vec<Part>,
}

/// A piece of a statement and its value, before the pieces it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// How deep it stands: 0 for the whole.
    pub depth: usize,
    /// As it is written in the statement, cut where it is long; for an element of a subquery, which one it is.
    pub sql: String,
    /// Its value.
    #[serde(flatten)]
    pub value: Shown,
    /// Why it is Undefined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A window over time: what is after its start and not after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowBounds {
    /// Milliseconds since 1970.
    pub start_ms: i64,
    /// Milliseconds since 1970.
    pub end_ms: i64,
}

/// The value of a part, as far as it is shown.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Shown {
    /// The whole value as JSON.
    Value(Box<RawValue>),
    /// The beginning of its JSON.
    Excerpt(String),
    /// Undefined.
    #[serde(serialize_with = "as_true")]
    Undefined,
    /// What stopped the evaluation.
    Fault(String),
    /// Not a value but a remark, such as how many elements are left out.
    Remark(String),
}

fn as_true<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(true)
}

impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Shown {}

impl std::fmt::Display for Shown {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Value(json) => json.get(),
            Self::Excerpt(text) | Self::Fault(text) | Self::Remark(text) => text,
            Self::Undefined => "Undefined",
        })
    }
}

impl Explanation {
    /// Whether the actions of the rule get something now.
    pub fn is_event(&self) -> bool {
        self.topic.matches && matches!(self.outcome, Ok(Outcome::Match(_)))
    }
}

fn is_match(outcome: &Result<Outcome, Fault>) -> bool {
    matches!(outcome, Ok(Outcome::Match(_) | Outcome::Row(_)))
}

impl Statement {
    /// Evaluates the statement and says what each part of it is.
    pub fn explain(&self, message: &Message<'_>) -> Explanation {
        let topic = topic::verdict(self.topic_filter(), message);
        let run = self.run(message);
        let is_match = topic.matches && is_match(&run.outcome);
        let is_raw = matches!(run.outcome, Ok(Outcome::Match(Output::Raw(_))));
        let pieces = build::build(self);
        let options = self.options();
        let looked = Looked::look(self, &options, &pieces, message, is_match);
        let named = |(name, seen): &(String, look::Seen<'_>)| Named {
            name: name.clone(),
            parts: parts::parts(self, seen, message),
        };
        let why_not = match &run.outcome {
            _ if !topic.matches => topic.why.clone(),
            Ok(Outcome::Match(_) | Outcome::Row(_)) => None,
            Ok(Outcome::NoMatch) => {
                let condition = looked.condition.as_ref();
                Some(condition.map_or_else(String::new, |seen| verdict::verdict(self, seen, message)))
            }
            Ok(Outcome::Ask(question)) => Some(format!("`{question}` has no answer yet")),
            Err(fault) => Some(fault.to_string()),
        };
        Explanation {
            topic,
            variables: looked.variables.iter().map(named).collect(),
            condition: looked.condition.as_ref().map(|seen| parts::parts(self, seen, message)),
            items: looked.items.iter().filter(|(_, seen)| !seen.is_whole(is_raw)).map(named).collect(),
            row: looked.row.iter().map(named).collect(),
            windows: self.windows_of(&run.outcome, message),
            misfits: if run.misfits.is_empty() { Vec::new() } else { self.misfits(message) },
            outcome: run.outcome,
            why_not,
        }
    }

    /// The windows that a message counts in, by the time of its event or else of its arrival.
    fn windows_of(&self, outcome: &Result<Outcome, Fault>, message: &Message<'_>) -> Vec<WindowBounds> {
        let (Ok(Outcome::Row(row)), Some(plan)) = (outcome, self.window_plan()) else { return Vec::new() };
        let time = row.event_time_ms().unwrap_or_else(|| i64::try_from(message.now_ms).unwrap_or(i64::MAX));
        let windows = plan.frame.windows(time).take(WINDOWS_MAX);
        windows.map(|(start_ms, end_ms)| WindowBounds { start_ms, end_ms }).collect()
    }
}
