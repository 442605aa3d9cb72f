//! Who is moved aside, and when: looked at before each trimming, by the same task, so that nothing is trimmed while it is copied.

use std::sync::Arc;

use journal::{CommitError, Journal, ReadError};
use thiserror::Error;

use super::AsideSettings;
use super::entry::Moved;
use crate::bus::Shared;
use crate::checkpoint::LaneRow;
use crate::lane::{Lane, Serving};
use crate::record::{Head, Record};
use crate::{DeclareError, Offset, Overflow, Position, TargetName};

/// Bytes copied with one fsync of the side journal.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Records copied with one fsync.
const BATCH_RECORDS_MAX: usize = 1024;
/// Records looked at for one batch, most of which may be other lanes'.
const LOOKED_AT_MAX: usize = 16 * 1024;
/// Batches copied for one lane before it is another one's turn.
const BATCHES_PER_TURN_MAX: usize = 64;

/// Why what a lane owes is not moved just now. It stays where it is.
#[derive(Debug, Error)]
enum MoveError {
    #[error(transparent)]
    Open(#[from] journal::OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Append(#[from] journal::AppendError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Row(#[from] DeclareError),
    #[error("the gateway is shutting down")]
    ShuttingDown,
}

/// Gives each lane that keeps too much of the journal a turn. True when there is more to move.
pub(crate) async fn turn(bus: &Arc<Shared>) -> bool {
    let Some(settings) = &bus.settings.aside else { return false };
    let mut is_more = false;
    for lane in bus.all_lanes() {
        if bus.stop.is_cancelled() {
            return false;
        }
        bound(bus, settings, &lane).await;
        match move_aside(bus, settings, &lane).await {
            Ok(lane_has_more) => is_more |= lane_has_more,
            Err(error) => {
                tracing::error!(target_name = %lane.name, %error, "what the target is owed can't be moved aside, it keeps the journal from being trimmed");
            }
        }
    }
    is_more
}

/// Whether what waits in the lane may be read from elsewhere.
fn is_movable(settings: &AsideSettings, lane: &Lane) -> bool {
    match &*lane.serving.lock() {
        Serving::View(..) => false,
        Serving::Push(_) => true,
        // Its target may be declared again and be a view then.
        Serving::Nobody => {
            !settings.view_kinds.contains(&lane.name.kind()) && lane.books.lock().waiting() > 0
        }
    }
}

/// Moves what one lane owes, as far as it keeps too much of the journal and as its turn allows.
async fn move_aside(
    bus: &Arc<Shared>,
    settings: &AsideSettings,
    lane: &Arc<Lane>,
) -> Result<bool, MoveError> {
    if !is_movable(settings, lane) {
        return Ok(false);
    }
    let Some(pinned_from) = lane.floor() else { return Ok(false) };
    let mut from = pinned_from.max(lane.aside.until());
    if bus.journal.bytes_since(from) <= settings.pinned_bytes_max {
        return Ok(false);
    }
    let counted = bus.observer.committed().min(*bus.frontier.borrow());
    let goal = bus.journal.start_within(settings.pinned_bytes_max / 2).min(counted);
    let begun_at = from;
    for _ in 0..BATCHES_PER_TURN_MAX {
        if from >= goal || bus.stop.is_cancelled() {
            break;
        }
        from = move_batch(bus, settings, lane, from, goal).await?;
    }
    if from > begun_at {
        tracing::info!(target_name = %lane.name, from = %begun_at, until = %from, "what the target is owed was moved aside");
        note(bus, lane).await?;
    }
    Ok(from < goal)
}

/// Has the lane's row written, by its task or, when it has none, here.
async fn note(bus: &Arc<Shared>, lane: &Arc<Lane>) -> Result<(), MoveError> {
    let _declaring = bus.declaring.lock().await;
    let has_task = matches!(*lane.serving.lock(), Serving::Push(_));
    if has_task {
        lane.aside.changed.notify_one();
        return Ok(());
    }
    Ok(bus.keep_row(lane, |_| ()).await?)
}

/// What was read to be copied.
struct Batch {
    moved: Vec<Moved>,
    events: u64,
    next: Offset,
}

/// Copies one batch; its place is noted once it is durable. Returns up to where that was.
async fn move_batch(
    bus: &Arc<Shared>,
    settings: &AsideSettings,
    lane: &Arc<Lane>,
    from: Offset,
    goal: Offset,
) -> Result<Offset, MoveError> {
    let (journal, name, row) = (bus.journal.clone(), lane.name.clone(), lane.row().unwrap_or_default());
    let reading = tokio::task::spawn_blocking(move || read(&journal, &name, &row, from, goal));
    let Batch { moved, events, next } = reading.await.map_err(|_| MoveError::ShuttingDown)??;
    if moved.is_empty() {
        lane.aside.note_moved(&[], next, 0);
        return Ok(next);
    }
    let (opening, chosen) = (Arc::clone(lane), settings.clone());
    let opened = tokio::task::spawn_blocking(move || opening.aside.open(&opening.name, &chosen));
    let side = opened.await.map_err(|_| MoveError::ShuttingDown)??;
    let mut producer = side.producer();
    let mut places = Vec::with_capacity(moved.len());
    for record in &moved {
        places.push((record.offset, producer.append(record.encode()).await?));
    }
    // All or none of the batch is named by a row: a chunk has no holes.
    let mut failed = None;
    while producer.unclaimed() > 0 {
        let (_, outcome) = producer.next_outcome().await;
        failed = failed.or(outcome.err());
    }
    if let Some(error) = failed {
        return Err(error.into());
    }
    lane.aside.note_moved(&places, next, events);
    Ok(next)
}

/// Reads what `target` is owed from `from` to before `goal`, up to one batch. Blocks.
fn read(
    journal: &Journal,
    target: &TargetName,
    row: &LaneRow,
    from: Offset,
    goal: Offset,
) -> Result<Batch, ReadError> {
    let (floor, acked) = (row.floor(), row.acked());
    let mut batch = Batch { moved: Vec::new(), events: 0, next: from };
    let mut reader = journal.read_from(from);
    let mut bytes = 0;
    for _ in 0..LOOKED_AT_MAX {
        if bytes >= BATCH_BYTES_MAX || batch.moved.len() >= BATCH_RECORDS_MAX {
            return Ok(batch);
        }
        let entry = match reader.next() {
            Ok(Some(entry)) if entry.offset < goal => entry,
            Ok(_) => {
                batch.next = goal;
                return Ok(batch);
            }
            // Settled meanwhile, and trimmed.
            Err(ReadError::Trimmed { oldest, .. }) => {
                reader.seek(oldest);
                continue;
            }
            Err(error) => return Err(error),
        };
        batch.next = entry.offset.next();
        let Some(routes) = routes(&entry.payload, target) else { continue };
        let owed = |ordinal| {
            let position = Position { offset: entry.offset, ordinal };
            let at = acked.partition_point(|(_, last)| *last < position);
            position >= floor && acked.get(at).is_none_or(|(first, _)| *first > position)
        };
        if !(0..routes).any(owed) {
            continue;
        }
        // What can't be read was counted as unreadable before any lane came to it.
        let Ok(record) = Record::decode(&entry.payload) else { continue };
        match Moved::part_of(record, target, entry.offset, entry.at_ms) {
            Ok((moved, events)) => {
                bytes += moved.record.len();
                batch.moved.push(moved);
                batch.events += events;
            }
            Err(error) => {
                tracing::error!(target_name = %target, offset = %entry.offset, %error, "a record can't be moved aside, its events are lost");
            }
        }
    }
    Ok(batch)
}

/// How many events of a record go to `target`; none when it is of no concern.
fn routes(payload: &bytes::Bytes, target: &TargetName) -> Option<u16> {
    let head = Head::decode(payload).ok().filter(|head| head.concerns(target))?;
    let count = head.routes().filter(|route| route.target == target.as_str()).count();
    Some(u16::try_from(count).unwrap_or(u16::MAX))
}

/// Holds a lane to the bytes that it may have aside.
async fn bound(bus: &Arc<Shared>, settings: &AsideSettings, lane: &Arc<Lane>) {
    if !lane.aside.is_open() && !lane.gauge.is_shut() {
        return;
    }
    let is_over = lane.aside.extent().0 > settings.bytes_max;
    let blocks = lane.gauge.limits().overflow == Overflow::Block;
    if lane.gauge.shut(is_over && blocks) && is_over {
        tracing::warn!(target_name = %lane.name, bytes_max = settings.bytes_max, "as much as may be is aside for the target, nothing more is accepted for it");
    }
    let shed_before = if is_over && !blocks { oldest_part_end(bus, lane).await } else { None };
    if lane.aside.set_shed_before(shed_before) {
        lane.aside.changed.notify_one();
    }
}

/// Where in the journal that stood which comes after the oldest segment of the side journal: to give up what is before it frees the segment.
async fn oldest_part_end(bus: &Arc<Shared>, lane: &Arc<Lane>) -> Option<Offset> {
    let reading = Arc::clone(lane);
    let found = tokio::task::spawn_blocking(move || reading.aside.oldest_part_end()).await.ok()?;
    match found {
        Ok(end) => end.filter(|end| *end <= *bus.frontier.borrow()),
        Err(error) => {
            tracing::error!(target_name = %lane.name, %error, "the side journal can't be read");
            None
        }
    }
}
