//! The subscriptions in force, all their patterns as one structure for each rule that some of them name, and one for those that name none.

use super::Subscription;
use patterns::{EventError, Pattern, PatternSet, SetError};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Subscriptions that came in force together.
#[derive(Debug, Default)]
pub struct Subscriptions {
    by_name: BTreeMap<String, Arc<Subscription>>,
    of_all_rules: Group,
    by_rule: HashMap<String, Group>,
}

/// Those that see the same events.
#[derive(Debug, Default)]
struct Group {
    patterns: PatternSet<usize>,
    /// What the patterns' numbers stand for.
    members: Vec<Arc<Subscription>>,
    /// Those that take everything.
    without_pattern: Vec<Arc<Subscription>>,
}

/// What became of an event.
#[derive(Debug, Default)]
pub struct Judged<'s> {
    /// The subscriptions that want it, by name.
    pub wanted: Vec<&'s Arc<Subscription>>,
    /// Those that can't say whether they do, by name. They don't get it, which is a fault of each.
    pub unjudged: Vec<&'s Arc<Subscription>>,
    /// Why they can't; there whenever some can't.
    pub error: Option<EventError>,
}

impl Subscriptions {
    /// The subscriptions as a set, and those whose patterns don't fit among the others.
    pub(in super::super) fn new(
        subscriptions: impl Iterator<Item = Arc<Subscription>>,
    ) -> (Self, Vec<(String, SetError)>) {
        let (mut all, mut refused) = (Self::default(), Vec::new());
        for subscription in subscriptions.filter(|subscription| subscription.enabled) {
            match all.add(&subscription) {
                Ok(()) => drop(all.by_name.insert(subscription.name.clone(), subscription)),
                Err(error) => refused.push((subscription.name.clone(), error)),
            }
        }
        (all, refused)
    }

    fn add(&mut self, subscription: &Arc<Subscription>) -> Result<(), SetError> {
        if subscription.rules.is_empty() {
            return self.of_all_rules.add(subscription);
        }
        subscription
            .rules
            .iter()
            .try_for_each(|rule| self.by_rule.entry(rule.clone()).or_default().add(subscription))
    }

    /// All of them, by name; those switched off are not among them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Subscription>> {
        self.by_name.values()
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Subscription>> {
        self.by_name.get(name)
    }

    /// Whether any of them may want events of the rule.
    pub fn concern(&self, rule: &str) -> bool {
        !self.of_all_rules.is_empty() || self.by_rule.contains_key(rule)
    }

    /// Which want an event of the rule. `event` is the whole of it, as patterns see it.
    pub fn judge(&self, rule: &str, event: &str) -> Judged<'_> {
        let mut judged = Judged::default();
        for group in [Some(&self.of_all_rules), self.by_rule.get(rule)].into_iter().flatten() {
            group.judge(event, &mut judged);
        }
        for subscriptions in [&mut judged.wanted, &mut judged.unjudged] {
            // One that was refused in another group is in force nowhere.
            subscriptions.retain(|subscription| self.by_name.contains_key(&subscription.name));
            subscriptions.sort_by(|left, right| left.name.cmp(&right.name));
            subscriptions.dedup_by(|left, right| left.name == right.name);
        }
        judged
    }
}

impl Group {
    fn is_empty(&self) -> bool {
        self.members.is_empty() && self.without_pattern.is_empty()
    }

    fn add(&mut self, subscription: &Arc<Subscription>) -> Result<(), SetError> {
        let pattern: &Pattern = match &subscription.pattern {
            None => {
                self.without_pattern.push(Arc::clone(subscription));
                return Ok(());
            }
            Some(pattern) => pattern,
        };
        self.patterns.add(self.members.len(), pattern)?;
        self.members.push(Arc::clone(subscription));
        Ok(())
    }

    fn judge<'s>(&'s self, event: &str, judged: &mut Judged<'s>) {
        judged.wanted.extend(&self.without_pattern);
        if self.patterns.is_empty() {
            return;
        }
        match self.patterns.matches(event) {
            Ok(found) => judged.wanted.extend(found.into_iter().map(|number| &self.members[*number])),
            Err(error) => {
                judged.unjudged.extend(&self.members);
                judged.error = Some(error);
            }
        }
    }
}
