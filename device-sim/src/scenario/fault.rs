//! What goes wrong on purpose.

use std::sync::Arc;
use std::time::Duration;

use crate::random::Random;

/// A fault, and when and whom it strikes.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Its place in the scenario, from 0: it has random numbers of its own.
    pub number: u16,
    /// What happens.
    pub kind: FaultKind,
    /// When it begins for the first time.
    pub first_at: Duration,
    /// When it begins again after that; `None` for never.
    pub every: Option<Duration>,
    /// How long it lasts each time. Zero for what happens in an instant.
    pub lasts: Duration,
    /// Which share of the devices it strikes.
    pub share: f64,
    /// Whose devices; `None` for all fleets'.
    pub fleet: Option<Arc<str>>,
}

/// What happens to the devices that a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultKind {
    /// The connection breaks without DISCONNECT, and the device stays away while the fault lasts.
    Cut,
    /// The same, but all come back in the instant when the fault ends, without a pause of their own.
    Storm,
    /// The device neither reads nor writes any more, and its socket stays open.
    HalfOpen,
    /// The device reads slowly.
    SlowReader {
        /// How slowly.
        bytes_per_second: u32,
    },
    /// Publishes are written twice: at QoS 1 and 2 the second time with DUP and the same packet id, at QoS 0 as it is.
    Duplicate {
        /// Which share of them.
        share: f64,
    },
    /// A publish is written after the one that follows it, though it was due before. The ledger finds it out of order.
    Reorder {
        /// Which share of them.
        share: f64,
    },
    /// The device connects anew with a certificate that has expired; the server should refuse it.
    ExpiredCertificate,
    /// The device connects anew with a certificate that is on the authority's revocation list.
    RevokedCertificate,
    /// The device's clock is wrong: what it writes into messages as the time (`sentAtMs`, timestamps) is off. When
    /// messages are sent, and how latency is measured, is not.
    ClockSkew {
        /// By how many milliseconds; negative for a clock that is late.
        skew_ms: i64,
    },
    /// A malformed packet is sent, and the device connects again when the server closes the connection, as it must.
    Garbage,
}

impl FaultKind {
    /// The names of all of them in a scenario.
    pub const NAMES: &'static [&'static str] = &[
        "cut",
        "storm",
        "half_open",
        "slow_reader",
        "duplicate",
        "reorder",
        "expired_certificate",
        "revoked_certificate",
        "clock_skew",
        "garbage",
    ];

    /// Its name in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Storm => "storm",
            Self::HalfOpen => "half_open",
            Self::SlowReader { .. } => "slow_reader",
            Self::Duplicate { .. } => "duplicate",
            Self::Reorder { .. } => "reorder",
            Self::ExpiredCertificate => "expired_certificate",
            Self::RevokedCertificate => "revoked_certificate",
            Self::ClockSkew { .. } => "clock_skew",
            Self::Garbage => "garbage",
        }
    }
}

impl Fault {
    /// When it begins the `occurrence`th time, from 0.
    pub fn begins_at(&self, occurrence: u32) -> Option<Duration> {
        match (occurrence, self.every) {
            (0, _) => Some(self.first_at),
            (_, Some(every)) => self.first_at.checked_add(every.checked_mul(occurrence)?),
            (_, None) => None,
        }
    }

    /// Whether it concerns a fleet at all.
    pub fn concerns(&self, fleet: &str) -> bool {
        self.fleet.as_deref().is_none_or(|own| own == fleet)
    }

    /// Whether it strikes the device with this number (counted through all fleets) the `occurrence`th time. The seed
    /// decides, and each time strikes others.
    pub fn strikes(&self, seed: u64, occurrence: u32, device: u32) -> bool {
        let stream = u64::from(device) << 32 | u64::from(occurrence);
        // Far from the seeds that people choose, so that faults and schedules have nothing in common.
        let own_seed = seed ^ 0xFA17_0000_0000_0000 ^ u64::from(self.number) << 32;
        self.share >= 1.0 || Random::new(own_seed, stream).fraction() < self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(share: f64) -> Fault {
        Fault {
            number: 0,
            kind: FaultKind::Cut,
            first_at: Duration::from_secs(10),
            every: Some(Duration::from_secs(5)),
            lasts: Duration::ZERO,
            share,
            fleet: None,
        }
    }

    #[test]
    fn it_strikes_its_share_and_others_each_time() {
        let fault = fault(0.1);
        let struck = |occurrence| -> Vec<u32> {
            (0..10_000).filter(|device| fault.strikes(7, occurrence, *device)).collect()
        };
        let (first, second) = (struck(0), struck(1));
        assert!((900..1100).contains(&first.len()), "{}", first.len());
        assert_eq!(first, struck(0));
        assert_ne!(first, second);
        assert!(super::Fault { share: 1.0, ..fault.clone() }.strikes(1, 0, 3));
        assert!(!super::Fault { share: 0.0, ..fault.clone() }.strikes(1, 0, 3));
    }

    #[test]
    fn it_begins_again() {
        let fault = fault(1.0);
        assert_eq!(fault.begins_at(0), Some(Duration::from_secs(10)));
        assert_eq!(fault.begins_at(3), Some(Duration::from_secs(25)));
        assert_eq!(Fault { every: None, ..fault.clone() }.begins_at(1), None);
        assert_eq!(Fault { every: Some(Duration::MAX), ..fault }.begins_at(2), None);
    }
}
