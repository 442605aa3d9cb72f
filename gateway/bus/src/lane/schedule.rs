//! Which events may go now: order within a key, fairness between keys.
//!
//! Pure: no clock, no I/O. Every unsettled event that the lane has read is here. A key is ready, in
//! flight, or waiting for a retry; while it is in flight or waits, none of its events goes.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use crate::dead_letters::Failure;
use crate::{Delivery, Position};

/// An event that the lane owes.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) position: Position,
    pub(crate) rule: Arc<str>,
    pub(crate) key: Arc<str>,
    /// Bytes of data.
    pub(crate) bytes: u64,
    /// When the journal took it, for its age.
    pub(crate) since_ms: u64,
    /// Tries made so far.
    pub(crate) attempts: u32,
    pub(crate) failure: Option<Box<Failure>>,
    /// The event, unless memory is short; then it is read again.
    pub(crate) loaded: Option<Box<Delivery>>,
    in_flight: bool,
}

impl Item {
    pub(crate) fn new(delivery: Delivery, rule: Arc<str>, since_ms: u64, keep_loaded: bool) -> Self {
        Self {
            position: delivery.position,
            rule,
            key: delivery.partition_key.as_str().into(),
            bytes: delivery.data.len() as u64,
            since_ms,
            attempts: 0,
            failure: None,
            loaded: keep_loaded.then(|| Box::new(delivery)),
            in_flight: false,
        }
    }
}

#[derive(Debug, Default)]
struct KeyQueue {
    waiting: VecDeque<u64>,
    state: KeyState,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum KeyState {
    /// In the queue of ready keys.
    #[default]
    Ready,
    InFlight,
    NotBefore(Instant),
}

/// What one call may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchBounds {
    pub(crate) events_max: usize,
    pub(crate) bytes_max: u64,
    pub(crate) same_key: bool,
}

/// Unsettled events, by sequence and by key.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    items: BTreeMap<u64, Item>,
    keys: HashMap<Arc<str>, KeyQueue>,
    ready: VecDeque<(Arc<str>, Instant)>,
    ready_events: usize,
    later: BTreeSet<(Instant, Arc<str>)>,
    loaded_bytes: u64,
}

impl Schedule {
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes of data held in memory.
    pub(crate) fn loaded_bytes(&self) -> u64 {
        self.loaded_bytes
    }

    /// The oldest unsettled event.
    pub(crate) fn oldest(&self) -> Option<&Item> {
        self.items.first_key_value().map(|(_, item)| item)
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    /// The oldest events that are not in flight, oldest first.
    pub(crate) fn idle(&self) -> impl Iterator<Item = (u64, &Item)> {
        self.items.iter().filter(|(_, item)| !item.in_flight).map(|(sequence, item)| (*sequence, item))
    }

    pub(crate) fn get(&self, sequence: u64) -> Option<&Item> {
        self.items.get(&sequence)
    }

    pub(crate) fn get_mut(&mut self, sequence: u64) -> Option<&mut Item> {
        self.items.get_mut(&sequence)
    }

    /// Adds the next event of the lane.
    pub(crate) fn push(&mut self, sequence: u64, item: Item, now: Instant) {
        self.loaded_bytes += loaded_bytes(&item);
        let key = Arc::clone(&item.key);
        self.items.insert(sequence, item);
        let is_new = !self.keys.contains_key(&key);
        let queue = self.keys.entry(Arc::clone(&key)).or_default();
        queue.waiting.push_back(sequence);
        if queue.state == KeyState::Ready {
            self.ready_events += 1;
        }
        if is_new {
            self.ready.push_back((key, now));
        }
    }

    /// Makes keys ready whose wait is over.
    pub(crate) fn wake(&mut self, now: Instant) {
        while let Some((at, _)) = self.later.first()
            && *at <= now
            && let Some((_, key)) = self.later.pop_first()
        {
            if let Some(queue) = self.keys.get_mut(&key) {
                queue.state = KeyState::Ready;
                self.ready_events += queue.waiting.len();
                self.ready.push_back((key, now));
            }
        }
    }

    /// When the next key's wait is over.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    /// How many events could go now, and since when the first of them could.
    pub(crate) fn ready(&self) -> (usize, Option<Instant>) {
        (self.ready_events, self.ready.front().map(|(_, since)| *since))
    }

    /// Takes events for one call out of the ready keys, in order within each key.
    ///
    /// An event that failed before goes in ever smaller company, in the end alone, so that one bad event
    /// can't make its neighbours fail for ever.
    pub(crate) fn take(&mut self, bounds: BatchBounds) -> Vec<u64> {
        let mut batch =
            Batching { bounds, events_max: bounds.events_max.max(1), bytes: 0, taken: Vec::new() };
        let mut visits = self.ready.len();
        while visits > 0 && batch.taken.len() < batch.events_max {
            visits -= 1;
            let Some((key, since)) = self.ready.pop_front() else { break };
            let Some(queue) = self.keys.get_mut(&key) else { continue };
            let before = queue.waiting.len();
            while let Some(sequence) = queue.waiting.front()
                && let Some(item) = self.items.get_mut(sequence)
                && batch.admits(item)
            {
                batch.add(*sequence, item);
                queue.waiting.pop_front();
                if !bounds.same_key {
                    break;
                }
            }
            if queue.waiting.len() == before {
                self.ready.push_front((key, since));
                break;
            }
            self.ready_events -= before;
            queue.state = KeyState::InFlight;
        }
        batch.taken
    }

    /// Puts events of one key that were in flight back to its front, to go again at `at`.
    pub(crate) fn put_back(&mut self, key: &Arc<str>, sequences: &[u64], at: Instant) {
        let Some(queue) = self.keys.get_mut(key) else { return };
        for sequence in sequences.iter().rev() {
            if let Some(item) = self.items.get_mut(sequence) {
                item.in_flight = false;
                queue.waiting.push_front(*sequence);
            }
        }
        queue.state = KeyState::NotBefore(at);
        self.later.insert((at, Arc::clone(key)));
    }

    /// A key comes back from flight with nothing to try again.
    pub(crate) fn land(&mut self, key: &Arc<str>, now: Instant) {
        let Some(queue) = self.keys.get_mut(key) else { return };
        if queue.waiting.is_empty() {
            self.keys.remove(key);
            return;
        }
        queue.state = KeyState::Ready;
        self.ready_events += queue.waiting.len();
        self.ready.push_back((Arc::clone(key), now));
    }

    /// Forgets an event that is settled. If it is not in flight, it leaves the queue of its key as well.
    pub(crate) fn remove(&mut self, sequence: u64) -> Option<Item> {
        let item = self.items.remove(&sequence)?;
        self.loaded_bytes -= loaded_bytes(&item);
        if !item.in_flight {
            self.unqueue(sequence, &item.key);
        }
        Some(item)
    }

    fn unqueue(&mut self, sequence: u64, key: &Arc<str>) {
        let Some(queue) = self.keys.get_mut(key) else { return };
        if let Some(at) = queue.waiting.iter().position(|waiting| *waiting == sequence) {
            queue.waiting.remove(at);
        }
        let state = queue.state;
        let is_empty = queue.waiting.is_empty();
        match state {
            KeyState::Ready => {
                self.ready_events -= 1;
                if is_empty {
                    // What is shed is old, so its key is near the front.
                    if let Some(at) = self.ready.iter().position(|(ready, _)| ready == key) {
                        self.ready.remove(at);
                    }
                    self.keys.remove(key);
                }
            }
            KeyState::NotBefore(at) if is_empty => {
                self.later.remove(&(at, Arc::clone(key)));
                self.keys.remove(key);
            }
            KeyState::NotBefore(_) | KeyState::InFlight => {}
        }
    }

    /// Takes an event out of memory, to hand it to the target.
    pub(crate) fn take_loaded(&mut self, sequence: u64) -> Option<Delivery> {
        let item = self.items.get_mut(&sequence)?;
        self.loaded_bytes -= loaded_bytes(item);
        item.loaded.take().map(|delivery| *delivery)
    }

    /// Keeps an event in memory that comes back to be tried again.
    pub(crate) fn keep_loaded(&mut self, sequence: u64, delivery: Delivery) {
        if let Some(item) = self.items.get_mut(&sequence) {
            item.loaded = Some(Box::new(delivery));
            self.loaded_bytes += loaded_bytes(item);
        }
    }
}

fn loaded_bytes(item: &Item) -> u64 {
    if item.loaded.is_some() { item.bytes } else { 0 }
}

struct Batching {
    bounds: BatchBounds,
    events_max: usize,
    bytes: u64,
    taken: Vec<u64>,
}

impl Batching {
    fn company_max(&self, item: &Item) -> usize {
        (self.bounds.events_max >> item.attempts.min(usize::BITS - 1)).max(1).min(self.events_max)
    }

    fn admits(&self, item: &Item) -> bool {
        let fits = self.bytes + item.bytes <= self.bounds.bytes_max;
        self.taken.is_empty() || (fits && self.taken.len() < self.company_max(item))
    }

    fn add(&mut self, sequence: u64, item: &mut Item) {
        self.events_max = self.company_max(item);
        self.bytes += item.bytes;
        item.in_flight = true;
        self.taken.push(sequence);
    }
}
