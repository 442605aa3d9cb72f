//! An explanation as programs read it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Explanation, Named, Part, TopicVerdict, WindowBounds};
use crate::definition::Filled;
use crate::statement::{Outcome, Output};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'e> {
    matches: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why_not: Option<&'e str>,
    topic_matches: bool,
    from: &'e TopicVerdict,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    set: &'e [Named],
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    condition: Option<&'e [Part]>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    select: &'e [Named],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    row: &'e [Named],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    windows: &'e [WindowBounds],
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    misfits: Vec<Misfit<'e>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action<'e>>,
}

#[derive(Serialize)]
struct Misfit<'e> {
    kind: &'static str,
    sql: &'e str,
    line: usize,
    column: usize,
    message: &'e str,
    inputs: &'e [String],
}

/// The settings of an action by name; those that failed apart, and the texts of templates.
#[derive(Default, Serialize)]
struct Action<'e> {
    settings: BTreeMap<&'e str, &'e str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    templates: BTreeMap<&'e str, &'e str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    faults: BTreeMap<&'e str, String>,
}

impl Explanation {
    /// The explanation as a JSON object, with the actions if the rule has any.
    ///
    /// # Errors
    /// None that could be mended: the texts in it are JSON already.
    pub fn json(&self, actions: &[Vec<Filled>]) -> serde_json::Result<Box<RawValue>> {
        let output = match &self.outcome {
            Ok(Outcome::Match(output)) if self.is_match() => Some(output),
            _ => None,
        };
        let json = match output {
            Some(Output::Json(bytes)) => {
                String::from_utf8(bytes.to_vec()).ok().and_then(|text| RawValue::from_string(text).ok())
            }
            _ => None,
        };
        let bytes = output.filter(|_| json.is_none()).map(|output| STANDARD.encode(output.bytes()));
        let actions = if output.is_some() { actions } else { &[] };
        serde_json::value::to_raw_value(&Document {
            matches: self.is_match(),
            why_not: self.why_not.as_deref(),
            topic_matches: self.topic.matches,
            from: &self.topic,
            set: &self.variables,
            condition: self.condition.as_deref(),
            select: &self.items,
            row: &self.row,
            windows: &self.windows,
            output: json,
            output_base64: bytes,
            fault: self.outcome.as_ref().err().map(ToString::to_string),
            misfits: self.misfits.iter().map(misfit).collect(),
            actions: actions.iter().map(|settings| action(settings)).collect(),
        })
    }
}

fn misfit(misfit: &crate::misfit::Misfit) -> Misfit<'_> {
    let crate::misfit::Misfit { kind, sql, line, column, message, inputs } = misfit;
    Misfit { kind: kind.name(), sql, line: *line, column: *column, message, inputs }
}

fn action(settings: &[Filled]) -> Action<'_> {
    let mut action = Action::default();
    for Filled { name, value, template } in settings {
        match value {
            Ok(value) => {
                action.settings.insert(name, value);
            }
            Err(fault) => {
                action.faults.insert(name, fault.to_string());
            }
        }
        if let Some(template) = template {
            action.templates.insert(name, template);
        }
    }
    action
}
