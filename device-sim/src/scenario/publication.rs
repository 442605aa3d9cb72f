//! What a device publishes, how often, and with which quality of service.

use std::sync::Arc;
use std::time::Duration;

use super::{Payload, Template, Trace};
use crate::random::Random;

/// One stream of messages of a device.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Its place among the publications of its fleet, from 0: it has random numbers of its own.
    pub number: u16,
    /// Where to.
    pub topic: Template,
    /// Quality of service.
    pub qos: QosMix,
    /// Whether messages are retained.
    pub retain: bool,
    /// When.
    pub timing: Timing,
    /// How irregular a fixed interval is: 0 is a metronome, 1 moves each message by up to half an interval.
    pub jitter: f64,
    /// The last message of each device; `None` for no end.
    pub messages_max: Option<u64>,
    /// What it says.
    pub payload: Arc<Payload>,
}

impl Default for Publication {
    /// What `device-sim run` publishes: every second a reading, at QoS 1.
    fn default() -> Self {
        Self {
            number: 0,
            topic: Template::parse("plant/{device}/telemetry").expect("the placeholder exists"),
            qos: QosMix::only(Qos::AtLeastOnce),
            retain: false,
            timing: Timing::Every(Duration::from_secs(1)),
            jitter: 0.2,
            messages_max: None,
            payload: Arc::default(),
        }
    }
}

/// When messages are due.
#[derive(Clone, Debug)]
pub enum Timing {
    /// After a fixed time, give or take the jitter.
    Every(Duration),
    /// At random, independently of one another, so often in a second.
    Poisson {
        /// Messages in a second, for each device.
        per_second: f64,
    },
    /// When a file says so.
    Trace(Arc<Trace>),
    /// Always: the next one as soon as one is acknowledged. A closed loop; it measures throughput and no latency.
    Saturate,
}

/// Quality of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    /// QoS 0.
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce,
    /// QoS 2.
    ExactlyOnce,
}

impl Qos {
    /// All of them, from 0.
    pub const ALL: [Self; 3] = [Self::AtMostOnce, Self::AtLeastOnce, Self::ExactlyOnce];

    /// 0, 1 or 2.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// From 0, 1 or 2.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// Shares of the three qualities of service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QosMix {
    /// Up to which fraction a random number means QoS 0, and up to which QoS 1.
    bounds: [f64; 2],
}

impl QosMix {
    /// Always the same.
    pub fn only(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => Self { bounds: [1.0, 1.0] },
            Qos::AtLeastOnce => Self { bounds: [0.0, 1.0] },
            Qos::ExactlyOnce => Self { bounds: [0.0, 0.0] },
        }
    }

    /// In these shares of QoS 0, 1 and 2; `None` unless they are positive numbers with a sum above 0.
    pub fn shares(shares: [f64; 3]) -> Option<Self> {
        let sum: f64 = shares.iter().sum();
        let good = shares.iter().all(|share| *share >= 0.0) && sum > 0.0 && sum.is_finite();
        let none_after = |from: usize| shares[from..].iter().all(|share| *share == 0.0);
        // A share of nothing must never be drawn, however the division is rounded.
        let bound = |upto: usize| {
            if none_after(upto) { 1.0 } else { shares[..upto].iter().sum::<f64>() / sum }
        };
        good.then(|| Self { bounds: [bound(1), bound(2)] })
    }

    /// The one for every message, if there is only one.
    pub fn single(self) -> Option<Qos> {
        Qos::ALL.into_iter().find(|qos| Self::only(*qos) == self)
    }

    /// The next message's.
    pub(crate) fn pick(self, random: &mut Random) -> Qos {
        if let Some(qos) = self.single() {
            return qos;
        }
        let fraction = random.fraction();
        match self.bounds {
            [zero, _] if fraction < zero => Qos::AtMostOnce,
            [_, one] if fraction < one => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept() {
        let mix = QosMix::shares([5.0, 4.0, 1.0]).unwrap();
        let mut random = Random::new(7, 0);
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            counts[usize::from(mix.pick(&mut random).number())] += 1;
        }
        for (count, expected) in counts.into_iter().zip([5000_i32, 4000, 1000]) {
            assert!((count - expected).abs() < 250, "{counts:?}");
        }
    }

    #[test]
    fn what_has_no_share_is_never_picked() {
        for (shares, single) in [
            ([1.0, 0.0, 0.0], Some(Qos::AtMostOnce)),
            ([0.0, 0.3, 0.0], Some(Qos::AtLeastOnce)),
            ([0.0, 0.0, 0.1], Some(Qos::ExactlyOnce)),
            ([0.1, 0.2, 0.0], None),
        ] {
            let mix = QosMix::shares(shares).unwrap();
            assert_eq!(mix.single(), single, "{shares:?}");
            let mut random = Random::new(1, 1);
            for _ in 0..1000 {
                assert!(shares[usize::from(mix.pick(&mut random).number())] > 0.0, "{shares:?}");
            }
        }
        for wrong in [[0.0; 3], [-1.0, 2.0, 0.0], [f64::NAN, 1.0, 1.0], [f64::INFINITY, 0.0, 0.0]] {
            assert_eq!(QosMix::shares(wrong), None, "{wrong:?}");
        }
    }
}
