//! How far one subscription got with its retained messages, over a restart too.

use crate::change::{Change, SavedFeed, SavedSubscription, SessionKey};
use crate::session::{Slot, State};
use mqtt::Qos;
use std::sync::Arc;

/// How far one subscription got with its retained messages.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    pub(crate) subscription: SavedSubscription,
    /// The first topic key not looked at yet.
    pub(super) from: Box<[u8]>,
    /// Messages retained later than this reach the subscription as live ones.
    until: u64,
    /// Offsets of messages that reached it as live ones before the process was restarted, in order.
    skips: Arc<[u64]>,
    record: Record,
}

/// What the store knows of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record {
    /// Nothing.
    None,
    /// Less than there is to know; whether anything.
    Old { is_known: bool },
    /// Everything.
    Current,
}

impl Feed {
    pub(crate) fn new(subscription: SavedSubscription, clock: u64) -> Self {
        // A message that need not arrive is not worth a row.
        let is_kept = subscription.options.qos > Qos::AtMostOnce;
        let record = if is_kept { Record::Old { is_known: false } } else { Record::None };
        Self { subscription, from: Box::default(), until: clock, skips: Arc::from([]), record }
    }

    /// Goes on where an earlier process was; `clock` is that of the store with everything it had.
    pub(crate) fn restored(
        subscription: SavedSubscription,
        saved: SavedFeed,
        skips: Arc<[u64]>,
        clock: u64,
    ) -> Self {
        Self { subscription, from: saved.from, until: clock, skips, record: Record::Current }
    }

    /// Whether a message of that age and record is for this feed.
    pub(super) fn gives(&self, stored_at: u64, offset: Option<u64>) -> bool {
        stored_at <= self.until && offset.is_none_or(|offset| self.skips.binary_search(&offset).is_err())
    }

    /// A message was given: with it goes how far the feed is now.
    pub(crate) fn moved(&mut self) {
        if self.record == Record::Current {
            self.record = Record::Old { is_known: true };
        }
    }

    /// The feed takes the place of another, of which the store knows; whether it will be told of this one.
    pub(crate) fn replace_known(&mut self) -> bool {
        if self.is_kept() {
            self.record = Record::Old { is_known: true };
        }
        self.is_kept()
    }

    fn is_kept(&self) -> bool {
        self.record != Record::None
    }

    /// Whether the store has to be told that the feed is over.
    pub(crate) fn is_known(&self) -> bool {
        matches!(self.record, Record::Current | Record::Old { is_known: true })
    }

    fn saved(&self) -> SavedFeed {
        SavedFeed { filter: self.subscription.filter.clone(), from: self.from.clone() }
    }
}

impl<A> State<A> {
    /// Takes what has to be persisted. How far feeds are is said here, once for all the messages that they gave since.
    pub(crate) fn drain_changes(&mut self, slot: &Slot<A>, recording: bool) -> Vec<Change> {
        if recording && slot.is_durable() {
            let old = self.feeds.iter_mut().filter(|feed| matches!(feed.record, Record::Old { .. }));
            self.changes.extend(old.map(|feed| {
                feed.record = Record::Current;
                Change::Feeding(slot.key, feed.saved())
            }));
        }
        std::mem::take(&mut self.changes)
    }

    /// Notes that a retained message reached the session as a live one, if a feed could give it after a restart.
    pub(crate) fn feeds_skip(&self, key: SessionKey, offset: u64) -> Option<Change> {
        self.feeds.iter().any(Feed::is_kept).then_some(Change::FeedSkips(key, offset))
    }

    /// Feeds to persist.
    pub(crate) fn saved_feeds(&self) -> Vec<SavedFeed> {
        self.feeds.iter().filter(|feed| feed.is_kept()).map(Feed::saved).collect()
    }
}
