//! The ledger as readers share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, MutexGuard};

use crate::truth::{Ledger, Tally};

/// The ledger of a run, while it is written to.
pub(crate) struct Books {
    ledger: Mutex<Ledger>,
    /// Where what arrives during the run is counted, and in which shard.
    live: Option<(Arc<Tally>, usize)>,
    entered: AtomicU64,
}

impl Books {
    /// Deliveries are also counted in the tally's shard, if there is one; nobody else uses that.
    pub(crate) fn new(ledger: Ledger, live: Option<(Arc<Tally>, usize)>) -> Arc<Self> {
        Arc::new(Self { ledger: Mutex::new(ledger), live, entered: AtomicU64::new(0) })
    }

    /// The ledger, for a moment.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock()
    }

    /// Takes the ledger out, at the very end. What is entered afterwards counts nowhere.
    pub(crate) fn close(&self) -> Ledger {
        std::mem::replace(&mut *self.ledger.lock(), Ledger::new("", []))
    }

    /// Enters what some place says that it got, and when.
    pub(super) fn enter(&self, body: &[u8], event_id: Option<&str>, arrived_micros: Option<u64>) {
        self.ledger.lock().enter(body, event_id, arrived_micros);
        self.entered.fetch_add(1, Ordering::Relaxed);
    }

    /// Enters what arrives here and now.
    pub(super) fn receive(&self, body: &[u8], event_id: Option<&str>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let entered = self.ledger.lock().enter(body, event_id, u64::try_from(now).ok());
        self.entered.fetch_add(1, Ordering::Relaxed);
        if let Some((tally, shard)) = &self.live {
            let mut counts = tally.shard(*shard).open();
            counts.received += 1;
            if let Some(micros) = entered.late_micros.filter(|_| entered.first) {
                counts.delivery.record_micros(micros);
            }
        }
    }

    /// How many deliveries were entered.
    pub(super) fn entered(&self) -> u64 {
        self.entered.load(Ordering::Relaxed)
    }

    /// Everything acknowledged has arrived.
    pub(super) fn complete(&self) -> bool {
        self.ledger.lock().complete()
    }
}
