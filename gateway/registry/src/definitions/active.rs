//! The rules in force at one moment, and the subscriptions to what they make.

use super::Subscriptions;
use rules::definition::Definition;
use rules::{Message, RuleSet};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Rules that came in force together. Never changes; others replace it.
#[derive(Default)]
pub struct ActiveRules {
    generation: u64,
    by_name: BTreeMap<String, Arc<Definition>>,
    by_topic: RuleSet<Arc<Definition>>,
    selects_reserved: bool,
    subscriptions: Arc<Subscriptions>,
}

impl ActiveRules {
    pub(super) fn new(
        generation: u64,
        definitions: impl Iterator<Item = Arc<Definition>>,
        subscriptions: Arc<Subscriptions>,
    ) -> Self {
        let mut by_name = BTreeMap::new();
        let mut selects_reserved = false;
        for definition in definitions.filter(|definition| definition.enabled) {
            if let Some(filter) = definition.statement.topic_filter() {
                let filter_text = filter.as_str();
                selects_reserved |= filter_text.starts_with('$') && !filter_text.starts_with("$SYS/");
            }
            by_name.insert(definition.name.clone(), definition);
        }
        let by_topic = RuleSet::new(
            by_name.values().map(|rule: &Arc<Definition>| (rule.statement.clone(), rule.clone())),
        );
        Self { generation, by_name, by_topic, selects_reserved, subscriptions }
    }

    /// Whether any rule selects from topics that begin with `$`, `$SYS` aside, which no wildcard at the first level matches.
    pub fn selects_reserved(&self) -> bool {
        self.selects_reserved
    }

    /// Who else gets the events of these rules.
    pub fn subscriptions(&self) -> &Subscriptions {
        &self.subscriptions
    }

    /// How often other rules came in force, since the start.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Visits every rule that wants messages of the topic.
    pub fn for_each_match<'rules>(&'rules self, topic: &str, visit: impl FnMut(&'rules Arc<Definition>)) {
        self.by_topic.for_each_match(topic, visit);
    }

    /// Visits every rule that wants messages of the topic and may accept this one; `message` is only asked for when there is one.
    ///
    /// A rule is passed over when its WHERE demands that a field equals a constant and the field doesn't.
    pub fn for_each_candidate<'rules, 'm: 'p, 'p>(
        &'rules self,
        topic: &str,
        message: impl Fn() -> &'p Message<'m>,
        visit: impl FnMut(&'rules Arc<Definition>, &'p Message<'m>),
    ) {
        self.by_topic.for_each_candidate(topic, message, visit);
    }

    /// The rule of this name: Basic Ingest names it in the topic.
    pub fn get(&self, name: &str) -> Option<&Arc<Definition>> {
        self.by_name.get(name)
    }

    /// All of them, by name; those switched off are not among them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.by_name.values()
    }
}

impl fmt::Debug for ActiveRules {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        formatter
            .debug_struct("ActiveRules")
            .field("generation", &self.generation)
            .field("rules", &names)
            .finish_non_exhaustive()
    }
}
