//! What the whole fleet counts while it runs. Shared by all devices, so everything here is short.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::truth::{self, Counts, Percentiles, Totals};

/// A number that only grows, or a gauge.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, number: u64) {
        self.0.fetch_sub(number, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often something happened, by the reason.
#[derive(Debug, Default)]
pub(crate) struct Reasons(Mutex<truth::Reasons>);

impl Reasons {
    /// Counts, and says whether this reason is new.
    pub(crate) fn count(&self, reason: &str, times: u64) -> bool {
        self.0.lock().count(reason, times)
    }

    pub(crate) fn all(&self) -> truth::Reasons {
        self.0.lock().clone()
    }
}

/// Durations of all devices.
#[derive(Debug, Default)]
pub(crate) struct Latency(Mutex<truth::Latency>);

impl Latency {
    pub(crate) fn record(&self, duration: Duration) {
        self.0.lock().record(duration);
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        self.0.lock().percentiles()
    }

    fn all(&self) -> truth::Latency {
        self.0.lock().clone()
    }
}

/// Everything counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Devices connected now.
    pub(crate) connected: Count,
    pub(crate) connects: Count,
    pub(crate) full_handshakes: Count,
    pub(crate) resumed_handshakes: Count,
    /// Messages that became due.
    pub(crate) due: Count,
    /// Messages written to a connection at least once.
    pub(crate) sent: Count,
    /// Packets written again, marked DUP.
    pub(crate) resent: Count,
    /// Messages published again in a new packet.
    pub(crate) republished: Count,
    pub(crate) acknowledged: Count,
    pub(crate) connect_failures: Reasons,
    pub(crate) disconnects: Reasons,
    pub(crate) not_sent: Reasons,
    /// From the due time to the PUBACK, or with QoS 2 the PUBCOMP.
    pub(crate) puback: Latency,
    /// From the start of the attempt to the CONNACK.
    pub(crate) connect: Latency,
}

impl Tally {
    /// Everything, for the summary.
    pub(crate) fn totals(&self) -> Totals {
        let counts = Counts {
            connects: self.connects.get(),
            full_handshakes: self.full_handshakes.get(),
            resumed_handshakes: self.resumed_handshakes.get(),
            due: self.due.get(),
            sent: self.sent.get(),
            resent: self.resent.get(),
            republished: self.republished.get(),
            acknowledged: self.acknowledged.get(),
            connect_failures: self.connect_failures.all(),
            disconnects: self.disconnects.all(),
            not_sent: self.not_sent.all(),
            puback: self.puback.all(),
            connect: self.connect.all(),
            ..Counts::default()
        };
        Totals { counts, ..Totals::default() }
    }

    /// Tells a reason once; the rest are counted.
    pub(crate) fn failed(&self, reasons: &Reasons, device: &str, what: &str, reason: &str) {
        if reasons.count(reason, 1) {
            crate::report::tell(&format!("{device} {what}: {reason} (more of these are only counted)"));
        }
    }
}
