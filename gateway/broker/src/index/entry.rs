//! The subscriptions of one filter.

use super::Keyed;
use crate::change::SessionKey;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Subscriptions to one filter: each session's own, and the shared groups.
pub(crate) struct Entry<T> {
    /// Sorted by session key. Keys only grow, so a new session's subscription usually goes to the end.
    plain: SmallVec<[T; 1]>,
    groups: Vec<Group<T>>,
}

/// The members of one shared subscription. Two groups of one name on different filters are two groups (section 4.8.2).
pub(crate) struct Group<T> {
    whole: Arc<str>,
    members: Vec<T>,
    turn: AtomicUsize,
}

impl<T> Default for Entry<T> {
    fn default() -> Self {
        Self { plain: SmallVec::new(), groups: Vec::new() }
    }
}

impl<T: Keyed> Entry<T> {
    /// Whether the subscription is new; otherwise it replaced the one that was there.
    pub(super) fn insert(&mut self, shared: Option<&Arc<str>>, value: T) -> bool {
        let Some(whole) = shared else {
            return match self.plain.binary_search_by_key(&value.key(), Keyed::key) {
                Ok(at) => {
                    self.plain[at] = value;
                    false
                }
                Err(at) => {
                    self.plain.insert(at, value);
                    true
                }
            };
        };
        let at = match self.groups.iter().position(|group| group.whole == *whole) {
            Some(at) => at,
            None => {
                let group = Group { whole: whole.clone(), members: Vec::new(), turn: AtomicUsize::new(0) };
                self.groups.push(group);
                self.groups.len() - 1
            }
        };
        self.groups[at].insert(value)
    }

    /// Whether there was such a subscription.
    pub(super) fn remove(&mut self, shared: Option<&Arc<str>>, key: SessionKey) -> bool {
        let Some(whole) = shared else {
            let found = self.plain.binary_search_by_key(&key, Keyed::key);
            if let Ok(at) = found {
                self.plain.remove(at);
                // A filter that was popular once must not hold the memory of its best day.
                if self.plain.spilled() && self.plain.len() * 4 < self.plain.capacity() {
                    self.plain.shrink_to_fit();
                }
            }
            return found.is_ok();
        };
        let Some(at) = self.groups.iter().position(|group| group.whole == *whole) else { return false };
        let removed = self.groups[at].remove(key);
        if self.groups[at].members.is_empty() {
            self.groups.swap_remove(at);
        }
        removed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.groups.is_empty()
    }

    pub(crate) fn plain(&self) -> &[T] {
        &self.plain
    }

    pub(crate) fn groups(&self) -> &[Group<T>] {
        &self.groups
    }

    pub(crate) fn group(&self, whole: &str) -> Option<&Group<T>> {
        self.groups.iter().find(|group| &*group.whole == whole)
    }
}

impl<T: Keyed> Group<T> {
    fn insert(&mut self, value: T) -> bool {
        match self.members.iter_mut().find(|member| member.key() == value.key()) {
            Some(member) => {
                *member = value;
                false
            }
            None => {
                self.members.push(value);
                true
            }
        }
    }

    fn remove(&mut self, key: SessionKey) -> bool {
        let at = self.members.iter().position(|member| member.key() == key);
        if let Some(at) = at {
            self.members.remove(at);
        }
        at.is_some()
    }

    pub(crate) fn any(&self, picked: impl FnMut(&T) -> bool) -> bool {
        self.members.iter().any(picked)
    }

    /// The whole filter, `$share/group/filter`.
    pub(crate) fn whole(&self) -> &Arc<str> {
        &self.whole
    }

    /// The member whose turn it is among those that rank best; `rank` gives `None` for a member that can't take the message.
    pub(crate) fn choose<R: Ord>(&self, mut rank: impl FnMut(&T) -> Option<R>) -> Option<&T> {
        let start = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.members.len();
        let mut best: Option<(R, &T)> = None;
        for step in 0..count {
            let member = &self.members[start.wrapping_add(step) % count];
            if let Some(rank) = rank(member)
                && best.as_ref().is_none_or(|(best, _)| rank > *best)
            {
                best = Some((rank, member));
            }
        }
        best.map(|(_, member)| member)
    }
}
