//! Moving averages: how many of something happen in a minute, over the last one, five and fifteen minutes.

use std::time::Duration;

/// The last level of the topics, and the minutes that are averaged.
pub(super) const SPANS: [(&str, f64); 3] = [("1min", 1.0), ("5min", 5.0), ("15min", 15.0)];

/// The averages of one counter.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Load {
    counted: u64,
    per_minute: [f64; SPANS.len()],
}

impl Load {
    /// Takes over how far the counter is, `elapsed` after the last time. What is long ago counts for less and less: an average forgets
    /// all but 1/e of it in its own span.
    pub(super) fn take(&mut self, counter: u64, elapsed: Duration) {
        let minutes = elapsed.as_secs_f64() / 60.0;
        if minutes <= 0.0 {
            return;
        }
        let rate = counter.saturating_sub(self.counted) as f64 / minutes;
        self.counted = counter;
        for (average, (_, span)) in self.per_minute.iter_mut().zip(SPANS) {
            *average = rate + (*average - rate) * (-minutes / span).exp();
        }
    }

    /// In the order of [`SPANS`].
    pub(super) fn per_minute(&self) -> [f64; SPANS.len()] {
        self.per_minute
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_goes_to_the_rate_and_forgets() {
        let mut load = Load::default();
        let minute = Duration::from_secs(60);
        load.take(100, minute);
        let [one, five, fifteen] = load.per_minute();
        assert!((one - 100.0 * (1.0 - (-1.0f64).exp())).abs() < 1e-9, "{one}");
        assert!(one > five && five > fifteen);
        for step in 2..200 {
            load.take(100 * step, minute);
        }
        assert!(load.per_minute().iter().all(|average| (average - 100.0).abs() < 0.01), "{load:?}");
        for _ in 0..10 {
            load.take(100 * 199, minute);
        }
        let [one, _, fifteen] = load.per_minute();
        assert!(one < 0.01 && fifteen > 50.0, "{load:?}");
    }

    #[test]
    fn steps_of_any_length_come_to_the_same() {
        let (mut fine, mut coarse) = (Load::default(), Load::default());
        for step in 1..=60 {
            fine.take(10 * step, Duration::from_secs(1));
        }
        coarse.take(600, Duration::from_secs(60));
        let pairs = fine.per_minute().into_iter().zip(coarse.per_minute());
        pairs.for_each(|(left, right)| assert!((left - right).abs() < 1e-6, "{fine:?} {coarse:?}"));
    }

    #[test]
    fn no_time_is_no_rate() {
        let mut load = Load::default();
        load.take(5, Duration::ZERO);
        assert_eq!(load, Load::default());
    }
}
