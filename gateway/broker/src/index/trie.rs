//! Filters with wildcards, as a tree of topic levels.

use super::{Entry, Keyed};
use crate::change::SessionKey;
use std::collections::HashMap;
use std::sync::Arc;

/// Children up to this many are searched in a row; a hash map costs more memory and no less time.
const FEW_CHILDREN_MAX: usize = 8;

/// One level of the tree. The depth is that of the deepest filter, which the caller limits, so recursion is bounded.
pub(super) struct Trie<T> {
    /// Filters that end here.
    here: Option<Box<Entry<T>>>,
    /// Filters that go on with `#`, which also match this very level (section 4.7.1.2).
    rest: Option<Box<Entry<T>>>,
    /// Filters that go on with `+`.
    any: Option<Box<Trie<T>>>,
    children: Children<T>,
}

enum Children<T> {
    Few(Vec<(Box<str>, Trie<T>)>),
    Many(HashMap<Box<str>, Trie<T>>),
}

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Self { here: None, rest: None, any: None, children: Children::Few(Vec::new()) }
    }
}

/// The first level and what follows it, if anything does.
fn split(levels: &str) -> (&str, Option<&str>) {
    match levels.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (levels, None),
    }
}

impl<T: Keyed> Trie<T> {
    /// The entry of `filter`, made if need be.
    pub(super) fn entry(&mut self, filter: &str) -> &mut Entry<T> {
        let (level, tail) = split(filter);
        if level == "#" {
            return self.rest.get_or_insert_default();
        }
        let node = match level {
            "+" => self.any.get_or_insert_default(),
            _ => self.children.child(level),
        };
        match tail {
            Some(tail) => node.entry(tail),
            None => node.here.get_or_insert_default(),
        }
    }

    /// The entry of `filter`, if there is one.
    pub(super) fn find(&self, filter: &str) -> Option<&Entry<T>> {
        let (level, tail) = split(filter);
        if level == "#" {
            return self.rest.as_deref();
        }
        let node = match level {
            "+" => self.any.as_deref()?,
            _ => self.children.get(level)?,
        };
        match tail {
            Some(tail) => node.find(tail),
            None => node.here.as_deref(),
        }
    }

    /// Removes a subscription and every node that holds nothing afterwards; whether it was there.
    pub(super) fn remove(&mut self, filter: &str, shared: Option<&Arc<str>>, key: SessionKey) -> bool {
        let (level, tail) = split(filter);
        if level == "#" {
            return remove_from(&mut self.rest, shared, key);
        }
        let node = match level {
            "+" => self.any.as_deref_mut(),
            _ => self.children.get_mut(level),
        };
        let Some(node) = node else { return false };
        let removed = match tail {
            Some(tail) => node.remove(tail, shared, key),
            None => remove_from(&mut node.here, shared, key),
        };
        if node.is_empty() {
            match level {
                "+" => self.any = None,
                _ => self.children.remove(level),
            }
        }
        removed
    }

    /// Shows every entry that matches. A wildcard at the first level matches no topic that starts with `$` `[MQTT-4.7.2-1]`.
    pub(super) fn matching(&self, topic: &str, parent_matches: bool, found: &mut impl FnMut(&Entry<T>)) {
        self.walk(Some(topic), topic.starts_with('$'), parent_matches, found);
    }

    fn walk(
        &self,
        levels: Option<&str>,
        reserved: bool,
        parent_matches: bool,
        found: &mut impl FnMut(&Entry<T>),
    ) {
        if let Some(entry) = &self.rest
            && !reserved
            && (parent_matches || levels.is_some())
        {
            found(entry);
        }
        let Some(levels) = levels else {
            if let Some(entry) = &self.here {
                found(entry);
            }
            return;
        };
        let (level, tail) = split(levels);
        if let Some(child) = self.children.get(level) {
            child.walk(tail, false, parent_matches, found);
        }
        if let (Some(any), false) = (&self.any, reserved) {
            any.walk(tail, false, parent_matches, found);
        }
    }

    fn is_empty(&self) -> bool {
        self.here.is_none() && self.rest.is_none() && self.any.is_none() && self.children.is_empty()
    }

    #[cfg(test)]
    pub(super) fn nodes(&self) -> usize {
        let own = usize::from(self.here.is_some()) + usize::from(self.rest.is_some());
        let any = self.any.as_ref().map_or(0, |node| 1 + node.nodes());
        own + any + self.children.all().map(|node| 1 + node.nodes()).sum::<usize>()
    }
}

fn remove_from<T: Keyed>(
    place: &mut Option<Box<Entry<T>>>,
    shared: Option<&Arc<str>>,
    key: SessionKey,
) -> bool {
    let Some(entry) = place else { return false };
    let removed = entry.remove(shared, key);
    if entry.is_empty() {
        *place = None;
    }
    removed
}

impl<T> Children<T> {
    fn get(&self, level: &str) -> Option<&Trie<T>> {
        match self {
            Self::Few(few) => few.iter().find(|(name, _)| &**name == level).map(|(_, node)| node),
            Self::Many(many) => many.get(level),
        }
    }

    fn get_mut(&mut self, level: &str) -> Option<&mut Trie<T>> {
        match self {
            Self::Few(few) => few.iter_mut().find(|(name, _)| &**name == level).map(|(_, node)| node),
            Self::Many(many) => many.get_mut(level),
        }
    }

    /// The child of this name, made if need be.
    fn child(&mut self, level: &str) -> &mut Trie<T> {
        if let Self::Few(few) = self
            && few.len() >= FEW_CHILDREN_MAX
            && few.iter().all(|(name, _)| &**name != level)
        {
            *self = Self::Many(few.drain(..).collect());
        }
        match self {
            Self::Few(few) => {
                let at = few.iter().position(|(name, _)| &**name == level).unwrap_or_else(|| {
                    few.push((level.into(), Trie::default()));
                    few.len() - 1
                });
                &mut few[at].1
            }
            Self::Many(many) => many.entry(level.into()).or_default(),
        }
    }

    fn remove(&mut self, level: &str) {
        match self {
            Self::Few(few) => few.retain(|(name, _)| &**name != level),
            Self::Many(many) => {
                many.remove(level);
                if many.len() * 2 < FEW_CHILDREN_MAX {
                    *self = Self::Few(many.drain().collect());
                } else if many.len() * 4 < many.capacity() {
                    many.shrink_to_fit();
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Few(few) => few.is_empty(),
            Self::Many(many) => many.is_empty(),
        }
    }

    #[cfg(test)]
    fn all(&self) -> Box<dyn Iterator<Item = &Trie<T>> + '_> {
        match self {
            Self::Few(few) => Box::new(few.iter().map(|(_, node)| node)),
            Self::Many(many) => Box::new(many.values()),
        }
    }
}
