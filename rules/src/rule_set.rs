//! Which rules a message concerns: by its topic, and among the rules of one filter by the constants they compare with.
//!
//! A rule `… FROM 'plant/+/telemetry' WHERE site = 'north'` can only be true of a message whose `site` is `north`. Such rules of one filter stand in
//! a table of constants, so that a thousand of them cost one look at the field and not a thousand. Rules with SET, or whose comparison isn't a part
//! that has to be true, are looked at one by one.
//!
//! Knows statements and messages; must not know what the values under them are.

use std::collections::{HashMap, HashSet};

use crate::equality::{Equality, Key, required};
use crate::glance::Guess;
use crate::index::Index;
use crate::json::Sought;
use crate::message::{Message, Payload};
use crate::statement::Statement;
use crate::value::Value;

/// Values (rules) by the statements that decide what they want. Made once; never changes.
#[derive(Debug, Clone)]
pub struct RuleSet<T> {
    /// The places in `groups` of what a filter selects.
    by_topic: Index<usize>,
    groups: Vec<Group<T>>,
}

/// The rules of one filter.
#[derive(Debug, Clone)]
struct Group<T> {
    /// Those that every message of the topic has to be shown to.
    others: Vec<T>,
    comparisons: Vec<Comparison<T>>,
}

/// Rules that compare the same field with a constant.
#[derive(Debug, Clone)]
struct Comparison<T> {
    path: Path,
    /// The last name of the path.
    sought: Option<Sought>,
    guess: Guess,
    /// The places in `rules` of those that compare with a constant.
    places: HashMap<Key<'static>, usize>,
    rules: Vec<Vec<T>>,
}

impl<T> Default for RuleSet<T> {
    fn default() -> Self {
        Self { by_topic: Index::new(), groups: Vec::new() }
    }
}

impl<T> RuleSet<T> {
    /// A set of these. Statements without FROM are left out: no topic leads to them.
    pub fn new(rules: impl IntoIterator<Item = (Statement, T)>) -> Self {
        let mut by_filter: HashMap<String, usize> = HashMap::new();
        let mut grouped: Vec<Vec<(Statement, T)>> = Vec::new();
        let mut by_topic = Index::new();
        for (statement, value) in rules {
            let Some(filter) = statement.topic_filter() else { continue };
            let place = *by_filter.entry(filter.as_str().to_owned()).or_insert_with(|| {
                by_topic.insert(filter, grouped.len());
                grouped.push(Vec::new());
                grouped.len() - 1
            });
            grouped[place].push((statement, value));
        }
        Self { by_topic, groups: grouped.into_iter().map(Group::new).collect() }
    }

    /// Calls `visit` with every value whose filter matches `topic`.
    pub fn for_each_match<'r>(&'r self, topic: &str, mut visit: impl FnMut(&'r T)) {
        self.by_topic.for_each_match(topic, |place| {
            let group = &self.groups[*place];
            group.others.iter().for_each(&mut visit);
            group
                .comparisons
                .iter()
                .flat_map(|comparison| comparison.rules.iter().flatten())
                .for_each(&mut visit);
        });
    }

    /// Calls `visit` with every value whose filter matches `topic`, except those whose WHERE can't be true of the message because it compares
    /// for equality with another constant.
    ///
    /// `message` is asked for once there is a rule to show it to; it gives the same message every time.
    pub fn for_each_candidate<'r, 'm: 'p, 'p>(
        &'r self,
        topic: &str,
        message: impl Fn() -> &'p Message<'m>,
        mut visit: impl FnMut(&'r T, &'p Message<'m>),
    ) {
        self.by_topic.for_each_match(topic, |place| {
            let group = &self.groups[*place];
            let message = message();
            group.others.iter().for_each(|value| visit(value, message));
            for comparison in &group.comparisons {
                comparison.candidates(message).iter().for_each(|value| visit(value, message));
            }
        });
    }
}

impl<T> Group<T> {
    fn new(rules: Vec<(Statement, T)>) -> Self {
        let chosen = chosen_equalities(&rules);
        let mut group = Self { others: Vec::new(), comparisons: Vec::new() };
        let mut places: HashMap<Path, usize> = HashMap::new();
        for ((_, value), chosen) in rules.into_iter().zip(chosen) {
            let Some((path, key)) = chosen else {
                group.others.push(value);
                continue;
            };
            let place = *places.entry(path).or_insert_with_key(|path| {
                group.comparisons.push(Comparison::new(path.clone()));
                group.comparisons.len() - 1
            });
            group.comparisons[place].insert(key, value);
        }
        group
    }
}

impl<T> Comparison<T> {
    fn new(path: Path) -> Self {
        let sought = path.last().and_then(|name| Sought::new(name));
        Self { path, sought, guess: Guess::default(), places: HashMap::new(), rules: Vec::new() }
    }

    fn insert(&mut self, key: Key<'static>, value: T) {
        let place = *self.places.entry(key).or_insert_with(|| {
            self.rules.push(Vec::new());
            self.rules.len() - 1
        });
        self.rules[place].push(value);
    }

    /// Whether a payload can be told to have none of the values before it is read.
    fn rules_out(&self, payload: &Payload<'_>) -> bool {
        let sought = self.sought.as_ref().and_then(|sought| Some((sought, payload.unread()?)));
        sought.is_some_and(|(sought, text)| {
            sought.is_nowhere(text, |scalar| {
                Key::of(Value::from_scalar(scalar)).is_some_and(|key| self.places.contains_key(&key))
            })
        })
    }

    /// The rules that compare with the value that the message has.
    fn candidates(&self, message: &Message<'_>) -> &[T] {
        if self.guess.expects_none() && self.rules_out(message.payload()) {
            return &[];
        }
        let key = message.payload().find(&self.path).and_then(|node| Key::of(Value::from_node(node)));
        let place = key.and_then(|key| self.places.get(&key).copied());
        self.guess.learn(place.is_none());
        place.map_or(&[], |place| self.rules[place].as_slice())
    }
}

/// The field a rule is found by, and the constant it compares with.
type Chosen = (Path, Key<'static>);

/// The names of members from the payload downwards.
type Path = Box<[Box<str>]>;

/// For each rule the equality it is found by, if there is one.
fn chosen_equalities<T>(rules: &[(Statement, T)]) -> Vec<Option<Chosen>> {
    let equalities: Vec<_> = rules.iter().map(|(statement, _)| equalities(statement)).collect();
    let constants = constants_by_path(equalities.iter().flatten());
    equalities.iter().map(|found| most_telling(found, &constants)).collect()
}

/// The equalities that have to hold of a message. SET comes before WHERE and may fail, so with it there are none.
fn equalities(statement: &Statement) -> Vec<Equality<'_>> {
    if !statement.variables().is_empty() {
        return Vec::new();
    }
    statement.condition().map(required).unwrap_or_default()
}

/// Which constants each field is compared with.
fn constants_by_path<'e>(
    equalities: impl Iterator<Item = &'e Equality<'e>>,
) -> HashMap<&'e [Box<str>], HashSet<&'e Key<'static>>> {
    let mut constants: HashMap<_, HashSet<_>> = HashMap::new();
    for equality in equalities {
        constants.entry(equality.path).or_default().insert(&equality.key);
    }
    constants
}

/// Of the equalities of a rule the one whose field is compared with the most constants, the first of equals.
fn most_telling(
    found: &[Equality<'_>],
    constants: &HashMap<&[Box<str>], HashSet<&Key<'static>>>,
) -> Option<Chosen> {
    let count = |equality: &Equality<'_>| constants.get(equality.path).map_or(0, HashSet::len);
    let chosen = found.iter().rev().max_by_key(|equality| count(equality))?;
    Some((chosen.path.into(), chosen.key.clone()))
}

#[cfg(test)]
mod tests;
