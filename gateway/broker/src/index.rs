//! Which subscriptions match a topic.
//!
//! Filters without wildcards are looked up in a sharded hash map, so a million of them cost one lookup; filters with wildcards live in a
//! tree of levels that is walked only along the topic. Both free what becomes empty. Knows nothing of sessions beyond their key.

mod entry;
mod trie;

#[cfg(test)]
mod tests;

use crate::change::SessionKey;
use dashmap::DashMap;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) use entry::{Entry, Group};
use trie::Trie;

/// What the index holds for each subscription.
pub(crate) trait Keyed {
    /// The session it belongs to.
    fn key(&self) -> SessionKey;
}

/// A parsed filter, as the index wants it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The filter that topics are matched against, without `$share/group/`.
    pub(crate) filter: &'a str,
    /// The whole filter, `$share/group/` included.
    whole: &'a Arc<str>,
    /// The whole filter when it is a shared one: the group's name in the index.
    pub(crate) shared: Option<&'a Arc<str>>,
}

impl<'a> Place<'a> {
    /// The place of the filter `whole`, whose syntax was checked when it was subscribed.
    pub(crate) fn of(whole: &'a Arc<str>) -> Self {
        match whole.strip_prefix("$share/").and_then(|rest| rest.split_once('/')) {
            Some((_group, filter)) => Self { filter, whole, shared: Some(whole) },
            None => Self { filter: whole, whole, shared: None },
        }
    }

    pub(crate) fn has_wildcard(self) -> bool {
        self.filter.bytes().any(|byte| byte == b'+' || byte == b'#')
    }
}

/// All subscriptions.
pub(crate) struct Index<T> {
    exact: DashMap<Arc<str>, Entry<T>>,
    wild: RwLock<Trie<T>>,
    wild_len: AtomicUsize,
    /// Whether `a/#` matches `a`.
    parent_matches: bool,
}

impl<T: Keyed> Index<T> {
    pub(crate) fn new(parent_matches: bool) -> Self {
        Self {
            exact: DashMap::new(),
            wild: RwLock::new(Trie::default()),
            wild_len: AtomicUsize::new(0),
            parent_matches,
        }
    }

    /// Adds or replaces the subscription of `value`'s session.
    pub(crate) fn insert(&self, place: Place<'_>, value: T) {
        if place.has_wildcard() {
            if self.wild.write().entry(place.filter).insert(place.shared, value) {
                self.wild_len.fetch_add(1, Ordering::Release);
            }
            return;
        }
        // The session's own copy of the filter is the key, so its text is in memory once.
        let key = match place.shared {
            Some(_) => Arc::from(place.filter),
            None => place.whole.clone(),
        };
        self.exact.entry(key).or_default().insert(place.shared, value);
    }

    /// Removes the subscription of `key`; nothing is kept for a filter that nobody holds any more.
    pub(crate) fn remove(&self, place: Place<'_>, key: SessionKey) {
        if place.has_wildcard() {
            if self.wild.write().remove(place.filter, place.shared, key) {
                self.wild_len.fetch_sub(1, Ordering::Release);
            }
            return;
        }
        self.exact.remove_if_mut(place.filter, |_, entry| {
            entry.remove(place.shared, key);
            entry.is_empty()
        });
    }

    /// Shows `found` every entry whose filter matches `topic`, which has no wildcards.
    pub(crate) fn matching(&self, topic: &str, mut found: impl FnMut(&Entry<T>)) {
        if let Some(entry) = self.exact.get(topic) {
            found(&entry);
        }
        if self.wild_len.load(Ordering::Acquire) > 0 {
            self.wild.read().matching(topic, self.parent_matches, &mut found);
        }
    }

    /// Shows `found` the group of a shared filter, if it has members.
    pub(crate) fn group<R>(&self, whole: &Arc<str>, found: impl FnOnce(&Group<T>) -> R) -> Option<R> {
        let place = Place::of(whole);
        if place.has_wildcard() {
            return self.wild.read().find(place.filter)?.group(whole).map(found);
        }
        self.exact.get(place.filter)?.group(whole).map(found)
    }

    /// Entries and nodes in memory, to prove that nothing is left behind.
    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        self.exact.len() + self.wild.read().nodes()
    }
}
