//! Which instances wait for a call, and how long a function that keeps failing rests.

use std::time::Duration;

use tokio::time::Instant;

use super::instance::Instance;

/// The rest after the first failure; it doubles with each further one.
const REST_FIRST: Duration = Duration::from_millis(100);
const REST_MAX: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Default)]
pub(super) struct Pool {
    /// The one used last stands last.
    idle: Vec<(Instance, Instant)>,
    pub(super) rest: Rest,
    pub(super) closed: bool,
}

impl Pool {
    /// The instance used last, so that those there are too many of stay idle and can go.
    pub(super) fn take(&mut self) -> Option<Instance> {
        loop {
            let (instance, _) = self.idle.pop()?;
            if instance.is_alive() {
                return Some(instance);
            }
        }
    }

    /// Keeps an instance for the next call.
    pub(super) fn put_back(&mut self, instance: Instance, now: Instant) {
        if self.closed {
            instance.retire();
        } else {
            self.idle.push((instance, now));
        }
    }

    /// Takes out those that have not been called since `before`, but leaves `kept`.
    pub(super) fn expire(&mut self, before: Instant, kept: usize) -> Vec<Instance> {
        self.idle.retain(|(instance, _)| instance.is_alive());
        let expired = self.idle.partition_point(|(_, since)| *since <= before);
        self.idle
            .drain(..expired.min(self.idle.len().saturating_sub(kept)))
            .map(|(instance, _)| instance)
            .collect()
    }

    /// Takes out all, and takes none back.
    pub(super) fn close(&mut self) -> Vec<Instance> {
        self.closed = true;
        self.idle.drain(..).map(|(instance, _)| instance).collect()
    }

    /// How many wait for a call.
    pub(super) fn idle(&self) -> usize {
        self.idle.iter().filter(|(instance, _)| instance.is_alive()).count()
    }
}

/// Slows the starts of a program that fails again and again, so that a crash loop costs next to nothing.
#[derive(Default)]
pub(super) struct Rest {
    failures: u32,
    failed_at: Option<Instant>,
    last: Option<String>,
    answered: bool,
}

impl Rest {
    /// An instance started at `started` failed. Instances that ran side by side count as one failure.
    pub(super) fn failed(&mut self, started: Instant, now: Instant, why: String) {
        if self.failed_at.is_none_or(|failed_at| started >= failed_at) {
            self.failures = self.failures.saturating_add(1);
            self.failed_at = Some(now);
        }
        self.last = Some(why);
    }

    /// The program answered, be it with an error: it is well.
    pub(super) fn answered(&mut self) {
        *self = Self { answered: true, ..Self::default() };
    }

    /// How much longer nothing is to be started; `None` when a start is due.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let doublings = self.failures.saturating_sub(1).min(16);
        let rest = REST_FIRST.saturating_mul(1 << doublings).min(REST_MAX);
        let left = (self.failed_at? + rest).saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// The last failure, unless the program has answered since.
    pub(super) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    pub(super) fn has_answered(&self) -> bool {
        self.answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_rest_up_to_its_maximum() {
        let (start, mut rest) = (Instant::now(), Rest::default());
        assert_eq!(rest.left(start), None);
        let mut now = start;
        for expected_ms in [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000] {
            rest.failed(now, now, "x".to_owned());
            assert_eq!(rest.left(now), Some(Duration::from_millis(expected_ms)));
            now += Duration::from_millis(expected_ms);
            assert_eq!(rest.left(now), None);
        }
        rest.answered();
        assert_eq!((rest.left(now), rest.last(), rest.has_answered()), (None, None, true));
    }

    #[test]
    fn instances_that_ran_side_by_side_fail_as_one() {
        let (start, mut rest) = (Instant::now(), Rest::default());
        for _ in 0..8 {
            rest.failed(start, start + Duration::from_millis(5), "x".to_owned());
        }
        assert_eq!(rest.failures(), 1);
    }
}
