//! What one consumer has seen: messages of this run, repeats, and how long they took.

use super::sequences::Sequences;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::Deserialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// What every reading of the fleet carries.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reading<'a> {
    device_id: &'a str,
    sequence: u64,
    sent_at_ms: u64,
    run: &'a str,
}

/// The tally of one place where readings arrive.
#[derive(Debug)]
pub(super) struct Tally {
    run: String,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    seen: Sequences,
    repeated: u64,
    unreadable: u64,
    latency_ms: Histogram<u64>,
}

/// A moment of a tally.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moment {
    pub(super) delivered: u64,
    pub(super) repeated: u64,
    pub(super) unreadable: u64,
    pub(super) p50_ms: u64,
    pub(super) p99_ms: u64,
    pub(super) max_ms: u64,
}

impl Tally {
    /// A tally of the readings of `run`; those of other runs are passed over.
    pub(super) fn new(run: &str) -> anyhow::Result<Self> {
        let latency_ms = Histogram::new_with_bounds(1, 3_600_000, 3)
            .map_err(|error| anyhow::anyhow!("latency histogram: {error}"))?;
        let inner = Inner { seen: Sequences::default(), repeated: 0, unreadable: 0, latency_ms };
        Ok(Self { run: run.to_string(), inner: Mutex::new(inner) })
    }

    /// Counts one message as it arrived, a JSON object.
    pub(super) fn count(&self, body: &[u8]) {
        let mut inner = self.inner.lock();
        let Ok(reading) = serde_json::from_slice::<Reading<'_>>(body) else {
            inner.unreadable += 1;
            return;
        };
        if reading.run != self.run {
            return;
        }
        if inner.seen.insert(reading.device_id, reading.sequence) {
            inner.latency_ms.saturating_record(now_ms().saturating_sub(reading.sent_at_ms).max(1));
        } else {
            inner.repeated += 1;
        }
    }

    /// Whether that reading arrived.
    pub(super) fn has(&self, device: &str, sequence: u64) -> bool {
        self.inner.lock().seen.contains(device, sequence)
    }

    /// The numbers at this moment.
    pub(super) fn moment(&self) -> Moment {
        let inner = self.inner.lock();
        Moment {
            delivered: inner.seen.len(),
            repeated: inner.repeated,
            unreadable: inner.unreadable,
            p50_ms: inner.latency_ms.value_at_quantile(0.5),
            p99_ms: inner.latency_ms.value_at_quantile(0.99),
            max_ms: inner.latency_ms.max(),
        }
    }
}

/// Milliseconds since the epoch, on the clock the simulated devices stamp with.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
