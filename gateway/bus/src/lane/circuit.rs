//! The circuit breaker: a dead target costs one probe now and then.

use tokio::time::Instant;

use super::retry::backoff;
use crate::RetryPolicy;

/// Whether a lane calls its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CircuitState {
    /// It does.
    #[default]
    Closed,
    /// It waits, the target failed too often in a row.
    Open,
    /// One call is allowed, to see whether the target works again.
    Probing,
}

impl CircuitState {
    /// The state as a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Probing => "probing",
        }
    }
}

/// What a lane may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permit {
    /// Call as often as it likes.
    All,
    /// One call with one event, when no other is in flight.
    Probe,
    /// Nothing before this time.
    NotBefore(Instant),
}

/// Calls in a row that must fail before what the target asked for concerns the lane as a whole.
const ASKING_CALLS_MIN: u32 = 2;

/// Counts calls that failed whole, in a row.
#[derive(Debug)]
pub(crate) struct Circuit {
    failures_max: u32,
    failures: u32,
    opened: u32,
    not_before: Option<Instant>,
    /// The target asked for no call before this time.
    asked_until: Option<Instant>,
}

impl Circuit {
    pub(crate) fn new(failures_max: u32) -> Self {
        Self {
            failures_max: failures_max.max(1),
            failures: 0,
            opened: 0,
            not_before: None,
            asked_until: None,
        }
    }

    pub(crate) fn permit(&self, now: Instant) -> Permit {
        if let Some(at) = self.asked_until.filter(|at| now < *at) {
            return Permit::NotBefore(self.not_before.map_or(at, |probe| probe.max(at)));
        }
        match self.not_before {
            None => Permit::All,
            Some(at) if now < at => Permit::NotBefore(at),
            Some(_) => Permit::Probe,
        }
    }

    pub(crate) fn state(&self, now: Instant) -> CircuitState {
        match self.permit(now) {
            Permit::All => CircuitState::Closed,
            Permit::Probe => CircuitState::Probing,
            Permit::NotBefore(_) => CircuitState::Open,
        }
    }

    /// The target took or refused something: it is alive.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.opened = 0;
        self.not_before = None;
    }

    /// The call that just failed was answered with a wish to be left alone until `at`. The events of that call wait in
    /// any case; the lane as a whole does from the second such call in a row, for the first may concern its key alone. Another
    /// call that was in flight meanwhile and went well does not take that back.
    pub(crate) fn asked_to_wait(&mut self, at: Instant) {
        if self.failures < ASKING_CALLS_MIN {
            return;
        }
        self.asked_until = self.asked_until.max(Some(at));
    }

    /// A call failed whole. True when this opens the circuit.
    pub(crate) fn failed(&mut self, now: Instant, policy: &RetryPolicy, random: f64) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < self.failures_max {
            return false;
        }
        let was_closed = self.not_before.is_none();
        // Calls that were in flight when the circuit opened do not push the next probe away.
        if was_closed || self.not_before.is_some_and(|at| now >= at) {
            self.opened = self.opened.saturating_add(1);
            // Half of the wait is certain: with full jitter alone a dead target would be probed at once.
            self.not_before = Some(now + backoff(policy, self.opened, 0.5 + random / 2.0, None));
        }
        was_closed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_and_closes_on_the_first_success() {
        let policy = RetryPolicy { backoff_first: Duration::from_secs(1), ..RetryPolicy::default() };
        let (mut circuit, begun) = (Circuit::new(3), Instant::now());
        assert!(!circuit.failed(begun, &policy, 1.0));
        assert!(!circuit.failed(begun, &policy, 1.0));
        circuit.succeeded();
        assert!(!circuit.failed(begun, &policy, 1.0));
        assert!(!circuit.failed(begun, &policy, 1.0));
        assert!(circuit.failed(begun, &policy, 1.0));
        let at = begun + Duration::from_secs(1);
        assert_eq!(circuit.permit(begun), Permit::NotBefore(at));
        assert!(!circuit.failed(begun, &policy, 1.0), "a straggler changes nothing");
        assert_eq!((circuit.permit(at), circuit.state(at)), (Permit::Probe, CircuitState::Probing));
        assert!(!circuit.failed(at, &policy, 1.0));
        assert_eq!(
            circuit.permit(at),
            Permit::NotBefore(at + Duration::from_secs(2)),
            "each probe waits longer"
        );
        circuit.succeeded();
        assert_eq!(circuit.permit(at), Permit::All);
    }

    #[test]
    fn a_target_that_asks_to_wait_is_left_alone_even_if_another_call_succeeds() {
        let (mut circuit, begun, policy) = (Circuit::new(5), Instant::now(), RetryPolicy::default());
        let at = begun + Duration::from_secs(9);
        circuit.failed(begun, &policy, 1.0);
        circuit.asked_to_wait(at);
        assert_eq!(circuit.permit(begun), Permit::All, "it may be the one key");
        circuit.failed(begun, &policy, 1.0);
        circuit.asked_to_wait(at);
        circuit.asked_to_wait(begun + Duration::from_secs(1));
        circuit.succeeded();
        assert_eq!(circuit.permit(begun), Permit::NotBefore(at));
        assert_eq!(circuit.permit(at), Permit::All);
    }
}
