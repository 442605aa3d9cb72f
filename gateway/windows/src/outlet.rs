//! Results between the fold, which makes them, and the emitter, which sends them on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::store::Waiting;

/// Results of one statement that may wait before its rows have to. A window that closes may go beyond it once, by as many
/// results as it has groups.
pub(crate) const RESULTS_WAITING_MAX: u64 = if cfg!(test) { 100 } else { 10_000 };

/// Bytes of them.
const RESULTS_BYTES_MAX: u64 = 64 << 20;

/// The results of one statement that wait on disk.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) number: u64,
    pub(crate) rule: String,
    waiting: AtomicU64,
    bytes: AtomicU64,
    busy: AtomicBool,
}

impl Outlet {
    pub(crate) fn new(number: u64, rule: &str, waiting: Waiting) -> Arc<Self> {
        Arc::new(Self {
            number,
            rule: rule.to_owned(),
            waiting: AtomicU64::new(waiting.results),
            bytes: AtomicU64::new(waiting.bytes),
            busy: AtomicBool::new(false),
        })
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Acquire)
    }

    /// Whether so much waits that no more may be made.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting() >= RESULTS_WAITING_MAX || self.bytes.load(Ordering::Acquire) >= RESULTS_BYTES_MAX
    }

    fn add(&self, results: u64, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        self.waiting.fetch_add(results, Ordering::AcqRel);
    }

    /// These were sent on and are no more on disk.
    pub(crate) fn remove(&self, results: u64, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.waiting.fetch_sub(results, Ordering::AcqRel);
    }

    /// Nobody sends on its results any more.
    pub(crate) fn release(&self) {
        self.busy.store(false, Ordering::Release);
    }
}

/// Every outlet, and the bell of the emitter.
#[derive(Debug, Default)]
pub(crate) struct Outlets {
    all: Mutex<BTreeMap<u64, Arc<Outlet>>>,
    bell: Notify,
    dropped: Mutex<BTreeMap<(String, &'static str), u64>>,
}

impl Outlets {
    pub(crate) fn insert(&self, outlet: Arc<Outlet>) {
        self.all.lock().insert(outlet.number, outlet);
    }

    pub(crate) fn remove(&self, number: u64) {
        self.all.lock().remove(&number);
    }

    /// Results are on disk that wait.
    pub(crate) fn made(&self, outlet: &Outlet, results: u64, bytes: u64) {
        outlet.add(results, bytes);
        self.bell.notify_one();
    }

    /// Those with something to send on which nobody sends on yet, at most `count_max`; the caller does now.
    pub(crate) fn take_ready(&self, count_max: usize) -> Vec<Arc<Outlet>> {
        let all = self.all.lock();
        let ready = all.values().filter(|outlet| outlet.waiting() > 0);
        ready.filter(|outlet| !outlet.busy.swap(true, Ordering::AcqRel)).take(count_max).cloned().collect()
    }

    /// Waits until there may be more to send on. Cancel safe.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Results that wait, by rule.
    pub(crate) fn waiting(&self) -> BTreeMap<String, u64> {
        let mut waiting = BTreeMap::new();
        for outlet in self.all.lock().values() {
            *waiting.entry(outlet.rule.clone()).or_default() += outlet.waiting();
        }
        waiting
    }

    /// Counts a result that can't be sent on at all.
    pub(crate) fn dropped(&self, rule: &str, reason: &'static str) {
        *self.dropped.lock().entry((rule.to_owned(), reason)).or_default() += 1;
    }

    /// Results that could not be sent on since the start, by rule and reason.
    pub(crate) fn all_dropped(&self) -> Vec<(String, &'static str, u64)> {
        let dropped = self.dropped.lock();
        dropped.iter().map(|((rule, reason), count)| (rule.clone(), *reason, *count)).collect()
    }
}
