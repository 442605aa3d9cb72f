//! The loop of one push lane.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::acks::Acks;
use super::circuit::Circuit;
use super::dispatch::Returned;
use super::give_up::Dying;
use super::rate::Rate;
use super::schedule::Schedule;
use super::source::LaneSource;
use super::{Command, Lane, LaneAudit};
use crate::audit::count_waiting;
use crate::bus::Shared;
use crate::checkpoint::LaneRow;
use crate::ledger::DropReason;
use crate::settings::DeliverySettings;
use crate::{Offset, Position, Target};

/// How long closing a target may take.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(5);

/// Longest time without a look at the clock, for expiry by age.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Everything a push lane owns.
pub(crate) struct LaneTask {
    pub(super) lane: Arc<Lane>,
    pub(super) bus: Arc<Shared>,
    pub(super) target: Arc<dyn Target>,
    pub(super) settings: DeliverySettings,
    /// Set when the target is gone for good and what waits is dropped for this reason.
    pub(super) discard: Option<DropReason>,
    pub(super) source: Arc<Mutex<LaneSource>>,
    /// Everything before this was read.
    pub(super) read_to: Offset,
    pub(super) frontier: watch::Receiver<Offset>,
    /// What was settled above the floor when the lane was opened.
    pub(super) resume: VecDeque<(Position, Position)>,
    pub(super) resume_floor: Position,
    pub(super) next_sequence: u64,
    pub(super) acks: Acks,
    pub(super) schedule: Schedule,
    pub(super) circuit: Circuit,
    pub(super) rate: Rate,
    pub(super) rate_not_before: Option<Instant>,
    pub(super) in_flight: JoinSet<Returned>,
    /// What each call in flight holds, for a call that panics.
    pub(super) calls: HashMap<tokio::task::Id, Vec<u64>>,
    pub(super) dying: Vec<Dying>,
    pub(super) bury_not_before: Option<Instant>,
    pub(super) read_not_before: Option<Instant>,
    /// What is to be given up could not be read.
    pub(super) give_up_not_before: Option<Instant>,
    /// The last failure, told about events that expire without a try of their own.
    pub(super) last_error: (String, String),
    pub(super) rules: HashMap<String, Arc<str>>,
    /// Something to commit.
    pub(super) dirty: bool,
    /// Events were dropped and no durable row says so yet; until one does, nothing behind them goes to the target.
    pub(super) has_dropped: bool,
    last_commit: Instant,
    commands: mpsc::Receiver<Command>,
    replacement: Option<(Arc<dyn Target>, Box<DeliverySettings>)>,
    pub(super) ending: Option<(Instant, oneshot::Sender<()>)>,
    stop: CancellationToken,
}

/// What the loop waited for.
enum Happened {
    Returned,
    Asked(Option<Command>),
    MoreToRead,
    Time,
    Stopped,
}

impl LaneTask {
    pub(crate) fn new(
        lane: Arc<Lane>,
        bus: Arc<Shared>,
        (target, settings): (Arc<dyn Target>, DeliverySettings),
        row: &LaneRow,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let floor = row.floor();
        let frontier = bus.frontier.subscribe();
        let source = LaneSource::new(&bus.journal, frontier.clone(), &lane, floor.offset);
        let stop = bus.stop.clone();
        Self {
            circuit: Circuit::new(settings.circuit_failures_max),
            rate: rate_of(&settings),
            rate_not_before: None,
            resume: row.acked().into(),
            resume_floor: floor,
            lane,
            bus,
            target,
            settings,
            discard: None,
            source: Arc::new(Mutex::new(source)),
            read_to: floor.offset,
            frontier,
            next_sequence: 0,
            acks: Acks::default(),
            schedule: Schedule::default(),
            in_flight: JoinSet::new(),
            calls: HashMap::new(),
            dying: Vec::new(),
            bury_not_before: None,
            read_not_before: None,
            give_up_not_before: None,
            last_error: (String::new(), String::new()),
            rules: HashMap::new(),
            dirty: false,
            has_dropped: false,
            last_commit: Instant::now(),
            commands,
            replacement: None,
            ending: None,
            stop,
        }
    }

    /// Settles what waits instead of delivering it.
    pub(crate) fn discarding(mut self, reason: Option<DropReason>) -> Self {
        self.discard = reason;
        self
    }

    /// Runs until told to end, or until the bus is gone.
    pub(crate) async fn run(mut self) {
        loop {
            let now = Instant::now();
            self.turn(now).await;
            if self.is_over() {
                return self.end().await;
            }
            match self.wait(now).await {
                Happened::Returned | Happened::MoreToRead | Happened::Time => {}
                Happened::Asked(Some(command)) => self.obey(command).await,
                Happened::Asked(None) | Happened::Stopped => return,
            }
        }
    }

    /// Does whatever can be done without waiting for the target.
    async fn turn(&mut self, now: Instant) {
        self.schedule.wake(now);
        if self.ending.is_none() {
            self.fill(now).await;
        }
        self.give_up_and_bury(now).await;
        self.commit_drops(now).await;
        if self.replacement.is_some() && self.in_flight.is_empty() {
            self.replace().await;
        }
        if self.ending.is_none() && self.replacement.is_none() {
            self.dispatch(now).await;
        }
        self.find_lost();
        self.commit_if_due(now);
        self.tell();
    }

    async fn give_up_and_bury(&mut self, now: Instant) {
        self.give_up_not_before = self.give_up_not_before.filter(|at| *at > now);
        loop {
            let owed = self.schedule.len();
            let is_more = self.ending.is_none() && (self.shed().await | self.expire(now).await);
            self.bury(now).await;
            // A round in which nothing could be read, and so nothing left, would be followed by more of the same.
            if !is_more || !self.dying.is_empty() || self.schedule.len() == owed {
                return;
            }
        }
    }

    /// Waits for what the turn of `now` could not do.
    async fn wait(&mut self, now: Instant) -> Happened {
        let reads_on = self.reads_on();
        let wake = self.next_wake(now);
        let read_to = self.read_to;
        let aside = Arc::clone(&self.lane.aside);
        tokio::select! {
            returned = self.in_flight.join_next_with_id(), if !self.in_flight.is_empty() => {
                self.take_back(returned);
                while let Some(returned) = self.in_flight.try_join_next_with_id() {
                    self.take_back(Some(returned));
                }
                Happened::Returned
            }
            command = self.commands.recv() => Happened::Asked(command),
            () = more(&self.lane, &mut self.frontier, read_to), if reads_on => Happened::MoreToRead,
            () = aside.changed.notified() => {
                self.dirty = true;
                Happened::Time
            }
            () = tokio::time::sleep_until(wake) => Happened::Time,
            () = self.stop.cancelled() => Happened::Stopped,
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Replace { target, settings, noted } => {
                self.replacement = Some((target, settings));
                // Nobody waits any more when this fails.
                let _ = noted.send(());
            }
            Command::End { deadline, done } => self.ending = Some((deadline, done)),
            Command::Audit(reply) => {
                let audit = self.audit().await;
                // Nobody waits any more when this fails.
                let _ = reply.send(audit);
            }
        }
    }

    async fn replace(&mut self) {
        let Some((target, settings)) = self.replacement.take() else { return };
        *self.lane.target.lock() = Some(Arc::clone(&target));
        let old = std::mem::replace(&mut self.target, target);
        close(&old, &self.lane).await;
        self.circuit = Circuit::new(settings.circuit_failures_max);
        self.rate = rate_of(&settings);
        self.lane.gauge.set_limits(settings.limits);
        self.settings = *settings;
    }

    fn is_over(&self) -> bool {
        let is_late = |deadline: Instant| Instant::now() >= deadline;
        self.ending.as_ref().is_some_and(|(deadline, _)| self.in_flight.is_empty() || is_late(*deadline))
    }

    /// Leaves the lane as a restart can take it up.
    async fn end(mut self) {
        self.in_flight.shutdown().await;
        match (self.dying.is_empty(), self.has_dropped) {
            (true, true) => self.commit_drops_now().await,
            (true, false) => self.commit(),
            // They are owed again; without them nothing may be committed.
            (false, _) => {}
        }
        close(&self.target, &self.lane).await;
        self.lane.target.lock().take();
        self.tell();
        if let Some((_, done)) = self.ending.take() {
            // Nobody waits any more when this fails.
            let _ = done.send(());
        }
    }

    /// When there is something to do though nothing happened, after the turn of `now`.
    fn next_wake(&self, now: Instant) -> Instant {
        let linger = self.schedule.ready().1.map(|since| since + self.settings.batch_linger);
        let commit = self.dirty.then(|| self.last_commit + self.bus.settings.commit_interval);
        let probe = match self.circuit.permit(now) {
            super::circuit::Permit::NotBefore(at) => Some(at),
            _ => None,
        };
        let deadline = self.ending.as_ref().map(|(deadline, _)| *deadline);
        let times = [
            self.schedule.next_wake(),
            linger,
            commit,
            probe,
            self.rate_not_before,
            deadline,
            self.bury_not_before,
            self.read_not_before,
            self.give_up_not_before,
            self.next_expiry(now),
        ];
        // Times up to `now` were acted upon in that turn, or wait for something else to happen. What has
        // come due since is in the past by the time it is slept for, and so is acted upon at once.
        times.into_iter().flatten().filter(|at| *at > now).min().unwrap_or(now + IDLE_MAX)
    }

    /// The position up to which everything is settled.
    pub(super) fn floor(&self) -> Position {
        let read = Position { offset: self.read_to, ordinal: 0 };
        let owed = self.schedule.oldest().map(|item| item.position);
        owed.map_or(read, |owed| owed.min(read)).max(self.resume_floor)
    }

    /// The row as it is now; what is dying counts as settled in the cursor but not in the counts.
    pub(super) fn row(&self) -> LaneRow {
        let pair = |position: Position| (position.offset.0, position.ordinal);
        // What was settled before the lane was opened and is not yet read again stays settled.
        let floor = self.floor();
        let above = self.acks.above().chain(self.resume.iter().copied()).filter(|(_, last)| *last >= floor);
        LaneRow {
            floor: pair(floor),
            acked: above.map(|(first, last)| (pair(first), pair(last))).collect(),
            removed: !self.lane.accepts(),
            settled: self.lane.books.lock().settled_half(),
            aside: self.lane.aside.row_at(floor.offset),
        }
    }

    fn commit_if_due(&mut self, now: Instant) {
        // What was dropped is committed durably, see `commit_drops`.
        if self.dirty && self.dying.is_empty() && !self.has_dropped && self.is_commit_due(now) {
            self.commit();
        }
    }

    pub(super) fn is_commit_due(&self, now: Instant) -> bool {
        now >= self.last_commit + self.bus.settings.commit_interval
    }

    /// Commits cursor and counts, lazily: losing them means delivering again.
    fn commit(&mut self) {
        let row = self.row();
        let mut batch = self.bus.checkpoints.batch();
        let put = self.bus.checkpoints.put_lane(&mut batch, &self.lane.name, &row);
        match put.and_then(|()| batch.commit_lazily()) {
            Ok(()) => self.note_commit(row),
            Err(error) => {
                tracing::error!(target_name = %self.lane.name, %error, "the lane's cursor could not be kept");
                self.last_commit = Instant::now();
            }
        }
    }

    pub(super) fn note_commit(&mut self, row: LaneRow) {
        self.lane.committed(row);
        self.dirty = false;
        self.last_commit = Instant::now();
    }

    fn tell(&self) {
        let mut vitals = self.lane.vitals.lock();
        vitals.in_flight = self.in_flight.len();
        vitals.circuit = self.circuit.state(Instant::now());
        vitals.oldest_since_ms = self.schedule.oldest().map(|item| item.since_ms);
    }

    async fn audit(&self) -> LaneAudit {
        let (booked, observed) = {
            let books = self.lane.books.lock();
            (crate::audit::booked(&books), books.observed())
        };
        let mut found: BTreeMap<String, u64> = BTreeMap::new();
        let known = self.schedule.items().map(|item| &item.rule);
        for rule in known.chain(self.dying.iter().map(|dying| &dying.item.rule)) {
            *found.entry(rule.to_string()).or_default() += 1;
        }
        let unread = Position { offset: self.read_to, ordinal: 0 }.max(self.resume_floor);
        let acked: Vec<_> = self.resume.iter().copied().collect();
        let source = LaneSource::new(&self.bus.journal, self.frontier.clone(), &self.lane, unread.offset);
        let counting = move || count_waiting(source, unread, &acked, observed);
        let rest = tokio::task::spawn_blocking(counting).await.unwrap_or_default();
        rest.into_iter().for_each(|(rule, count)| *found.entry(rule).or_default() += count);
        LaneAudit { booked, found }
    }
}

fn rate_of(settings: &DeliverySettings) -> Rate {
    Rate::new(settings.rate_per_second_max, settings.batch_events_max, Instant::now())
}

/// Waits until there is something to read from `offset` on. Most records are for other lanes: they wake this one only as often as counts
/// are committed.
async fn more(lane: &Lane, frontier: &mut watch::Receiver<Offset>, offset: Offset) {
    while lane.owes_nothing_from(offset) {
        lane.news.notified().await;
        if *frontier.borrow() > offset {
            return;
        }
    }
    pass(frontier, offset).await;
}

/// Waits until the frontier is beyond an offset; for ever once the bus is closed.
async fn pass(frontier: &mut watch::Receiver<Offset>, offset: Offset) {
    if frontier.wait_for(|frontier| *frontier > offset).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn close(target: &Arc<dyn Target>, lane: &Lane) {
    if tokio::time::timeout(CLOSE_TIME_MAX, target.close()).await.is_err() {
        tracing::warn!(target_name = %lane.name, seconds_max = CLOSE_TIME_MAX.as_secs(), "the target did not close in time");
    }
}
