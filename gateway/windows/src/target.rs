//! The lane of the windows: a target like any other to the bus, which retries, keeps the order of each rule and has the
//! books.

use std::time::Duration;

use async_trait::async_trait;
use bus::{Delivery, DeliverySettings, LaneLimits, Outcome, Overflow, RetryPolicy, Target};
use tokio::sync::oneshot;

use crate::row::Row;
use crate::thread::{Request, Requests};

/// Rows folded with one write.
const BATCH_ROWS_MAX: usize = 8_192;

/// Bytes of them.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// How long rows gather before they are folded, so that few rows don't cost a write each.
const LINGER: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 20 });

/// How long rows wait that can't be folded now.
const AGAIN_AFTER_MAX: Duration = Duration::from_millis(500);

/// Longer than anybody waits; a row is never given up for its age.
const AGE_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// See the module.
pub(crate) struct Lane {
    requests: Requests,
}

impl Lane {
    pub(crate) fn new(requests: Requests) -> Self {
        Self { requests }
    }
}

/// How the lane is served: one batch after the other, and for ever. Its limits are what makes publishers wait; rows are
/// never dropped, whatever other lanes do when they are full.
pub(crate) fn settings(limits: LaneLimits) -> DeliverySettings {
    DeliverySettings {
        batch_events_max: BATCH_ROWS_MAX,
        batch_bytes_max: BATCH_BYTES_MAX,
        batch_linger: LINGER,
        concurrency_max: 1,
        batch_same_key: true,
        // Rows wait for results to leave, results for what is published again, and that for room here.
        takes_handed_on: true,
        delivery_time_max: Duration::from_secs(60),
        retry: RetryPolicy {
            attempts_max: u32::MAX,
            age_max: AGE_MAX,
            backoff_first: Duration::from_millis(50),
            backoff_max: AGAIN_AFTER_MAX,
        },
        circuit_failures_max: u32::MAX,
        limits: LaneLimits { overflow: Overflow::Block, ..limits },
        ..DeliverySettings::default()
    }
}

#[async_trait]
impl Target for Lane {
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        let again = |reason| vec![Outcome::retry("BUSY", reason); batch.len()];
        let (outcomes, folded) = oneshot::channel();
        let rows = batch.iter().map(Row::of).collect();
        if !self.requests.try_send(Request::Fold { rows, outcomes }) {
            return again("the windows are busy, or have ended");
        }
        // A caller that goes away is answered when it asks again: what is folded is known by its position.
        folded.await.unwrap_or_else(|_| again("the windows have ended"))
    }
}
