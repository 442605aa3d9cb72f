//! Giving up the part of the journal that nobody needs.

use std::sync::Arc;

use tokio::time::MissedTickBehavior;

use crate::Offset;
use crate::bus::Shared;

/// Trims now and then until the bus is gone.
pub(crate) async fn run(bus: Arc<Shared>) {
    let mut ticks = tokio::time::interval(bus.settings.trim_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => trim(&bus).await,
            () = bus.stop.cancelled() => return,
        }
    }
}

/// The lowest offset that somebody needs, as far as that was committed.
fn floor(bus: &Shared) -> Offset {
    let lanes = bus.all_lanes().into_iter().filter_map(|lane| lane.floor());
    lanes.chain(bus.floors.min()).fold(bus.observer.committed(), Offset::min)
}

async fn trim(bus: &Shared) {
    let floor = floor(bus);
    let frees = bus.journal.oldest_segment().is_some_and(|segment| segment.trim_at <= floor);
    if !frees {
        return;
    }
    // Cursors are committed lazily. What is trimmed must not come back as owed after a crash, so they
    // are made durable first; the floor was taken before, so it is covered.
    let checkpoints = bus.checkpoints.clone();
    match tokio::task::spawn_blocking(move || checkpoints.sync()).await {
        Ok(Ok(())) => {
            let oldest = bus.journal.trim(floor);
            tracing::debug!(%floor, %oldest, "journal trimmed");
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "the journal is not trimmed: cursors can't be made durable");
        }
        Err(_) => {}
    }
}
