//! What was sent against what arrived. Pure: events in, counts out.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::payload::{Message, Reading};
use crate::ranges::Ranges;

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
    /// Deliveries without all the fields that the checksum covers.
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

/// The books of one run.
pub(crate) struct Ledger {
    run: String,
    devices: HashMap<Arc<str>, Book>,
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

/// One device's page. Eight bytes for each message that it made.
struct Book {
    acknowledged: Ranges,
    /// By sequence number less one: whether it arrived, and a digest of the event id if there was one.
    seen: Vec<Seen>,
    highest: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Not,
    WithoutEventId,
    // Never zero, so the digest and the two other states fit into little room.
    With(std::num::NonZeroU32),
}

/// A delivery as far as it can be read.
struct Delivery<'a> {
    device: &'a str,
    sequence: u64,
    /// `None` when a field that the checksum covers is missing.
    intact: Option<bool>,
}

impl Ledger {
    pub(crate) fn new(run: &str) -> Self {
        Self {
            run: run.to_owned(),
            devices: HashMap::new(),
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

    /// Opens a device's page: it made the sequence numbers up to `last_sequence`, and these were acknowledged.
    pub(crate) fn expect(&mut self, device: &Arc<str>, last_sequence: u64, acknowledged: Ranges) {
        self.acknowledged += acknowledged.count();
        let messages = usize::try_from(last_sequence).unwrap_or(usize::MAX);
        let book = Book { acknowledged, seen: vec![Seen::Not; messages], highest: 0 };
        self.devices.insert(Arc::clone(device), book);
    }

    /// Enters a delivery. `body` is the event's data, or a CloudEvent around it.
    pub(crate) fn enter(&mut self, body: &[u8], event_id: Option<&str>) {
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            // If it was ours it is missing elsewhere, and is found lost.
            self.foreign += 1;
            return;
        };
        let wrapped = value.get("specversion").and(value.get("data"));
        let event_id = event_id.or_else(|| wrapped.and(value.get("id")).and_then(Value::as_str));
        match read(wrapped.unwrap_or(&value), &self.run) {
            None => self.foreign += 1,
            Some(Delivery { intact: Some(false), .. }) => self.corrupted += 1,
            Some(delivery) => {
                self.unchecked += u64::from(delivery.intact.is_none());
                self.count(&delivery, event_id);
            }
        }
    }

    fn count(&mut self, delivery: &Delivery<'_>, event_id: Option<&str>) {
        let Some(book) = self.devices.get_mut(delivery.device) else {
            self.corrupted += 1;
            return;
        };
        let slot = delivery.sequence.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        let Some(seen) = slot.and_then(|slot| book.seen.get_mut(slot)) else {
            self.corrupted += 1;
            return;
        };
        let now = event_id.map_or(Seen::WithoutEventId, Seen::of);
        if *seen == Seen::Not {
            *seen = now;
            self.delivered += 1;
            self.acknowledged_delivered += u64::from(book.acknowledged.contains(delivery.sequence));
            self.out_of_order += u64::from(delivery.sequence < book.highest);
            book.highest = book.highest.max(delivery.sequence);
        } else {
            self.repeated += 1;
            self.repeated_with_other_event_id += u64::from(*seen != now);
        }
    }

    /// Everything acknowledged has arrived.
    pub(crate) fn complete(&self) -> bool {
        self.acknowledged_delivered == self.acknowledged
    }

    /// Acknowledged and not yet seen.
    pub(crate) fn missing(&self) -> u64 {
        self.acknowledged - self.acknowledged_delivered
    }

    pub(crate) fn balance(&self) -> Balance {
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

impl Seen {
    fn of(event_id: &str) -> Self {
        let digest = (xxh3_64(event_id.as_bytes()) >> 32) as u32;
        Self::With(std::num::NonZeroU32::new(digest).unwrap_or(std::num::NonZeroU32::MAX))
    }
}

/// `None` when it is not a message of this run.
fn read<'a>(value: &'a Value, run: &str) -> Option<Delivery<'a>> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let device = text("deviceId")?;
    let sequence = whole(value.get("sequence")?)?;
    if text("run").is_some_and(|other| other != run) {
        return None;
    }
    Some(Delivery { device, sequence, intact: intact(value, device, sequence) })
}

fn intact(value: &Value, device: &str, sequence: u64) -> Option<bool> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let checksum = text("checksum")?;
    let message = Message {
        device,
        sequence,
        sent_at_ms: whole(value.get("sentAtMs")?)?,
        reading: Reading {
            temperature_tenths: tenths(value.get("temperature")?)?,
            humidity_tenths: tenths(value.get("humidity")?)?,
        },
        line: text("line")?,
        run: text("run")?,
    };
    Some(u64::from_str_radix(checksum, 16) == Ok(message.checksum()))
}

/// A rule may have written 7 as 7.0.
fn whole(value: &Value) -> Option<u64> {
    let exact = |number: f64| number >= 0.0 && number.fract() == 0.0 && number < 9e15;
    value.as_u64().or_else(|| value.as_f64().filter(|number| exact(*number)).map(|number| number as u64))
}

fn tenths(value: &Value) -> Option<i32> {
    let scaled = value.as_f64()? * 10.0;
    // A value that has more digits than were sent is not the one that was sent; no checksum will match this.
    Some(if (scaled - scaled.round()).abs() < 1e-6 { scaled.round() as i32 } else { i32::MIN })
}

#[cfg(test)]
mod tests;
