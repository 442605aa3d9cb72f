//! Giving up the part of the journal that nobody needs.

use std::sync::Arc;
use std::time::Duration;

use crate::Offset;
use crate::aside::row::AsideRow;
use crate::aside::{self, mover};
use crate::bus::Shared;
use crate::lane::{Lane, Serving};

/// How long to wait between two looks while the journal is short of room: publishers are refused meanwhile.
const PAUSE_WHEN_SHORT: Duration = Duration::from_millis(250);

/// Trims now and then until the bus is gone.
pub(crate) async fn run(bus: Arc<Shared>) {
    loop {
        let pause = match bus.journal.is_short_of_room() {
            true => bus.settings.trim_interval.min(PAUSE_WHEN_SHORT),
            false => bus.settings.trim_interval,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = bus.stop.cancelled() => return,
        }
        // What one turn moves is bounded, so that others are trimmed while a long backlog is moved.
        while mover::turn(&bus).await {
            trim(&bus).await;
            if bus.stop.is_cancelled() {
                return;
            }
        }
        trim(&bus).await;
        ask_for_room(&bus);
    }
}

/// The lowest offset that somebody needs, as far as that was committed.
fn floor(bus: &Shared) -> Offset {
    let lanes = bus.all_lanes().into_iter().filter_map(|lane| lane.floor());
    lanes.chain(bus.floors.min()).fold(bus.observer.committed(), Offset::min)
}

/// Asks those to move their floors who do so only when it is worth a write, while the journal is short of room. One that has nothing to
/// do would otherwise keep all of a small journal for as long.
fn ask_for_room(bus: &Shared) {
    if !bus.journal.is_short_of_room() {
        return;
    }
    // What is in the last segment keeps nothing else.
    let last = bus.journal.start_within(0);
    for lane in bus.all_lanes() {
        let view = match &*lane.serving.lock() {
            Serving::View(view, floor) if floor.get() < last => Arc::clone(view),
            _ => continue,
        };
        view.make_room();
    }
    bus.floors.ask_for_room(last);
}

/// Gives up what nobody needs by rows that are committed, in the journal and in side journals.
async fn trim(bus: &Arc<Shared>) {
    let floor = floor(bus);
    let frees = bus.journal.oldest_segment().is_some_and(|segment| segment.trim_at <= floor);
    let sides = spare_sides(bus);
    if !frees && sides.is_empty() {
        return;
    }
    // Cursors are committed lazily. What is trimmed must not come back as owed after a crash, so they
    // are made durable first; the floors were taken before, so they are covered.
    let bus = Arc::clone(bus);
    let trimming = tokio::task::spawn_blocking(move || {
        if let Err(error) = bus.checkpoints.sync() {
            tracing::error!(%error, "the journal is not trimmed: cursors can't be made durable");
            return;
        }
        if frees {
            let oldest = bus.journal.trim(floor);
            tracing::debug!(%floor, %oldest, "journal trimmed");
        }
        sides.into_iter().for_each(|(lane, row)| trim_side(&bus, &lane, &row));
    });
    // Only a runtime that is being shut down cancels it.
    let _ = trimming.await;
}

/// The lanes whose side journals hold something that is not needed by their committed rows, with these.
fn spare_sides(bus: &Shared) -> Vec<(Arc<Lane>, AsideRow)> {
    let lanes = bus.all_lanes().into_iter().filter(|lane| lane.aside.is_open());
    let rows = lanes.map(|lane| {
        let row = lane.row().map(|row| row.aside).unwrap_or_default();
        (lane, row)
    });
    rows.filter(|(lane, row)| row.is_empty() || lane.aside.to_trim(row).is_some()).collect()
}

/// Gives up what is not needed by a row that is durable. Blocks.
fn trim_side(bus: &Shared, lane: &Lane, row: &AsideRow) {
    if let Some((side, first)) = lane.aside.to_trim(row) {
        side.trim(first);
    }
    let Some(settings) = &bus.settings.aside else { return };
    let Some(side) = lane.aside.take_if_spent(row) else { return };
    match aside::discard(&lane.name, settings, side) {
        Ok(()) => tracing::info!(target_name = %lane.name, "nothing is aside for the target any more"),
        Err(error) => {
            tracing::warn!(target_name = %lane.name, %error, "the files of a side journal that is not needed any more can't be removed");
        }
    }
}
