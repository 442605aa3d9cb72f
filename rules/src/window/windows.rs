//! The open windows of a statement: rows in, closed windows out.
//!
//! A state machine without a clock, a disk or a thread: the same calls give the same results. What changed since it was
//! last asked for can be written away and restored from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::clock::Clock;
use super::close::{self, Closed};
use super::frame::Reach;
use super::group::{Group, Key};
use super::limits::{LateEvents, Limits};
use super::plan::WindowPlan;
use super::row::Row;
use crate::statement::Statement;

/// The open windows of a statement.
#[derive(Debug)]
pub struct Windows {
    pub(super) statement: Statement,
    limits: Limits,
    pub(super) clock: Clock,
    pub(super) open: BTreeMap<Key, Group>,
    /// The same by when they end; groups of one window in the order of their keys.
    due: BTreeSet<(i64, i64, Arc<[u8]>)>,
    /// The keys that were added, changed or taken away since changes were last taken.
    pub(super) changed: BTreeSet<Key>,
    pub(super) clock_changed: bool,
    /// What all groups weigh.
    bytes: usize,
}

/// What came of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It counts.
    Counted {
        /// In how many windows.
        windows: usize,
        /// How many more windows it belongs to had closed: it came late for a part of its hopping windows.
        missed: usize,
        /// Whether it came late and got the time of the watermark.
        adjusted: bool,
    },
    /// Every window it belongs to has closed, so it counts nowhere.
    Late,
    /// It can't be counted.
    Refused(Refusal),
}

/// Why a row can't be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The time of the event lies too far after its arrival: the clock of the device is wrong.
    Future,
    /// There are as many groups as there may be.
    Groups,
    /// The groups take as much memory as they may.
    Bytes,
    /// The row is of another statement.
    OtherStatement,
}

impl Windows {
    /// No windows yet; `None` when the statement has none.
    pub fn new(statement: &Statement, limits: Limits) -> Option<Self> {
        statement.window_plan()?;
        Some(Self {
            statement: statement.clone(),
            limits,
            clock: Clock::default(),
            open: BTreeMap::new(),
            due: BTreeSet::new(),
            changed: BTreeSet::new(),
            clock_changed: false,
            bytes: 0,
        })
    }

    /// How many groups there are over all open windows.
    pub fn groups(&self) -> usize {
        self.open.len()
    }

    /// When the first of the open windows ends, in milliseconds since 1970.
    pub fn first_end_ms(&self) -> Option<i64> {
        self.due.first().map(|(end_ms, ..)| *end_ms)
    }

    /// How many bytes of memory the groups take, roughly.
    pub fn state_bytes(&self) -> usize {
        self.bytes
    }

    /// The time that all events are taken to have come up to: windows that end before it are closed. `None` before the
    /// first event.
    pub fn watermark_ms(&self) -> Option<i64> {
        self.clock.watermark_ms
    }

    /// Adds a row that arrived at `arrived_ms`. It costs as much as it belongs to windows, however many there are.
    ///
    /// Nothing closes here: [`Windows::advance`] gives what the row has made due.
    pub fn add(&mut self, row: &Row, arrived_ms: u64) -> Added {
        let statement = self.statement.clone();
        let Some(plan) = statement.window_plan().filter(|plan| row.is_of(plan)) else {
            return Added::Refused(Refusal::OtherStatement);
        };
        let arrived = i64::try_from(arrived_ms).unwrap_or(i64::MAX).min(super::frame::TIME_MS_MAX);
        let watermark = self.clock.watermark_ms.unwrap_or(i64::MIN);
        let event = match row.time {
            Some(time) if time - arrived > self.limits.future_ms_max.try_into().unwrap_or(i64::MAX) => {
                return Added::Refused(Refusal::Future);
            }
            Some(time) => time,
            // Two connections may be overtaken by one another on the way here; arrival never is late.
            None => arrived.max(watermark),
        };
        let lateness_ms = if row.time.is_some() { self.limits.lateness_ms } else { 0 };
        let mut added = self.place(plan, row, event);
        if added == Added::Late && self.limits.late_events == LateEvents::Adjust {
            added = match self.place(plan, row, event.max(watermark)) {
                Added::Counted { windows, missed, .. } => Added::Counted { windows, missed, adjusted: true },
                other => other,
            };
        }
        if !matches!(added, Added::Refused(_)) {
            // A clock that is fast is no reason to take those of others for late: no event moves time beyond its arrival.
            self.clock.event(event.min(arrived.max(watermark)), arrived_ms, lateness_ms);
            self.clock_changed = true;
        }
        added
    }

    fn place(&mut self, plan: &WindowPlan, row: &Row, time_ms: i64) -> Added {
        match Reach::of(plan.frame) {
            Some(reach) => self.add_to_session(plan, reach, row, time_ms),
            None => self.add_to_windows(plan, row, time_ms),
        }
    }

    fn add_to_windows(&mut self, plan: &WindowPlan, row: &Row, time_ms: i64) -> Added {
        let clock = &self.clock;
        let (missed, windows): (Vec<_>, Vec<_>) =
            plan.frame.windows(time_ms).partition(|(_, end)| clock.has_passed(*end));
        if windows.is_empty() {
            return Added::Late;
        }
        let group = self.group_key(row);
        let key = |start_ms| Key { group: Arc::clone(&group), start_ms };
        let new = windows.iter().filter(|(start, _)| !self.open.contains_key(&key(*start))).count();
        if let Some(refusal) = self.refusal(row, new, windows.len()) {
            return Added::Refused(refusal);
        }
        for (start, end) in &windows {
            let mut kept = self.take(&key(*start)).unwrap_or_else(|| Group::start(plan, *end, time_ms));
            kept.add(plan, row, time_ms, self.clock.events);
            self.put(key(*start), kept);
        }
        Added::Counted { windows: windows.len(), missed: missed.len(), adjusted: false }
    }

    fn add_to_session(&mut self, plan: &WindowPlan, reach: Reach, row: &Row, time_ms: i64) -> Added {
        let group = self.group_key(row);
        let at = Key { group: Arc::clone(&group), start_ms: time_ms };
        let is_open =
            |(key, kept): &(&Key, &Group)| key.group == group && !self.clock.has_passed(kept.end_ms);
        let before = self.open.range(..=&at).next_back().filter(is_open);
        let before = before.filter(|(_, kept)| kept.last_ms >= time_ms || reach.joins(kept.last_ms, time_ms));
        let after = self.open.range(&at..).next().filter(is_open);
        let after = after.filter(|(key, _)| key.start_ms > time_ms && reach.joins(time_ms, key.start_ms));
        let (before, after) = (before.map(|(key, _)| key.clone()), after.map(|(key, _)| key.clone()));
        let is_new = before.is_none() && after.is_none();
        if is_new && self.clock.has_passed(reach.end(time_ms)) {
            return Added::Late;
        }
        if let Some(refusal) = self.refusal(row, usize::from(is_new), 1) {
            return Added::Refused(refusal);
        }
        let key = before.clone().unwrap_or(at);
        let mut session = before
            .and_then(|before| self.take(&before))
            .unwrap_or_else(|| Group::start(plan, reach.end(time_ms), time_ms));
        session.add(plan, row, time_ms, self.clock.events);
        if let Some(after) = after.and_then(|after| self.take(&after)) {
            session.merge(plan, after);
        }
        session.end_ms = reach.end(session.last_ms);
        self.put(key, session);
        Added::Counted { windows: 1, missed: 0, adjusted: false }
    }

    /// The group's key; the same memory for all its windows where one is open.
    fn group_key(&self, row: &Row) -> Arc<[u8]> {
        let first = Key { group: Arc::from(&*row.group), start_ms: i64::MIN };
        let known = self.open.range(&first..).next().filter(|(key, _)| key.group == first.group);
        known.map_or(first.group, |(key, _)| Arc::clone(&key.group))
    }

    /// Whether there is no room for a row that adds `new` groups and is counted in `windows`.
    fn refusal(&self, row: &Row, new: usize, windows: usize) -> Option<Refusal> {
        if self.open.len() + new > self.limits.groups_max {
            return Some(Refusal::Groups);
        }
        let grown = row.weight().saturating_mul(windows);
        let is_full = self.bytes.saturating_add(grown) > self.limits.state_bytes_max;
        is_full.then_some(Refusal::Bytes)
    }

    pub(super) fn put(&mut self, key: Key, group: Group) {
        self.bytes = self.bytes.saturating_add(group.weight() + key.group.len());
        self.due.insert((group.end_ms, key.start_ms, Arc::clone(&key.group)));
        self.changed.insert(key.clone());
        self.open.insert(key, group);
    }

    fn take(&mut self, key: &Key) -> Option<Group> {
        let group = self.open.remove(key)?;
        self.bytes = self.bytes.saturating_sub(group.weight() + key.group.len());
        self.due.remove(&(group.end_ms, key.start_ms, Arc::clone(&key.group)));
        self.changed.insert(key.clone());
        Some(group)
    }

    /// Moves time on to `now_ms` and closes at most `most` windows' groups that are due, in the order of the ends of
    /// their windows; as long as it gives as many there may be more.
    ///
    /// `now_ms` is the time of day up to which every message that arrived has been added. While messages wait to be
    /// added it is the time at which the first of these arrived.
    pub fn advance(&mut self, now_ms: u64, most: usize) -> Vec<Closed> {
        let statement = self.statement.clone();
        let Some(plan) = statement.window_plan() else { return Vec::new() };
        let before = self.clock.clone();
        match plan.time {
            Some(_) => self.clock.idle(now_ms, &self.limits),
            None if self.clock.events > 0 => self.clock.pass(i64::try_from(now_ms).unwrap_or(i64::MAX)),
            None => {}
        }
        self.clock_changed |= self.clock != before;
        let mut closed = Vec::new();
        while closed.len() < most {
            let Some((end, start_ms, group)) = self.due.first() else { break };
            if !self.clock.has_passed(*end) {
                break;
            }
            let key = Key { group: Arc::clone(group), start_ms: *start_ms };
            let Some(group) = self.take(&key) else { break };
            closed.push(close::close(&statement, plan, &key, &group));
        }
        closed
    }

    /// The time of day at which [`Windows::advance`] closes the next window if no message comes; zero when one is due
    /// already, `None` while no window is open.
    pub fn next_due(&self) -> Option<u64> {
        let (end, ..) = self.due.first()?;
        let is_by_arrival = self.statement.window_plan().is_some_and(|plan| plan.time.is_none());
        Some(if self.clock.has_passed(*end) {
            0
        } else if is_by_arrival {
            u64::try_from(*end + 1).unwrap_or(0)
        } else {
            self.clock.idle_due_ms(*end, &self.limits)
        })
    }
}

impl Row {
    fn is_of(&self, plan: &WindowPlan) -> bool {
        self.fingerprint == plan.fingerprint
            && self.inputs.len() == plan.inputs.len()
            && self.time.is_some() == plan.time.is_some()
            && self.time.is_none_or(|time| (0..=super::frame::TIME_MS_MAX).contains(&time))
    }

    /// The most by which a group grows with this row.
    fn weight(&self) -> usize {
        self.group.len()
            + 128 * (self.inputs.len() + 1)
            + self.inputs.iter().map(|input| input.weight()).sum::<usize>()
    }
}
