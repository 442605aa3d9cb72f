//! An explanation as people read it.

use super::{Explanation, Named, Part, Shown, WindowBounds};
use crate::definition::Filled;
use crate::statement::{Outcome, Output};

/// The longest output that is shown, in bytes.
const OUTPUT_BYTES_MAX: usize = 16 * 1024;

impl Explanation {
    /// The explanation in lines: FROM, SET, WHERE, SELECT, the output, the actions if the rule has any, and last a verdict.
    pub fn text(&self, actions: &[Vec<Filled>]) -> String {
        let mut lines = Lines::default();
        self.topic_lines(&mut lines);
        lines.named("SET", &self.variables);
        if let Some(parts) = &self.condition {
            parts.iter().for_each(|part| lines.part("WHERE", part, None));
        }
        lines.named("SELECT", &self.items);
        lines.named("ROW", &self.row);
        for WindowBounds { start_ms, end_ms } in &self.windows {
            lines.add("WINDOW", &format!("after {start_ms} ms, up to {end_ms} ms"));
        }
        for misfit in &self.misfits {
            let place = format!("line {}, column {}", misfit.line, misfit.column);
            lines.add("misfit", &format!("{}: {} ({place})", misfit.sql, misfit.message));
        }
        if self.is_match() {
            if let Ok(Outcome::Match(output)) = &self.outcome {
                lines.add("output", &output_text(output));
            }
            let actions = if self.is_row() { &[] } else { actions };
            actions.iter().for_each(|action| lines.add("action", &action_text(action)));
        }
        match self.why_not.as_deref() {
            _ if self.is_match() && self.is_row() => {
                lines.last(
                    "match",
                    Some("it counts in its windows; what the actions get comes when they close"),
                );
            }
            _ if self.is_match() => lines.last("match", None),
            why if self.outcome.is_err() && self.topic.matches => lines.last("fault", why),
            why => lines.last("no match", why),
        }
        lines.text
    }

    fn is_row(&self) -> bool {
        matches!(self.outcome, Ok(Outcome::Row(_)))
    }

    fn topic_lines(&self, lines: &mut Lines) {
        let filter = self.topic.filter.as_ref().map_or("(none)".to_owned(), |filter| format!("'{filter}'"));
        let verdict = if self.topic.matches { "matches" } else { "does not match" };
        lines.add("FROM", &format!("{filter} {verdict} '{}'", self.topic.topic));
        if let (Some(why), true) = (&self.topic.why, self.topic.matches) {
            lines.add("FROM", why);
        }
    }
}

#[derive(Default)]
struct Lines {
    text: String,
    heading: String,
}

impl Lines {
    /// A line; the heading is left out where it is the same as above.
    fn add(&mut self, heading: &str, text: &str) {
        let shown =
            if self.heading == heading && heading.chars().all(char::is_uppercase) { "" } else { heading };
        self.text.push_str(format!("{shown:<9}{}", printable(text)).trim_end());
        self.text.push('\n');
        heading.clone_into(&mut self.heading);
    }

    /// The verdict.
    fn last(&mut self, verdict: &str, why: Option<&str>) {
        self.text.push_str(verdict);
        if let Some(why) = why {
            self.text.push_str(": ");
            self.text.push_str(&printable(why));
        }
        self.text.push('\n');
    }

    fn part(&mut self, heading: &str, part: &Part, name: Option<&str>) {
        let indent = "  ".repeat(part.depth);
        let sql = match name {
            Some(name) if !name.is_empty() && name != part.sql => format!("{name}: {}", part.sql),
            _ => part.sql.clone(),
        };
        let text = match (&part.value, &part.why) {
            (Shown::Remark(remark), _) => format!("{indent}{remark}"),
            (Shown::Fault(fault), _) => format!("{indent}{sql} failed: {fault}"),
            (value, Some(why)) => format!("{indent}{sql} is {value}: {why}"),
            (value, None) => format!("{indent}{sql} is {value}"),
        };
        self.add(heading, &text);
    }

    fn named(&mut self, heading: &str, named: &[Named]) {
        for Named { name, parts } in named {
            for part in parts {
                self.part(heading, part, (part.depth == 0).then_some(name));
            }
        }
    }
}

fn output_text(output: &Output) -> String {
    let bytes = output.bytes();
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(OUTPUT_BYTES_MAX)]);
    match output {
        Output::Empty => "(empty)".to_owned(),
        _ if bytes.len() > OUTPUT_BYTES_MAX => format!("{shown}… ({} bytes)", bytes.len()),
        _ => shown.into_owned(),
    }
}

/// An action's settings on one line.
fn action_text(settings: &[Filled]) -> String {
    let settings = settings.iter().enumerate().map(|(at, Filled { name, value, template })| {
        let value = match value {
            Ok(value) if at == 0 => value.clone(),
            Ok(value) => format!("{value:?}"),
            Err(fault) => format!("failed: {fault}"),
        };
        let from = template.as_ref().map(|template| format!(" from {template}")).unwrap_or_default();
        format!("{name} {value}{from}")
    });
    settings.collect::<Vec<_>>().join(", ")
}

/// Without what would move a terminal's cursor.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => printable.extend(character.escape_default()),
            control if control.is_control() => printable.extend(control.escape_unicode()),
            other => printable.push(other),
        }
    }
    printable
}
