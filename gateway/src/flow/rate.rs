//! How fast one connection may publish.
//!
//! What is too fast is not read: the socket fills, and TCP slows the client down. It must not know sockets or packets.

use std::time::Duration;
use tokio::time::Instant;

/// How much of what was not used may be used at once.
const BURST: Duration = Duration::from_secs(1);
/// So that a wait that is over is over also after rounding.
const ROUNDING: Duration = Duration::from_millis(1);

/// The limits of one connection. Nothing is kept where there is none.
#[derive(Debug, Default)]
pub(super) struct Rate(Option<Box<Buckets>>);

#[derive(Debug)]
struct Buckets {
    messages: Option<Bucket>,
    bytes: Option<Bucket>,
}

/// One limit: the time at which everything taken so far is paid for.
#[derive(Debug)]
struct Bucket {
    per_sec: u64,
    paid_at: Instant,
}

impl Rate {
    /// Limits in messages and bytes a second; 0 is none.
    pub(super) fn new(messages_per_sec_max: u64, bytes_per_sec_max: u64) -> Self {
        let bucket = |per_sec| (per_sec > 0).then(|| Bucket { per_sec, paid_at: Instant::now() });
        let (messages, bytes) = (bucket(messages_per_sec_max), bucket(bytes_per_sec_max));
        let is_limited = messages.is_some() || bytes.is_some();
        Self(is_limited.then(|| Box::new(Buckets { messages, bytes })))
    }

    /// Takes one message of `bytes`, or gives the time at which it may come. A message larger than what one second allows is taken when
    /// nothing is owed, and those after it wait the longer.
    pub(super) fn take(&mut self, bytes: usize, now: Instant) -> Result<(), Instant> {
        let Some(buckets) = &mut self.0 else { return Ok(()) };
        let all = [(&mut buckets.messages, 1), (&mut buckets.bytes, bytes as u64)];
        let waits = all.iter().filter_map(|(bucket, _)| bucket.as_ref()?.wait_until(now));
        if let Some(until) = waits.max() {
            return Err(until);
        }
        for (bucket, cost) in all {
            if let Some(bucket) = bucket {
                bucket.take(cost, now);
            }
        }
        Ok(())
    }
}

impl Bucket {
    fn wait_until(&self, now: Instant) -> Option<Instant> {
        let ahead = self.paid_at.saturating_duration_since(now);
        (ahead >= BURST).then(|| now + (ahead - BURST) + ROUNDING)
    }

    fn take(&mut self, cost: u64, now: Instant) {
        let price = Duration::from_secs_f64(cost as f64 / self.per_sec as f64);
        self.paid_at = self.paid_at.max(now) + price;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `size` bytes go through in `secs`, when each comes as soon as it may.
    fn taken(mut rate: Rate, size: usize, secs: u64) -> u64 {
        let begun = Instant::now();
        let (mut now, mut count) = (begun, 0);
        while now < begun + Duration::from_secs(secs) {
            match rate.take(size, now) {
                Ok(()) => count += 1,
                Err(until) => now = until,
            }
        }
        count
    }

    #[tokio::test]
    async fn a_second_in_advance_and_then_the_rate() {
        // In ten seconds: what was saved up, and ten times the rate, less what rounding costs.
        let cases =
            [(100, 0, 10, 1_080..=1_100), (0, 512 * 1024, 64 * 1024, 86..=89), (5, 1_000_000, 10, 54..=55)];
        for (messages, bytes, size, expected) in cases {
            let taken = taken(Rate::new(messages, bytes), size, 10);
            assert!(expected.contains(&taken), "{messages}/s, {bytes} B/s: {taken} of {size} bytes");
        }
    }

    #[tokio::test]
    async fn without_limits_everything_goes() {
        let mut rate = Rate::new(0, 0);
        assert!(rate.0.is_none(), "nothing is kept");
        let now = Instant::now();
        assert!((0..10_000).all(|_| rate.take(1 << 20, now).is_ok()));
    }

    #[tokio::test]
    async fn what_is_larger_than_a_second_goes_alone() {
        let mut rate = Rate::new(0, 1_000);
        let now = Instant::now();
        rate.take(10_000, now).unwrap();
        let until = rate.take(1, now).unwrap_err();
        let wait = until - now;
        assert!((8_900..9_100).contains(&wait.as_millis()), "{wait:?}");
        rate.take(1, until).unwrap();
    }
}
