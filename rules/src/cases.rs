//! Test cases of rules: one JSON object per line, a message and what the statement must make of it.
//!
//! The same format serves the cases beside a definition and files of vectors for the SQL itself. Text in, report out.

mod compare;
mod fixtures;
mod format;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::definition::Definition;
use crate::filter::basic_ingest;
use crate::message::Message;
use crate::outside::Capabilities;
use crate::statement::{CompileOptions, Outcome, SqlVersion, Statement};
pub use fixtures::Fixtures;
use format::{Case, Expectation};

/// What came of a file of cases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many cases gave what they should.
    pub passed: usize,
    /// The others.
    pub failures: Vec<Failure>,
}

/// A case that didn't give what it should, or can't be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The line of the file, from 1.
    pub line: usize,
    /// The case's own name; empty when the line could not be read.
    pub id: String,
    /// What was expected and what came instead.
    pub difference: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "line {}, case `{}`:\n{}", self.line, self.id, self.difference)
    }
}

/// Runs every case of `text`. Cases that bring no statement of their own use the definition's.
pub fn run(text: &str, definition: Option<&Definition>) -> Report {
    let mut report = Report::default();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (id, result) = match serde_json::from_str::<Case>(line) {
            Ok(case) => {
                let result = case.run(definition);
                (case.id, result)
            }
            Err(error) => (String::new(), Err(format!("not a case: {error}"))),
        };
        match result {
            Ok(()) => report.passed += 1,
            Err(difference) => report.failures.push(Failure { line: number + 1, id, difference }),
        }
    }
    report
}

/// The randomness of cases: the same on every run.
fn fixed_randomness() -> [u8; 16] {
    [7; 16]
}

impl Case {
    fn run(&self, definition: Option<&Definition>) -> Result<(), String> {
        let statement = match self.statement(definition) {
            Ok(_) if self.expect.parse_error => {
                return Err("expected a parse error, but the statement is accepted".to_owned());
            }
            Err(_) if self.expect.parse_error => return Ok(()),
            // What AWS only finds when a message comes, such as a second `get_dynamodb`, is refused here before.
            Err(_) if self.expect.aborted && self.fixtures.is_some() => return Ok(()),
            other => other?,
        };
        let payload = self.payload()?;
        let message = self.message(&payload);
        let found = if self.reaches(&statement, definition) {
            statement.evaluate(&message)
        } else {
            Ok(Outcome::NoMatch)
        };
        match found {
            Err(_) if self.expect.aborted => Ok(()),
            Err(fault) => Err(format!("evaluation failed: {fault}")),
            Ok(outcome) => self.expect.check(&outcome),
        }?;
        self.check_templates(&statement, &message)
    }

    fn statement(&self, definition: Option<&Definition>) -> Result<Statement, String> {
        let Some(sql) = &self.sql else {
            return definition
                .map(|definition| definition.statement.clone())
                .ok_or("case has no `sql`".to_owned());
        };
        let version = match &self.sql_version {
            Some(text) => SqlVersion::parse(text).ok_or_else(|| format!("unknown SQL version `{text}`"))?,
            None => SqlVersion::default(),
        };
        let options = CompileOptions { version, ..CompileOptions::default() };
        // The fixtures answer for everybody.
        let capabilities = self.fixtures.as_ref().map_or_else(Capabilities::none, |_| Capabilities::all());
        Statement::compile_for(sql, options, &capabilities).map_err(|errors| errors.render(sql, "sql"))
    }

    fn payload(&self) -> Result<Vec<u8>, String> {
        let text = self.payload.as_ref().map_or("", |payload| payload.get());
        match self.payload_encoding.as_deref() {
            None => Ok(text.as_bytes().to_vec()),
            Some("base64") => {
                let encoded: String =
                    serde_json::from_str(text).map_err(|error| format!("bad payload: {error}"))?;
                STANDARD.decode(encoded).map_err(|error| format!("bad payload: {error}"))
            }
            Some(other) => Err(format!("unknown payload encoding `{other}`")),
        }
    }

    fn message<'m>(&'m self, payload: &'m [u8]) -> Message<'m> {
        let mut message = Message::new(&self.topic, payload, self.now_ms, &fixed_randomness);
        let is_mqtt = self.protocol.as_deref().is_none_or(|protocol| protocol == "mqtt");
        message.client_id = is_mqtt.then(|| self.clientid.as_deref().unwrap_or("client"));
        message.principal = self.principal.as_deref();
        message.account_id = self.account_id.as_deref();
        message.source_ip = self.source_ip.as_deref();
        message.trace_id = self.trace_id.as_deref();
        let pairs = self.user_properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        message.properties.user_properties = pairs.collect();
        message.properties.content_type = self.mqtt_properties.content_type.as_deref();
        message.properties.response_topic = self.mqtt_properties.response_topic.as_deref();
        message.properties.payload_is_utf8 =
            self.mqtt_properties.format_indicator.as_deref().map(|text| text == "UTF8_DATA");
        if let Some(fixtures) = &self.fixtures {
            message.outside = fixtures;
        }
        message
    }

    /// Whether the message gets to the rule: named by Basic Ingest, or through FROM.
    fn reaches(&self, statement: &Statement, definition: Option<&Definition>) -> bool {
        let rule = self.rule_name.as_deref().or(definition.map(|definition| definition.name.as_str()));
        match basic_ingest(&self.topic) {
            Some(ingest) => rule.is_none_or(|rule| rule == ingest.rule),
            None => statement.topic_filter().is_some_and(|filter| filter.matches(&self.topic)),
        }
    }

    fn check_templates(&self, statement: &Statement, message: &Message<'_>) -> Result<(), String> {
        for template in &self.templates {
            let compiled = statement
                .template(&template.text)
                .map_err(|errors| errors.render(&template.text, "template"))?;
            let found = compiled.render(message).map_err(|fault| format!("template failed: {fault}"))?;
            if found != template.out {
                return Err(format!(
                    "  template `{}`\n  expected {}\n  got      {found}",
                    template.text, template.out
                ));
            }
        }
        Ok(())
    }
}

impl Expectation {
    fn check(&self, outcome: &Outcome) -> Result<(), String> {
        let output = match outcome {
            Outcome::NoMatch if self.matches == Some(false) => return Ok(()),
            Outcome::NoMatch => return Err("expected a match, but there is none".to_owned()),
            Outcome::Ask(question) => return Err(format!("{question} has no answer among the fixtures")),
            Outcome::Match(output) => output.bytes(),
        };
        let found = String::from_utf8_lossy(output);
        if self.matches == Some(false) || self.aborted {
            return Err(format!("expected no match, got {found}"));
        }
        if let Some(wanted) = &self.output_base64
            && *wanted != STANDARD.encode(output)
        {
            return Err(format!("  expected {wanted}\n  got      {}", STANDARD.encode(output)));
        }
        if let Some(wanted) = &self.output_text
            && *wanted != found
        {
            return Err(format!("  expected {wanted}\n  got      {found}"));
        }
        match &self.output {
            Some(wanted) => compare::check(wanted.get(), &found, self.tolerance),
            None => Ok(()),
        }
    }
}
