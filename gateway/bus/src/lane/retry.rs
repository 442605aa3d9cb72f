//! When to try again: exponential backoff with full jitter.

use std::time::Duration;

use crate::RetryPolicy;

/// Doubling stops here: beyond it every backoff is at its maximum anyway.
const DOUBLINGS_MAX: u32 = 30;

/// How long to wait after the `attempts`-th failed try, from 1. `random` is from 0 to 1; `after` is what
/// the target asked for, which wins when it is longer, but not beyond the age at which the event dies.
pub(crate) fn backoff(policy: &RetryPolicy, attempts: u32, random: f64, after: Option<Duration>) -> Duration {
    let doublings = attempts.saturating_sub(1).min(DOUBLINGS_MAX);
    let ceiling = policy.backoff_first.saturating_mul(1 << doublings).min(policy.backoff_max);
    let jittered = ceiling.mul_f64(random.clamp(0.0, 1.0));
    let asked = after.unwrap_or_default().min(policy.age_max);
    jittered.max(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_to_its_maximum_and_the_target_may_ask_for_more() {
        let policy = RetryPolicy {
            backoff_first: Duration::from_millis(100),
            backoff_max: Duration::from_secs(1),
            age_max: Duration::from_secs(60),
            ..RetryPolicy::default()
        };
        let cases = [
            (1, 1.0, None, 100),
            (1, 0.0, None, 0),
            (2, 1.0, None, 200),
            (4, 0.5, None, 400),
            (5, 1.0, None, 1000),
            (u32::MAX, 1.0, None, 1000),
            (1, 1.0, Some(50), 100),
            (1, 1.0, Some(5000), 5000),
            (1, 1.0, Some(999_999), 60_000),
        ];
        for (attempts, random, after, expected) in cases {
            let waited = backoff(&policy, attempts, random, after.map(Duration::from_millis));
            assert_eq!(waited, Duration::from_millis(expected), "try {attempts}, {random}, asked {after:?}");
        }
    }
}
