//! A machine with two disks and one power supply.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use journal::state::StateStore;
use journal::state::simulated::SimulatedStore;
use journal::storage::faulty::FaultyStorage;
use journal::storage::faulty::power::Power;
use journal::{Clock, Journal};

use crate::{Bus, BusSettings, Offset, next_offset_min};

pub(super) struct Machine {
    pub(super) journal: FaultyStorage,
    pub(super) state: SimulatedStore,
    pub(super) power: Power,
    pub(super) clock: Arc<AtomicU64>,
}

impl Machine {
    pub(super) fn new(seed: u64) -> Self {
        let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
        Self::of(FaultyStorage::new().power_loss(seed), SimulatedStore::new(), clock)
    }

    fn of(journal: FaultyStorage, state: SimulatedStore, clock: Arc<AtomicU64>) -> Self {
        let power = Power::new();
        journal.plug_into(&power);
        state.plug_into(&power);
        Self { journal, state, power, clock }
    }

    /// The machine after its power failed, now at the latest.
    pub(super) fn after_power_loss(&self, seed: u64) -> Self {
        self.power.cut();
        Self::of(self.journal.power_loss(seed), self.state.power_loss(seed), Arc::clone(&self.clock))
    }

    /// The machine after the process was killed now: what it had written is there, and still not on the disk.
    pub(super) fn after_kill(&self) -> Self {
        self.power.cut();
        Self::of(self.journal.process_killed(), self.state.process_killed(), Arc::clone(&self.clock))
    }

    pub(super) fn open(&self) -> Bus {
        let store = StateStore::open_simulated(&self.state).expect("the state opens");
        let journal = self.open_journal(next_offset_min(&store).expect("the state can be read"));
        assert!(journal.recovery().is_whole(), "{}", journal.recovery());
        Bus::open(journal, &store, self.bus_settings()).expect("the bus opens")
    }

    fn open_journal(&self, next_offset_min: Offset) -> Journal {
        let settings = journal::Settings {
            segment_bytes: 64 << 10,
            record_bytes_max: 16 << 10,
            queue_bytes_max: 256 << 10,
            batch_bytes_max: 32 << 10,
            spare_segments: 1,
            next_offset_min,
            clock: self.clock(),
            ..journal::Settings::default()
        };
        Journal::open_in(Arc::new(self.journal.clone()), settings).expect("the journal opens")
    }

    fn bus_settings(&self) -> BusSettings {
        BusSettings {
            clock: self.clock(),
            admission_wait_max: Duration::from_millis(5),
            commit_interval: Duration::from_millis(1),
            trim_interval: Duration::from_millis(2),
            ..BusSettings::default()
        }
    }

    fn clock(&self) -> Clock {
        let told = Arc::clone(&self.clock);
        Clock::new(move || told.load(Ordering::SeqCst))
    }
}
