//! Retention: what is too old, or too much, goes.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use journal::{Offset, Retention};
use tokio::time::MissedTickBehavior;

use super::Archive;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// How often archives are looked at when nothing comes in.
const INTERVAL: Duration = Duration::from_secs(60);

impl Archive {
    /// Gives up what is not to be kept. Does not block. A replay that stands there goes on behind it, and says so.
    pub(super) fn keep(&self) {
        let settings = &self.settings;
        // The segment being written and the one made ahead are not given up, so they count from the start.
        let bytes_max = settings.disk_bytes_max.saturating_sub(settings.segment_bytes);
        let retention = Retention {
            age_ms_max: (settings.retention_days > 0).then(|| u64::from(settings.retention_days) * DAY_MS),
            bytes_max: Some(bytes_max),
        };
        let given_up = self.journal.retain(retention, Offset(u64::MAX));
        let segments = given_up.aged_segments + given_up.surplus_segments;
        if segments > 0 {
            self.given_up_segments.fetch_add(segments, Relaxed);
            let (aged, surplus) = (given_up.aged_segments, given_up.surplus_segments);
            tracing::info!(archive = settings.name, aged, surplus, "segments of an archive were given up");
        }
    }
}

/// Looks at archives until they are gone.
pub(super) fn watch(archives: &[Arc<Archive>]) {
    let archives: Vec<_> = archives.iter().map(Arc::downgrade).collect();
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let there: Vec<_> = archives.iter().filter_map(std::sync::Weak::upgrade).collect();
            if there.is_empty() {
                return;
            }
            there.iter().for_each(|archive| archive.keep());
        }
    });
}
