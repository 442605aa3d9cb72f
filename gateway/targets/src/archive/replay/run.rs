//! One replay on its way.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bus::{AppendError, Record};
use journal::Offset;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::definition::{Row, State};
use super::page::{Page, Wanted};
use super::{ReplayError, Shared};
use crate::archive::entry::replayed;

/// Events of one page, which share an fsync.
const PAGE_EVENTS_MAX: usize = 256;

/// How long to leave a target or a disk alone that has no room.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long one append waits for room in the lanes.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(1);

/// Why a replay stops.
enum Stop {
    /// The gateway ends, or somebody has ended the replay: what is kept of it says so already.
    Left,
    /// It can't go on.
    Failed(String),
}

/// Runs until it is over, or left for the next start.
pub(super) async fn run(shared: Arc<Shared>, name: String) {
    let Some(known) = shared.known.lock().get(&name).cloned() else { return };
    let state = match go_through(&shared, known.row, &known.cancel).await {
        Ok(()) => State::Completed,
        Err(Stop::Left) => return,
        Err(Stop::Failed(why)) => {
            tracing::error!(replay = name, why, "a replay failed");
            State::Failed(why)
        }
    };
    let _changing = shared.changing.lock().await;
    if known.cancel.is_cancelled() {
        return;
    }
    if let Err(error) = shared.end(&name, state).await {
        tracing::error!(replay = name, %error, "the end of a replay can't be kept; it goes on after the next start");
    }
}

async fn go_through(shared: &Arc<Shared>, mut row: Row, cancel: &CancellationToken) -> Result<(), Stop> {
    let archive = shared.archive(&row.archive).map_err(|error| Stop::Failed(error.to_string()))?;
    let targets = row.targets();
    let (events_max, mut pace) = paced(row.per_second_max);
    let wanted = Wanted {
        from_ms: row.from_ms,
        to_ms: row.to_ms,
        rules: row.rules.clone(),
        end: Offset(row.end),
        events_max,
    };
    while row.position < row.end {
        let (reading, looked_for) = (Arc::clone(&archive), wanted.clone());
        let position = Offset(row.position);
        let page = tokio::task::spawn_blocking(move || reading.page(position, &looked_for)).await;
        let page = match page {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => {
                tracing::warn!(replay = row.name, %error, "an archive can't be read, trying again");
                pause(shared, cancel).await?;
                continue;
            }
            Err(_) => return Err(Stop::Left),
        };
        if let Some(pace) = pace.as_mut().filter(|_| !page.entries.is_empty()) {
            tokio::select! {
                _ = pace.tick() => {}
                () = left(shared, cancel) => return Err(Stop::Left),
            }
        }
        if cancel.is_cancelled() || shared.stop.is_cancelled() {
            return Err(Stop::Left);
        }
        let Page { entries, next, skipped } = page;
        let now_ms = shared.clock.now_ms();
        let replay = bus::Replay { name: row.name.clone(), at_ms: now_ms };
        let records: Vec<Record> =
            entries.into_iter().map(|entry| replayed(entry, replay.clone(), &targets)).collect();
        row.sent += send(shared, &row.name, records, cancel).await?;
        row.position = next.0;
        row.is_behind_retention |= skipped;
        advance(shared, &row, cancel).await?;
    }
    Ok(())
}

/// How many events go at once, and how often.
fn paced(per_second_max: Option<u32>) -> (usize, Option<Interval>) {
    let Some(rate) = per_second_max.and_then(NonZeroU32::new) else { return (PAGE_EVENTS_MAX, None) };
    // A tenth of a second's events at once, so that a rate is kept without an fsync for each event.
    let events = (rate.get() / 10).clamp(1, PAGE_EVENTS_MAX as u32);
    let mut pace = tokio::time::interval(Duration::from_secs(1) * events / rate.get());
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    (events as usize, Some(pace))
}

/// Sends all of `records`, however long that takes; says how many.
async fn send(
    shared: &Arc<Shared>,
    replay: &str,
    records: Vec<Record>,
    cancel: &CancellationToken,
) -> Result<u64, Stop> {
    let mut left = records.as_slice();
    let mut told = false;
    while !left.is_empty() {
        let (done, trouble) = send_some(shared, left).await?;
        left = &left[done..];
        if let Some(trouble) = trouble {
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(replay, trouble, "a replay waits, and tries again");
            }
            pause(shared, cancel).await?;
        }
    }
    Ok(records.len() as u64)
}

/// How many of the first of `records` are durable, and what keeps the others from it.
async fn send_some(shared: &Shared, records: &[Record]) -> Result<(usize, Option<String>), Stop> {
    let mut producer = shared.bus.producer();
    let mut trouble = None;
    for record in records {
        match producer.append_within(record, ROOM_WAIT_MAX).await {
            Ok(_) => {}
            Err(error @ AppendError::Journal(journal::AppendError::TooLarge { .. })) => {
                return Err(Stop::Failed(error.to_string()));
            }
            Err(error @ (AppendError::Full { .. } | AppendError::Journal(_))) => {
                trouble = Some(error.to_string());
                break;
            }
            // A target that is not declared any more.
            Err(error) => return Err(Stop::Failed(error.to_string())),
        }
    }
    let mut done = 0;
    let mut is_whole = true;
    for _ in 0..producer.unclaimed() {
        match producer.next_outcome().await.1 {
            // Behind one that failed everything goes again: the order is kept.
            Ok(()) => done += usize::from(is_whole),
            Err(error) => {
                is_whole = false;
                trouble.get_or_insert_with(|| error.to_string());
            }
        }
    }
    Ok((done, trouble))
}

/// Keeps how far the replay is.
async fn advance(shared: &Arc<Shared>, row: &Row, cancel: &CancellationToken) -> Result<(), Stop> {
    loop {
        let changing = shared.changing.lock().await;
        if cancel.is_cancelled() {
            return Err(Stop::Left);
        }
        match shared.keep(row, &[]).await {
            Ok(()) => {
                if let Some(known) = shared.known.lock().get_mut(&row.name) {
                    known.row.clone_from(row);
                }
                return Ok(());
            }
            Err(ReplayError::ShuttingDown) => return Err(Stop::Left),
            Err(error) => tracing::error!(replay = row.name, %error, "how far a replay is can't be kept"),
        }
        drop(changing);
        pause(shared, cancel).await?;
    }
}

async fn pause(shared: &Shared, cancel: &CancellationToken) -> Result<(), Stop> {
    tokio::select! {
        () = tokio::time::sleep(AGAIN_AFTER) => Ok(()),
        () = left(shared, cancel) => Err(Stop::Left),
    }
}

/// Waits until the replay is not to go on.
async fn left(shared: &Shared, cancel: &CancellationToken) {
    tokio::select! {
        () = shared.stop.cancelled() => {}
        () = cancel.cancelled() => {}
    }
}
