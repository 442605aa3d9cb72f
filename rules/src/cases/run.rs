//! Runs one case.

use super::actions;
use super::failure::Failure;
use super::format::{Case, Sent, TemplateCase};
use crate::definition::Definition;
use crate::filter::basic_ingest;
use crate::message::Message;
use crate::outside::{Capabilities, Outside};
use crate::statement::{CompileOptions, Outcome, SqlVersion, Statement};

impl Case<'_> {
    /// Whether the statement, or the definition's where the case has none, does what the case expects.
    pub(super) fn run(&self, definition: Option<&Definition>) -> Result<(), Box<Failure>> {
        let compiled = match (&self.sql, definition) {
            (Some(sql), _) => self.compile(sql)?,
            (None, Some(definition)) => Ok(definition.statement.clone()),
            (None, None) => return Err(Failure::because("case has no `sql`").into()),
        };
        let statement = match (compiled, &self.expect.parse_error) {
            (Ok(statement), None) => statement,
            (Ok(_), Some(_)) => {
                return Err(Failure::of_sides("", "a statement that is refused", "it is accepted").into());
            }
            (Err(message), Some(wanted)) => return wanted.check(&message),
            (Err(message), None) => return self.refused(message),
        };
        if let Some(history) = &self.history {
            let Some(expected) = &self.expect.windows else {
                let reason = "`messages` are for windows: write `outputs`, `late`, `refused` or `faults` into `expect`";
                return Err(Failure::because(reason).into());
            };
            let outside = self.fixtures.as_ref().map(|fixtures| fixtures as &dyn Outside);
            let reaches = |sent: &Sent<'_>| self.reaches(sent, &statement, definition);
            return history.check(&statement, definition, outside, expected, reaches);
        }
        let payload = self.sent.payload().map_err(Failure::because)?;
        let mut message = self.sent.message(&payload);
        if let Some(fixtures) = &self.fixtures {
            message.outside = fixtures;
        }
        let outcome = if self.reaches(&self.sent, &statement, definition) {
            statement.evaluate(&message)
        } else {
            Ok(Outcome::NoMatch)
        };
        self.expect.check(&outcome, || why_not(&statement, &message))?;
        if let (Some(wanted), Ok(outcome)) = (&self.expect.actions, &outcome) {
            actions::check(wanted, definition, &message, outcome)?;
        }
        self.templates.iter().try_for_each(|template| template.check(&statement, &message))
    }

    /// What AWS only finds when a message comes, such as a second `get_dynamodb`, is refused here before.
    fn refused(&self, message: String) -> Result<(), Box<Failure>> {
        match &self.expect.aborted {
            Some(wanted) if self.fixtures.is_some() => wanted.check(&message),
            _ => Err(Failure::because(message).into()),
        }
    }

    /// The statement that is tested, for whoever reads of a failure.
    pub(super) fn sql_of(&self, definition: Option<&Definition>) -> Option<String> {
        self.sql.clone().or_else(|| Some(definition?.statement.sql().to_owned()))
    }

    fn compile(&self, sql: &str) -> Result<Result<Statement, String>, Box<Failure>> {
        let version = match &self.sql_version {
            Some(text) => SqlVersion::parse(text)
                .ok_or_else(|| Failure::because(format!("unknown SQL version `{text}`")))?,
            None => SqlVersion::default(),
        };
        let options = CompileOptions { version, ..CompileOptions::default() };
        // The fixtures answer for everybody.
        let capabilities = self.fixtures.as_ref().map_or_else(Capabilities::none, |_| Capabilities::all());
        Ok(Statement::compile_for(sql, options, &capabilities).map_err(|errors| errors.render(sql, "sql")))
    }

    /// Whether the message gets to the rule: named by Basic Ingest, or through FROM.
    fn reaches(&self, sent: &Sent<'_>, statement: &Statement, definition: Option<&Definition>) -> bool {
        let topic = &sent.topic;
        let rule = self.rule_name.as_deref().or(definition.map(|definition| definition.name.as_str()));
        match basic_ingest(topic) {
            Some(ingest) => rule.is_none_or(|rule| rule == ingest.rule),
            None => statement.topic_filter().is_some_and(|filter| filter.matches(topic)),
        }
    }
}

impl TemplateCase {
    fn check(&self, statement: &Statement, message: &Message<'_>) -> Result<(), Box<Failure>> {
        let about = format!("template `{}`", self.text);
        let compiled = statement.template(&self.text).map_err(|errors| errors.render(&self.text, "template"));
        let (compiled, wanted) = match (compiled, &self.out) {
            (Ok(compiled), Some(out)) => (compiled, out),
            (Ok(_), None) => return Err(Failure::because(format!("{about} is accepted")).into()),
            (Err(_), None) => return Ok(()),
            (Err(message), Some(_)) => return Err(Failure::because(message).into()),
        };
        match compiled.render(message) {
            Ok(found) if found == *wanted => Ok(()),
            Ok(found) => Err(Failure::of_sides(about, wanted, found).into()),
            Err(fault) => Err(Failure::because(format!("{about} failed: {fault}")).into()),
        }
    }
}

fn why_not(statement: &Statement, message: &Message<'_>) -> String {
    statement.explain(message).why_not.unwrap_or_else(|| "the message does not reach the rule".to_owned())
}
