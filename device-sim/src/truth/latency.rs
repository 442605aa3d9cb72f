//! How long things took, kept to three digits (`HdrHistogram`).
//!
//! What is recorded is measured from the moment at which something should have begun, not from when it did: a server
//! that stops for a second makes every message that became due in that second late, and each is recorded so.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// What is longer counts as an hour.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// Durations, each recorded in microseconds.
#[derive(Clone, Debug)]
pub struct Latency(Histogram<u64>);

impl Latency {
    /// Records one duration.
    pub fn record(&mut self, duration: Duration) {
        self.record_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Records one duration, in microseconds.
    pub fn record_micros(&mut self, micros: u64) {
        self.0.saturating_record(micros);
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The percentiles of all that was recorded.
    pub fn percentiles(&self) -> Percentiles {
        Percentiles {
            count: self.0.len(),
            p50: self.0.value_at_quantile(0.5),
            p90: self.0.value_at_quantile(0.9),
            p99: self.0.value_at_quantile(0.99),
            p99_9: self.0.value_at_quantile(0.999),
            max: self.0.max(),
        }
    }

    /// A quantile, in microseconds, when `missing` more never came to an end. `None` when it lies among those: a
    /// percentile over the answers alone would call a server fast that does not answer.
    pub fn quantile(&self, quantile: f64, missing: u64) -> Option<u64> {
        let all = self.0.len() + missing;
        let rank = (all as f64 * quantile).ceil().max(1.0);
        if all == 0 || rank > self.0.len() as f64 {
            return (all == 0).then_some(0);
        }
        Some(self.0.value_at_quantile(rank / self.0.len() as f64))
    }

    /// Adds what another one recorded, and empties that.
    pub(super) fn take_from(&mut self, other: &mut Self) {
        if other.0.is_empty() {
            return;
        }
        self.0.add(&other.0).expect("both have the same bounds");
        other.0.reset();
    }

    /// Adds how often each range of durations was recorded. `bounds_micros` ascends; the last count is of what lies
    /// beyond the last bound.
    pub(super) fn spread(&self, bounds_micros: &[u64], counts: &mut [u32]) {
        for recorded in self.0.iter_recorded() {
            let bucket = bounds_micros.partition_point(|bound| *bound < recorded.value_iterated_to());
            let times = u32::try_from(recorded.count_at_value()).unwrap_or(u32::MAX);
            counts[bucket] = counts[bucket].saturating_add(times);
        }
    }
}

impl Default for Latency {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_MICROS, 3);
        Self(histogram.expect("the bounds are ascending and three digits are allowed"))
    }
}

/// Percentiles of a duration, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// How many were measured.
    pub count: u64,
    /// Median.
    pub p50: u64,
    /// 90 in a hundred are no longer.
    pub p90: u64,
    /// 99 in a hundred are no longer.
    pub p99: u64,
    /// 999 in a thousand are no longer.
    pub p99_9: u64,
    /// The longest.
    pub max: u64,
}

impl Percentiles {
    /// Of two spans together, as far as two sets of percentiles can say: the larger of each.
    pub(super) fn join(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            p50: self.p50.max(other.p50),
            p90: self.p90.max(other.p90),
            p99: self.p99.max(other.p99),
            p99_9: self.p99_9.max(other.p99_9),
            max: self.max.max(other.max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(micros: impl Iterator<Item = u64>) -> Latency {
        let mut latency = Latency::default();
        micros.for_each(|micros| latency.record_micros(micros));
        latency
    }

    #[test]
    fn percentiles_keep_three_digits() {
        let percentiles = latency(1..=100_000).percentiles();
        let near =
            |found: u64, exact: f64| assert!((found as f64 / exact - 1.0).abs() < 0.002, "{found} {exact}");
        near(percentiles.p50, 50_000.0);
        near(percentiles.p99, 99_000.0);
        near(percentiles.max, 100_000.0);
        assert_eq!(percentiles.count, 100_000);
    }

    #[test]
    fn what_never_ended_is_later_than_everything() {
        let latency = latency(1..=100);
        assert_eq!(latency.quantile(0.99, 0), Some(99));
        assert_eq!(latency.quantile(0.99, 1), Some(100));
        assert_eq!(latency.quantile(0.99, 2), None);
        assert_eq!(latency.quantile(0.5, 100), Some(100));
        assert_eq!(Latency::default().quantile(0.99, 0), Some(0));
        assert_eq!(Latency::default().quantile(0.5, 1), None);
    }

    #[test]
    fn longer_than_the_longest_is_still_counted() {
        assert!(latency([u64::MAX].into_iter()).percentiles().max >= LONGEST_MICROS);
    }
}
