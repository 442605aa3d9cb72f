//! The model: what was sent, what is known of it, and the bus that must agree.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::external::{Behind, External, Reading};
use super::machine::Machine;
use super::schedule::{PRODUCERS, Schedule, Step, TARGETS, VIEW};
use crate::tests::{PATIENCE, name, quick};
use crate::{
    Bus, CommitError, DeliverySettings, EventId, FetchError, Floor, LaneLimits, Offset, Overflow, Producer,
    ReadError, Record, ViewHandle,
};

/// What is known of a record that was handed to the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It may be durable or not: no outcome was taken, or it says that nobody knows.
    Unknown,
    /// It was acknowledged, or found after a restart.
    Durable,
    /// It was not found after a restart.
    Lost,
}

/// A record that was handed to the journal.
pub(super) struct Sent {
    pub(super) offset: Offset,
    pub(super) base: uuid::Uuid,
    pub(super) key: String,
    /// Grows with each record of the key.
    pub(super) number: u64,
    pub(super) fate: Fate,
    /// Target and id of each of its events.
    pub(super) events: Vec<(usize, EventId)>,
}

pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) bus: Bus,
    pub(super) external: Arc<External>,
    pub(super) producers: Vec<Producer>,
    /// The records of each producer whose outcome it has not taken, as indices into `sent`.
    pub(super) unclaimed: Vec<VecDeque<usize>>,
    pub(super) sent: Vec<Sent>,
    /// Which targets are served; the others are served again at the end.
    pub(super) served: [bool; TARGETS.len()],
    /// Dead letters that somebody may have deleted.
    pub(super) purged: BTreeSet<EventId>,
    /// Somebody outside who still needs the journal from here on.
    pub(super) floor: Option<Floor>,
    pub(super) floor_at: Offset,
    pub(super) view: Option<ViewHandle>,
    pub(super) next_number: u64,
    seed: u64,
    restarts: u64,
}

impl World {
    /// Plays a schedule from an empty machine to the end.
    pub(super) async fn play(schedule: &Schedule) {
        let mut world = Self::begin(schedule.seed).await;
        for step in &schedule.steps {
            world.apply(step).await;
            if !world.machine.power.is_on() {
                world.lose_power().await;
            }
        }
        world.settle_everything().await;
    }

    pub(super) async fn begin(seed: u64) -> Self {
        let machine = Machine::new(seed);
        let bus = machine.open();
        let mut world = Self {
            producers: Vec::new(),
            unclaimed: Vec::new(),
            external: Arc::default(),
            sent: Vec::new(),
            served: [true; TARGETS.len()],
            purged: BTreeSet::new(),
            floor: None,
            floor_at: Offset(0),
            view: None,
            next_number: 0,
            seed,
            restarts: 0,
            machine,
            bus,
        };
        world.begin_serving().await;
        world
    }

    /// Connections come, targets are declared.
    async fn begin_serving(&mut self) {
        self.producers = (0..PRODUCERS).map(|_| self.bus.producer()).collect();
        self.unclaimed = vec![VecDeque::new(); PRODUCERS];
        self.floor = Some(self.bus.register_floor("outside", self.floor_at));
        for target in 0..TARGETS.len() {
            if self.served[target] {
                self.declare(target).await;
            }
        }
        self.bus.begin_trimming();
    }

    /// Declares a target; a machine without power can't.
    pub(super) async fn declare(&mut self, target: usize) {
        let (external, power) = (Arc::clone(&self.external), self.machine.power.clone());
        self.served[target] = true;
        let (name, bus) = (name(TARGETS[target]), &self.bus);
        let declared = if target == VIEW {
            let view = Reading { external, target, power, last: parking_lot::Mutex::default() };
            let handle = bus.set_view(name, Arc::new(view), None, LaneLimits::unlimited()).await;
            handle.map(|handle| self.view = Some(handle))
        } else {
            let behind = Arc::new(Behind { external, target, power });
            bus.set_target(name, behind, settings(target)).await
        };
        let may_fail = !self.machine.power.is_on() || self.machine.state.is_poisoned();
        assert!(declared.is_ok() || may_fail, "{}: {declared:?}", TARGETS[target]);
    }

    pub(super) async fn lose_power(&mut self) {
        let after = self.machine.after_power_loss(self.seed ^ (self.restarts << 32));
        self.restart_on(after).await;
    }

    pub(super) async fn kill(&mut self) {
        self.restart_on(self.machine.after_kill()).await;
    }

    /// The process is gone and another one begins on what it finds.
    async fn restart_on(&mut self, machine: Machine) {
        self.restarts += 1;
        self.producers.clear();
        self.floor = None;
        self.view = None;
        self.machine = machine;
        // What is left of the old process ends by itself; its disks change no more.
        self.bus = self.machine.open();
        self.learn_fates();
        self.check_reopened().await;
        self.begin_serving().await;
    }

    /// Looks up what became of the records that nobody was told about.
    fn learn_fates(&mut self) {
        for sent in self.sent.iter_mut().filter(|sent| sent.fate == Fate::Unknown) {
            sent.fate = match self.bus.record(sent.offset) {
                Ok(Some(record)) => {
                    assert_eq!(record.base, sent.base, "an offset was given to two records");
                    Fate::Durable
                }
                Ok(None) => Fate::Lost,
                Err(FetchError::Journal(ReadError::Trimmed { .. })) => Fate::Unknown,
                Err(error) => panic!("{error}"),
            };
        }
    }

    /// Takes the outcomes of a producer's records.
    pub(super) async fn claim(&mut self, producer: usize) {
        while let Some(index) = self.unclaimed[producer].pop_front() {
            let outcome = self.producers[producer].next_outcome();
            let (offset, outcome) = tokio::time::timeout(PATIENCE, outcome).await.expect("an outcome comes");
            let sent = &mut self.sent[index];
            assert_eq!(offset, sent.offset, "outcomes come in order");
            match outcome {
                Ok(()) => sent.fate = Fate::Durable,
                Err(CommitError::Closed) => panic!("nobody closed the journal"),
                Err(CommitError::Full { .. } | CommitError::Failed { .. }) => {}
            }
        }
    }

    /// Notes a record that was handed to the journal.
    pub(super) fn note(&mut self, producer: usize, record: &Record, offset: Offset, number: u64) {
        let events = record.events.iter().flat_map(|event| {
            let id = record.event_id(event);
            let target =
                |route: &crate::Route| TARGETS.iter().position(|known| *known == route.target.as_str());
            event.routes.iter().filter_map(move |route| Some((target(route)?, id.clone())))
        });
        self.unclaimed[producer].push_back(self.sent.len());
        self.sent.push(Sent {
            offset,
            base: record.base,
            key: record.client_id.clone(),
            number,
            fate: Fate::Unknown,
            events: events.collect(),
        });
    }

    /// Everything works again: what waits leaves, and then nothing may be missing, also for the next process.
    async fn settle_everything(&mut self) {
        self.external.all_take();
        self.served = [true; TARGETS.len()];
        // A store that failed takes nothing more until the process is started again, and so does a full disk.
        self.kill().await;
        for producer in 0..PRODUCERS {
            self.apply(&Step::Append { producer, records: 3, targets: 0x7f, bytes: 40 }).await;
            self.claim(producer).await;
        }
        self.until_nothing_waits().await;
        self.check_books().await;
        self.check_nothing_is_lost().await;
        self.bus.drain(PATIENCE).await.expect("the disks work");
        let before = self.bus.ledger();
        self.lose_power().await;
        assert_eq!(self.bus.ledger(), before, "the ledger after an orderly end");
        self.until_nothing_waits().await;
        self.check_nothing_is_lost().await;
    }

    async fn until_nothing_waits(&self) {
        let waiting = async {
            while self.bus.ledger().iter().any(|row| row.counts.waiting > 0) || !self.all_is_counted() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let settled = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(settled.is_ok(), "these wait for ever: {:?}\n{:?}", self.bus.ledger(), self.bus.stats());
    }

    pub(super) fn all_is_counted(&self) -> bool {
        *self.bus.frontier().borrow() >= *self.bus.shared.journal.durable().borrow()
    }

    pub(super) fn jump(&self, seconds: i64) {
        let jump = |now_ms: u64| now_ms.saturating_add_signed(seconds * 1000);
        let now_ms = self.machine.clock.load(Ordering::SeqCst);
        self.machine.clock.store(jump(now_ms), Ordering::SeqCst);
    }
}

fn settings(target: usize) -> DeliverySettings {
    let (events, overflow) = match TARGETS[target] {
        "http/drop" => (15, Overflow::DropOldest),
        "http/letter" => (15, Overflow::DeadLetter),
        "http/bad" => (200, Overflow::Block),
        _ => (100_000, Overflow::Block),
    };
    let limits = LaneLimits { waiting_events_max: events, overflow, ..LaneLimits::default() };
    let mut settings = DeliverySettings {
        limits,
        batch_events_max: 1 + target,
        concurrency_max: 3,
        delivery_time_max: Duration::from_millis(8),
        window_events_max: 300,
        window_bytes_max: 20_000,
        ..quick()
    };
    settings.retry.attempts_max = 6;
    if target.is_multiple_of(2) {
        settings.circuit_failures_max = 3;
    }
    settings
}
