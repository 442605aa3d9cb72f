//! What the gateway said.

use crate::wait;
use anyhow::Context;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// The log of a gateway over all its runs: one JSON object a line, and what else it wrote to standard error.
#[derive(Debug, Clone)]
pub struct Log {
    pub(crate) file: PathBuf,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Line(pub Value);

impl Line {
    /// The text of a field, of numbers and truth values too; empty when there is none.
    pub fn field(&self, name: &str) -> String {
        match &self.0[name] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        }
    }

    /// Whether the whole line, fields and all, contains `text`.
    pub fn contains(&self, text: &str) -> bool {
        self.0.to_string().contains(text)
    }
}

impl Log {
    /// Everything so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.file).unwrap_or_default()).into_owned()
    }

    /// Every line so far that is JSON and has this message.
    pub fn lines(&self, message: &str) -> Vec<Line> {
        let text = self.text();
        let values = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        values.filter(|value| value["message"] == message).map(Line).collect()
    }

    /// Waits for a line with this message that satisfies `wanted`.
    ///
    /// # Errors
    /// With the end of the log when no such line comes.
    pub fn wait_for(&self, message: &str, wanted: impl Fn(&Line) -> bool) -> anyhow::Result<Line> {
        self.wait_within(message, wait::SOON, wanted)
    }

    /// The same with a bound of its own.
    ///
    /// # Errors
    /// As [`Log::wait_for`].
    pub fn wait_within(
        &self,
        message: &str,
        bound: Duration,
        wanted: impl Fn(&Line) -> bool,
    ) -> anyhow::Result<Line> {
        wait::until(&format!("the log line `{message}`"), bound, || {
            self.lines(message).into_iter().find(&wanted)
        })
        .with_context(|| format!("the end of the log:\n{}", self.end()))
    }

    /// Waits for any line that satisfies `wanted`.
    ///
    /// # Errors
    /// As [`Log::wait_for`].
    pub fn wait_for_any(&self, what: &str, wanted: impl Fn(&Line) -> bool) -> anyhow::Result<Line> {
        let look = || {
            let text = self.text();
            let mut lines = text.lines().filter_map(|line| serde_json::from_str(line).ok()).map(Line);
            lines.find(&wanted)
        };
        wait::until(what, wait::SOON, look).with_context(|| format!("the end of the log:\n{}", self.end()))
    }

    /// Its last lines.
    pub fn end(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// The lines that a sound gateway never writes.
    pub fn panics(&self) -> Vec<String> {
        self.text().lines().filter(|line| line.contains("panicked")).map(str::to_string).collect()
    }
}
