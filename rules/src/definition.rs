//! A rule as its author writes it: a TOML text with the statement and its actions.
//!
//! Text in, definition out; reading files is for others. Which targets exist isn't known here: a definition only names
//! them.

mod address;
mod filled;
mod place;
mod reader;
#[cfg(test)]
mod tests;
mod window;

pub use address::{
    ACTION_BYTES_MAX, ActionFault, Address, PARAMETER_BYTES_MAX, PARTITION_KEY_CHARACTERS_MAX,
    ParameterTemplate,
};
pub use filled::Filled;

use std::fmt;

use crate::diagnostic::Diagnostic;
use crate::outside::Capabilities;
use crate::statement::{SqlVersion, Statement};
use crate::template::Template;
use crate::window::Limits;

/// The most actions a rule has, the error action not counted.
pub const ACTIONS_MAX: usize = 10;

/// The longest definition, in bytes.
pub const DEFINITION_BYTES_MAX: usize = 256 * 1024;

/// The longest name of a rule, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// A checked rule.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The name of its folder: letters, digits, `_` and `-`.
    pub name: String,
    /// What it is for, in the author's words; may be empty.
    pub description: String,
    /// The compiled statement.
    pub statement: Statement,
    /// How long its windows wait and how much they hold; `None` when it has none.
    pub window: Option<Limits>,
    /// Where the result goes.
    pub actions: Vec<Action>,
    /// Where a message goes for which the statement or an action failed.
    pub error_action: Option<Action>,
    /// Whether the error action is also told of what is Undefined although its inputs were there. It is told of the rest anyway.
    pub on_fault: bool,
    /// Whether it runs.
    pub enabled: bool,
    /// The whole definition as its author wrote it.
    pub text: Box<str>,
    /// What is allowed but probably not meant, with places in the definition's text.
    pub warnings: Vec<Diagnostic>,
}

/// One thing to do with a result.
#[derive(Debug, Clone)]
pub struct Action {
    /// The kind of the target.
    pub kind: TargetKind,
    /// The name of the target in the settings; the topic for `republish`.
    pub target: Template,
    /// What keeps messages in order: those with the same key. Streams only.
    pub partition_key: Option<Template>,
    /// Further values that are filled in for each event, by name.
    pub parameters: Vec<ParameterTemplate>,
    /// How the event is wrapped.
    pub format: Format,
    /// The line of the definition it stands on, from 1.
    pub line: usize,
}

/// The kinds of targets an action may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TargetKind {
    /// A queue: each message is taken by one consumer.
    Queue,
    /// A stream: messages are read in order, by any number of consumers.
    Stream,
    /// A function: a program is called.
    Function,
    /// A web server: a request is made.
    Http,
    /// The broker: the result is published again.
    Republish,
    /// An archive: the event is kept, to be replayed.
    Archive,
}

/// A kind of target as it stands in a definition.
pub(crate) struct KindEntry {
    pub(crate) kind: TargetKind,
    /// The key of the action.
    pub(crate) key: &'static str,
    /// The key of its table that says where to.
    pub(crate) name: &'static str,
    /// The keys its table may have beside that.
    pub(crate) options: &'static [&'static str],
}

/// Every kind of target. A new kind is one line here and one variant above.
pub(crate) const KINDS: &[KindEntry] = &[
    KindEntry {
        kind: TargetKind::Queue,
        key: "queue",
        name: "name",
        options: &["message_group_id", "message_deduplication_id"],
    },
    KindEntry { kind: TargetKind::Stream, key: "stream", name: "name", options: &["partition_key"] },
    KindEntry { kind: TargetKind::Function, key: "function", name: "name", options: &[] },
    KindEntry { kind: TargetKind::Http, key: "http", name: "name", options: &["path", "query", "headers"] },
    KindEntry {
        kind: TargetKind::Republish,
        key: "republish",
        name: "topic",
        options: &["qos", "retain", "headers"],
    },
    KindEntry { kind: TargetKind::Archive, key: "archive", name: "name", options: &[] },
];

impl TargetKind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|entry| entry.kind)
    }

    /// The key of the action, such as `queue`.
    pub fn key(self) -> &'static str {
        KINDS.iter().find(|entry| entry.kind == self).map_or("target", |entry| entry.key)
    }
}

impl fmt::Display for TargetKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.key())
    }
}

/// How an event is wrapped for its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// The body is the result of the statement; what else belongs to the event goes into headers where there are any.
    #[default]
    Data,
    /// The body is a CloudEvents 1.0 document.
    CloudEvents,
}

/// Every format with its name.
pub(crate) const FORMATS: &[(&str, Format)] = &[("data", Format::Data), ("cloudevents", Format::CloudEvents)];

/// Everything that is wrong with a definition. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionErrors {
    /// The file or however else the user calls the text.
    pub origin: String,
    /// What is wrong, with places in the whole text.
    pub diagnostics: Vec<Diagnostic>,
}

impl DefinitionErrors {
    /// All diagnostics, each with its line of `text` (the definition's) and the piece underlined.
    pub fn render(&self, text: &str) -> String {
        let rendered: Vec<String> =
            self.diagnostics.iter().map(|item| item.render(text, &self.origin)).collect();
        rendered.join("\n")
    }
}

impl fmt::Display for DefinitionErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, diagnostic) in self.diagnostics.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(formatter, "{separator}`{}`, {diagnostic}", self.origin)?;
        }
        Ok(())
    }
}

impl std::error::Error for DefinitionErrors {}

impl Definition {
    /// Reads and checks a definition.
    ///
    /// `name` is the rule's name (its folder), `origin` the file name for messages.
    ///
    /// # Errors
    /// Everything that is wrong, each with line, column and a hint where there is one. Mistakes in the SQL and in
    /// templates are placed in the definition's text, not in their own.
    pub fn parse(name: &str, origin: &str, text: &str) -> Result<Self, DefinitionErrors> {
        Self::parse_for(name, origin, text, &Capabilities::none())
    }

    /// The same for a host that offers these services to its rules.
    ///
    /// # Errors
    /// As above.
    pub fn parse_for(
        name: &str,
        origin: &str,
        text: &str,
        capabilities: &Capabilities,
    ) -> Result<Self, DefinitionErrors> {
        reader::read(name, text, capabilities)
            .map_err(|diagnostics| DefinitionErrors { origin: origin.to_owned(), diagnostics })
    }

    /// The version of its SQL.
    pub fn sql_version(&self) -> SqlVersion {
        self.statement.options().version
    }
}
