//! Who still needs which part of the journal, and giving up the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::Offset;

/// A floor that its owner moves and the trimmer reads.
#[derive(Debug)]
pub(crate) struct FloorCell {
    name: String,
    offset: AtomicU64,
    /// Whether the journal needs the room that it keeps.
    is_wanted: AtomicBool,
}

impl FloorCell {
    pub(crate) fn new(name: &str, offset: Offset) -> Self {
        Self { name: name.to_owned(), offset: AtomicU64::new(offset.0), is_wanted: AtomicBool::new(false) }
    }

    pub(crate) fn get(&self) -> Offset {
        Offset(self.offset.load(Ordering::Acquire))
    }

    pub(crate) fn raise(&self, offset: Offset) {
        self.offset.fetch_max(offset.0, Ordering::AcqRel);
    }
}

/// Floors that somebody outside the bus has registered.
#[derive(Debug, Default)]
pub(crate) struct Floors {
    cells: Mutex<Vec<Arc<FloorCell>>>,
}

impl Floors {
    pub(crate) fn register(self: &Arc<Self>, name: &str, offset: Offset) -> Floor {
        let cell = Arc::new(FloorCell::new(name, offset));
        self.cells.lock().push(Arc::clone(&cell));
        Floor { cell, floors: Arc::clone(self) }
    }

    pub(crate) fn min(&self) -> Option<Offset> {
        self.cells.lock().iter().map(|cell| cell.get()).min()
    }

    /// Whose floors there are, and where.
    pub(crate) fn all(&self) -> Vec<(String, Offset)> {
        self.cells.lock().iter().map(|cell| (cell.name.clone(), cell.get())).collect()
    }

    /// Asks for the room that is kept by floors before `offset`.
    pub(crate) fn ask_for_room(&self, offset: Offset) {
        for cell in self.cells.lock().iter().filter(|cell| cell.get() < offset) {
            cell.is_wanted.store(true, Ordering::Relaxed);
        }
    }
}

/// Keeps the journal from being trimmed at or above an offset, until dropped.
#[derive(Debug)]
pub struct Floor {
    cell: Arc<FloorCell>,
    floors: Arc<Floors>,
}

impl Floor {
    /// Raises the floor: nothing before `offset` is needed any more, and that is durable with whoever
    /// says so. A floor is never lowered.
    pub fn raise(&self, offset: Offset) {
        self.cell.raise(offset);
    }

    /// Whether the journal is short of room that this floor keeps, and said so since the last call. Whoever raises the floor only now and
    /// then looks here, and does it at once.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.cell.is_wanted.swap(false, Ordering::Relaxed)
    }

    /// Where it is.
    #[must_use]
    pub fn get(&self) -> Offset {
        self.cell.get()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.floors.cells.lock().retain(|cell| !Arc::ptr_eq(cell, &self.cell));
        tracing::debug!(floor = self.cell.name, "floor given up");
    }
}
