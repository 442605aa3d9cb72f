//! The target in a lane, with everything that can be asked of it in a row.

use std::collections::HashMap;
use std::time::Duration;

use journal::state::StateStore;
use journal::{Journal, Settings};

use super::{Behaviour, Fixture, PATIENCE, record, target_name};
use crate::{Bus, BusSettings, DeliverySettings, RetryPolicy};

const KEYS: usize = 4;
const EVENTS_PER_KEY: usize = 25;

/// Events go through while the other side is busy, hangs and comes back; the lane is closed and opened
/// again between. Every event arrives, in order of its key, and the books say so.
pub(super) async fn loses_nothing_and_keeps_order(fixture: &dyn Fixture) {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let seen_before = fixture.taken().await.len();
    fixture.behave(Behaviour::Busy).await;
    let bus = open(directory.path(), fixture).await;
    append(&bus).await;
    wait_for("the busy target is tried", || bus.stats().lanes.iter().any(|lane| lane.retried > 0)).await;
    fixture.behave(Behaviour::Hangs).await;
    bus.drain(Duration::from_millis(100)).await.expect("the cursors can be kept");
    close(bus).await;

    fixture.behave(Behaviour::Takes).await;
    let bus = open(directory.path(), fixture).await;
    wait_for("all are delivered", || bus.ledger().iter().all(|row| row.counts.waiting == 0)).await;
    for row in bus.ledger() {
        let all = (KEYS * EVENTS_PER_KEY) as u64;
        assert!(row.counts.balance() && row.counts.delivered == all, "the books: {row:?}");
    }
    bus.drain(PATIENCE).await.expect("the cursors can be kept");
    close(bus).await;
    check_order(fixture, seen_before).await;
}

async fn open(directory: &std::path::Path, fixture: &dyn Fixture) -> Bus {
    let settings = Settings {
        spare_segments: 0,
        segment_bytes: 1 << 20,
        record_bytes_max: 16 << 10,
        ..Settings::default()
    };
    let journal = Journal::open(directory.join("journal"), settings).expect("a journal can be opened");
    let store = StateStore::open(directory.join("state")).expect("a state store can be opened");
    let bus = Bus::open(journal, &store, BusSettings::default()).expect("the bus can be opened");
    let retry = RetryPolicy {
        backoff_first: Duration::from_millis(1),
        backoff_max: Duration::from_millis(20),
        ..RetryPolicy::default()
    };
    let settings =
        DeliverySettings { retry, delivery_time_max: Duration::from_secs(2), ..fixture.settings() };
    bus.set_target(target_name(), fixture.target().await, settings)
        .await
        .expect("the target can be declared");
    bus
}

async fn close(bus: Bus) {
    let shared = std::sync::Arc::clone(&bus.shared);
    drop(bus);
    shared.tasks.close();
    shared.tasks.wait().await;
}

async fn append(bus: &Bus) {
    let mut producer = bus.producer();
    for number in 0..EVENTS_PER_KEY {
        for key in 0..KEYS {
            let record = record(&format!("key-{key}"), format!("\"{key}:{number}\""));
            producer.append(&record).await.expect("the lane has room");
        }
    }
    while producer.unclaimed() > 0 {
        producer.next_outcome().await.1.expect("the journal works");
    }
}

async fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(3 * PATIENCE, waiting).await.is_ok(), "never happened: {what}");
}

/// Repeats are allowed; the first of each event must come in order of its key.
async fn check_order(fixture: &dyn Fixture, seen_before: usize) {
    let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
    for taken in fixture.taken().await.into_iter().skip(seen_before) {
        let text = String::from_utf8_lossy(&taken.data).replace('"', "");
        let (key, number) = text.split_once(':').expect("only this suite's events are taken");
        let number: usize = number.parse().expect("only this suite's events are taken");
        let numbers = by_key.entry(key.to_owned()).or_default();
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    assert_eq!(by_key.len(), KEYS, "every key arrived");
    for (key, numbers) in by_key {
        assert!(numbers.into_iter().eq(0..EVENTS_PER_KEY), "key {key} did not arrive whole and in order");
    }
}
