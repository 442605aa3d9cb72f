//! The bus as its users see it, over a real journal and state store in a temporary directory.

mod aside;
mod aside_model;
mod books;
mod conforming;
mod declaring;
mod delivery;
mod giving_up;
mod letters;
mod overflow;
mod power_loss;
mod restart;
mod views;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use journal::state::StateStore;
use journal::storage::faulty::FaultyStorage;
use journal::{Clock, Journal};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::Semaphore;

use crate::*;

/// Bounds every wait, so that a test that fails does so by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "never happened: {what}");
}

fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

/// A directory with a journal and a state store, opened and crashed at will.
struct Place {
    directory: TempDir,
    settings: BusSettings,
    now_ms: Arc<AtomicU64>,
    segment_bytes: u64,
    disk_bytes_max: u64,
}

impl Place {
    fn new() -> Self {
        let now_ms = Arc::new(AtomicU64::new(1_700_000_000_000));
        let told = Arc::clone(&now_ms);
        let settings = BusSettings {
            clock: Clock::new(move || told.load(Ordering::SeqCst)),
            admission_wait_max: PATIENCE,
            commit_interval: Duration::from_millis(5),
            trim_interval: Duration::from_millis(5),
            ..BusSettings::default()
        };
        Self {
            directory: tempfile::tempdir().unwrap(),
            settings,
            now_ms,
            segment_bytes: 1 << 20,
            disk_bytes_max: 1 << 40,
        }
    }

    fn open(&self) -> Bus {
        let journal = Journal::open(self.directory.path().join("journal"), self.journal_settings()).unwrap();
        self.open_on(journal)
    }

    /// With the journal elsewhere.
    fn open_in(&self, storage: &FaultyStorage) -> Bus {
        self.open_on(Journal::open_in(Arc::new(storage.clone()), self.journal_settings()).unwrap())
    }

    fn open_on(&self, journal: Journal) -> Bus {
        let store = StateStore::open(self.directory.path().join("state")).unwrap();
        Bus::open(journal, &store, self.settings.clone()).unwrap()
    }

    fn journal_settings(&self) -> journal::Settings {
        journal::Settings {
            segment_bytes: self.segment_bytes,
            disk_bytes_max: self.disk_bytes_max,
            record_bytes_max: 16 << 10,
            spare_segments: 0,
            clock: self.settings.clock.clone(),
            ..journal::Settings::default()
        }
    }

    fn pass(&self, time: Duration) {
        self.now_ms.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

/// Ends the bus as the death of the process would: nothing more is committed.
async fn crash(bus: Bus) {
    let shared = Arc::clone(&bus.shared);
    drop(bus);
    shared.tasks.close();
    shared.tasks.wait().await;
    assert_eq!(Arc::strong_count(&shared), 1, "somebody still holds the bus");
}

/// A record of `client` with one event of `rule` for `target`.
fn record(client: &str, rule: &str, target: &str, data: &str) -> Record {
    let mut record = Record::new(Origin::Device, 1_700_000_000_000);
    record.client_id = client.to_owned();
    record.topic = format!("plant/{client}");
    let routes = vec![Route::to(name(target))];
    record.add(Event { routes, ..Event::json(rule, data.to_owned()) });
    record
}

/// Appends one record for each of `data` and waits until they are durable.
async fn append(bus: &Bus, client: &str, target: &str, data: impl IntoIterator<Item = u32>) {
    let mut producer = bus.producer();
    for number in data {
        producer.append(&record(client, "rule", target, &number.to_string())).await.unwrap();
    }
    while producer.unclaimed() > 0 {
        producer.next_outcome().await.1.unwrap();
    }
}

/// What a target was handed: key, data and try.
type Seen = (String, String, u32);

type Script = Box<dyn Fn(&Delivery) -> Outcome + Send + Sync>;

/// A target in memory that answers as told.
struct Scripted {
    script: Mutex<Arc<Script>>,
    calls: Mutex<Vec<Vec<Delivery>>>,
    taken: Mutex<Vec<Delivery>>,
    /// A call waits for a permit and keeps it.
    gate: Semaphore,
    closed: AtomicU64,
}

const OPEN: usize = Semaphore::MAX_PERMITS;

impl Scripted {
    fn new(script: impl Fn(&Delivery) -> Outcome + Send + Sync + 'static) -> Arc<Self> {
        Self::gated(OPEN, script)
    }

    fn gated(permits: usize, script: impl Fn(&Delivery) -> Outcome + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Mutex::new(Arc::new(Box::new(script))),
            calls: Mutex::default(),
            taken: Mutex::default(),
            gate: Semaphore::new(permits),
            closed: AtomicU64::new(0),
        })
    }

    fn taking() -> Arc<Self> {
        Self::new(|_| Outcome::Delivered)
    }

    fn answer(&self, script: impl Fn(&Delivery) -> Outcome + Send + Sync + 'static) {
        *self.script.lock() = Arc::new(Box::new(script));
    }

    fn calls(&self) -> usize {
        self.calls.lock().len()
    }

    /// Everything it was handed, in order.
    fn seen(&self) -> Vec<Seen> {
        let seen = |delivery: &Delivery| (delivery.partition_key.clone(), text(delivery), delivery.attempt);
        self.calls.lock().iter().flatten().map(seen).collect()
    }

    /// What it has taken, by key.
    fn taken(&self) -> HashMap<String, Vec<String>> {
        let mut taken: HashMap<String, Vec<String>> = HashMap::new();
        for delivery in &*self.taken.lock() {
            taken.entry(delivery.partition_key.clone()).or_default().push(text(delivery));
        }
        taken
    }

    fn taken_count(&self) -> usize {
        self.taken.lock().len()
    }
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.data.to_vec()).unwrap()
}

#[async_trait]
impl Target for Scripted {
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        self.calls.lock().push(batch.to_vec());
        self.gate.acquire().await.unwrap().forget();
        let script = Arc::clone(&*self.script.lock());
        let mut held_back = Vec::new();
        let mut outcomes = Vec::new();
        for delivery in batch {
            let key = &delivery.partition_key;
            let outcome = if held_back.contains(key) {
                Outcome::retry("BEHIND", "an earlier one of this key failed")
            } else {
                script(delivery)
            };
            match outcome {
                Outcome::Delivered => self.taken.lock().push(delivery.clone()),
                Outcome::Retry { .. } | Outcome::RetryAlone { .. } => held_back.push(key.clone()),
                Outcome::Reject { .. } => {}
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    async fn close(&self) {
        self.closed.fetch_add(1, Ordering::SeqCst);
    }
}

/// Settings that do not wait long for anything.
fn quick() -> DeliverySettings {
    let retry = RetryPolicy {
        backoff_first: Duration::from_millis(1),
        backoff_max: Duration::from_millis(5),
        ..RetryPolicy::default()
    };
    DeliverySettings { retry, circuit_failures_max: u32::MAX, ..DeliverySettings::default() }
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn counts(bus: &Bus, rule: &str, target: &str) -> Counts {
    let row = bus.ledger().into_iter().find(|row| row.rule == rule && row.target == target);
    row.map(|row| row.counts).unwrap_or_default()
}

/// The books of `rule` and `target` as text.
fn books(bus: &Bus, target: &str) -> String {
    let counts = counts(bus, "rule", target);
    assert!(counts.balance(), "{counts:?}");
    let dropped: Vec<String> =
        counts.dropped.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    format!(
        "accepted {} delivered {} dead {} waiting {} dropped [{}]",
        counts.accepted,
        counts.delivered,
        counts.dead_lettered,
        counts.waiting,
        dropped.join(", ")
    )
}

async fn until_books(bus: &Bus, target: &str, expected: &str) {
    let waiting = async {
        while books(bus, target) != expected {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let result = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(result.is_ok(), "wanted: {expected}\n   got: {}", books(bus, target));
}
