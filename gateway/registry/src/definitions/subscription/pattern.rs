//! The pattern of a subscription: JSON in a text, or a table of TOML.

use super::document::{Document, Value, get};
use patterns::{Pattern, PatternError};
use rules::Position;
use toml::de::{DeTable, DeValue};

impl<'t> Document<'t> {
    pub(super) fn pattern(&mut self, table: &DeTable<'t>) -> Option<Pattern> {
        let value = get(table, "pattern")?;
        let json = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Table(_) => self.json(value)?,
            _ => {
                let hint =
                    "write `pattern = '{\"detail\":{\"state\":[\"on\"]}}'`, or a table `[pattern.detail]`"
                        .to_owned();
                self.fault(value.span().start, "`pattern` is a text with JSON, or a table", hint);
                return None;
            }
        };
        match Pattern::parse(&json) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                self.pattern_fault(value, error);
                None
            }
        }
    }

    /// Places the fault in the file where the text stands there as it is, as between `'''` or `'`; else at its beginning.
    fn pattern_fault(&mut self, value: &Value<'t>, error: PatternError) {
        let span = value.span();
        let written = &self.text[span.clone()];
        let skipped = ["'''\n", "'''\r\n", "'''", "'"]
            .into_iter()
            .find(|quote| written.starts_with(quote))
            .map(str::len);
        let PatternError { message, hint, offset, line, column } = error;
        match (value.get_ref(), skipped) {
            (DeValue::String(_), Some(skipped)) => {
                let Position { line, column } = Position::of(self.text, span.start + skipped + offset);
                self.fault_at((line, column), message, hint);
            }
            (DeValue::String(_), None) => {
                let message = format!("line {line}, column {column} of the pattern: {message}");
                self.fault(span.start, message, hint);
            }
            // As JSON it has no lines of its own.
            _ => self.fault(span.start, format!("pattern: {message}"), hint),
        }
    }

    /// A value of TOML as JSON, of which it has all but `null`.
    fn json(&mut self, value: &Value<'t>) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) => Some(quoted(text)),
            DeValue::Boolean(value) => Some(value.to_string()),
            DeValue::Integer(number) if number.radix() == 10 => {
                Some(number.as_str().trim_start_matches('+').to_owned())
            }
            DeValue::Float(number) if number.as_str().ends_with(|last: char| last.is_ascii_digit()) => {
                Some(number.as_str().trim_start_matches('+').to_owned())
            }
            DeValue::Array(items) => {
                let items: Option<Vec<String>> = items.iter().map(|item| self.json(item)).collect();
                Some(format!("[{}]", items?.join(",")))
            }
            DeValue::Table(members) => {
                let members: Option<Vec<String>> = members
                    .iter()
                    .map(|(name, value)| Some(format!("{}:{}", quoted(name.get_ref()), self.json(value)?)))
                    .collect();
                Some(format!("{{{}}}", members?.join(",")))
            }
            _ => {
                let hint = "write the pattern as a text with JSON".to_owned();
                self.fault(value.span().start, "JSON has no such value", hint);
                None
            }
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
