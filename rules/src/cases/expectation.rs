//! What a case expects of an outcome.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::actions::ActionCase;
use super::compare;
use super::failure::Failure;
use super::fields::Fields;
use super::window::WindowExpectation;
use crate::statement::{Fault, Outcome};

#[derive(Debug)]
pub(super) struct Expectation<'l> {
    matches: Option<bool>,
    /// Compared as JSON: numbers by value, members in any order.
    output: Option<&'l RawValue>,
    /// Compared letter by letter.
    output_text: Option<String>,
    output_base64: Option<String>,
    /// How far numbers may be off.
    tolerance: Option<f64>,
    /// The statement must be refused.
    pub(super) parse_error: Option<Refusal>,
    /// The evaluation must end with a fault.
    pub(super) aborted: Option<Refusal>,
    /// The actions that get the event, in order; only beside a definition.
    pub(super) actions: Option<Vec<ActionCase>>,
    /// What windows give.
    pub(super) windows: Option<WindowExpectation<'l>>,
}

/// That something must be refused, and a text that the message must contain; empty for any.
#[derive(Debug)]
pub(super) struct Refusal(String);

impl Refusal {
    fn read(fields: &mut Fields<'_>, name: &'static str) -> Result<Option<Self>, String> {
        match fields.take::<serde_json::Value>(name)? {
            None | Some(serde_json::Value::Bool(false)) => Ok(None),
            Some(serde_json::Value::Bool(true)) => Ok(Some(Self(String::new()))),
            Some(serde_json::Value::String(text)) => Ok(Some(Self(text))),
            Some(other) => {
                Err(format!("`{name}`: `{other}` is neither `true` nor a text that the message contains"))
            }
        }
    }

    /// Whether the message is the one that is meant.
    pub(super) fn check(&self, message: &str) -> Result<(), Box<Failure>> {
        if message.to_lowercase().contains(&self.0.to_lowercase()) {
            return Ok(());
        }
        Err(Failure::of_sides("refused for another reason", &self.0, message).into())
    }
}

impl<'l> Expectation<'l> {
    /// Reads `expect` out of the fields of a case, one with several messages for windows or one with its own.
    pub(super) fn read(
        fields: &mut Fields<'l>,
        tolerance: Option<f64>,
        of_windows: bool,
        remarks: &mut Vec<String>,
    ) -> Result<Self, String> {
        let mut fields = fields.inside("expect")?.ok_or("not a case: it has no `expect`")?;
        let tolerance = fields.take("tolerance")?.or(tolerance);
        let expectation = Self {
            matches: fields.take("match")?,
            output: fields.raw("output"),
            output_text: fields.take("output_text")?,
            output_base64: fields.take("output_base64")?,
            tolerance,
            parse_error: Refusal::read(&mut fields, "parse_error")?,
            aborted: Refusal::read(&mut fields, "aborted")?,
            actions: ActionCase::read_all(&mut fields)?,
            windows: of_windows
                .then(|| WindowExpectation::read(&mut fields, tolerance))
                .transpose()?
                .flatten(),
        };
        fields.left_over("`expect`", remarks);
        if expectation.is_empty() {
            return Err(
                "not a case: `expect` asks for nothing; write for example `\"match\": true`".to_owned()
            );
        }
        Ok(expectation)
    }

    fn is_empty(&self) -> bool {
        self.matches.is_none()
            && !self.has_output()
            && self.parse_error.is_none()
            && self.aborted.is_none()
            && self.actions.is_none()
            && self.windows.is_none()
    }

    fn has_output(&self) -> bool {
        self.output.is_some() || self.output_text.is_some() || self.output_base64.is_some()
    }

    /// Whether `outcome` is what is expected; `why_not` says why there is no match.
    pub(super) fn check(
        &self,
        outcome: &Result<Outcome, Fault>,
        why_not: impl Fn() -> String,
    ) -> Result<(), Box<Failure>> {
        match (outcome, &self.aborted) {
            (Err(fault), Some(wanted)) => wanted.check(&fault.to_string()),
            (Err(fault), None) => Err(Failure::because(format!("evaluation failed: {fault}")).into()),
            (Ok(_), Some(_)) => {
                let got = describe(outcome, why_not);
                Err(Failure::of_sides("", "a fault that ends the evaluation", got).into())
            }
            (Ok(Outcome::Match(_)), None) if self.matches == Some(false) => {
                Err(Failure::of_sides("", "no match", describe(outcome, why_not)).into())
            }
            (Ok(Outcome::Match(output)), None) => self.check_output(output.bytes()),
            (Ok(Outcome::Ask(question)), None) => {
                Err(Failure::because(format!("{question} has no answer among the fixtures")).into())
            }
            (Ok(Outcome::Row(_)), None) if self.has_output() || self.actions.is_some() => {
                let reason = "one message gives no output, as its statement has a window; write `messages` and `outputs`";
                Err(Failure::because(reason).into())
            }
            (Ok(Outcome::Row(_)), None) => Ok(()),
            (Ok(_), None) if self.wants_match() => {
                Err(Failure::of_sides("", "a match", describe(outcome, why_not)).into())
            }
            (Ok(_), None) => Ok(()),
        }
    }

    fn wants_match(&self) -> bool {
        self.matches.unwrap_or_else(|| {
            self.has_output() || self.actions.as_ref().is_some_and(|actions| !actions.is_empty())
        })
    }

    fn check_output(&self, output: &[u8]) -> Result<(), Box<Failure>> {
        let found = String::from_utf8_lossy(output);
        if let Some(wanted) = &self.output_base64 {
            let got = STANDARD.encode(output);
            if *wanted != got {
                return Err(Failure::of_sides("the output in Base64 differs", wanted, got).into());
            }
        }
        if let Some(wanted) = &self.output_text
            && *wanted != found
        {
            return Err(Failure::of_sides("the text of the output differs", wanted, found).into());
        }
        self.output.map_or(Ok(()), |wanted| compare::check(wanted.get(), &found, self.tolerance))
    }
}

fn describe(outcome: &Result<Outcome, Fault>, why_not: impl Fn() -> String) -> String {
    match outcome {
        Ok(Outcome::Match(output)) => {
            format!("a match: {}", String::from_utf8_lossy(output.bytes()))
        }
        Ok(Outcome::Row(_)) => "a match: it counts in its windows".to_owned(),
        Ok(_) => format!("no match: {}", why_not()),
        Err(fault) => fault.to_string(),
    }
}
