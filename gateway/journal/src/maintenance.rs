//! Work that no append should wait for: making and zeroing segments ahead, letting trimmed ones go, writing index files.
//!
//! Nothing here is needed for what was acknowledged. When the disk refuses, it is logged and tried again at the next occasion.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

use crate::error::OpenError;
use crate::journal::Shared;
use crate::segment::{INDEX_SUFFIX, SPARE_SUFFIX, Segment, file_name};
use crate::storage::{StorageFile, write_all_at};

const THREAD_NAME: &str = "journal-care";

/// How much of a new segment is zeroed with one write.
const ZEROING_BYTES: usize = 1024 * 1024;

/// A file that is ready to become a segment.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) name: String,
    pub(crate) file: Arc<dyn StorageFile>,
}

/// What is to be done, and what is ready. Bounded by the number of segments.
#[derive(Debug)]
pub(crate) struct Maintenance {
    work: Mutex<Work>,
    arrived: Condvar,
}

#[derive(Debug)]
struct Work {
    retired: VecDeque<Arc<Segment>>,
    sealed: VecDeque<Arc<Segment>>,
    spares: Vec<Spare>,
    /// Segments whose room was found but that are not in a list yet.
    reserved: u64,
    /// Whether to look for something to do; a failure waits here for the next occasion.
    due: bool,
    closed: bool,
}

impl Work {
    fn bytes(&self, segment_bytes: u64) -> u64 {
        let retired: u64 = self.retired.iter().map(|segment| segment.bytes()).sum();
        retired + (self.spares.len() as u64 + self.reserved) * segment_bytes
    }
}

impl Maintenance {
    pub(crate) fn new(
        retired: VecDeque<Arc<Segment>>,
        sealed: VecDeque<Arc<Segment>>,
        spares: Vec<Spare>,
    ) -> Self {
        let work = Work { retired, sealed, spares, reserved: 0, due: true, closed: false };
        Self { work: Mutex::new(work), arrived: Condvar::new() }
    }

    /// Lets segments go that are no longer in the list, oldest first.
    pub(crate) fn retire(&self, segments: Vec<Arc<Segment>>) {
        self.give(|work| work.retired.extend(segments));
    }

    /// Writes the index of a segment that is full.
    pub(crate) fn seal(&self, segment: Arc<Segment>) {
        self.give(|work| work.sealed.push_back(segment));
    }

    /// Takes a file that is ready, its room reserved, and has another one made.
    pub(crate) fn take_spare(&self) -> Option<Spare> {
        let mut spare = None;
        self.give(|work| {
            spare = work.spares.pop();
            work.reserved += u64::from(spare.is_some());
        });
        spare
    }

    /// Ends a reservation: the segment is in a list now, or was not made.
    pub(crate) fn unreserve(&self) {
        self.work.lock().reserved -= 1;
    }

    pub(crate) fn close(&self) {
        self.give(|work| work.closed = true);
    }

    /// Bytes in spare files and in segments that are still to be let go.
    pub(crate) fn bytes(&self, segment_bytes: u64) -> u64 {
        self.work.lock().bytes(segment_bytes)
    }

    fn give(&self, change: impl FnOnce(&mut Work)) {
        let mut work = self.work.lock();
        change(&mut work);
        work.due = true;
        drop(work);
        self.arrived.notify_one();
    }

    /// Waits for something to do. `false` when the journal is closed.
    fn wait(&self) -> bool {
        let mut work = self.work.lock();
        while !work.due && !work.closed {
            self.arrived.wait(&mut work);
        }
        work.due = false;
        !work.closed
    }

    fn next_retired(&self) -> Option<Arc<Segment>> {
        self.work.lock().retired.front().cloned()
    }

    fn spares(&self) -> usize {
        self.work.lock().spares.len()
    }
}

/// Starts the thread.
pub(crate) fn start(shared: &Arc<Shared>) -> Result<JoinHandle<()>, OpenError> {
    let shared = Arc::clone(shared);
    thread::Builder::new()
        .name(THREAD_NAME.to_owned())
        .spawn(move || {
            while shared.maintenance.wait() {
                shared.let_go();
                shared.make_spares();
                shared.write_indexes();
            }
            shared.let_go();
            shared.write_indexes();
        })
        .map_err(|source| OpenError::Thread { name: THREAD_NAME, source })
}

impl Shared {
    /// Reserves the room of one segment under the limit on disk space, if there is as much.
    pub(crate) fn reserve(&self) -> bool {
        let settings = &self.settings;
        let mut work = self.maintenance.work.lock();
        let held = self.segments.bytes_when_full(settings.segment_bytes) + work.bytes(settings.segment_bytes);
        let fits = held.saturating_add(settings.segment_bytes) <= settings.disk_bytes_max;
        work.reserved += u64::from(fits);
        fits
    }

    /// Whether a segment more leaves as much of the disk as has to stay free.
    fn has_free_bytes(&self) -> bool {
        let least = self.settings.disk_free_bytes_min.saturating_add(self.settings.segment_bytes);
        self.settings.disk_free_bytes_min == 0 || self.storage.free_bytes().is_none_or(|free| free >= least)
    }

    fn let_go(&self) {
        while let Some(segment) = self.maintenance.next_retired() {
            if let Err(error) = self.let_go_of(&segment) {
                tracing::warn!(file = segment.path(), %error, "cannot remove a trimmed journal segment, will try again");
                return;
            }
            self.maintenance.work.lock().retired.pop_front();
        }
    }

    /// Renames or removes one segment. Each is made durable before the next goes, so that a crash never leaves a hole.
    fn let_go_of(&self, segment: &Segment) -> io::Result<()> {
        ignore_missing(self.storage.remove(&file_name(segment.number, INDEX_SUFFIX)))?;
        let reusable =
            segment.bytes() == self.settings.segment_bytes && !segment.is_spent() && !segment.is_open();
        if reusable && self.maintenance.spares() < self.settings.spare_segments {
            let name = file_name(segment.number, SPARE_SUFFIX);
            // Missing when an earlier attempt failed half way; the next open tidies up what it left.
            ignore_missing(self.storage.rename(&segment.name(), &name))?;
            self.storage.sync_directory()?;
            let file = self.storage.open(&name)?;
            self.maintenance.work.lock().spares.push(Spare { name, file });
            return Ok(());
        }
        ignore_missing(self.storage.remove(&segment.name()))?;
        self.storage.sync_directory()
    }

    fn make_spares(&self) {
        let bytes = self.settings.segment_bytes;
        while self.maintenance.spares() < self.settings.spare_segments
            && !self.maintenance.work.lock().closed
            && self.has_free_bytes()
            && self.reserve()
        {
            match self.make_spare() {
                Ok(spare) => {
                    let mut work = self.maintenance.work.lock();
                    work.reserved -= 1;
                    work.spares.push(spare);
                }
                Err(error) => {
                    self.maintenance.unreserve();
                    let place = self.storage.describe("");
                    tracing::warn!(place, bytes, %error, "cannot prepare a journal segment ahead");
                    return;
                }
            }
        }
    }

    fn make_spare(&self) -> io::Result<Spare> {
        let number = self.segments.next_file_number();
        let name = file_name(number, SPARE_SUFFIX);
        let file = self.storage.create(&name)?;
        if let Err(error) = zero(file.as_ref(), self.settings.segment_bytes) {
            // What is left of it would take the room that others need.
            ignore_missing(self.storage.remove(&name))?;
            return Err(error);
        }
        Ok(Spare { name, file })
    }

    fn write_indexes(&self) {
        let sealed = mem::take(&mut self.maintenance.work.lock().sealed);
        for segment in sealed.iter().filter(|segment| !segment.is_trimmed()) {
            if let Err(error) = self.write_index(segment) {
                tracing::warn!(file = segment.path(), %error, "cannot write the index of a journal segment; the next open will read the segment");
            }
        }
    }

    fn write_index(&self, segment: &Segment) -> io::Result<()> {
        let bytes = segment.index.read().encode(self.identity, segment.number, segment.end());
        let name = file_name(segment.number, INDEX_SUFFIX);
        ignore_missing(self.storage.remove(&name))?;
        let file = self.storage.create(&name)?;
        write_all_at(file.as_ref(), &bytes, 0)
    }
}

/// Writes zeros, so that later writes change no metadata of the file system and their fsync is short.
fn zero(file: &dyn StorageFile, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROING_BYTES];
    let mut position = 0;
    while position < bytes {
        let length = (bytes - position).min(ZEROING_BYTES as u64);
        write_all_at(file, &zeros[..length as usize], position)?;
        position += length;
    }
    file.sync_data()
}

/// What is gone already need not be removed.
pub(crate) fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
