//! What each step does.

use std::time::Duration;

use super::schedule::{Step, TARGETS, VIEW};
use super::world::World;
use crate::tests::name;
use crate::{DeadLetterFilter, Event, Origin, Record, Removal, Route};

/// How long targets may work in one step, at most.
const WORK_TIME_MAX: Duration = Duration::from_millis(4);

impl World {
    pub(super) async fn apply(&mut self, step: &Step) {
        match step {
            Step::Append { producer, records, targets, bytes } => {
                self.append(*producer, *records, *targets, *bytes).await;
            }
            Step::Claim(producer) => self.claim(*producer).await,
            Step::Work => self.work().await,
            Step::Answer(target, mood) => self.external.moods.lock()[*target] = Some(*mood),
            Step::Redrive(target) => self.redrive(*target).await,
            Step::Purge(target) => self.purge(*target).await,
            Step::Remove(target, removal) => self.remove(*target, *removal).await,
            Step::Declare(target) => self.declare(*target).await,
            Step::RaiseFloors => self.raise_floors(),
            Step::ClockJump(seconds) => self.jump(*seconds),
            Step::Room(room) => {
                let used = self.bus.shared.journal.bytes_on_disk();
                self.machine.journal.set_capacity_bytes(room.map(|room| used + room));
            }
            Step::FailSyncs(count) => self.machine.journal.fail_syncs(*count),
            Step::FailWrites(count) => self.machine.journal.fail_writes(*count),
            Step::ShortWrites(short) => self.machine.journal.set_short_writes(*short),
            Step::FailStateSync => self.machine.state.fail_syncs(1),
            Step::FailStateWrite => self.machine.state.fail_writes(1),
            Step::PowerFailsAfter(changes) => self.machine.power.cut_after(*changes),
            Step::PowerLoss => self.lose_power().await,
            Step::Kill => self.kill().await,
            Step::Shutdown { power_fails } => self.shut_down(*power_fails).await,
        }
    }

    /// Appends records of one connection: two rules make an event each, for the targets of the mask.
    async fn append(&mut self, producer: usize, records: usize, targets: u8, bytes: usize) {
        for _ in 0..records {
            self.next_number += 1;
            let number = self.next_number;
            let mut record = Record::new(Origin::Device, 1_700_000_000_000);
            record.client_id = format!("client-{producer}");
            record.topic = format!("plant/{producer}");
            for (rule, every) in [("hot", 1), ("cold", 3)] {
                let chosen =
                    (0..TARGETS.len()).filter(|bit| targets >> bit & 1 == 1 && number.is_multiple_of(every));
                let routes: Vec<Route> = chosen.map(|target| Route::to(name(TARGETS[target]))).collect();
                let data = format!("{number:0bytes$}");
                record.add(Event { routes, ..Event::json(rule, data) });
            }
            // A lane that is full or removed, and a journal without room, refuse: the device is told.
            if let Ok(offset) = self.producers[producer].append(&record).await {
                self.note(producer, &record, offset, number);
            }
        }
    }

    /// Lets things happen until something was delivered, but not for long.
    async fn work(&self) {
        let before = self.external.taken_count();
        let working = async {
            while self.external.taken_count() < before + 10 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        // That nothing is delivered in this time is as good.
        let _ = tokio::time::timeout(WORK_TIME_MAX, working).await;
    }

    fn may_fail(&self) -> bool {
        !self.machine.power.is_on() || self.machine.state.is_poisoned()
    }

    fn of(target: usize) -> DeadLetterFilter {
        DeadLetterFilter { target: Some(name(TARGETS[target])), ..DeadLetterFilter::default() }
    }

    /// A redrive that fails keeps the letters it has not sent.
    async fn redrive(&self, target: usize) {
        let _ = self.bus.redrive_dead_letters(Self::of(target), None).await;
    }

    async fn purge(&mut self, target: usize) {
        let Ok(page) = self.bus.dead_letters(Self::of(target), None, usize::MAX).await else { return };
        for letter in page.letters {
            self.purged.insert(letter.delivery.id.clone());
            let purged = self.bus.purge_dead_letter(letter.id).await;
            assert!(purged.is_ok() || self.may_fail(), "{purged:?}");
        }
    }

    async fn remove(&mut self, target: usize, removal: Removal) {
        self.served[target] = false;
        if target == VIEW {
            self.view = None;
        }
        let removed = self.bus.remove_target(&name(TARGETS[target]), removal).await;
        assert!(removed.is_ok() || self.may_fail(), "{removed:?}");
    }

    /// The view and the one outside have done with what was counted so far.
    fn raise_floors(&mut self) {
        let frontier = *self.bus.frontier().borrow();
        if let Some(floor) = &self.floor {
            floor.raise(frontier);
            self.floor_at = frontier;
        }
        if let Some(view) = &self.view {
            view.raise_floor(frontier);
        }
    }

    async fn shut_down(&mut self, power_fails: bool) {
        for producer in 0..self.producers.len() {
            self.claim(producer).await;
        }
        let drained = self.bus.drain(Duration::from_millis(500)).await;
        let before = self.bus.ledger();
        if power_fails {
            self.lose_power().await;
        } else {
            self.kill().await;
        }
        if drained.is_ok() {
            self.check_ledger_after_end(&before);
        }
    }
}
