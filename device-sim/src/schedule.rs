//! When each message of a device should be sent. Pure: no clock, only offsets from the start of the run.
//!
//! The schedule does not wait for the gateway (an open loop): a slow answer delays neither the next message's due
//! time nor hides in the latency, which is measured from the due time.

use std::time::Duration;

use crate::random::Random;

/// What the schedules of all devices have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Time between two messages of one device.
    pub(crate) interval: Duration,
    /// From 0, exactly periodic, to 1, each message moved by up to half an interval.
    pub(crate) jitter: f64,
    /// How many devices connect for the first time in each second.
    pub(crate) connect_rate_per_sec: f64,
    /// Decides every random number.
    pub(crate) seed: u64,
}

/// One device's due times, in order.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    random: Random,
    first: Duration,
    interval: Duration,
    jitter: f64,
    next: u64,
}

impl Schedule {
    /// The schedule of the device with this index, from 0.
    pub(crate) fn new(plan: &Plan, device: u32) -> Self {
        let mut random = Random::new(plan.seed, u64::from(device) * 2);
        // Without a start offset the whole fleet would publish in the same instant of every interval.
        let offset = plan.interval.mul_f64(random.fraction());
        Self {
            random,
            first: connect_at(plan, device) + plan.interval.mul_f64(0.5) + offset,
            interval: plan.interval,
            jitter: plan.jitter,
            next: 0,
        }
    }
}

/// When the device with this index connects for the first time.
pub(crate) fn connect_at(plan: &Plan, device: u32) -> Duration {
    Duration::from_secs_f64(f64::from(device) / plan.connect_rate_per_sec)
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let regular = self.first + Duration::from_secs_f64(self.interval.as_secs_f64() * self.next as f64);
        self.next += 1;
        // Half an interval to either side at most, so that due times keep their order; the first one cannot fall
        // before the device connects because it has half an interval in hand.
        let share = self.jitter * (self.random.fraction() - 0.5);
        let moved = self.interval.mul_f64(share.abs());
        Some(if share < 0.0 { regular.saturating_sub(moved) } else { regular + moved })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(seed: u64, jitter: f64, interval_ms: u64) -> Plan {
        Plan { interval: Duration::from_millis(interval_ms), jitter, connect_rate_per_sec: 100.0, seed }
    }

    fn first(plan: &Plan, device: u32, count: usize) -> Vec<Duration> {
        Schedule::new(plan, device).take(count).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule() {
        assert_eq!(first(&plan(7, 0.5, 1000), 3, 50), first(&plan(7, 0.5, 1000), 3, 50));
        assert_ne!(first(&plan(7, 0.5, 1000), 3, 50), first(&plan(8, 0.5, 1000), 3, 50));
        assert_ne!(first(&plan(7, 0.5, 1000), 3, 50), first(&plan(7, 0.5, 1000), 4, 50));
    }

    #[test]
    fn without_jitter_it_is_a_metronome() {
        let due = first(&plan(7, 0.0, 250), 0, 100);
        for pair in due.windows(2) {
            assert!((pair[1] - pair[0]).abs_diff(Duration::from_millis(250)) < Duration::from_micros(1));
        }
    }

    proptest! {
        #[test]
        fn due_times_are_in_order_and_keep_the_rate(seed: u64, jitter in 0.0..=1.0_f64, device in 0..10_000_u32) {
            let plan = plan(seed, jitter, 1000);
            let due = first(&plan, device, 200);
            prop_assert!(due.windows(2).all(|pair| pair[0] <= pair[1]));
            prop_assert!(due[0] >= connect_at(&plan, device));
            let span = (due[199] - due[0]).as_secs_f64();
            prop_assert!((span - 199.0).abs() <= 1.0, "span {}", span);
        }
    }
}
