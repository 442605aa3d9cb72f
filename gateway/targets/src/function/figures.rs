//! What is counted of a function.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

/// Upper bounds of the buckets, in microseconds.
const BOUNDS_MICROS: [u64; 15] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 30_000_000,
];

/// The counts of one function since the gateway started.
#[derive(Debug, Default)]
pub struct Figures {
    busy: AtomicUsize,
    /// By code; the codes are a short list of ours.
    errors: Mutex<BTreeMap<&'static str, u64>>,
    throttles: AtomicU64,
    durations: Histogram,
    inits: Histogram,
}

impl Figures {
    /// An instance was made for want of an idle one, or ahead of calls, and was ready after `init`.
    pub fn started(&self, init: Duration) {
        self.inits.add(init);
    }

    /// A call begins; it is counted as running until the answer is dropped.
    pub(super) fn begin(&self) -> Busy<'_> {
        self.busy.fetch_add(1, Relaxed);
        Busy(self)
    }

    /// A call ended after `duration`, with this error if it did not go well.
    pub(super) fn ended(&self, duration: Duration, error: Option<&'static str>) {
        self.durations.add(duration);
        if let Some(code) = error {
            *self.errors.lock().entry(code).or_default() += 1;
        }
    }

    /// A call was refused since too many run.
    pub(super) fn throttled(&self) {
        self.throttles.fetch_add(1, Relaxed);
    }

    /// Calls that run now.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.busy.load(Relaxed)
    }

    /// Calls that were refused because too many ran. They are in no other count.
    #[must_use]
    pub fn throttles(&self) -> u64 {
        self.throttles.load(Relaxed)
    }

    /// Calls that failed, by code: those the handler reports, and those without an answer.
    #[must_use]
    pub fn errors(&self) -> Vec<(&'static str, u64)> {
        self.errors.lock().iter().map(|(code, count)| (*code, *count)).collect()
    }

    /// How long calls took, a cold start included.
    #[must_use]
    pub fn durations(&self) -> &Histogram {
        &self.durations
    }

    /// Cold starts, and how long each instance took until it was ready.
    #[must_use]
    pub fn inits(&self) -> &Histogram {
        &self.inits
    }
}

/// A call that runs.
pub(super) struct Busy<'a>(&'a Figures);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Relaxed);
    }
}

/// How often something took how long.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS_MICROS.len() + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    fn add(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[BOUNDS_MICROS.partition_point(|bound| *bound < micros)].fetch_add(1, Relaxed);
        self.sum_micros.fetch_add(micros, Relaxed);
    }

    /// Each upper bound in seconds, the last without end, and how many took no longer.
    #[must_use]
    pub fn cumulative(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS_MICROS.iter().map(|micros| *micros as f64 / 1e6).chain([f64::INFINITY]);
        let mut count = 0;
        let sums = self.buckets.iter().map(|bucket| {
            count += bucket.load(Relaxed);
            count
        });
        bounds.zip(sums).collect()
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// How long they took together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_micros.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_each_duration_below_its_bound() {
        let histogram = Histogram::default();
        for micros in [0, 100, 101, 1_000_000, 90_000_000] {
            histogram.add(Duration::from_micros(micros));
        }
        let cumulative = histogram.cumulative();
        assert_eq!(cumulative[0], (0.0001, 2));
        assert_eq!(cumulative[1], (0.00025, 3));
        assert_eq!(cumulative[12], (1.0, 4));
        assert_eq!(cumulative.last(), Some(&(f64::INFINITY, 5)));
        assert_eq!((histogram.count(), histogram.sum()), (5, Duration::from_micros(91_000_201)));
    }
}
