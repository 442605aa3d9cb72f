//! Counting what becomes durable: one pass over the journal, in order, for everybody.
//!
//! The observer reads each record's head once, counts its events as accepted, tells views, and then moves
//! the frontier up to which lanes may read. So no event is settled before it was counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use journal::state::StateError;
use journal::{Entry, ReadError, Reader};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::admission::Load;
use crate::bus::Shared;
use crate::checkpoint::{LaneRow, ObserverRow};
use crate::lane::{Lane, Serving};
use crate::ledger::{Again, Books, DropReason, Settlement};
use crate::record::{DecodeError, Head, Record};
use crate::{Delivery, Offset, TargetName};

/// Most records counted before the frontier is moved, so that lanes begin while a backlog is counted.
const RECORDS_PER_STEP_MAX: usize = 256;

/// How long to leave a disk alone that fails to read.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What the observer holds while it works; whoever joins or leaves the views takes it first.
pub(crate) struct Observer {
    pub(crate) state: Mutex<State>,
    /// The offset up to which counts were committed.
    committed: AtomicU64,
}

pub(crate) struct State {
    pub(crate) reader: Reader,
    dirty: bool,
    last_commit: Option<Instant>,
}

impl Observer {
    pub(crate) fn new(reader: Reader) -> Self {
        let committed = AtomicU64::new(reader.position().0);
        Self { state: Mutex::new(State { reader, dirty: false, last_commit: None }), committed }
    }

    pub(crate) fn committed(&self) -> Offset {
        Offset(self.committed.load(Ordering::Acquire))
    }
}

/// Runs until the bus is gone.
pub(crate) async fn run(bus: Arc<Shared>) {
    let mut settled = bus.journal.settled();
    loop {
        settled.borrow_and_update();
        let Step { position, failed } = step(&bus);
        let is_behind = position < bus.journal.frontier();
        let commit_at = commit_if_due(&bus);
        if is_behind {
            if failed {
                tokio::time::sleep(READ_AGAIN_AFTER).await;
            }
            tokio::task::yield_now().await;
            if bus.stop.is_cancelled() {
                return;
            }
            continue;
        }
        tokio::select! {
            changed = settled.changed() => if changed.is_err() {
                // The journal is closed: nothing becomes durable any more.
                bus.stop.cancelled().await;
                return;
            },
            () = sleep_until(commit_at) => {}
            () = bus.stop.cancelled() => return,
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// How far a step came.
pub(crate) struct Step {
    pub(crate) position: Offset,
    /// The disk fails; there is no use in going on at once.
    failed: bool,
}

/// Counts some records.
pub(crate) fn step(bus: &Shared) -> Step {
    let mut state = bus.observer.state.lock();
    let mut failed = false;
    let settled = *bus.journal.settled().borrow();
    for _ in 0..RECORDS_PER_STEP_MAX {
        match state.reader.next() {
            Ok(Some(entry)) => {
                state.dirty = true;
                observe(bus, &entry, true);
            }
            Ok(None) => break,
            Err(ReadError::Trimmed { wanted, oldest }) => {
                tracing::error!(%wanted, %oldest, "the journal was trimmed past what was counted");
                state.reader.seek(oldest);
            }
            Err(error) => {
                tracing::error!(%error, "the journal can't be read, trying again");
                failed = true;
                break;
            }
        }
    }
    let position = state.reader.position();
    bus.frontier.send_if_modified(|frontier| std::mem::replace(frontier, position) != position);
    // Once all is counted that is durable, what else was settled by then has failed.
    let is_all = position >= bus.journal.frontier();
    bus.on_their_way.release_before(if is_all { position.max(settled) } else { position });
    Step { position, failed }
}

/// Counts one record. Views are told only when the bus is open: what was durable before, they read when
/// they join.
pub(crate) fn observe(bus: &Shared, entry: &Entry, is_open: bool) {
    let head = match Head::decode(&entry.payload) {
        Ok(head) => head,
        Err(error) => return unreadable(bus, entry.offset, &error),
    };
    let again = Again { redriven: head.is_redriven(), replayed: head.is_replayed() };
    for route in head.routes() {
        let Some(lane) = bus.lane_or_new(route.target, entry.offset) else { continue };
        let bytes = u64::from(route.bytes);
        lane.books.lock().accept(route.rule, bytes, again, entry.offset);
        if is_open && !matches!(*lane.serving.lock(), Serving::View(..)) {
            lane.gauge.add(Load { events: 1, bytes });
            lane.news.notify_one();
        }
    }
    if is_open {
        tell_views(bus, &head, entry);
    }
}

fn tell_views(bus: &Shared, head: &Head, entry: &Entry) {
    let mut record = None;
    for target in head.targets() {
        let Some(lane) = bus.lane(target) else { continue };
        let view = match &*lane.serving.lock() {
            Serving::View(view, _) => Arc::clone(view),
            Serving::Nobody | Serving::Push(_) => continue,
        };
        if record.is_none() {
            record = Some(Record::decode_events_behind(head, &entry.payload));
        }
        match &record {
            Some(Ok(record)) => {
                let deliveries = Delivery::all_from_record(record, &lane.name, entry.offset);
                let declined = view.observe(&deliveries);
                let mut books = lane.books.lock();
                for (index, reason) in declined {
                    if let Some(delivery) = deliveries.get(index) {
                        books.settle(&delivery.rule, 0, Settlement::Dropped(reason));
                    }
                }
                // The rest, and the bytes of all.
                books.settle_all(Settlement::Delivered);
            }
            Some(Err(error)) => {
                unreadable(bus, entry.offset, error);
                lane.books.lock().settle_all(Settlement::Dropped(DropReason::Unreadable));
            }
            None => {}
        }
    }
}

fn unreadable(bus: &Shared, offset: Offset, error: &DecodeError) {
    bus.unreadable_records.add(1);
    tracing::error!(%offset, %error, "a record can't be read, its events are not counted");
}

/// Commits counts, and the rows of views with them; says when that is due next.
fn commit_if_due(bus: &Shared) -> Option<Instant> {
    let mut state = bus.observer.state.lock();
    if !state.dirty {
        return None;
    }
    let due = state.last_commit.map(|last| last + bus.settings.commit_interval);
    if let Some(due) = due.filter(|due| Instant::now() < *due) {
        return Some(due);
    }
    commit(bus, &mut state);
    state.dirty.then(|| Instant::now() + bus.settings.commit_interval)
}

/// Commits counts now, lazily. What can't be kept is counted again after a restart.
pub(crate) fn commit(bus: &Shared, state: &mut State) {
    if let Err(error) = write(bus, state) {
        tracing::error!(%error, "what was counted could not be kept");
    }
    // Their floors follow, or what others have long read could not be trimmed.
    bus.all_lanes().iter().for_each(|lane| lane.news.notify_one());
}

/// Writes counts now, lazily.
pub(crate) fn write(bus: &Shared, state: &mut State) -> Result<(), StateError> {
    let next = state.reader.position();
    state.last_commit = Some(Instant::now());
    let mut row = ObserverRow { next: next.0, ..ObserverRow::default() };
    let mut rows = Vec::new();
    let mut batch = bus.checkpoints.batch();
    for lane in bus.all_lanes() {
        row.accepted.insert(lane.name.to_string(), lane.books.lock().accepted_half());
        if let Some(lane_row) = row_of(&lane, next) {
            bus.checkpoints.put_lane(&mut batch, &lane.name, &lane_row)?;
            rows.push((lane, lane_row));
        }
    }
    bus.checkpoints.put_observer(&mut batch, &row)?;
    batch.commit_lazily()?;
    state.dirty = false;
    bus.observer.committed.store(next.0, Ordering::Release);
    rows.into_iter().for_each(|(lane, row)| lane.committed(row));
    Ok(())
}

/// The row of a lane that has no task to write it: a view's, or that of a lane which nobody serves. What a view was told is settled,
/// up to `next`, though its floor may be far behind that.
fn row_of(lane: &Lane, next: Offset) -> Option<LaneRow> {
    let floor = match &*lane.serving.lock() {
        Serving::View(_, floor) => floor.get(),
        Serving::Nobody => return lane.row(),
        Serving::Push(_) => return None,
    };
    let settled = lane.books.lock().settled_half();
    let told =
        next.0.checked_sub(1).filter(|last| *last >= floor.0).map(|last| ((floor.0, 0), (last, u16::MAX)));
    let acked = told.into_iter().collect();
    Some(LaneRow { settled, acked, removed: !lane.accepts(), ..LaneRow::starting_at(floor) })
}

/// A lane for a target that a record names though nobody declared it: what is owed to it waits.
pub(crate) fn undeclared(name: &TargetName, offset: Offset) -> Lane {
    tracing::warn!(target_name = %name, %offset, "a record names a target that is not declared, its events wait");
    Lane::new(name.clone(), Some(LaneRow::starting_at(offset)), Books::default())
}
