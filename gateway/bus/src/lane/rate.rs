//! How many events a lane may hand over each second: a bucket that fills at the rate and holds a tenth of a second's worth,
//! or one batch if that is more.
//!
//! Pure: it is told the time.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// The bucket; one that is unlimited is never empty.
#[derive(Debug)]
pub(crate) struct Rate {
    limit: Option<Limit>,
}

#[derive(Debug)]
struct Limit {
    per_second: f64,
    capacity: f64,
    tokens: f64,
    filled_at: Instant,
}

impl Rate {
    pub(crate) fn new(per_second_max: Option<NonZeroU32>, batch_events_max: usize, now: Instant) -> Self {
        let limit = per_second_max.map(|rate| {
            let per_second = f64::from(rate.get());
            let batch = batch_events_max.min(rate.get() as usize) as f64;
            let capacity = (per_second / 10.0).max(batch).max(1.0);
            Limit { per_second, capacity, tokens: capacity, filled_at: now }
        });
        Self { limit }
    }

    /// Whether up to `wanted` events may go now, so many; or else when. A call waits until it can be as large as it would be
    /// without a rate, so that batches do not crumble.
    ///
    /// # Errors
    /// The time at which there is room for `wanted`.
    pub(crate) fn permit(&mut self, wanted: usize, now: Instant) -> Result<usize, Instant> {
        let Some(limit) = &mut self.limit else { return Ok(wanted) };
        let passed = now.saturating_duration_since(limit.filled_at);
        limit.tokens = (limit.tokens + passed.as_secs_f64() * limit.per_second).min(limit.capacity);
        limit.filled_at = now;
        let needed = (wanted as f64).min(limit.capacity).floor().max(1.0);
        // What is short of a whole token by rounding alone is one.
        if limit.tokens + 1e-6 >= needed {
            return Ok(needed as usize);
        }
        let short = (needed - limit.tokens) / limit.per_second;
        Err(now + Duration::from_secs_f64(short).max(Duration::from_millis(1)))
    }

    /// Takes what went.
    pub(crate) fn take(&mut self, events: usize) {
        if let Some(limit) = &mut self.limit {
            limit.tokens -= events as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn without_a_limit_everything_may_go() {
        let mut rate = Rate::new(None, 1, Instant::now());
        assert_eq!(rate.permit(1_000_000, Instant::now()), Ok(1_000_000));
    }

    #[test]
    fn a_call_waits_until_it_can_be_whole() {
        let begun = Instant::now();
        let mut rate = Rate::new(NonZeroU32::new(100), 50, begun);
        assert_eq!(rate.permit(50, begun), Ok(50));
        rate.take(50);
        assert_eq!(rate.permit(50, begun), Err(begun + Duration::from_millis(500)));
        assert_eq!(rate.permit(10, begun), Err(begun + Duration::from_millis(100)));
        assert_eq!(rate.permit(50, begun + Duration::from_millis(500)), Ok(50));
    }

    #[test]
    fn a_rate_below_the_batch_lets_smaller_batches_go() {
        let begun = Instant::now();
        let mut rate = Rate::new(NonZeroU32::new(2), 100, begun);
        assert_eq!(rate.permit(100, begun), Ok(2));
    }

    proptest! {
        #[test]
        fn in_no_time_does_more_go_than_the_rate_and_one_bucket(
            per_second in 1..2000u32, batch in 1..200usize, steps in prop::collection::vec((1..300usize, 0..400u64), 1..200)
        ) {
            let begun = Instant::now();
            let mut rate = Rate::new(NonZeroU32::new(per_second), batch, begun);
            let (mut now, mut sent) = (begun, 0);
            for (wanted, wait_ms) in steps {
                match rate.permit(wanted, now) {
                    Ok(events) => { rate.take(events); sent += events; }
                    Err(at) => {
                        prop_assert!(at > now);
                        prop_assert!(rate.permit(wanted, at).is_ok(), "it is enough to wait as long as was said");
                        now = at;
                    }
                }
                now += Duration::from_millis(wait_ms);
                let bucket = (f64::from(per_second) / 10.0).max(batch.min(per_second as usize) as f64).max(1.0);
                let most = bucket + (now - begun).as_secs_f64() * f64::from(per_second);
                prop_assert!(sent as f64 <= most + 0.01, "{sent} went, {most} may");
            }
        }
    }
}
