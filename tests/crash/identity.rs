//! What a message is known by, wherever it turns up.

use anyhow::Context;
use serde_json::Value;

/// One message: who published it, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Identity {
    pub(crate) publisher: u64,
    pub(crate) number: u64,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "p{}#{}", self.publisher, self.number)
    }
}

impl Identity {
    /// Of the data of an event.
    ///
    /// # Errors
    /// When it is of nobody here.
    pub(crate) fn of(data: &Value) -> anyhow::Result<Self> {
        let field = |name: &str| data[name].as_u64().with_context(|| format!("no `{name}` in {data}"));
        Ok(Self { publisher: field("publisher")?, number: field("number")? })
    }

    /// The payload, filled up to about `bytes`.
    pub(crate) fn payload(self, key: u64, bytes: usize) -> String {
        let Self { publisher, number } = self;
        let known = format!("{{\"publisher\":{publisher},\"number\":{number},\"key\":{key},\"filling\":\"");
        format!("{known}{}\"}}", "x".repeat(bytes.saturating_sub(known.len() + 2)))
    }
}

/// An event that a target has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) identity: Identity,
    /// The topic's number, which is the partition key in the stream.
    pub(crate) key: u64,
    /// The event's id.
    pub(crate) id: String,
}

impl Arrival {
    /// Of the id and the data of an event.
    ///
    /// # Errors
    /// When it is of nobody here.
    pub(crate) fn new(id: &str, data: &Value) -> anyhow::Result<Self> {
        let key = data["key"].as_u64().with_context(|| format!("no key in {data}"))?;
        Ok(Self { identity: Identity::of(data)?, key, id: id.to_string() })
    }
}
