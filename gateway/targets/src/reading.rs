//! Reads the events of one target from the journal, in place.
//!
//! Everything here blocks on the disk, mostly for microseconds: call it from a thread that may.

use bus::record::{DecodeError, Head};
use bus::{Delivery, Position, Record, TargetName};
use bytes::Bytes;
use journal::{Entry, Journal, Offset, ReadError};

/// Where a scan stops, whatever comes first. One that stops early says where to go on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanLimits {
    /// Most records of the journal looked at, whether they concern the target or not.
    pub(crate) looked_at_max: usize,
    /// Most deliveries returned.
    pub(crate) deliveries_max: usize,
    /// Most bytes of data returned; a single larger one is returned alone.
    pub(crate) data_bytes_max: usize,
}

/// What a scan found.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) deliveries: Vec<Delivery>,
    /// The position from which the next scan goes on.
    pub(crate) next: Position,
    /// When the last record looked at was accepted.
    pub(crate) last_at_ms: Option<u64>,
}

/// The events of one target.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    journal: Journal,
    target: TargetName,
}

impl Reading {
    pub(crate) fn new(journal: Journal, target: TargetName) -> Self {
        Self { journal, target }
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The event at a position; `None` when it is not there, be it trimmed away or damaged beyond reading.
    pub(crate) fn read(&self, position: Position) -> Result<Option<Delivery>, ReadError> {
        match self.journal.read_at(position.offset) {
            Ok(Some(entry)) => Ok(decode(&entry)
                .and_then(|record| {
                    Delivery::from_record(&record, &self.target, position.offset, position.ordinal)
                })
                .map(unshared)),
            Ok(None) | Err(ReadError::Trimmed { .. } | ReadError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The events from a position on and before `end`, of which `wanted` says which to return. Goes on from the oldest
    /// record when what was asked for has been trimmed away.
    pub(crate) fn scan(
        &self,
        from: Position,
        end: Offset,
        limits: ScanLimits,
        mut wanted: impl FnMut(&Delivery) -> bool,
    ) -> Result<Scan, ReadError> {
        let mut reader = self.journal.read_from(from.offset);
        let mut scan = Scan { deliveries: Vec::new(), next: from, last_at_ms: None };
        let mut data_bytes = 0;
        for _ in 0..limits.looked_at_max {
            let entry = match reader.next() {
                Ok(Some(entry)) if entry.offset < end => entry,
                Ok(_) => {
                    // Nothing is left before the end, so that is where to go on, past any gap.
                    scan.next = scan.next.max(first_of(reader.position().min(end)));
                    return Ok(scan);
                }
                Err(ReadError::Trimmed { oldest, .. }) => {
                    reader.seek(oldest);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let first = if entry.offset == from.offset { from.ordinal } else { 0 };
            for delivery in self.deliveries(&entry).into_iter().filter(|each| each.position.ordinal >= first)
            {
                if !wanted(&delivery) {
                    continue;
                }
                let full = scan.deliveries.len() >= limits.deliveries_max
                    || data_bytes + delivery.data.len() > limits.data_bytes_max;
                if full && !scan.deliveries.is_empty() {
                    scan.next = delivery.position;
                    return Ok(scan);
                }
                data_bytes += delivery.data.len();
                scan.deliveries.push(unshared(delivery));
            }
            scan.next = first_of(entry.offset.next());
            scan.last_at_ms = Some(entry.at_ms);
        }
        Ok(scan)
    }

    fn deliveries(&self, entry: &Entry) -> Vec<Delivery> {
        match Head::decode(&entry.payload) {
            Ok(head) if !head.concerns(&self.target) => return Vec::new(),
            Ok(_) => {}
            Err(error) => {
                report(entry.offset, &error);
                return Vec::new();
            }
        }
        let Some(record) = decode(entry) else { return Vec::new() };
        Delivery::all_from_record(&record, &self.target, entry.offset)
    }
}

/// The first position of a record.
pub(crate) fn first_of(offset: Offset) -> Position {
    Position { offset, ordinal: 0 }
}

/// Data are slices of what was read from the journal; small ones must not keep a large chunk of it in memory.
pub(crate) fn unshared(mut delivery: Delivery) -> Delivery {
    delivery.data = Bytes::copy_from_slice(&delivery.data);
    for attribute in &mut delivery.attributes {
        attribute.value = Bytes::copy_from_slice(&attribute.value);
    }
    delivery
}

fn decode(entry: &Entry) -> Option<Record> {
    Record::decode_events(&entry.payload).inspect_err(|error| report(entry.offset, error)).ok()
}

fn report(offset: Offset, error: &DecodeError) {
    tracing::error!(%offset, %error, "journal record can't be read as a message, stepped over");
}

/// Runs `work`, which blocks on the disk, on a thread that may.
pub(crate) async fn on_disk_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and with it whoever waits here.
            Err(_) => std::future::pending().await,
        },
    }
}
