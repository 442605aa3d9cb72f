//! A journal, a state store and a stand-in for the bus's lanes, in a temporary directory.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bus::{Delivery, Offset, Record, TargetName, View};
use journal::state::StateStore;
use journal::{Journal, Settings};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::queue;
use crate::{AttachError, Intake, Lanes};

pub(crate) struct Ground {
    directory: Arc<TempDir>,
    pub(crate) journal: Journal,
    pub(crate) store: StateStore,
    pub(crate) lanes: Arc<Following>,
}

impl Ground {
    pub(crate) fn new() -> Self {
        Self::open(Arc::new(tempfile::tempdir().unwrap()))
    }

    fn open(directory: Arc<TempDir>) -> Self {
        let settings = Settings { segment_bytes: 1 << 20, record_bytes_max: 256 << 10, ..Settings::default() };
        let journal = Journal::open(directory.path().join("journal"), settings).unwrap();
        let store = StateStore::open(directory.path().join("state")).unwrap();
        let lanes = Arc::new(Following { journal: journal.clone(), views: Mutex::default() });
        Self { directory, journal, store, lanes }
    }

    /// Opens the same directory again. Without grace, what the files hold at this moment is copied and opened, while
    /// the first run still goes on: it can't write a farewell into the copy.
    pub(crate) fn restart(self, gracefully: bool) -> Self {
        if gracefully {
            self.journal.close();
            let Self { directory, journal, store, lanes } = self;
            lanes.views.lock().clear();
            drop((journal, store, lanes));
            return Self::open_soon(directory);
        }
        let copy = tempfile::tempdir().unwrap();
        copy_tree(self.directory.path(), copy.path());
        Self::open(Arc::new(copy))
    }

    /// Tasks that end may hold the directory for another moment.
    fn open_soon(directory: Arc<TempDir>) -> Self {
        let copy = tempfile::tempdir().unwrap();
        copy_tree(directory.path(), copy.path());
        Self::open(Arc::new(copy))
    }

    pub(crate) fn intake(&self) -> Intake {
        Intake::new(self.journal.clone(), Arc::clone(&self.lanes) as _)
    }

    pub(crate) fn queues(&self, settings: &queue::Settings) -> queue::Queues {
        queue::Queues::open(self.intake(), &self.journal, &self.store, settings.clone()).unwrap()
    }
}

fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Shows views what becomes durable, as the bus does.
pub(crate) struct Following {
    journal: Journal,
    views: Mutex<HashMap<TargetName, Followed>>,
}

struct Followed {
    shown: Arc<AtomicU64>,
    released: Offset,
    _stop: DropGuard,
}

impl Following {
    /// Before which offset a view needs nothing.
    pub(crate) fn released(&self, target: &TargetName) -> Option<Offset> {
        self.views.lock().get(target).map(|followed| followed.released)
    }
}

impl Lanes for Following {
    fn attach(&self, target: TargetName, view: Arc<dyn View>, from: Offset) -> Result<(), AttachError> {
        let stop = CancellationToken::new();
        let (stopped, name) = (stop.clone(), target.clone());
        let (mut durable, mut reader) = (self.journal.durable(), self.journal.read_from(from));
        let shown = Arc::new(AtomicU64::new(from.0));
        let showing = Arc::clone(&shown);
        let follow = async move {
            loop {
                while let Some(entry) = reader.next().unwrap() {
                    let record = Record::decode(&entry.payload).unwrap();
                    let deliveries = Delivery::all_from_record(&record, &name, entry.offset);
                    if !deliveries.is_empty() {
                        view.observe(&deliveries);
                    }
                }
                showing.store(reader.position().0, Ordering::Release);
                if durable.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::spawn(async move { stopped.run_until_cancelled(follow).await });
        let followed = Followed { shown, released: from, _stop: stop.drop_guard() };
        self.views.lock().insert(target, followed);
        Ok(())
    }

    fn detach(&self, target: &TargetName) {
        self.views.lock().remove(target);
    }

    fn shown(&self, target: &TargetName) -> Offset {
        let shown = |followed: &Followed| Offset(followed.shown.load(Ordering::Acquire));
        self.views.lock().get(target).map(shown).unwrap_or_default()
    }

    fn release(&self, target: &TargetName, before: Offset) {
        if let Some(followed) = self.views.lock().get_mut(target) {
            followed.released = before;
        }
    }
}
