//! What was sent against what arrived. Pure: events in, counts out.
//!
//! Deliveries may be entered while the run goes on, before anybody knows what was acknowledged; a device's page is
//! settled when the device has ended. What stays of a message is a place in a range, and four bytes if it came with an
//! event id.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::latency::Latency;
use super::proof::{Check, Delivery, DeviceKey, open};
use crate::ranges::Ranges;

/// A sequence number this far beyond the highest that a device was seen to reach is damage, while nobody knows its
/// last one. It bounds what one delivery can make the ledger keep.
const AHEAD_MAX: u64 = 10_000_000;
/// Devices of which it is told what they lost.
const LOST_DEVICES_MAX: usize = 20;
/// Ranges that are told of each of them.
const LOST_RANGES_MAX: usize = 20;

/// What arrived of a run. Every count is `None`, and null in JSON, when nothing was read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// Different messages that arrived.
    pub delivered: Option<u64>,
    /// Acknowledged, but not delivered.
    pub lost: Option<u64>,
    /// Deliveries beyond the first of a message.
    pub repeated: Option<u64>,
    /// Those of them whose event id differs from the first delivery's: a consumer could not drop them.
    pub repeated_with_other_event_id: Option<u64>,
    /// Delivered, but never acknowledged; allowed.
    pub unacknowledged_delivered: Option<u64>,
    /// First deliveries with a smaller sequence number than one that its device delivered before.
    pub out_of_order: Option<u64>,
    /// Deliveries whose checksum is wrong, or that no device of this run made.
    pub corrupted: Option<u64>,
    /// Deliveries whose checksum can't be checked, because a rule took members away.
    pub unchecked: Option<u64>,
    /// Deliveries of something else: another run, or no device's message at all.
    pub foreign: Option<u64>,
}

impl Balance {
    /// Name and count, of what was counted.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("delivered", self.delivered),
            ("lost", self.lost),
            ("repeated", self.repeated),
            ("repeated, other event id", self.repeated_with_other_event_id),
            ("unacknowledged, delivered", self.unacknowledged_delivered),
            ("out of order", self.out_of_order),
            ("corrupted", self.corrupted),
            ("unchecked", self.unchecked),
            ("foreign", self.foreign),
        ]
        .into_iter()
        .filter_map(|(name, count)| Some((name, count?)))
    }
}

/// What a device lost: sequence numbers that were acknowledged and did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// The device's client id.
    pub device: Arc<str>,
    /// As `[[first, last], …]`; the first of them if there are very many.
    pub ranges: Ranges,
}

/// What came of a delivery that was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// It is the first delivery of its message.
    pub first: bool,
    /// From the message's due time to the arrival, in microseconds, if both are known.
    pub late_micros: Option<u64>,
}

/// The books of one run.
#[derive(Debug)]
pub struct Ledger {
    run: String,
    by_name: HashMap<Arc<str>, u32>,
    books: Vec<Book>,
    /// From due to arrival, of first deliveries.
    delivery: Latency,
    acknowledged: u64,
    acknowledged_delivered: u64,
    delivered: u64,
    repeated: u64,
    repeated_with_other_event_id: u64,
    out_of_order: u64,
    corrupted: u64,
    unchecked: u64,
    foreign: u64,
}

/// One device's page.
#[derive(Debug)]
struct Book {
    name: Arc<str>,
    delivered: Ranges,
    /// By sequence number less one, a digest of the event id; zero without one. Empty while there was none at all.
    event_ids: Vec<u32>,
    highest: u64,
    settled: Option<Settled>,
}

#[derive(Debug)]
struct Settled {
    last_sequence: u64,
    acknowledged: Ranges,
}

impl Ledger {
    /// Empty books for a run and its devices, in the order of their indexes.
    pub fn new(run: &str, devices: impl IntoIterator<Item = Arc<str>>) -> Self {
        let book = |name| Book {
            name,
            delivered: Ranges::default(),
            event_ids: Vec::new(),
            highest: 0,
            settled: None,
        };
        let books: Vec<_> = devices.into_iter().map(book).collect();
        let by_name = books.iter().zip(0..).map(|(book, index)| (Arc::clone(&book.name), index)).collect();
        Self {
            run: run.to_owned(),
            by_name,
            books,
            delivery: Latency::default(),
            acknowledged: 0,
            acknowledged_delivered: 0,
            delivered: 0,
            repeated: 0,
            repeated_with_other_event_id: 0,
            out_of_order: 0,
            corrupted: 0,
            unchecked: 0,
            foreign: 0,
        }
    }

    /// Settles a device's page: it made the sequence numbers up to `last_sequence`, and these were acknowledged. Once
    /// for each device.
    pub fn settle(&mut self, device: u32, last_sequence: u64, acknowledged: Ranges) {
        let Some(book) = self.books.get_mut(device as usize) else { return };
        // What it never made cannot have come from it.
        let invented = book.delivered.remove_above(last_sequence);
        self.corrupted += invented;
        self.delivered -= invented;
        let missing = acknowledged.without(&book.delivered).count();
        self.acknowledged += acknowledged.count();
        self.acknowledged_delivered += acknowledged.count() - missing;
        book.settled = Some(Settled { last_sequence, acknowledged });
    }

    /// Enters a delivery: a payload, what a rule made of it, or a CloudEvent around it. `arrived_micros` is since 1970.
    pub fn enter(&mut self, body: &[u8], event_id: Option<&str>, arrived_micros: Option<u64>) -> Entered {
        let nothing = Entered { first: false, late_micros: None };
        let Some(delivery) = open(body, &self.run) else {
            // If it was ours it is missing elsewhere, and is found lost.
            self.foreign += 1;
            return nothing;
        };
        if delivery.check == Check::Altered {
            self.corrupted += 1;
            return nothing;
        }
        self.unchecked += u64::from(delivery.check == Check::Unchecked);
        let first = self.count(&delivery, event_id.or(delivery.event_id.as_deref()));
        let late = delivery.due_micros.zip(arrived_micros).map(|(due, arrived)| arrived.saturating_sub(due));
        if let Some(micros) = late.filter(|_| first) {
            self.delivery.record_micros(micros);
        }
        Entered { first, late_micros: late }
    }

    /// Whether it is the first of its message.
    fn count(&mut self, delivery: &Delivery, event_id: Option<&str>) -> bool {
        let index = match &delivery.device {
            DeviceKey::Name(name) => self.by_name.get(&**name).copied(),
            DeviceKey::Index(index) => Some(*index),
        };
        let sequence = delivery.sequence;
        let book = index.and_then(|index| self.books.get_mut(index as usize));
        let Some(book) = book.filter(|book| (1..=book.sequence_max()).contains(&sequence)) else {
            self.corrupted += 1;
            return false;
        };
        let digest = event_id.map_or(0, digest);
        if !book.delivered.insert(sequence) {
            self.repeated += 1;
            self.repeated_with_other_event_id += u64::from(book.event_id(sequence) != digest);
            return false;
        }
        book.keep_event_id(sequence, digest);
        self.delivered += 1;
        let acknowledged = |settled: &Settled| settled.acknowledged.contains(sequence);
        self.acknowledged_delivered += u64::from(book.settled.as_ref().is_some_and(acknowledged));
        self.out_of_order += u64::from(sequence < book.highest);
        book.highest = book.highest.max(sequence);
        true
    }

    /// The pages are settled and everything acknowledged has arrived.
    pub fn complete(&self) -> bool {
        self.acknowledged_delivered == self.acknowledged
    }

    /// Acknowledged and not yet seen.
    pub fn missing(&self) -> u64 {
        self.acknowledged - self.acknowledged_delivered
    }

    /// From due to arrival, of first deliveries whose moment of arrival is known.
    pub fn delivery(&self) -> &Latency {
        &self.delivery
    }

    /// What was lost, device by device; the first devices if there are many.
    pub fn lost(&self) -> Vec<Lost> {
        let lost = |book: &Book| {
            let ranges = book.settled.as_ref()?.acknowledged.without(&book.delivered);
            (ranges.count() > 0)
                .then(|| Lost { device: Arc::clone(&book.name), ranges: ranges.first(LOST_RANGES_MAX) })
        };
        self.books.iter().filter_map(lost).take(LOST_DEVICES_MAX).collect()
    }

    /// The counts.
    pub fn balance(&self) -> Balance {
        Balance {
            delivered: Some(self.delivered),
            lost: Some(self.missing()),
            repeated: Some(self.repeated),
            repeated_with_other_event_id: Some(self.repeated_with_other_event_id),
            unacknowledged_delivered: Some(self.delivered - self.acknowledged_delivered),
            out_of_order: Some(self.out_of_order),
            corrupted: Some(self.corrupted),
            unchecked: Some(self.unchecked),
            foreign: Some(self.foreign),
        }
    }
}

impl Book {
    /// The highest sequence number that can be one of this device.
    fn sequence_max(&self) -> u64 {
        self.settled.as_ref().map_or(self.highest.saturating_add(AHEAD_MAX), |settled| settled.last_sequence)
    }

    fn event_id(&self, sequence: u64) -> u32 {
        slot(sequence).and_then(|slot| self.event_ids.get(slot)).copied().unwrap_or(0)
    }

    fn keep_event_id(&mut self, sequence: u64, digest: u32) {
        let Some(slot) = slot(sequence).filter(|_| digest != 0) else { return };
        if self.event_ids.len() <= slot {
            self.event_ids.resize(slot + 1, 0);
        }
        self.event_ids[slot] = digest;
    }
}

fn slot(sequence: u64) -> Option<usize> {
    usize::try_from(sequence.checked_sub(1)?).ok()
}

/// Never zero.
fn digest(event_id: &str) -> u32 {
    ((xxh3_64(event_id.as_bytes()) >> 32) as u32).max(1)
}

#[cfg(test)]
mod tests;
