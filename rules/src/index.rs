//! Which rules see a topic, without asking each of them: a tree of topic levels.
//!
//! Knows filters and topics; must not know what the values in it are.

use std::collections::HashMap;

use crate::filter::TopicFilter;

/// Values under topic filters. Looking up a topic visits the levels of the topic, not the filters.
#[derive(Debug, Clone)]
pub struct Index<T> {
    root: Level<T>,
    length: usize,
}

#[derive(Debug, Clone)]
struct Level<T> {
    named: HashMap<Box<str>, Level<T>>,
    plus: Option<Box<Level<T>>>,
    /// Values whose filter ends here.
    here: Vec<T>,
    /// Values whose filter ends here with `/#`.
    below: Vec<T>,
}

impl<T> Default for Level<T> {
    fn default() -> Self {
        Self { named: HashMap::new(), plus: None, here: Vec::new(), below: Vec::new() }
    }
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self { root: Level::default(), length: 0 }
    }
}

impl<T> Index<T> {
    /// An index without values.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Puts `value` under `filter`; several values may share a filter.
    pub fn insert(&mut self, filter: &TopicFilter, value: T) {
        self.length += 1;
        let mut level = &mut self.root;
        for name in filter.as_str().split('/') {
            level = match name {
                "#" => {
                    level.below.push(value);
                    return;
                }
                "+" => level.plus.get_or_insert_default(),
                name => level.named.entry(name.into()).or_default(),
            };
        }
        level.here.push(value);
    }

    /// Calls `visit` with every value whose filter matches `topic`, as [`TopicFilter::matches`] has it.
    ///
    /// The work is bounded by the filters that share the topic's levels: a level is entered by its name and by `+`.
    pub fn for_each_match<'i>(&'i self, topic: &str, mut visit: impl FnMut(&'i T)) {
        let wildcards = !topic.starts_with('$');
        descend(&self.root, topic, wildcards, &mut visit);
    }

    /// The values whose filter matches `topic`.
    pub fn matches(&self, topic: &str) -> Vec<&T> {
        let mut found = Vec::new();
        self.for_each_match(topic, |value| found.push(value));
        found
    }
}

/// Recursion is as deep as the filters in the index have levels, never as the topic has.
fn descend<'i, T>(level: &'i Level<T>, topic: &str, wildcards: bool, visit: &mut impl FnMut(&'i T)) {
    if wildcards {
        level.below.iter().for_each(&mut *visit);
    }
    let (name, rest) = match topic.split_once('/') {
        Some((name, rest)) => (name, Some(rest)),
        None => (topic, None),
    };
    let plus = level.plus.as_deref().filter(|_| wildcards);
    for next in level.named.get(name).into_iter().chain(plus) {
        match rest {
            Some(rest) => descend(next, rest, true, visit),
            None => next.here.iter().for_each(&mut *visit),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_what_a_scan_finds_on_the_corner_cases() {
        let filters = ["#", "+", "a", "a/#", "a/+", "a/+/c", "+/b", "$aws/#", "a//c", "+/+", "/#"];
        let mut index = Index::new();
        for filter in filters {
            index.insert(&TopicFilter::parse(filter).unwrap(), filter);
        }
        for topic in ["a", "a/b", "a/b/c", "$aws/x", "", "/", "a//c", "$aws", "a/"] {
            let mut found: Vec<&str> = index.matches(topic).into_iter().copied().collect();
            let mut scanned: Vec<&str> = filters
                .into_iter()
                .filter(|filter| TopicFilter::parse(filter).unwrap().matches(topic))
                .collect();
            found.sort_unstable();
            scanned.sort_unstable();
            assert_eq!(found, scanned, "topic `{topic}`");
        }
    }

    proptest! {
        #[test]
        fn finds_what_a_scan_finds(
            filters in prop::collection::vec("([ab$]{0,1}|\\+)(/([ab]{0,1}|\\+)){0,3}(/#)?", 1..20),
            topic in "[ab$]{0,1}(/[ab]{0,1}){0,4}",
        ) {
            let mut index = Index::new();
            for filter in &filters {
                if let Ok(parsed) = TopicFilter::parse(filter) {
                    index.insert(&parsed, filter.as_str());
                }
            }
            let mut found: Vec<&str> = index.matches(&topic).into_iter().copied().collect();
            let mut scanned: Vec<&str> = filters
                .iter()
                .filter(|filter| TopicFilter::parse(filter).is_ok_and(|parsed| parsed.matches(&topic)))
                .map(String::as_str)
                .collect();
            found.sort_unstable();
            scanned.sort_unstable();
            prop_assert_eq!(found, scanned);
        }
    }
}
