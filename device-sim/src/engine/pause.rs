//! Pauses between attempts to connect that grow, and differ between devices so that a fleet does not come back as one.

use std::time::Duration;

use crate::random::Random;

/// The first pause; it doubles up to the second.
const PAUSE_MILLIS: (u64, u64) = (100, 5_000);

#[derive(Debug)]
pub(crate) struct Pause {
    random: Random,
    millis: u64,
}

impl Pause {
    pub(crate) fn new(seed: u64, device: u32) -> Self {
        // The streams from the other end are used by what is published.
        Self { random: Random::new(seed, u64::MAX - u64::from(device)), millis: PAUSE_MILLIS.0 }
    }

    pub(crate) fn reset(&mut self) {
        self.millis = PAUSE_MILLIS.0;
    }

    pub(crate) fn next(&mut self) -> Duration {
        let pause = Duration::from_millis(self.millis).mul_f64(0.5 + self.random.fraction());
        self.millis = (self.millis * 2).min(PAUSE_MILLIS.1);
        pause
    }
}
