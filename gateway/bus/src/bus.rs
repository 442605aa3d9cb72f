//! The bus: what is opened once, and asked everything.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::join_all;
use journal::state::{StateError, StateStore};
use journal::{Journal, ReadError};
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::admission::OnTheirWay;
use crate::audit::{self, Disagreement};
use crate::checkpoint::{CheckpointError, Checkpoints, LaneRow, ObserverRow};
use crate::dead_letters::{DeadLetterError, DeadLetters};
use crate::floors::{Floor, Floors};
use crate::lane::source::LaneSource;
use crate::lane::{Command, Counter, Lane, LaneAudit, Serving};
use crate::ledger::{Books, LedgerRow, SettledHalf};
use crate::observer::{self, Observer};
use crate::producer::{AppendAtOnceError, Producer};
use crate::reader::{self, FetchError, LaneReader, RecordReader};
use crate::settings::BusSettings;
use crate::stats::{BusStats, LaneStats, ServingState};
use crate::{AsideSettings, Delivery, Offset, Position, Record, TargetName};

/// Why the bus could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// What it has kept can't be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Its dead letters can't be read.
    #[error(transparent)]
    DeadLetters(#[from] DeadLetterError),
    /// The journal can't be read.
    #[error(transparent)]
    Journal(#[from] ReadError),
    /// The journal would give offsets that cursors are past already.
    #[error(
        "the journal begins at offset {next}, but {counted} were counted already; it must be opened with the offset that the state \
         store asks for"
    )]
    Behind {
        /// The offset of the journal's next record.
        next: Offset,
        /// How far the state store has counted.
        counted: Offset,
    },
    /// What was moved aside for a target can't be opened.
    #[error("what target `{target}` is owed was moved aside and can't be opened: {source}")]
    Aside {
        /// The target.
        target: TargetName,
        /// Why.
        source: journal::OpenError,
    },
    /// Something was moved aside by a run that was told where.
    #[error(
        "what target `{0}` is owed was moved aside, but nothing says where that is; start with the settings of the last run"
    )]
    NoAside(TargetName),
}

/// Events on their way to their targets. A handle that is cheap to clone; when the last one is dropped,
/// the lanes stop at once, as they would when the process died. [`drain`](Self::drain) first.
#[derive(Clone)]
pub struct Bus {
    pub(crate) shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
}

/// What the bus, its lanes and its observer share.
pub(crate) struct Shared {
    pub(crate) journal: Journal,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) settings: BusSettings,
    pub(crate) observer: Observer,
    /// Up to here records were counted, so lanes may read.
    pub(crate) frontier: watch::Sender<Offset>,
    pub(crate) on_their_way: OnTheirWay,
    pub(crate) floors: Arc<Floors>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) unreadable_records: Counter,
    pub(crate) error_documents_skipped: Counter,
    pub(crate) refused_appends: Counter,
    /// Declaring and removing targets, one at a time; nothing on the path of a message takes it.
    pub(crate) declaring: tokio::sync::Mutex<()>,
    lanes: ArcSwap<HashMap<TargetName, Arc<Lane>>>,
    adding_lanes: Mutex<()>,
}

impl Bus {
    /// Opens the bus over an open journal and state store. Must be called inside a Tokio runtime. Blocks
    /// while it counts the records that came after the last commit. The journal must have been opened with
    /// [`next_offset_min`](crate::next_offset_min) of the store.
    ///
    /// Lanes that were known before wait until their target is declared again. Nothing is trimmed before
    /// [`begin_trimming`](Self::begin_trimming).
    ///
    /// # Errors
    /// What was kept can't be read.
    pub fn open(journal: Journal, store: &StateStore, mut settings: BusSettings) -> Result<Self, OpenError> {
        if let Some(aside) = &mut settings.aside {
            aside.make_room_for_records_of(&journal);
        }
        let checkpoints = Checkpoints::open(store)?;
        let dead_letters = DeadLetters::open(store, &settings)?;
        let row = checkpoints.observer()?.unwrap_or_default();
        let next = journal.recovery().next;
        if next < Offset(row.next) {
            return Err(OpenError::Behind { next, counted: Offset(row.next) });
        }
        let lanes = restored_lanes(&checkpoints, &row)?;
        reopen_asides(&lanes, settings.aside.as_ref())?;
        let from = Offset(row.next).max(journal.oldest());
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            observer: Observer::new(journal.read_from(from)),
            frontier: watch::Sender::new(from),
            journal,
            checkpoints,
            dead_letters,
            settings,
            on_their_way: OnTheirWay::default(),
            floors: Arc::default(),
            stop: stop.clone(),
            tasks: TaskTracker::new(),
            unreadable_records: Counter::default(),
            error_documents_skipped: Counter::default(),
            refused_appends: Counter::default(),
            declaring: tokio::sync::Mutex::new(()),
            lanes: ArcSwap::from_pointee(lanes),
            adding_lanes: Mutex::new(()),
        });
        shared.count_backlog()?;
        shared.keep_beginning()?;
        shared.tasks.spawn(observer::run(Arc::clone(&shared)));
        let bus = Self { shared, _stop: Arc::new(stop.drop_guard()) };
        bus.resume_removals();
        Ok(bus)
    }

    /// A way in for one connection.
    #[must_use]
    pub fn producer(&self) -> Producer {
        Producer::new(Arc::clone(&self.shared))
    }

    /// Appends one record and waits until it is durable. For the API, which sends now and then.
    ///
    /// # Errors
    /// It is refused, or not known to be durable.
    pub async fn send(&self, record: &Record) -> Result<Offset, AppendAtOnceError> {
        self.shared.append_within(record, self.shared.settings.admission_wait_max).await
    }

    /// Whether there is such a target, so that an event for it is taken.
    #[must_use]
    pub fn has_target(&self, target: &TargetName) -> bool {
        self.shared.lane(target.as_str()).is_some_and(|lane| lane.accepts())
    }

    /// Reads the events of one target from an offset on. Events before a lane's floor may be trimmed.
    #[must_use]
    pub fn reader(&self, target: &TargetName, from: Offset) -> LaneReader {
        LaneReader::new(&self.shared.journal, self.shared.frontier.subscribe(), target.clone(), from)
    }

    /// Reads whole records from an offset on, for copies owed to MQTT sessions.
    #[must_use]
    pub fn records(&self, from: Offset) -> RecordReader {
        RecordReader::new(&self.shared.journal, self.shared.frontier.subscribe(), from)
    }

    /// Reads the event for `target` at `position`; `None` when there is none. Blocks, usually for one
    /// short read.
    ///
    /// # Errors
    /// It was trimmed away, is damaged, or the disk fails.
    pub fn read(&self, target: &TargetName, position: Position) -> Result<Option<Delivery>, FetchError> {
        reader::delivery_at(&self.shared.journal, target, position)
    }

    /// Reads the record at `offset`; `None` when there is none. Blocks like [`read`](Self::read).
    ///
    /// # Errors
    /// It was trimmed away, is damaged, or the disk fails.
    pub fn record(&self, offset: Offset) -> Result<Option<Record>, FetchError> {
        reader::record_at(&self.shared.journal, offset)
    }

    /// The offset up to which records were counted and told to views; it follows the durable frontier.
    #[must_use]
    pub fn frontier(&self) -> watch::Receiver<Offset> {
        self.shared.frontier.subscribe()
    }

    /// Keeps the journal from `offset` on until the floor is raised or dropped.
    #[must_use]
    pub fn register_floor(&self, name: &str, offset: Offset) -> Floor {
        self.shared.floors.register(name, offset)
    }

    /// Begins to trim the journal. Call it once every view and floor is registered.
    pub fn begin_trimming(&self) {
        self.shared.tasks.spawn(crate::trim::run(Arc::clone(&self.shared)));
    }

    /// The books, by target and rule.
    #[must_use]
    pub fn ledger(&self) -> Vec<LedgerRow> {
        let mut rows = Vec::new();
        for lane in self.shared.all_lanes() {
            let books = lane.books.lock();
            rows.extend(books.rules().iter().map(|(rule, counts)| LedgerRow::new(&lane.name, rule, counts)));
        }
        rows
    }

    /// How many events of `rule` wait for `target`, as far as they were counted; zero for a target that is not known.
    #[must_use]
    pub fn waiting(&self, target: &str, rule: &str) -> u64 {
        self.shared.lane(target).map_or(0, |lane| lane.books.lock().waiting_of(rule))
    }

    /// Counts from the journal what waits and holds it against the books. Empty when they agree. Reads
    /// everything that waits, so it takes its time.
    pub async fn audit(&self) -> Vec<Disagreement> {
        let mut disagreements = Vec::new();
        for lane in self.shared.all_lanes() {
            let LaneAudit { booked, found } = self.shared.audit_lane(&lane).await;
            disagreements.extend(audit::compare(&lane.name, &booked, &found));
        }
        disagreements
    }

    /// What lanes do now.
    #[must_use]
    pub fn stats(&self) -> BusStats {
        let shared = &self.shared;
        BusStats {
            lanes: shared.all_lanes().iter().map(|lane| shared.lane_stats(lane)).collect(),
            unreadable_records: shared.unreadable_records.get(),
            error_documents_skipped: shared.error_documents_skipped.get(),
            refused_appends: shared.refused_appends.get(),
        }
    }

    /// Ends the lanes for a shutdown: no new calls, waits at most `time_max` for those in flight, then
    /// keeps cursors and counts durably. What is not settled by then is delivered after the next start.
    /// Appends go on to be durable; stop the producers first.
    ///
    /// # Errors
    /// Cursors could not be kept: the next start delivers again.
    pub async fn drain(&self, time_max: Duration) -> Result<(), StateError> {
        let deadline = Instant::now() + time_max;
        let ends = self.shared.all_lanes().into_iter().map(|lane| async move { lane.end(deadline).await });
        join_all(ends).await;
        while observer::step(&self.shared).position < *self.shared.journal.durable().borrow() {
            tokio::task::yield_now().await;
            if Instant::now() >= deadline {
                break;
            }
        }
        observer::commit(&self.shared, &mut self.shared.observer.state.lock());
        let checkpoints = self.shared.checkpoints.clone();
        match tokio::task::spawn_blocking(move || checkpoints.sync()).await {
            Ok(synced) => synced,
            // Only a runtime that is being shut down cancels it, and then nobody is left to be told.
            Err(_) => Ok(()),
        }
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(formatter)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Bus").field("lanes", &self.lanes.load().len()).finish_non_exhaustive()
    }
}

fn restored_lanes(
    checkpoints: &Checkpoints,
    row: &ObserverRow,
) -> Result<HashMap<TargetName, Arc<Lane>>, CheckpointError> {
    let mut lanes = HashMap::new();
    for (name, lane_row) in checkpoints.lanes()? {
        let accepted = row.accepted.get(name.as_str()).cloned().unwrap_or_default();
        let books = Books::restored(&accepted, lane_row.settled.clone());
        lanes.insert(name.clone(), Arc::new(Lane::new(name, Some(lane_row), books)));
    }
    // Counts and rows are written together, so this is a lane whose row somebody deleted: all of it that
    // is still in the journal is owed again.
    for (text, accepted) in &row.accepted {
        let name = TargetName::parse(text).map_err(|_| CheckpointError::Name(text.clone()))?;
        let lane = || {
            Arc::new(Lane::new(
                name.clone(),
                Some(LaneRow::default()),
                Books::restored(accepted, SettledHalf::default()),
            ))
        };
        lanes.entry(name.clone()).or_insert_with(lane);
    }
    Ok(lanes)
}

fn reopen_asides(
    lanes: &HashMap<TargetName, Arc<Lane>>,
    settings: Option<&AsideSettings>,
) -> Result<(), OpenError> {
    for (target, lane) in lanes {
        if lane.row().is_none_or(|row| row.aside.is_empty()) {
            continue;
        }
        let settings = settings.ok_or_else(|| OpenError::NoAside(target.clone()))?;
        let reopened = lane.aside.open(target, settings);
        reopened.map_err(|source| OpenError::Aside { target: target.clone(), source })?;
    }
    Ok(())
}

impl Shared {
    /// Counts what came after the last commit.
    fn count_backlog(&self) -> Result<(), OpenError> {
        let mut state = self.observer.state.lock();
        let mut records = 0_u64;
        while let Some(entry) = state.reader.next()? {
            observer::observe(self, &entry, false);
            records += 1;
        }
        self.frontier.send_replace(state.reader.position());
        for lane in self.all_lanes() {
            lane.books.lock().derive_waiting(state.reader.position());
            lane.level_gauge();
        }
        tracing::info!(records, lanes = self.all_lanes().len(), "bus opened");
        Ok(())
    }

    /// Keeps durably where the offsets of this run begin: see [`next_offset_min`](crate::next_offset_min).
    fn keep_beginning(&self) -> Result<(), OpenError> {
        let mut state = self.observer.state.lock();
        observer::write(self, &mut state)
            .and_then(|()| self.checkpoints.sync())
            .map_err(CheckpointError::from)?;
        Ok(())
    }

    pub(crate) fn lane(&self, target: &str) -> Option<Arc<Lane>> {
        self.lanes.load().get(target).cloned()
    }

    /// The lane, or a new one that nobody serves yet. None when the name can't be a target's.
    pub(crate) fn lane_or_new(&self, target: &str, offset: Offset) -> Option<Arc<Lane>> {
        if let Some(lane) = self.lane(target) {
            return Some(lane);
        }
        let name = TargetName::parse(target).ok()?;
        Some(self.add_lane(observer::undeclared(&name, offset)))
    }

    /// Adds a lane unless there is one of that name, and returns the one there is.
    pub(crate) fn add_lane(&self, lane: Lane) -> Arc<Lane> {
        let _adding = self.adding_lanes.lock();
        let known = self.lanes.load();
        if let Some(lane) = known.get(&lane.name) {
            return Arc::clone(lane);
        }
        let lane = Arc::new(lane);
        let mut lanes = HashMap::clone(&known);
        lanes.insert(lane.name.clone(), Arc::clone(&lane));
        self.lanes.store(Arc::new(lanes));
        lane
    }

    /// Every lane, by name.
    pub(crate) fn all_lanes(&self) -> Vec<Arc<Lane>> {
        let mut lanes: Vec<_> = self.lanes.load().values().cloned().collect();
        lanes.sort_by(|left, right| left.name.cmp(&right.name));
        lanes
    }

    async fn audit_lane(&self, lane: &Lane) -> LaneAudit {
        let commands = match &*lane.serving.lock() {
            Serving::Push(commands) => Some(commands.clone()),
            Serving::View(..) | Serving::Nobody => None,
        };
        if let Some(commands) = commands {
            let (reply, answer) = oneshot::channel();
            if commands.send(Command::Audit(reply)).await.is_ok()
                && let Ok(audit) = answer.await
            {
                return audit;
            }
        }
        self.audit_unserved(lane).await
    }

    /// A lane that has no task: what waits is what its row does not settle.
    async fn audit_unserved(&self, lane: &Lane) -> LaneAudit {
        let (booked, observed) = {
            // Between two records: within one, a view was told of what its books do not have as settled yet.
            let _between_records = self.observer.state.lock();
            let books = lane.books.lock();
            (audit::booked(&books), books.observed())
        };
        if booked.is_empty() {
            return LaneAudit::default();
        }
        let row = lane.row().unwrap_or_default();
        let source = LaneSource::new(&self.journal, self.frontier.subscribe(), lane, row.floor().offset);
        let counting = move || audit::count_waiting(source, row.floor(), &row.acked(), observed);
        let found = tokio::task::spawn_blocking(counting).await.unwrap_or_default();
        LaneAudit { booked, found }
    }

    fn lane_stats(&self, lane: &Lane) -> LaneStats {
        let serving = match &*lane.serving.lock() {
            _ if !lane.accepts() => ServingState::Removed,
            Serving::Nobody => ServingState::Nobody,
            Serving::Push(_) => ServingState::Push,
            Serving::View(..) => ServingState::View,
        };
        let waiting = lane.gauge.waiting();
        let (aside_bytes, moved_aside_events) = lane.aside.extent();
        let vitals = lane.vitals.lock();
        let now_ms = self.settings.clock.now_ms();
        LaneStats {
            target: lane.name.to_string(),
            serving,
            delivered: vitals.delivered,
            retried: vitals.retried,
            failures: vitals.failures.clone(),
            waiting_events: waiting.events,
            waiting_bytes: waiting.bytes,
            aside_bytes,
            moved_aside_events,
            lag_ms: vitals.oldest_since_ms.map_or(0, |since| now_ms.saturating_sub(since)),
            in_flight: vitals.in_flight,
            circuit: vitals.circuit.as_str(),
        }
    }
}

impl Lane {
    /// Ends the lane's task, if it has one.
    pub(crate) async fn end(&self, deadline: Instant) {
        let commands = match &*self.serving.lock() {
            Serving::Push(commands) => commands.clone(),
            Serving::View(..) | Serving::Nobody => return,
        };
        let (done, ended) = oneshot::channel();
        if commands.send(Command::End { deadline, done }).await.is_ok() {
            // An error means that the task is gone, which is what was asked for.
            let _ = ended.await;
        }
        *self.serving.lock() = Serving::Nobody;
    }
}
