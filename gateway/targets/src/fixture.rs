//! A journal, a state store and a bus in a temporary directory.

use std::time::Duration;

use bus::{Bus, BusSettings};
use journal::state::StateStore;
use journal::{Journal, Settings};
use tempfile::TempDir;

use crate::{queue, stream};

pub(crate) struct Ground {
    directory: TempDir,
    pub(crate) journal: Journal,
    pub(crate) store: StateStore,
    pub(crate) bus: Bus,
}

impl Ground {
    pub(crate) fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap())
    }

    fn open(directory: TempDir) -> Self {
        let settings =
            Settings { segment_bytes: 1 << 20, record_bytes_max: 256 << 10, ..Settings::default() };
        let journal = Journal::open(directory.path().join("journal"), settings).unwrap();
        let store = StateStore::open(directory.path().join("state")).unwrap();
        let bus = Bus::open(journal.clone(), &store, BusSettings::default()).unwrap();
        Self { directory, journal, store, bus }
    }

    /// Opens what the files hold at this moment, in a copy: without grace the first run still goes on, so it can't
    /// have written a farewell.
    pub(crate) async fn restart(self, gracefully: bool) -> Self {
        if gracefully {
            self.bus.drain(Duration::from_secs(5)).await.unwrap();
            self.journal.close();
        }
        let copy = tempfile::tempdir().unwrap();
        copy_tree(self.directory.path(), copy.path());
        Self::open(copy)
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.directory.path()
    }

    pub(crate) async fn queues(&self, settings: &queue::Settings) -> queue::Queues {
        let queues =
            queue::Queues::open(&self.bus, &self.journal, &self.store, settings.clone()).await.unwrap();
        self.bus.begin_trimming();
        queues
    }

    pub(crate) async fn streams(&self, settings: &stream::Settings) -> stream::Streams {
        let streams =
            stream::Streams::open(&self.bus, &self.journal, &self.store, settings.clone()).await.unwrap();
        self.bus.begin_trimming();
        streams
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
