//! Live messages shown to whoever follows a rule. Off unless somebody does: a message then costs one relaxed load.
//!
//! A message is handed over as it came and explained elsewhere, so that no connection waits for it. Must not know how it is shown.

#[cfg(test)]
mod tests;

use crate::flow::Seen;
use parking_lot::RwLock;
use rules::TopicFilter;
use rules::definition::Definition;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use tokio::sync::mpsc;

/// Rules that are followed at once, the same one more than once included.
pub(crate) const FOLLOWERS_MAX: usize = 8;

/// Messages that wait for one follower; more are dropped, and counted.
const WAITING_MAX: usize = 256;

/// Bytes of payload that wait for one follower; likewise.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What somebody wants to see.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The name of the rule.
    pub(crate) rule: String,
    /// Messages of these topics, whether or not the rule's FROM lets them through; without, those that it does.
    pub(crate) topic: Option<TopicFilter>,
    /// Messages of this client alone.
    pub(crate) client_id: Option<String>,
    /// One message of so many.
    pub(crate) sample: NonZeroU64,
}

/// Everybody who follows a rule.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    count: AtomicUsize,
    followers: RwLock<Vec<Arc<Follower>>>,
}

#[derive(Debug)]
struct Follower {
    wanted: Wanted,
    sender: mpsc::Sender<Seen>,
    counts: Counts,
}

/// What became of the messages that a follower wants.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// All of them, those beside the sample included.
    pub(crate) seen: AtomicU64,
    /// Those that came too fast.
    pub(crate) dropped: AtomicU64,
    waiting_bytes: AtomicUsize,
}

/// As many follow rules as may.
#[derive(Debug, thiserror::Error)]
#[error("{FOLLOWERS_MAX} traces are running, which is the most; end one, or wait until one ends")]
pub(crate) struct TooMany;

impl Traces {
    /// How many follow a rule.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Whether anybody does.
    pub(crate) fn is_on(&self) -> bool {
        self.count() > 0
    }

    /// Follows a rule, until what is returned is dropped.
    ///
    /// # Errors
    /// When as many do as may.
    pub(crate) fn follow(self: &Arc<Self>, wanted: Wanted) -> Result<Following, TooMany> {
        let mut followers = self.followers.write();
        if followers.len() >= FOLLOWERS_MAX {
            return Err(TooMany);
        }
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let follower = Arc::new(Follower { wanted, sender, counts: Counts::default() });
        followers.push(Arc::clone(&follower));
        self.count.store(followers.len(), Relaxed);
        Ok(Following { traces: Arc::clone(self), follower, receiver })
    }

    /// Hands a message to everybody who wants it. `rule` finds a rule by name, `seen` makes the copy.
    pub(crate) fn show<'r>(
        &self,
        topic: &str,
        client_id: Option<&str>,
        rule: impl Fn(&str) -> Option<&'r Definition>,
        seen: impl Fn() -> Seen,
    ) {
        for follower in self.followers.read().iter() {
            let Some(rule) = rule(&follower.wanted.rule) else { continue };
            if follower.wanted.is_about(rule, topic, client_id) {
                follower.offer(&seen);
            }
        }
    }
}

impl Wanted {
    fn is_about(&self, rule: &Definition, topic: &str, client_id: Option<&str>) -> bool {
        if self.client_id.is_some() && self.client_id.as_deref() != client_id {
            return false;
        }
        match (rules::basic_ingest(topic), &self.topic) {
            (Some(ingest), wanted) => {
                ingest.rule == self.rule && wanted.as_ref().is_none_or(|filter| filter.matches(ingest.rest))
            }
            (None, Some(filter)) => filter.matches(topic),
            (None, None) => rule.statement.topic_filter().is_some_and(|filter| filter.matches(topic)),
        }
    }
}

impl Follower {
    fn offer(&self, seen: &impl Fn() -> Seen) {
        let Counts { seen: number, dropped, waiting_bytes } = &self.counts;
        if !number.fetch_add(1, Relaxed).is_multiple_of(self.wanted.sample.get()) {
            return;
        }
        let seen = seen();
        let bytes = seen.payload_bytes();
        // A single message of any size is let through.
        let waiting = waiting_bytes.fetch_add(bytes, Relaxed);
        let has_room = waiting == 0 || waiting.saturating_add(bytes) <= WAITING_BYTES_MAX;
        if !has_room || self.sender.try_send(seen).is_err() {
            waiting_bytes.fetch_sub(bytes, Relaxed);
            dropped.fetch_add(1, Relaxed);
        }
    }
}

/// The messages that a follower gets.
#[derive(Debug)]
pub(crate) struct Following {
    traces: Arc<Traces>,
    follower: Arc<Follower>,
    receiver: mpsc::Receiver<Seen>,
}

impl Following {
    /// The next message. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Option<Seen> {
        let seen = self.receiver.recv().await?;
        self.follower.counts.waiting_bytes.fetch_sub(seen.payload_bytes(), Relaxed);
        Some(seen)
    }

    /// What was wanted.
    pub(crate) fn wanted(&self) -> &Wanted {
        &self.follower.wanted
    }

    /// What became of the messages so far.
    pub(crate) fn counts(&self) -> &Counts {
        &self.follower.counts
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut followers = self.traces.followers.write();
        followers.retain(|follower| !Arc::ptr_eq(follower, &self.follower));
        self.traces.count.store(followers.len(), Relaxed);
    }
}
