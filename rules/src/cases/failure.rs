//! Why a case didn't pass, for people and for programs.

use std::fmt;

use serde::Serialize;

/// The longest text that is shown of a side, in characters.
const SHOWN_CHARACTERS_MAX: usize = 2_000;

/// A case that didn't give what it should, or can't be run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The line of the file, from 1; 0 where none is to blame.
    pub line: usize,
    /// The case's own name; empty when the line could not be read.
    pub id: String,
    /// The statement that was tested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// The topic of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// What is wrong, in a sentence or, for a refused statement, in the compiler's lines.
    pub reason: String,
    /// What the case asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What there was instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
    /// Where two JSON texts differ; the first of them, if there are many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differing: Vec<Differing>,
    /// How many more places differ.
    #[serde(skip_serializing_if = "is_zero")]
    pub differing_left_out: usize,
}

/// A place in which two JSON texts differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Differing {
    /// From the root, as `$.rgb.green` or `$[0]["odd name"]`.
    pub path: String,
    /// What the case asks for there, as JSON; `None` if nothing.
    pub expected: Option<String>,
    /// What is there, as JSON; `None` if nothing.
    pub got: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Failure {
    /// A failure with a reason alone.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }

    /// A failure of two texts that should be the same.
    pub(super) fn of_sides(
        reason: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        Self { expected: Some(expected.into()), got: Some(got.into()), ..Self::because(reason) }
    }
}

/// The reason and both sides, aligned; where they are from is for whoever knows the file.
impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, id, .. } = self;
        if *line > 0 {
            write!(formatter, "line {line}")?;
        }
        match (id.is_empty(), *line > 0) {
            (false, true) => writeln!(formatter, ", case `{id}`:")?,
            (false, false) => writeln!(formatter, "case `{id}`:")?,
            (true, true) => writeln!(formatter, ":")?,
            (true, false) => {}
        }
        let mut lines = Vec::new();
        for (number, text) in self.sql.iter().flat_map(|sql| sql.trim().lines()).enumerate() {
            lines.push(format!("{} {}", if number == 0 { "sql     " } else { "        " }, shown(text)));
        }
        lines.extend(self.topic.iter().map(|topic| format!("topic    {}", shown(topic))));
        lines.extend(self.expected.iter().map(|text| format!("expected {}", shown(text))));
        lines.extend(self.got.iter().map(|text| format!("got      {}", shown(text))));
        let width = self.differing.iter().map(|place| place.path.chars().count()).max().unwrap_or(0);
        for Differing { path, expected, got } in &self.differing {
            let side = |side: &Option<String>| side.as_deref().map_or("nothing".to_owned(), shown);
            lines.push(format!(
                "at       {path:<width$}  expected {}, got {}",
                side(expected),
                side(got),
                path = shown(path),
            ));
        }
        if self.differing_left_out > 0 {
            lines.push(format!("         and {} more", self.differing_left_out));
        }
        lines.extend(self.reason.trim_end().lines().map(shown));
        let lines: Vec<String> = lines.into_iter().map(|line| format!("  {line}")).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

/// A text made fit for a terminal: control characters as JSON writes them, and cut where it is long.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == SHOWN_CHARACTERS_MAX {
            shown.push_str(&format!("… ({} bytes in all)", text.len()));
            break;
        }
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            control if control.is_control() => shown.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => shown.push(other),
        }
    }
    shown
}
