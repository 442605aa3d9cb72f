//! Replays: events of an archive sent again, to targets that are chosen.
//!
//! A replay reads its archive from a position on, appends what is meant to the gateway's journal, and then keeps the new position. What was
//! appended after the position was kept last is appended again after a crash: at least once, under the ids that the events always had.
//!
//! | Table | Key | Value |
//! | --- | --- | --- |
//! | `archive_replays` | the replay's name | its definition and how far it is, version 1 |

mod definition;
mod page;
mod run;

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::{Bus, TargetName};
use journal::Clock;
use journal::state::{StateError, StateStore, Table};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use definition::{Definition, Progress, RowError, State, Status};

use super::entry::may_be_replayed_to;
use super::{ArchiveError, Archives};
use definition::Row;

/// Replays that run at once, as in EventBridge.
pub const RUNNING_MAX: usize = 10;

/// Replays that are over and still listed; the oldest are forgotten.
pub const OVER_MAX: usize = 100;

/// Targets of one replay.
pub const TARGETS_MAX: usize = 10;

/// The longest name of a replay, in characters.
pub const NAME_CHARACTERS_MAX: usize = 64;

/// Why a replay was not begun, or can't be found or ended.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is no such archive.
    #[error("there is no archive `{name}`{hint}")]
    UnknownArchive {
        /// The name.
        name: String,
        /// What there is.
        hint: String,
    },
    /// There is no such replay.
    #[error("there is no replay `{0}`; see `iot-gateway replay list`")]
    Unknown(String),
    /// It makes no sense.
    #[error("{0}")]
    Refused(String),
    /// What is kept of replays can't be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// A row can't be understood.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The archive can't be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The runtime is being shut down.
    #[error("the gateway is shutting down")]
    ShuttingDown,
}

/// Every replay of the gateway, those that are over for a while.
#[derive(Clone)]
pub struct Replays {
    shared: Arc<Shared>,
}

struct Shared {
    bus: Bus,
    archives: Archives,
    store: StateStore,
    table: Table,
    clock: Clock,
    known: Mutex<BTreeMap<String, Known>>,
    /// Beginning and ending replays, one at a time.
    changing: tokio::sync::Mutex<()>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// One replay, and what ends it.
#[derive(Clone)]
struct Known {
    row: Row,
    cancel: CancellationToken,
}

impl std::fmt::Debug for Replays {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Replays")
            .field("known", &self.shared.known.lock().len())
            .finish_non_exhaustive()
    }
}

impl Replays {
    /// Takes up what was kept, and goes on with replays that were not over. To be done when all targets are declared, inside a Tokio runtime.
    ///
    /// # Errors
    /// What was kept can't be read.
    pub async fn open(
        bus: &Bus,
        archives: &Archives,
        store: &StateStore,
        clock: Clock,
    ) -> Result<Self, ReplayError> {
        let kept = store.clone();
        let reading = tokio::task::spawn_blocking(move || read(&kept));
        let (table, known) = reading.await.map_err(|_| ReplayError::ShuttingDown)??;
        let running: Vec<String> = known
            .values()
            .filter(|known| known.row.is_running())
            .map(|known| known.row.name.clone())
            .collect();
        let shared = Arc::new(Shared {
            bus: bus.clone(),
            archives: archives.clone(),
            store: store.clone(),
            table,
            clock,
            known: Mutex::new(known),
            changing: tokio::sync::Mutex::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        for name in running {
            tracing::info!(replay = name, "a replay goes on");
            shared.spawn(&name);
        }
        Ok(Self { shared })
    }

    /// Begins a replay. It is kept before this returns.
    ///
    /// # Errors
    /// It makes no sense, there are too many, or it can't be kept.
    pub async fn start(&self, definition: Definition) -> Result<Status, ReplayError> {
        let shared = &self.shared;
        let _changing = shared.changing.lock().await;
        shared.check(&definition)?;
        let archive = shared.archive(&definition.archive)?;
        let (from_ms, now_ms) = (definition.from_ms, shared.clock.now_ms());
        let bounds = tokio::task::spawn_blocking(move || archive.bounds(from_ms));
        let (begin, end) = bounds.await.map_err(|_| ReplayError::ShuttingDown)??;
        let row = Row::new(definition, now_ms, begin, end);
        let forgotten = shared.surplus();
        shared.keep(&row, &forgotten).await?;
        let status = row.status();
        {
            let mut known = shared.known.lock();
            forgotten.iter().for_each(|name| {
                known.remove(name);
            });
            known.insert(row.name.clone(), Known { row, cancel: CancellationToken::new() });
        }
        tracing::info!(
            replay = status.definition.name,
            archive = status.definition.archive,
            "a replay begins"
        );
        shared.spawn(&status.definition.name);
        Ok(status)
    }

    /// Every replay, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Status> {
        self.shared.known.lock().values().map(|known| known.row.status()).collect()
    }

    /// One replay.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn show(&self, name: &str) -> Result<Status, ReplayError> {
        let known = self.shared.known.lock();
        known.get(name).map(|known| known.row.status()).ok_or_else(|| ReplayError::Unknown(name.to_owned()))
    }

    /// Ends a replay where it stands; what was sent stays sent. One that is over stays as it is.
    ///
    /// # Errors
    /// There is none of that name, or the end can't be kept.
    pub async fn cancel(&self, name: &str) -> Result<Status, ReplayError> {
        let _changing = self.shared.changing.lock().await;
        let known = self.shared.known.lock().get(name).cloned();
        let known = known.ok_or_else(|| ReplayError::Unknown(name.to_owned()))?;
        if known.row.is_running() {
            self.shared.end(name, State::Cancelled).await?;
            known.cancel.cancel();
        }
        self.show(name)
    }

    /// Ends all that runs, to go on after the next start.
    pub async fn close(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

fn read(store: &StateStore) -> Result<(Table, BTreeMap<String, Known>), ReplayError> {
    let table = store.table("archive_replays")?;
    let mut known = BTreeMap::new();
    for row in table.iter() {
        let (key, value) = row?;
        let row = Row::parse(&key, &value)?;
        known.insert(row.name.clone(), Known { row, cancel: CancellationToken::new() });
    }
    Ok((table, known))
}

impl Shared {
    fn spawn(self: &Arc<Self>, name: &str) {
        self.tasks.spawn(run::run(Arc::clone(self), name.to_owned()));
    }

    fn archive(&self, name: &str) -> Result<Arc<super::Archive>, ReplayError> {
        self.archives.get(name).ok_or_else(|| {
            let names: Vec<String> = self.archives.names().map(|name| format!("`{name}`")).collect();
            let hint = match names.is_empty() {
                true => "; the settings declare none".to_owned(),
                false => format!("; there are {}", names.join(", ")),
            };
            ReplayError::UnknownArchive { name: name.to_owned(), hint }
        })
    }

    fn check(&self, definition: &Definition) -> Result<(), ReplayError> {
        let refuse = |why: String| Err(ReplayError::Refused(why));
        let name = &definition.name;
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > NAME_CHARACTERS_MAX || !name.bytes().all(is_legal) {
            return refuse(format!(
                "`{name}` can't be the name of a replay; use 1 to {NAME_CHARACTERS_MAX} letters, digits, `.`, `-` and `_`"
            ));
        }
        if definition.from_ms >= definition.to_ms {
            return refuse("the time range is empty: it ends before it begins".to_owned());
        }
        if definition.targets.is_empty() || definition.targets.len() > TARGETS_MAX {
            return refuse(format!(
                "{} targets are named; a replay has 1 to {TARGETS_MAX}, each as `kind/name`",
                definition.targets.len()
            ));
        }
        definition.targets.iter().try_for_each(|target| self.check_target(target))?;
        let known = self.known.lock();
        if known.contains_key(name) {
            return refuse(format!("there is a replay `{name}` already; choose another name"));
        }
        let running = known.values().filter(|known| known.row.is_running()).count();
        if running >= RUNNING_MAX {
            return refuse(format!(
                "{running} replays run, and no more than {RUNNING_MAX} may; cancel one, or wait"
            ));
        }
        Ok(())
    }

    fn check_target(&self, target: &TargetName) -> Result<(), ReplayError> {
        if !may_be_replayed_to(target) {
            return Err(ReplayError::Refused(format!(
                "a replay can't send to `{target}`; choose a queue, a stream, a function or an HTTP target"
            )));
        }
        if !self.bus.has_target(target) {
            return Err(ReplayError::Refused(format!(
                "there is no target `{target}`; declare it in the settings"
            )));
        }
        Ok(())
    }

    /// The oldest of those that are over, so that one more can be kept.
    fn surplus(&self) -> Vec<String> {
        let known = self.known.lock();
        let mut over: Vec<&Row> =
            known.values().map(|known| &known.row).filter(|row| !row.is_running()).collect();
        over.sort_by_key(|row| row.ended_ms);
        let count = over.len().saturating_sub(OVER_MAX - 1);
        over.iter().take(count).map(|row| row.name.clone()).collect()
    }

    /// Keeps a row, durably, and forgets others in the same commit.
    async fn keep(self: &Arc<Self>, row: &Row, forgotten: &[String]) -> Result<(), ReplayError> {
        let (shared, name, bytes) = (Arc::clone(self), row.name.clone(), row.render());
        let forgotten = forgotten.to_vec();
        let keeping = tokio::task::spawn_blocking(move || {
            let mut batch = shared.store.batch();
            for name in &forgotten {
                batch.remove(&shared.table, name)?;
            }
            batch.insert(&shared.table, name, bytes)?;
            batch.commit_durable()
        });
        Ok(keeping.await.map_err(|_| ReplayError::ShuttingDown)??)
    }

    /// The end of a replay, whoever ends it.
    async fn end(self: &Arc<Self>, name: &str, state: State) -> Result<(), ReplayError> {
        let Some(mut row) = self.known.lock().get(name).map(|known| known.row.clone()) else { return Ok(()) };
        row.state = state;
        row.ended_ms = Some(self.clock.now_ms());
        self.keep(&row, &[]).await?;
        tracing::info!(replay = name, state = row.state.name(), sent = row.sent, "a replay is over");
        if let Some(known) = self.known.lock().get_mut(name) {
            known.row = row;
        }
        Ok(())
    }
}
