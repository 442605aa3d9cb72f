//! A lane: everything owed to one target, in order, until it is settled.
//!
//! ```text
//! aside, then
//! journal ─► fill ─► Schedule ─► dispatch ─► Target::deliver ─► settle ─► Acks, books ─► commit
//!                     (order per key)          (Circuit)          │ retry: back to Schedule
//!                                                                 └ given up: dead letter, error document
//! ```
//!
//! [`Lane`] is what everybody sees; [`task`] is the loop that owns the rest of a push lane's state. The
//! pure parts ([`acks`], [`schedule`], [`circuit`], [`rate`], [`retry`]) know no clock and no disk.
//!
//! Tries and backoff of an event are not persisted: after a restart it is tried anew.

pub(crate) mod acks;
pub mod circuit;
mod dispatch;
mod fill;
mod give_up;
mod rate;
pub(crate) mod retry;
pub(crate) mod schedule;
#[cfg(test)]
mod schedule_tests;
mod settle;
pub(crate) mod source;
pub(crate) mod task;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use crate::admission::{Gauge, Load};
use crate::aside::Aside;
use crate::checkpoint::LaneRow;
use crate::floors::FloorCell;
use crate::ledger::Books;
use crate::settings::{DeliverySettings, LaneLimits};
use crate::stats::Vitals;
use crate::{Offset, Target, TargetName, View};

/// What everybody sees of a lane.
pub(crate) struct Lane {
    pub(crate) name: TargetName,
    pub(crate) gauge: Arc<Gauge>,
    pub(crate) books: Mutex<Books>,
    pub(crate) serving: Mutex<Serving>,
    pub(crate) vitals: Mutex<Vitals>,
    pub(crate) aside: Arc<Aside>,
    /// Rung when there may be something for its task to read: an event, or so much for others that its floor should follow.
    pub(crate) news: Notify,
    /// The target of a push lane, to be asked for its health.
    pub(crate) target: Mutex<Option<Arc<dyn Target>>>,
    /// The row last committed; none for a lane that was never committed.
    row: Mutex<Option<LaneRow>>,
    accepts: AtomicBool,
}

/// Who takes the lane's events.
pub(crate) enum Serving {
    /// Nobody: they wait.
    Nobody,
    /// The task of a push lane.
    Push(mpsc::Sender<Command>),
    /// A view.
    View(Arc<dyn View>, Arc<FloorCell>),
}

/// What a lane's task is asked to do.
pub(crate) enum Command {
    /// Makes no more calls to its target, and goes on with another once those in flight are back.
    Replace { target: Arc<dyn Target>, settings: Box<DeliverySettings>, noted: oneshot::Sender<()> },
    /// Ends: no new calls, waits for those in flight until the deadline, commits durably, closes the target.
    End { deadline: Instant, done: oneshot::Sender<()> },
    /// Counts what waits, by rule, from the journal and not from the books.
    Audit(oneshot::Sender<LaneAudit>),
}

/// What waits in a lane, counted twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LaneAudit {
    pub(crate) booked: BTreeMap<String, u64>,
    pub(crate) found: BTreeMap<String, u64>,
}

impl Lane {
    pub(crate) fn new(name: TargetName, row: Option<LaneRow>, books: Books) -> Self {
        Self {
            name,
            gauge: Arc::new(Gauge::new(LaneLimits::default())),
            books: Mutex::new(books),
            serving: Mutex::new(Serving::Nobody),
            vitals: Mutex::new(Vitals::default()),
            aside: Arc::new(Aside::new(row.as_ref().map(|row| row.aside.clone()).unwrap_or_default())),
            news: Notify::new(),
            target: Mutex::new(None),
            accepts: AtomicBool::new(row.as_ref().is_none_or(|row| !row.removed)),
            row: Mutex::new(row),
        }
    }

    /// Whether appends may name it.
    pub(crate) fn accepts(&self) -> bool {
        self.accepts.load(Ordering::Acquire)
    }

    pub(crate) fn set_accepts(&self, accepts: bool) {
        self.accepts.store(accepts, Ordering::Release);
    }

    /// Whether nothing that was counted from `offset` on is the lane's. What stands before the frontier was counted.
    pub(crate) fn owes_nothing_from(&self, offset: Offset) -> bool {
        self.books.lock().observed() <= offset
    }

    pub(crate) fn row(&self) -> Option<LaneRow> {
        self.row.lock().clone()
    }

    /// Notes what was committed.
    pub(crate) fn committed(&self, row: LaneRow) {
        *self.row.lock() = Some(row);
    }

    /// The offset from which the lane still needs the journal, as committed; `None` when it needs nothing.
    pub(crate) fn floor(&self) -> Option<Offset> {
        match &*self.serving.lock() {
            Serving::View(_, floor) => Some(floor.get()),
            Serving::Push(_) => Some(self.committed_floor()),
            Serving::Nobody if self.books.lock().waiting() == 0 => None,
            Serving::Nobody => Some(self.committed_floor()),
        }
    }

    fn committed_floor(&self) -> Offset {
        self.row.lock().as_ref().map_or(Offset(0), LaneRow::needed_from)
    }

    /// Sets the gauge to what the books say is waiting.
    pub(crate) fn level_gauge(&self) {
        let books = self.books.lock();
        self.gauge.set(Load { events: books.waiting(), bytes: books.waiting_bytes() });
    }
}

/// A counter that wraps never in practice and orders nothing.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
