//! The windows over a real bus, journal and store in a temporary directory, opened and crashed at will.

mod crashes;
mod life;
mod waiting;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bus::{
    Bus, BusSettings, Delivery, DeliverySettings, Event, LaneLimits, Origin, Outcome, Record, RetryPolicy,
    Route, Target, TargetName,
};
use journal::state::StateStore;
use journal::{Clock, Journal};
use parking_lot::Mutex;
use rules::definition::Definition;
use rules::{Message, Output};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::store::Store;
use crate::{Rules, WindowResult, Windows, row};

/// Bounds every wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// The time at which every test begins: a window begins with it.
const START_MS: u64 = 1_700_000_000_000;

/// Blows after so many steps: nothing is written any more, as when the process died.
#[derive(Clone, Debug)]
pub(crate) struct Fuse(Arc<AtomicI64>);

impl Default for Fuse {
    fn default() -> Self {
        Self::after(i64::MAX)
    }
}

impl Fuse {
    fn after(steps: i64) -> Self {
        Self(Arc::new(AtomicI64::new(steps)))
    }

    pub(crate) fn step(&self, _what: &str) -> Result<(), ()> {
        if self.0.fetch_sub(1, Ordering::SeqCst) > 0 { Ok(()) } else { Err(()) }
    }

    fn is_blown(&self) -> bool {
        self.0.load(Ordering::SeqCst) < 0
    }

    /// Steps taken of those that there were.
    fn taken(&self, of: i64) -> i64 {
        of - self.0.load(Ordering::SeqCst)
    }
}

/// What the windows made: event ids with their data, in the order in which they came.
#[derive(Clone, Default)]
struct Sink {
    taken: Arc<Mutex<Vec<(String, String)>>>,
    is_busy: Arc<AtomicBool>,
}

#[async_trait]
impl Target for Sink {
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        if self.is_busy.load(Ordering::SeqCst) {
            return vec![Outcome::retry("BUSY", "told so"); batch.len()];
        }
        let data = |delivery: &Delivery| String::from_utf8_lossy(&delivery.data).into_owned();
        self.taken.lock().extend(batch.iter().map(|delivery| (delivery.id.to_string(), data(delivery))));
        vec![Outcome::Delivered; batch.len()]
    }
}

impl Sink {
    /// What was taken, each id once, in an order of its own.
    fn results(&self) -> Vec<String> {
        let by_id: BTreeMap<String, String> = self.taken.lock().iter().cloned().collect();
        let mut results: Vec<String> = by_id.into_values().collect();
        results.sort();
        results
    }
}

fn sink() -> TargetName {
    TargetName::parse("http/sink").unwrap()
}

#[derive(Clone, Default)]
struct TestRules {
    /// Whether a definition names what is not there.
    is_unreadable: Arc<AtomicBool>,
}

impl Rules for TestRules {
    fn parse(&self, rule: &str, text: &str) -> Result<Definition, String> {
        if self.is_unreadable.load(Ordering::SeqCst) {
            return Err("there is no descriptor file `plant/kiln.desc`".to_owned());
        }
        Definition::parse(rule, "rule.toml", text).map_err(|errors| errors.to_string())
    }

    fn record(&self, definition: &Definition, result: &WindowResult<'_>, now_ms: u64) -> Record {
        let Ok(Output::Json(data)) = result.output else { panic!("{:?}", result.output) };
        let mut record = Record::new(Origin::Gateway, now_ms);
        let route = Route { partition_key: Some(result.group.clone()), ..Route::to(sink()) };
        record.add(Event { routes: vec![route], ..Event::json(definition.name.as_str(), data.clone()) });
        record
    }
}

/// A statement that counts, in windows of ten seconds.
fn definition(name: &str, more: &str) -> Arc<Definition> {
    definition_over(10, name, more)
}

/// The same in windows of so many seconds.
fn definition_over(seconds: u32, name: &str, more: &str) -> Arc<Definition> {
    let text = format!(
        "sql = \"SELECT key, count(*) AS count, window_end() AS until FROM 'plant/{name}' \
         GROUP BY key, TUMBLINGWINDOW(ss, {seconds})\"\n{more}"
    );
    Arc::new(Definition::parse(name, "rule.toml", &text).unwrap())
}

/// A message that `definition` makes a row of.
fn message(definition: &Definition, key: &str, accepted_at_ms: u64) -> Record {
    message_of(definition, &format!("{{\"key\":\"{key}\"}}"), accepted_at_ms)
}

/// The same with another payload.
fn message_of(definition: &Definition, payload: &str, accepted_at_ms: u64) -> Record {
    let mut record = Record::new(Origin::Device, accepted_at_ms);
    record.client_id = "kiln".to_owned();
    let randomness = || [0; 16];
    let message = Message::new("plant/x", payload.as_bytes(), accepted_at_ms, &randomness);
    match definition.statement.evaluate(&message) {
        Ok(rules::Outcome::Row(row)) => record.events.push(row::event(definition, &row.encode())),
        other => panic!("{other:?}"),
    }
    record
}

/// A data directory, and everything around it that outlives a crash.
struct Place {
    directory: TempDir,
    now_ms: Arc<AtomicU64>,
    /// By how much the clock goes on each time it is looked at.
    pace_ms: u64,
    sink: Sink,
    rules: TestRules,
    definitions: Mutex<Vec<Arc<Definition>>>,
    lane_limits: LaneLimits,
    sink_limits: LaneLimits,
}

/// What runs between two crashes.
struct Run {
    bus: Bus,
    windows: Arc<Windows>,
    emitting: JoinHandle<()>,
    stop: CancellationToken,
    fuse: Fuse,
}

impl Place {
    fn new(definitions: &[&Arc<Definition>]) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            now_ms: Arc::new(AtomicU64::new(START_MS)),
            pace_ms: 0,
            sink: Sink::default(),
            rules: TestRules::default(),
            definitions: Mutex::new(definitions.iter().map(|definition| Arc::clone(definition)).collect()),
            lane_limits: LaneLimits::default(),
            sink_limits: LaneLimits::default(),
        }
    }

    fn clock(&self) -> Clock {
        let (now_ms, pace_ms) = (Arc::clone(&self.now_ms), self.pace_ms);
        Clock::new(move || now_ms.fetch_add(pace_ms, Ordering::SeqCst))
    }

    fn set_clock(&self, seconds: u64) {
        self.now_ms.store(START_MS + seconds * 1000, Ordering::SeqCst);
    }

    async fn open(&self, fuse: Fuse) -> Run {
        let (bus, state) = open_bus(self.directory.path(), self.clock()).await;
        let retry = RetryPolicy {
            backoff_first: Duration::from_millis(1),
            backoff_max: Duration::from_millis(5),
            attempts_max: u32::MAX,
            ..RetryPolicy::default()
        };
        let settings = DeliverySettings {
            retry,
            limits: self.sink_limits,
            circuit_failures_max: u32::MAX,
            batch_events_max: 100,
            ..DeliverySettings::default()
        };
        bus.set_target(sink(), Arc::new(self.sink.clone()), settings).await.unwrap();
        let mut store = Store::open(&state).unwrap();
        store.fuse = fuse.clone();
        let definitions = self.definitions.lock().clone();
        let windows =
            Windows::over(store, &bus, Arc::new(self.rules.clone()), &definitions, self.clock()).unwrap();
        windows.serve(&bus, self.lane_limits).await.unwrap();
        let stop = CancellationToken::new();
        let emitting = tokio::spawn(windows.emit(bus.clone(), stop.clone()));
        Run { bus, windows: Arc::new(windows), emitting, stop, fuse }
    }
}

async fn open_bus(directory: &Path, clock: Clock) -> (Bus, StateStore) {
    let settings = journal::Settings {
        segment_bytes: 1 << 20,
        record_bytes_max: 16 << 10,
        spare_segments: 0,
        clock: clock.clone(),
        ..journal::Settings::default()
    };
    // Tasks of a bus that crashed let go of its files one after the other.
    let (mut journal, mut state) = (None, None);
    until("the files are free", || {
        journal = journal.take().or_else(|| Journal::open(directory.join("journal"), settings.clone()).ok());
        state = state.take().or_else(|| StateStore::open(directory.join("state")).ok());
        journal.is_some() && state.is_some()
    })
    .await;
    let (journal, state) = (journal.unwrap(), state.unwrap());
    let settings = BusSettings {
        clock,
        admission_wait_max: Duration::from_millis(100),
        commit_interval: Duration::from_millis(5),
        ..BusSettings::default()
    };
    (Bus::open(journal, &state, settings).unwrap(), state)
}

impl Run {
    /// Appends messages and waits until they are durable.
    async fn append(&self, messages: &[Record]) {
        let mut producer = self.bus.producer();
        for message in messages {
            producer.append(message).await.unwrap();
        }
        while producer.unclaimed() > 0 {
            producer.next_outcome().await.1.unwrap();
        }
    }

    /// Rows that are done with.
    fn rows(&self, rule: &str) -> u64 {
        self.windows.figures().get(rule).map_or(0, |figures| figures.counts.rows())
    }

    fn open_groups(&self) -> u64 {
        self.windows.figures().values().map(|figures| figures.open.groups).sum()
    }

    /// Ends as the death of the process would.
    async fn crash(self) {
        self.emitting.abort();
        let _ = self.emitting.await;
        let windows = Arc::clone(&self.windows);
        tokio::task::spawn_blocking(move || windows.close()).await.unwrap();
    }

    /// Ends in order.
    async fn close(self) {
        self.stop.cancel();
        self.emitting.await.unwrap();
        self.bus.drain(Duration::from_secs(5)).await.unwrap();
        let windows = Arc::clone(&self.windows);
        tokio::task::spawn_blocking(move || windows.close()).await.unwrap();
    }
}

/// Waits until `condition` holds.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "never happened: {what}");
}
