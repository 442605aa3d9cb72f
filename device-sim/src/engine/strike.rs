//! What faults do to the devices of a worker.

use super::faults::Turning;
use super::worker::Worker;
use crate::credentials::Standing;
use crate::scenario::FaultKind;
use crate::transport::{Link, Readiness};
use crate::truth::Counts;

/// How often slow readers read, in microseconds.
const SLOW_MICROS: u64 = 100_000;

impl Worker {
    /// A fault begins or ends for those whom it strikes.
    pub(super) fn strike(&mut self, turning: &Turning, counts: &mut Counts) {
        for index in 0..self.slots.len() {
            let device = &self.slots[index].device;
            let role = device.role();
            let struck = turning.fault.concerns(&role.fleet.name)
                && turning.fault.strikes(role.run.seed, turning.occurrence, device.index());
            if struck && !device.is_gone() {
                self.strike_one(index, turning, counts);
            }
        }
    }

    fn strike_one(&mut self, index: usize, turning: &Turning, counts: &mut Counts) {
        let Turning { fault, occurrence, begins, ends } = turning;
        let (begins, ends) = (*begins, *ends);
        match fault.kind {
            FaultKind::Cut if begins => self.cut(index, ends, true, counts),
            FaultKind::Storm if begins => self.cut(index, ends, false, counts),
            FaultKind::HalfOpen if begins => {
                let slot = &mut self.slots[index];
                if slot.device.fall_silent() {
                    slot.link.iter_mut().for_each(Link::fall_silent);
                }
            }
            FaultKind::HalfOpen => {
                if self.slots[index].device.is_silent() {
                    self.cut(index, ends, true, counts);
                }
            }
            FaultKind::SlowReader { bytes_per_second } => {
                self.set_slow(index, begins.then_some(bytes_per_second), counts);
            }
            FaultKind::ExpiredCertificate => self.show(index, Standing::Expired, turning, counts),
            FaultKind::RevokedCertificate => self.show(index, Standing::Revoked, turning, counts),
            FaultKind::Garbage if begins => {
                let (seed, number) = (u64::from(fault.number), u64::from(*occurrence));
                let slot = &mut self.slots[index];
                self.bench.turn(slot, index, counts, |device, turn| device.say_garbage(seed, number, turn));
            }
            FaultKind::ClockSkew { skew_ms } => {
                self.slots[index].device.set_clock_ahead_ms(if begins { skew_ms } else { 0 });
            }
            FaultKind::Duplicate { share } => {
                self.slots[index].device.tricks().duplicate = if begins { share } else { 0.0 };
            }
            FaultKind::Reorder { share } => {
                self.slots[index].device.tricks().reorder = if begins { share } else { 0.0 };
            }
            // They last by the time that the device stays away.
            FaultKind::Cut | FaultKind::Storm | FaultKind::Garbage => {}
        }
    }

    /// Breaks a connection; the device is back after `until`, and in that instant unless it pauses.
    fn cut(&mut self, index: usize, until: u64, pauses: bool, counts: &mut Counts) {
        let slot = &mut self.slots[index];
        self.bench.turn(slot, index, counts, |device, turn| device.cut(until, pauses, turn));
    }

    /// Connects anew with a certificate of another standing, or of the right one again.
    fn show(&mut self, index: usize, standing: Standing, turning: &Turning, counts: &mut Counts) {
        self.slots[index].standing = if turning.begins { standing } else { Standing::Valid };
        self.cut(index, 0, true, counts);
    }

    /// Lets slow readers read their share, every so often.
    pub(super) fn read_slowly(&mut self, counts: &mut Counts) {
        let now = self.bench.now();
        if self.slow.is_empty() || now < self.slow_at {
            return;
        }
        self.slow_at = now + SLOW_MICROS;
        for place in 0..self.slow.len() {
            let index = self.slow[place];
            let bytes = self.slots[index].reads.map(|bytes| u64::from(bytes) * SLOW_MICROS / 1_000_000);
            self.let_read(
                index,
                bytes.map(|bytes| usize::try_from(bytes.max(1)).unwrap_or(usize::MAX)),
                counts,
            );
        }
    }

    fn let_read(&mut self, index: usize, bytes: Option<usize>, counts: &mut Counts) {
        let slot = &mut self.slots[index];
        if let Some(link) = &mut slot.link {
            link.limit_reading(bytes);
            self.bench.ready(slot, index, Readiness { readable: true, ..Readiness::default() }, counts);
        }
    }

    fn set_slow(&mut self, index: usize, reads: Option<u32>, counts: &mut Counts) {
        self.slots[index].reads = reads;
        self.slow.retain(|slow| *slow != index);
        if reads.is_some() {
            self.slow.push(index);
            self.slow_at = 0;
        } else {
            self.let_read(index, None, counts);
        }
    }
}
