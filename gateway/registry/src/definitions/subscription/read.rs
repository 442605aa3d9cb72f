//! Reads a subscription from TOML, collecting every mistake.

use super::super::{DeclaredTargets, Fault};
use super::document::{Document, Value, get};
use super::{RULES_MAX, Subscription, TARGETS_MAX};
use crate::name::nearest;
use std::collections::BTreeSet;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// What a definition may have at its top.
const KEYS: &[&str] = &["description", "enabled", "pattern", "rules", "target"];

/// What there is for subscriptions to name.
pub(in super::super) struct Known<'k> {
    pub(in super::super) targets: &'k DeclaredTargets,
    pub(in super::super) rules: &'k BTreeSet<String>,
}

/// The subscription in `text`.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub(in super::super) fn read(
    name: &str,
    file: &Path,
    text: &str,
    known: &Known<'_>,
) -> Result<Subscription, Vec<Fault>> {
    let mut document = Document { text, file, faults: Vec::new() };
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let message = error.message().lines().next().unwrap_or("not TOML").to_owned();
            document.fault(error.span().map_or(0, |span| span.start), message, None);
            return Err(document.faults);
        }
    };
    let table = table.get_ref();
    document.check_keys(table, KEYS, "a subscription");
    let rules = document.rules(table, known);
    let subscription = Subscription {
        name: name.to_owned(),
        description: document
            .string(table, "description")
            .map(|(text, _)| text.to_owned())
            .unwrap_or_default(),
        pattern: document.pattern(table),
        targets: document.targets(table, known),
        enabled: document.boolean(table, "enabled").unwrap_or(true),
        text: text.into(),
        rules,
    };
    if get(table, "pattern").is_none() && get(table, "rules").is_none() {
        let hint =
            "write `pattern = '{\"detail\":{\"state\":[\"on\"]}}'`, or name `rules` whose events it gets all"
                .to_owned();
        document.fault(0, "subscription has no `pattern`", hint);
    }
    if document.faults.is_empty() { Ok(subscription) } else { Err(document.faults) }
}

impl<'t> Document<'t> {
    fn rules(&mut self, table: &DeTable<'t>, known: &Known<'_>) -> Vec<String> {
        let hint = "write `rules = [\"overheating\"]`";
        let items = self.list(table, "rules", hint);
        if let Some(value) = get(table, "rules").filter(|_| items.is_empty()) {
            let hint = "leave `rules` out to take the events of all rules".to_owned();
            self.fault(value.span().start, "`rules` names no rule", hint);
        }
        if let Some(surplus) = items.get(RULES_MAX) {
            self.fault(surplus.span().start, format!("subscription names more than {RULES_MAX} rules"), None);
        }
        items.iter().filter_map(|item| self.rule(item, known)).collect()
    }

    fn rule(&mut self, item: &Value<'t>, known: &Known<'_>) -> Option<String> {
        let DeValue::String(name) = item.get_ref() else {
            self.fault(item.span().start, "`rules` has the names of rules", None);
            return None;
        };
        if !known.rules.contains(name.as_ref()) {
            let near = nearest(name, known.rules.iter().map(String::as_str));
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "put its definition into the folder, too".to_owned(),
            };
            self.fault(item.span().start, format!("there is no rule `{name}`"), hint);
            return None;
        }
        Some(name.to_string())
    }

    fn targets(&mut self, table: &DeTable<'t>, known: &Known<'_>) -> Vec<super::SubscriptionTarget> {
        let items = self.list(table, "target", "write `[[target]]` with double brackets");
        if items.is_empty() {
            let hint = "write `[[target]]` and under it for example `queue = \"alerts\"`".to_owned();
            self.fault(0, "subscription has no target", hint);
        }
        if let Some(surplus) = items.get(TARGETS_MAX) {
            self.fault(
                surplus.span().start,
                format!("subscription has more than {TARGETS_MAX} targets"),
                None,
            );
        }
        items.iter().filter_map(|item| self.target(item, known.targets)).collect()
    }
}
