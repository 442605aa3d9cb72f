//! What time brings to a stream: records grow too old or too many, and the index is kept on disk.
//!
//! One task for each stream.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bus::Offset;
use tokio_util::sync::CancellationToken;

use super::deliver::Stream;
use super::error::StreamError;
use super::index::Block;
use crate::reading::on_disk_thread;

/// How often the retention is applied and the index kept. A crash repeats the indexing of at most this much.
const INTERVAL: Duration = Duration::from_secs(2);

/// What has to be kept of a stream at one moment.
pub(super) struct Snapshot {
    pub(super) changed: Vec<Block>,
    /// Blocks up to this offset are gone.
    pub(super) expired_to: Option<u64>,
    /// The blocks tell everything before this offset.
    pub(super) indexed_to: Offset,
    /// Nothing before this offset is needed.
    pub(super) floor: Offset,
}

/// Where snapshots are kept.
pub(super) trait Keeping: Send + Sync + 'static {
    /// Writes a snapshot. Blocks on the disk.
    fn keep(&self, stream: &Stream, snapshot: &Snapshot) -> Result<(), StreamError>;
}

/// Runs until `stop`.
pub(super) async fn run(stream: Arc<Stream>, keeping: Arc<dyn Keeping>, stop: CancellationToken) {
    let (mut kept_to, mut floor) = (Offset(0), Offset(0));
    loop {
        let stopping = tokio::select! {
            () = stop.cancelled() => true,
            () = stream.keeper.notified() => false,
            () = tokio::time::sleep(INTERVAL) => false,
        };
        let snapshot = snapshot(&stream);
        let idle = snapshot.changed.is_empty() && snapshot.expired_to.is_none();
        // An idle stream only has to let go of what passed it by, which can wait until it is worth a write, or room is wanted.
        let room_wanted = stream.room_wanted.swap(false, Ordering::Relaxed) && snapshot.floor > floor;
        if !idle
            || room_wanted
            || snapshot.indexed_to.0 >= kept_to.0 + super::index::BLOCK_OFFSETS
            || stopping
        {
            let (indexed_to, wanted) = (snapshot.indexed_to, snapshot.floor);
            if keep(&stream, &keeping, snapshot).await {
                (kept_to, floor) = (indexed_to, wanted);
            }
        }
        if stopping {
            return;
        }
    }
}

fn snapshot(stream: &Stream) -> Snapshot {
    // Read first: what is shown after it is in the index already, or past this.
    let indexed_to = stream.ground.intake.shown();
    let retention = stream.retention();
    let mut index = stream.index.lock();
    let expired = index.expire(retention, stream.ground.clock.now_ms());
    if !expired.is_empty() {
        let records: u64 = expired.iter().map(|block| block.records).sum();
        tracing::debug!(stream = stream.target.name(), records, "records expired");
    }
    Snapshot {
        changed: index.take_changed(),
        expired_to: expired.last().map(|block| block.last),
        indexed_to,
        floor: index.first().map_or(indexed_to, |first| first.min(indexed_to)),
    }
}

async fn keep(stream: &Arc<Stream>, keeping: &Arc<dyn Keeping>, snapshot: Snapshot) -> bool {
    let changed_from = snapshot.changed.first().map(|block| block.first);
    let (kept, keeping) = (Arc::clone(stream), Arc::clone(keeping));
    match on_disk_thread(move || keeping.keep(&kept, &snapshot)).await {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(stream = stream.target.name(), %error, "the stream's index could not be kept, trying again");
            if let Some(from) = changed_from {
                stream.index.lock().keep_again(from);
            }
            false
        }
    }
}
