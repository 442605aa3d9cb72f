//! Which actions a case expects to get the event, and with what in their settings.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::fields::Fields;
use crate::definition::Definition;
use crate::message::Message;
use crate::statement::Outcome;

/// One action: settings it must have, by name; those that are not named may be anything.
#[derive(Debug)]
pub(super) struct ActionCase(BTreeMap<String, String>);

impl ActionCase {
    /// Reads `actions` out of the fields of `expect`.
    pub(super) fn read_all(fields: &mut Fields<'_>) -> Result<Option<Vec<Self>>, String> {
        let listed: Option<Vec<BTreeMap<String, String>>> = fields.take("actions")?;
        Ok(listed.map(|listed| listed.into_iter().map(Self).collect()))
    }

    fn fits(&self, settings: &[(String, String)]) -> bool {
        let has = |name: &str, value: &str| settings.iter().any(|(n, v)| n == name && v == value);
        self.0.iter().all(|(name, value)| has(name, value))
    }
}

/// Compares the actions that get what came of the message.
pub(super) fn check(
    wanted: &[ActionCase],
    definition: Option<&Definition>,
    message: &Message<'_>,
    outcome: &Outcome,
) -> Result<(), Box<Failure>> {
    let Some(definition) = definition else {
        return Err(Failure::because("`actions` can only be expected beside a definition").into());
    };
    let mut found = Vec::new();
    if matches!(outcome, Outcome::Match(_)) {
        for action in &definition.actions {
            let settings: Result<Vec<_>, _> = action
                .filled(message)
                .into_iter()
                .map(|filled| filled.value.map(|value| (filled.name, value)))
                .collect();
            found.push(settings.map_err(|fault| Failure::because(format!("an action failed: {fault}")))?);
        }
    }
    if wanted.len() == found.len() && wanted.iter().zip(&found).all(|(wanted, found)| wanted.fits(found)) {
        return Ok(());
    }
    let expected = serde_json::json!(wanted.iter().map(|action| &action.0).collect::<Vec<_>>());
    let got: Vec<BTreeMap<_, _>> = found.into_iter().map(|settings| settings.into_iter().collect()).collect();
    Err(Failure::of_sides("the actions differ", expected.to_string(), serde_json::json!(got).to_string())
        .into())
}
