//! Room in the lanes: who may append, who waits, who is refused.
//!
//! A gauge counts what waits for one target. An append reserves its part before it goes to the journal.
//! The observer, when it passes the record, counts its events as waiting and then gives back what was
//! reserved, whether the record became durable or failed and whether or not its producer still lives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::Offset;
use crate::settings::{LaneLimits, Overflow};

/// Events and bytes of data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

impl Load {
    fn plus(self, other: Self) -> Self {
        Self {
            events: self.events.saturating_add(other.events),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            events: self.events.saturating_sub(other.events),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    fn is_within(self, limits: &LaneLimits) -> bool {
        self.events <= limits.waiting_events_max && self.bytes <= limits.waiting_bytes_max
    }
}

/// What waits for one target, against its limits.
#[derive(Debug)]
pub(crate) struct Gauge {
    state: Mutex<GaugeState>,
    room: Notify,
    waiters: AtomicUsize,
    takes_handed_on: AtomicBool,
}

#[derive(Debug)]
struct GaugeState {
    limits: LaneLimits,
    reserved: Load,
    waiting: Load,
    /// No more is accepted, whatever the limits say.
    is_shut: bool,
}

impl Gauge {
    pub(crate) fn new(limits: LaneLimits) -> Self {
        let state =
            GaugeState { limits, reserved: Load::default(), waiting: Load::default(), is_shut: false };
        Self {
            state: Mutex::new(state),
            room: Notify::new(),
            waiters: AtomicUsize::new(0),
            takes_handed_on: AtomicBool::new(false),
        }
    }

    pub(crate) fn limits(&self) -> LaneLimits {
        self.state.lock().limits
    }

    pub(crate) fn set_limits(&self, limits: LaneLimits) {
        self.state.lock().limits = limits;
        self.room.notify_waiters();
    }

    /// Whether what another lane handed on needs no room here.
    pub(crate) fn takes_handed_on(&self) -> bool {
        self.takes_handed_on.load(Ordering::Relaxed)
    }

    pub(crate) fn set_takes_handed_on(&self, takes_handed_on: bool) {
        self.takes_handed_on.store(takes_handed_on, Ordering::Relaxed);
    }

    /// Accepts no more, if the policy is to block, or accepts again. True when that is a change.
    pub(crate) fn shut(&self, is_shut: bool) -> bool {
        let was_shut = std::mem::replace(&mut self.state.lock().is_shut, is_shut);
        if was_shut && !is_shut {
            self.room.notify_waiters();
        }
        was_shut != is_shut
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.state.lock().is_shut
    }

    /// What waits, without what is reserved.
    pub(crate) fn waiting(&self) -> Load {
        self.state.lock().waiting
    }

    pub(crate) fn add(&self, load: Load) {
        let mut state = self.state.lock();
        state.waiting = state.waiting.plus(load);
    }

    pub(crate) fn remove(&self, load: Load) {
        self.change(|state| state.waiting = state.waiting.minus(load));
    }

    pub(crate) fn set(&self, load: Load) {
        self.change(|state| state.waiting = load);
    }

    fn unreserve(&self, load: Load) {
        self.change(|state| state.reserved = state.reserved.minus(load));
    }

    /// Wakes those who wait only below fifteen sixteenths of the limit, so that a full lane with many
    /// waiting connections wakes them once in a while and not for every event that leaves.
    fn change(&self, change: impl FnOnce(&mut GaugeState)) {
        let mut state = self.state.lock();
        change(&mut state);
        if self.waiters.load(Ordering::SeqCst) == 0 {
            return;
        }
        let low = |limit: u64| limit - (limit / 16).max(1).min(limit);
        let limits = LaneLimits {
            waiting_events_max: low(state.limits.waiting_events_max),
            waiting_bytes_max: low(state.limits.waiting_bytes_max),
            ..state.limits
        };
        let is_low = state.reserved.plus(state.waiting).is_within(&limits);
        drop(state);
        if is_low {
            self.room.notify_waiters();
        }
    }

    /// A load larger than the whole limit is let through when nothing else is there.
    fn try_reserve(self: &Arc<Self>, load: Load) -> Result<Reservation, ()> {
        let mut state = self.state.lock();
        let present = state.reserved.plus(state.waiting);
        let blocks = state.limits.overflow == Overflow::Block;
        let is_full = present != Load::default() && !present.plus(load).is_within(&state.limits);
        if blocks && (is_full || state.is_shut) {
            return Err(());
        }
        state.reserved = state.reserved.plus(load);
        Ok(Reservation { gauge: Arc::clone(self), load })
    }

    /// Reserves, waiting until `deadline` for room.
    async fn reserve(self: &Arc<Self>, load: Load, deadline: Instant) -> Result<Reservation, ()> {
        if let Ok(reservation) = self.try_reserve(load) {
            return Ok(reservation);
        }
        let _waiter = Waiter::new(&self.waiters);
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            // Registered before looking again, so that no wake-up falls between.
            room.as_mut().enable();
            if let Ok(reservation) = self.try_reserve(load) {
                return Ok(reservation);
            }
            if tokio::time::timeout_at(deadline, room).await.is_err() {
                return self.try_reserve(load);
            }
        }
    }
}

struct Waiter<'a>(&'a AtomicUsize);

impl<'a> Waiter<'a> {
    fn new(waiters: &'a AtomicUsize) -> Self {
        waiters.fetch_add(1, Ordering::SeqCst);
        Self(waiters)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Room held in one lane until dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    gauge: Arc<Gauge>,
    load: Load,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.gauge.unreserve(self.load);
    }
}

/// Room held in every lane that a record concerns.
pub(crate) type Reservations = SmallVec<[Reservation; 4]>;

/// Reserves in every gauge, in turn, within `wait_max` altogether. The error is the index of the gauge
/// that is full; what was reserved before it is given back.
pub(crate) async fn reserve_all(
    demands: &[(Arc<Gauge>, Load)],
    wait_max: Duration,
) -> Result<Reservations, usize> {
    let deadline = Instant::now() + wait_max;
    let mut reservations = Reservations::new();
    for (index, (gauge, load)) in demands.iter().enumerate() {
        reservations.push(gauge.reserve(*load, deadline).await.map_err(|()| index)?);
    }
    Ok(reservations)
}

/// Reserves in every gauge if there is room now.
pub(crate) fn try_reserve_all(demands: &[(Arc<Gauge>, Load)]) -> Option<Reservations> {
    demands.iter().map(|(gauge, load)| gauge.try_reserve(*load).ok()).collect()
}

/// Room held for records that are on their way to the disk, by offset.
#[derive(Debug, Default)]
pub(crate) struct OnTheirWay {
    state: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    by_offset: BTreeMap<Offset, Reservations>,
    /// Everything before this was counted or has failed.
    passed: Offset,
}

impl OnTheirWay {
    /// Holds room until the observer passes `offset`, which it may have done already.
    pub(crate) fn hold(&self, offset: Offset, reservations: Reservations) {
        let mut state = self.state.lock();
        if !reservations.is_empty() && offset >= state.passed {
            state.by_offset.insert(offset, reservations);
        }
    }

    /// Gives back what was held for records before `offset`. The frontier has been moved there already.
    pub(crate) fn release_before(&self, offset: Offset) {
        let mut state = self.state.lock();
        state.passed = state.passed.max(offset);
        // Mostly nothing was appended since.
        let is_all = state.by_offset.last_key_value().is_none_or(|(last, _)| *last < offset);
        let later = if is_all { BTreeMap::new() } else { state.by_offset.split_off(&offset) };
        let passed = std::mem::replace(&mut state.by_offset, later);
        drop(state);
        drop(passed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauge(events: u64) -> Arc<Gauge> {
        let limits =
            LaneLimits { waiting_events_max: events, waiting_bytes_max: 100, overflow: Overflow::Block };
        Arc::new(Gauge::new(limits))
    }

    const ONE: Load = Load { events: 1, bytes: 1 };
    const WAIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_full_lane_refuses_after_the_wait_and_gives_back_the_others() {
        let (roomy, full) = (gauge(5), gauge(1));
        full.add(ONE);
        let begun = Instant::now();
        let refused = reserve_all(&[(Arc::clone(&roomy), ONE), (Arc::clone(&full), ONE)], WAIT).await;
        assert_eq!(refused.unwrap_err(), 1);
        assert_eq!(begun.elapsed(), WAIT);
        assert_eq!(roomy.state.lock().reserved, Load::default());
    }

    #[tokio::test(start_paused = true)]
    async fn room_wakes_who_waits() {
        let gauge = gauge(2);
        gauge.add(Load { events: 2, bytes: 2 });
        let waiting = tokio::spawn({
            let gauge = Arc::clone(&gauge);
            async move { reserve_all(&[(gauge, ONE)], WAIT).await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        gauge.remove(ONE);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_count_and_one_oversized_load_goes_alone() {
        let gauge = gauge(10);
        let large = Load { events: 1, bytes: 1000 };
        let held = reserve_all(&[(Arc::clone(&gauge), large)], WAIT).await.unwrap();
        assert!(reserve_all(&[(Arc::clone(&gauge), ONE)], Duration::ZERO).await.is_err());
        drop(held);
        assert!(reserve_all(&[(gauge, ONE)], Duration::ZERO).await.is_ok());
    }

    #[tokio::test]
    async fn other_policies_never_refuse() {
        let gauge = gauge(1);
        gauge.set_limits(LaneLimits { overflow: Overflow::DropOldest, ..gauge.limits() });
        gauge.add(ONE);
        assert!(reserve_all(&[(gauge, ONE)], Duration::ZERO).await.is_ok());
    }
}
