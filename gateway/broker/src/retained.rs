//! Retained messages: one for each topic, found by filter without looking at topics that can't match.
//!
//! A subscription is not given all its retained messages at once, for there may be millions: it gets a [`Feed`], which remembers how far
//! the client got and is read as the client's window and socket have room. So none is left out, and none waits in memory.

mod feed;
mod seek;

use crate::{Limits, Message};
use mqtt::Text;
use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

pub(crate) use feed::Feed;

/// What became of a retained message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// It is the topic's retained message now, or was, if one that the journal has behind it is there already.
    Stored,
    /// The topic has no retained message any more: the payload was empty `[MQTT-3.3.1-6]`.
    Cleared,
    /// Not stored, for the limit of retained messages is reached; the old one of its topic, if any, stays.
    Refused,
    /// The message did not ask to be retained.
    NotAsked,
}

/// What the server itself retains begins so; clients can't publish there.
pub(crate) const OWN: &str = "$SYS/";

#[derive(Default)]
pub(crate) struct Retained {
    /// What clients retained.
    inner: RwLock<Store>,
    /// What the server did: apart, since it is no part of their limits and numbers. No filter matches topics of both, for the first level
    /// of a topic that begins with `$` is matched by its own text alone `[MQTT-4.7.2-1]`.
    own: RwLock<Store>,
}

#[derive(Default)]
pub(crate) struct Store {
    /// By topic key, see [`seek`]: levels in order, a parent right before its children.
    by_topic: BTreeMap<Box<[u8]>, Kept>,
    /// Messages with an expiry, soonest first.
    expiring: BTreeSet<(u64, Box<[u8]>)>,
    bytes: usize,
    /// Counts stores; tells whether a subscription was made before or after a message was retained.
    clock: u64,
}

struct Kept {
    message: Arc<Message>,
    stored_at: u64,
    /// Journal offset of the record that made it the retained message.
    offset: Option<u64>,
}

/// Topics looked at under one lock.
const LOOKED_AT_MAX: usize = 256;

/// What a feed has next.
pub(crate) enum Next {
    /// This message.
    Message(Arc<Message>),
    /// Nothing among the topics looked at; ask again.
    Unknown,
    /// Nothing more.
    End,
}

impl Retained {
    /// Where the messages of a topic, or all that a filter may match, are kept.
    fn store(&self, topic_or_filter: &str) -> &RwLock<Store> {
        if topic_or_filter.starts_with(OWN) { &self.own } else { &self.inner }
    }

    /// Stores or clears the retained message of a topic; gives the clock at which it happened.
    pub(crate) fn set(
        &self,
        message: &Message,
        offset: Option<u64>,
        limits: &Limits,
        now_ms: u64,
    ) -> (Retention, u64) {
        if !message.retain {
            return (Retention::NotAsked, 0);
        }
        let key = seek::key(&message.topic);
        let mut store = self.store(&message.topic).write();
        if let Some(stored_at) = store.superseded_at(&key, offset) {
            let is_clearing = message.payload.is_empty();
            return (if is_clearing { Retention::Cleared } else { Retention::Stored }, stored_at);
        }
        store.clock += 1;
        let stored_at = store.clock;
        if message.payload.is_empty() || message.is_expired(now_ms) {
            store.remove(&key);
            return (Retention::Cleared, stored_at);
        }
        if !store.has_room(&key, message, limits) {
            return (Retention::Refused, stored_at);
        }
        store.remove(&key);
        store.bytes += message.bytes();
        if let Some(at_ms) = message.expires_at_ms {
            store.expiring.insert((at_ms, key.clone()));
        }
        store.by_topic.insert(key, Kept { message: Arc::new(message.detached()), stored_at, offset });
        (Retention::Stored, stored_at)
    }

    /// Whether [`Retained::set`] would take a message now.
    pub(crate) fn has_room(&self, message: &Message, limits: &Limits) -> bool {
        message.payload.is_empty()
            || self.store(&message.topic).read().has_room(&seek::key(&message.topic), message, limits)
    }

    /// Makes a subscription and its feed with no store in between: `subscribe` is given the clock. A message is then either in the
    /// feed, or retained by a publisher that finds the subscription in the index; never both, never neither.
    pub(crate) fn with_clock<R>(&self, filter: &str, subscribe: impl FnOnce(u64) -> R) -> R {
        let store = self.store(filter).read();
        subscribe(store.clock)
    }

    /// The next message of `feed`.
    pub(crate) fn next(&self, feed: &mut Feed, now_ms: u64) -> Next {
        let store = self.store(&feed.subscription.filter).read();
        if store.by_topic.is_empty() {
            return Next::End;
        }
        for _ in 0..LOOKED_AT_MAX {
            let rest = (Bound::Included(&*feed.from), Bound::Unbounded);
            let Some((key, kept)) = store.by_topic.range::<[u8], _>(rest).next() else {
                return Next::End;
            };
            match seek::judge(key, &feed.subscription.filter) {
                seek::Judgement::Matches => {
                    feed.from = seek::after(key);
                    if feed.gives(kept.stored_at, kept.offset) && !kept.message.is_expired(now_ms) {
                        return Next::Message(kept.message.clone());
                    }
                }
                seek::Judgement::Over => return Next::End,
                seek::Judgement::SkipTo(next) => feed.from = next,
                seek::Judgement::Next => feed.from = seek::after(key),
            }
        }
        Next::Unknown
    }

    /// The message retained for a topic.
    pub(crate) fn get(&self, topic: &str) -> Option<Arc<Message>> {
        self.store(topic).read().by_topic.get(&seek::key(topic)).map(|kept| kept.message.clone())
    }

    /// Drops messages that expired, at most `messages_max`; each one's topic and offset.
    pub(crate) fn expire(&self, now_ms: u64, messages_max: usize) -> Vec<(Text, Option<u64>)> {
        let mut dropped = Vec::new();
        if self.inner.read().expiring.first().is_none_or(|(at_ms, _)| *at_ms > now_ms) {
            return dropped;
        }
        let mut store = self.inner.write();
        while dropped.len() < messages_max
            && let Some((at_ms, key)) = store.expiring.first()
            && *at_ms <= now_ms
        {
            let key = key.clone();
            let expired = store.remove(&key).expect("what expires is kept");
            dropped.push((expired.message.topic.clone(), expired.offset));
        }
        dropped
    }

    /// Number and bytes of what clients retained.
    pub(crate) fn size(&self) -> (usize, usize) {
        let store = self.inner.read();
        (store.by_topic.len(), store.bytes)
    }
}

impl Store {
    fn has_room(&self, key: &[u8], message: &Message, limits: &Limits) -> bool {
        let replaced = self.by_topic.get(key).map_or(0, |kept| kept.message.bytes());
        let is_one_too_many = replaced == 0 && self.by_topic.len() >= limits.retained_messages_max;
        let is_within =
            !is_one_too_many && self.bytes - replaced + message.bytes() <= limits.retained_bytes_max;
        is_within || message.topic.starts_with(OWN)
    }

    /// When a topic got a message that the journal has behind that of `offset`. Publishers of one topic may get here in another order
    /// than their records were written in; that of the journal counts, for it is the store's, and holds after a restart.
    fn superseded_at(&self, key: &[u8], offset: Option<u64>) -> Option<u64> {
        let kept = self.by_topic.get(key)?;
        let is_later = kept.offset.zip(offset).is_some_and(|(kept, offset)| kept > offset);
        is_later.then_some(kept.stored_at)
    }

    fn remove(&mut self, key: &[u8]) -> Option<Kept> {
        let kept = self.by_topic.remove(key)?;
        self.bytes -= kept.message.bytes();
        if let Some(at_ms) = kept.message.expires_at_ms {
            self.expiring.remove(&(at_ms, key.into()));
        }
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt::{Properties, Qos};

    fn message(payload: &'static str) -> Message {
        Message {
            topic: Text::try_from("t").expect("a topic"),
            payload: bytes::Bytes::from_static(payload.as_bytes()),
            qos: Qos::AtLeastOnce,
            retain: true,
            properties: Properties::default(),
            expires_at_ms: None,
            publisher: Arc::from(""),
        }
    }

    #[test]
    fn of_two_publishers_the_later_in_the_journal_is_kept_whichever_comes_first() {
        for (order, left) in [
            ([("old", 10), ("new", 11)], "new"),
            ([("new", 11), ("old", 10)], "new"),
            ([("new", 11), ("", 10)], "new"),
            ([("old", 10), ("old", 10)], "old"),
        ] {
            let retained = Retained::default();
            for (payload, offset) in order {
                retained.set(&message(payload), Some(offset), &Limits::default(), 0);
            }
            let kept = retained.get("t").expect("one is kept");
            assert_eq!(kept.payload, left.as_bytes(), "{order:?}");
        }
    }

    /// Whoever subscribed before the later message was there did not get it as a retained one, nor the earlier one.
    #[test]
    fn a_message_that_came_too_late_was_stored_when_the_later_one_was() {
        let retained = Retained::default();
        let set = |payload, offset| retained.set(&message(payload), offset, &Limits::default(), 0);
        let (_, stored_at) = set("new", Some(11));
        assert_eq!(set("old", Some(10)), (Retention::Stored, stored_at));
        assert_eq!(set("", Some(10)), (Retention::Cleared, stored_at));
        assert!(set("newest", Some(12)).1 > stored_at);
    }
}
