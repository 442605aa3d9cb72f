//! When each message of a device should be sent. Pure: no clock, only offsets from the start of the run.
//!
//! The moments do not wait for the server (an open loop): a slow answer delays neither the next message's moment nor
//! hides in the latency, which is measured from the moment. Only a saturating publication is a closed loop.

use std::sync::Arc;
use std::time::Duration;

use super::{Publication, Qos, Stages, Timing};
use crate::random::{Purpose, Random};

/// No message is due later than this, in seconds: some thirty years.
const SECS_MAX: f64 = 1e9;

/// One message's place in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When it should be sent, from the start of the run. For a saturating publication, when the device connects for
    /// the first time: it is due as soon as it can be sent.
    pub at: Duration,
    /// Its quality of service.
    pub qos: Qos,
    /// The row of the trace file that it comes from.
    pub row: Option<u32>,
}

/// The moments of one publication of one device, in order. The same seed gives the same moments.
#[derive(Clone, Debug)]
pub struct Moments {
    publication: Arc<Publication>,
    stages: Arc<Stages>,
    random: Random,
    /// When the device connects, in seconds of the schedule; for a saturating publication, of the run.
    origin_secs: f64,
    /// Random: where in the interval it begins, or how far it has come.
    walked_secs: f64,
    given: u64,
}

impl Moments {
    /// The moments of the device with this number (counted through all fleets), which connects at a time of the run.
    pub fn new(
        publication: &Arc<Publication>,
        stages: &Arc<Stages>,
        seed: u64,
        device: u32,
        connects_at: Duration,
    ) -> Self {
        let mut random = Random::of_device(seed, device, publication.number, Purpose::Timing);
        let connects_secs = connects_at.as_secs_f64();
        let (origin_secs, walked_secs) = match publication.timing {
            // Without an offset the whole fleet would publish in the same instant of every interval. Half an
            // interval in hand keeps the jitter of the first message from falling before the device connects.
            Timing::Every(interval) => {
                let begin = interval.as_secs_f64() * (0.5 + random.fraction());
                (stages.scheduled_secs(connects_secs), begin)
            }
            Timing::Poisson { .. } | Timing::Trace(_) => (stages.scheduled_secs(connects_secs), 0.0),
            Timing::Saturate => (connects_secs, 0.0),
        };
        let (publication, stages) = (Arc::clone(publication), Arc::clone(stages));
        Self { publication, stages, random, origin_secs, walked_secs, given: 0 }
    }

    /// Seconds of the schedule since the device connected, and the row of a trace.
    fn scheduled(&mut self) -> Option<(f64, Option<u32>)> {
        match &self.publication.timing {
            Timing::Every(interval) => {
                let interval = interval.as_secs_f64();
                // Half an interval to either side at most, so that the moments keep their order.
                let moved = self.publication.jitter * (self.random.fraction() - 0.5);
                Some((self.walked_secs + interval * (self.given as f64 + moved), None))
            }
            Timing::Poisson { per_second } => {
                // The fraction is never 1, so the logarithm is of a number above 0.
                self.walked_secs -= (1.0 - self.random.fraction()).ln() / per_second;
                Some((self.walked_secs, None))
            }
            Timing::Trace(trace) => {
                let number = u32::try_from(self.given).ok()?;
                let row = trace.row(number)?;
                Some((row.offset.as_secs_f64(), Some(number)))
            }
            Timing::Saturate => Some((0.0, None)),
        }
    }
}

impl Iterator for Moments {
    type Item = Moment;

    fn next(&mut self) -> Option<Moment> {
        if self.publication.messages_max.is_some_and(|most| self.given >= most) {
            return None;
        }
        let (scheduled, row) = self.scheduled()?;
        let secs = match self.publication.timing {
            Timing::Saturate => self.origin_secs,
            _ => self.stages.run_secs(self.origin_secs + scheduled)?,
        };
        self.given += 1;
        let qos = self.publication.qos.pick(&mut self.random);
        (secs < SECS_MAX).then(|| Moment { at: Duration::from_secs_f64(secs.max(0.0)), qos, row })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::{QosMix, Stage, StageKind, Trace};

    fn publication(timing: Timing, jitter: f64) -> Arc<Publication> {
        Arc::new(Publication { timing, jitter, ..Publication::default() })
    }

    fn every(jitter: f64, interval_ms: u64) -> Arc<Publication> {
        publication(Timing::Every(Duration::from_millis(interval_ms)), jitter)
    }

    fn first(publication: &Arc<Publication>, seed: u64, device: u32, count: usize) -> Vec<Duration> {
        let stages = Arc::new(Stages::default());
        let connects_at = Duration::from_millis(u64::from(device) * 10);
        Moments::new(publication, &stages, seed, device, connects_at)
            .take(count)
            .map(|moment| moment.at)
            .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_moments() {
        for publication in [every(0.5, 1000), publication(Timing::Poisson { per_second: 2.0 }, 0.0)] {
            assert_eq!(first(&publication, 7, 3, 50), first(&publication, 7, 3, 50));
            assert_ne!(first(&publication, 7, 3, 50), first(&publication, 8, 3, 50));
            assert_ne!(first(&publication, 7, 3, 50), first(&publication, 7, 4, 50));
        }
    }

    #[test]
    fn publications_of_a_device_have_moments_of_their_own() {
        let one = every(0.0, 1000);
        let other = Arc::new(Publication { number: 1, ..Publication::clone(&one) });
        assert_ne!(first(&one, 7, 3, 5), first(&other, 7, 3, 5));
    }

    #[test]
    fn without_jitter_it_is_a_metronome() {
        for pair in first(&every(0.0, 250), 7, 0, 100).windows(2) {
            assert!((pair[1] - pair[0]).abs_diff(Duration::from_millis(250)) < Duration::from_micros(1));
        }
    }

    #[test]
    fn poisson_keeps_its_rate_and_is_irregular() {
        let moments = first(&publication(Timing::Poisson { per_second: 10.0 }, 0.0), 5, 0, 10_001);
        let gaps: Vec<f64> = moments.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / 10_000.0;
        let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / 10_000.0).sqrt();
        // An exponential distribution's deviation is its mean.
        assert!((mean - 0.1).abs() < 0.004 && (deviation - 0.1).abs() < 0.006, "{mean} {deviation}");
    }

    #[test]
    fn a_trace_is_followed_to_its_end() {
        let trace = Arc::new(Trace::of_offsets(&[0, 5, 5, 1200]));
        let moments =
            Moments::new(&publication(Timing::Trace(trace), 0.0), &Arc::default(), 1, 0, Duration::ZERO);
        let found: Vec<_> = moments.map(|moment| (moment.at.as_millis(), moment.row)).collect();
        assert_eq!(found, [(0, Some(0)), (5, Some(1)), (5, Some(2)), (1200, Some(3))]);
    }

    #[test]
    fn what_saturates_is_due_at_once_and_ends_by_count() {
        let publication =
            Publication { messages_max: Some(3), timing: Timing::Saturate, ..Publication::default() };
        let at = Duration::from_secs(2);
        let moments = Moments::new(&Arc::new(publication), &Arc::default(), 1, 0, at);
        assert_eq!(moments.map(|moment| moment.at).collect::<Vec<_>>(), [at; 3]);
    }

    #[test]
    fn stages_change_how_many_are_due() {
        let hold = |to| Stage { kind: StageKind::Hold, lasts: Duration::from_secs(10), from: 0.0, to };
        let ramp = Stage { kind: StageKind::Ramp, lasts: Duration::from_secs(10), from: 0.0, to: 1.0 };
        let stages = Arc::new(Stages::new(vec![ramp, hold(1.0), hold(0.0), hold(3.0)]));
        let moments = Moments::new(&every(0.0, 10), &stages, 1, 0, Duration::ZERO);
        let mut counts = [0_i32; 4];
        for moment in moments {
            counts[usize::try_from(moment.at.as_secs() / 10).unwrap()] += 1;
        }
        for (count, expected) in counts.into_iter().zip([500, 1000, 0, 3000]) {
            assert!((count - expected).abs() <= 2, "{counts:?}");
        }
    }

    #[test]
    fn the_quality_of_service_is_mixed_by_seed() {
        let mixed = Arc::new(Publication {
            qos: QosMix::shares([1.0, 1.0, 1.0]).unwrap(),
            ..Publication::clone(&every(0.0, 1000))
        });
        let take = |seed| -> Vec<u8> {
            let moments = Moments::new(&mixed, &Arc::default(), seed, 0, Duration::ZERO);
            moments.take(30).map(|moment| moment.qos.number()).collect()
        };
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
        assert!((0..3).all(|qos| take(1).contains(&qos)));
    }

    proptest! {
        #[test]
        fn moments_are_in_order_and_keep_the_rate(seed: u64, jitter in 0.0..=1.0_f64, device in 0..10_000_u32) {
            let due = first(&every(jitter, 1000), seed, device, 200);
            prop_assert!(due.windows(2).all(|pair| pair[0] <= pair[1]));
            prop_assert!(due[0] >= Duration::from_millis(u64::from(device) * 10));
            let span = (due[199] - due[0]).as_secs_f64();
            prop_assert!((span - 199.0).abs() <= 1.0, "span {}", span);
        }
    }
}
