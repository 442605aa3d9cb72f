//! What schedules have found, each as a case of its own.

use journal::storage::faulty::FaultyStorage;

use super::machine::Machine;
use crate::tests::{Scripted, append, name, numbers, quick, record, until, until_books};
use crate::{Bus, DeliverySettings, LaneLimits, Offset, Outcome};

const HOOK: &str = "http/hook";
const PATIENCE: std::time::Duration = crate::tests::PATIENCE;

async fn serving(machine: &Machine) -> (Bus, std::sync::Arc<Scripted>) {
    let bus = machine.open();
    let target = Scripted::new(|_| Outcome::Delivered);
    bus.set_target(name(HOOK), std::sync::Arc::clone(&target) as _, quick()).await.unwrap();
    (bus, target)
}

/// Lets cursors pass whatever there is, durably.
async fn end(bus: Bus) {
    bus.drain(PATIENCE).await.unwrap();
}

async fn delivers(machine: &Machine) {
    let (bus, target) = serving(machine).await;
    append(&bus, "a", HOOK, 100..103).await;
    until("what is new is delivered", || target.taken_count() >= 3).await;
    assert!(target.taken()["a"].ends_with(&numbers(100..103)));
}

/// The bug this guards against: offsets went on behind the last record, but cursors had passed records that failed. The next ones
/// were acknowledged, and nobody looked at their offsets any more.
#[tokio::test]
async fn a_run_in_which_every_record_failed_does_not_hide_the_next_ones() {
    let machine = Machine::new(0);
    let (bus, _) = serving(&machine).await;
    append(&bus, "a", HOOK, 0..1).await;
    end(bus).await;
    let machine = machine.after_kill();
    let (bus, _) = serving(&machine).await;
    machine.journal.fail_writes(1000);
    let mut producer = bus.producer();
    for number in 0..20 {
        producer.append(&record("a", "rule", HOOK, &number.to_string())).await.unwrap();
        producer.next_outcome().await.1.unwrap_err();
    }
    end(bus).await;
    delivers(&machine.after_kill()).await;
}

/// The bug this guards against: after a torn tail offsets went on far beyond the last record, and cursors with them. The
/// next start found the tail whole, and went on with offsets below.
#[tokio::test]
async fn an_idle_start_after_a_torn_tail_does_not_hide_what_comes_after_the_next() {
    let mut torn = 0;
    for seed in 0..20 {
        let machine = Machine::new(seed);
        let (bus, _) = serving(&machine).await;
        append(&bus, "a", HOOK, 0..1).await;
        machine.power.cut_after(2);
        let mut producer = bus.producer();
        let large = "1".repeat(8000);
        producer.append(&record("a", "rule", HOOK, &large)).await.unwrap();
        producer.next_outcome().await.1.unwrap_err();
        let machine = machine.after_power_loss(seed);
        let (bus, _) = serving(&machine).await;
        torn += usize::from(bus.shared.journal.recovery().torn_bytes > 0);
        end(bus).await;
        delivers(&machine.after_power_loss(seed)).await;
    }
    assert!(torn > 0, "no tail was torn");
}

/// The bug this guards against: records whose fsync failed were found whole by the next process. The books had passed them, the lane had
/// not: it delivered what was never accepted.
#[tokio::test]
async fn records_that_failed_and_are_found_by_the_next_process_are_counted() {
    let machine = Machine::new(0);
    let (bus, _) = serving(&machine).await;
    append(&bus, "a", HOOK, 0..1).await;
    until_books(&bus, HOOK, "accepted 1 delivered 1 dead 0 waiting 0 dropped []").await;
    machine.journal.fail_syncs(1);
    let mut producer = bus.producer();
    producer.append(&record("a", "rule", HOOK, "1")).await.unwrap();
    producer.next_outcome().await.1.unwrap_err();
    until("the failed one is settled", || *bus.shared.journal.settled().borrow() >= Offset(2)).await;
    end(bus).await;
    let machine = machine.after_kill();
    let (bus, target) = serving(&machine).await;
    until("it is delivered", || target.taken_count() == 1).await;
    until_books(&bus, HOOK, "accepted 2 delivered 2 dead 0 waiting 0 dropped []").await;
    assert_eq!(bus.audit().await, []);
}

/// Room in a lane that was taken for a record is given back when the record fails, also if nothing durable follows.
#[tokio::test]
async fn records_that_failed_hold_no_room_in_their_lanes() {
    let machine = Machine::new(0);
    let bus = machine.open();
    let limits = LaneLimits { waiting_events_max: 3, ..LaneLimits::default() };
    let settings = DeliverySettings { limits, ..quick() };
    bus.set_target(name(HOOK), Scripted::taking(), settings).await.unwrap();
    machine.journal.fail_writes(1000);
    for number in 0..20 {
        // A connection of its own each, gone before its outcome is there.
        let mut producer = bus.producer();
        until("there is room", || bus.stats().lanes[0].waiting_events == 0).await;
        let appended = async {
            while producer.append(&record("a", "rule", HOOK, &number.to_string())).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, appended).await.expect("the room of what failed is given back");
    }
}

/// The bug this guards against: a journal that was lost began again at offset 0, far below every cursor.
#[tokio::test]
async fn what_comes_after_the_journal_was_lost_is_delivered() {
    let machine = Machine::new(0);
    let (bus, _) = serving(&machine).await;
    append(&bus, "a", HOOK, 0..10).await;
    end(bus).await;
    let machine = Machine { journal: FaultyStorage::new(), ..machine.after_kill() };
    delivers(&machine).await;
}
