//! Writes small state for many callers with one fsync.
//!
//! Callers wait for their change, not for their own fsync: a thread of its own gathers everything that waits into one
//! batch and commits it, so deletes grow cheaper the more of them there are.
//!
//! Nobody waits for a note, so one whose batch failed is kept and written first next time: what is answered later never
//! stands on a note that is gone.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use journal::state::{StateError, StateStore, Table};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

/// How many requests may wait for the thread.
const REQUESTS_MAX: usize = 8_192;

/// How many notes may be kept whose batch failed, before further ones are refused.
const UNWRITTEN_MAX: usize = REQUESTS_MAX;

/// How many new requests one commit carries at most.
const BATCH_REQUESTS_MAX: usize = 4_096;

/// One row to set, or to remove.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) table: Table,
    pub(crate) key: Vec<u8>,
    /// `None` removes the row.
    pub(crate) value: Option<Vec<u8>>,
}

/// The change could not be written; whether it will be there after a restart is not known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The store failed.
    #[error(transparent)]
    Store(Arc<StateError>),
    /// The writer has ended.
    #[error("the gateway is shutting down")]
    Closed,
}

struct Request {
    changes: Vec<Change>,
    /// Whether it is to survive a power failure, too.
    durable: bool,
    /// Who waits until it is durable; nobody for a note.
    done: Option<oneshot::Sender<Result<(), Arc<StateError>>>>,
}

impl Request {
    fn is_note(&self) -> bool {
        self.done.is_none()
    }
}

/// See the module.
pub(crate) struct Writer {
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Notes that the last batch failed to write.
    unwritten: Arc<AtomicUsize>,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(store: StateStore, name: &str) -> io::Result<Self> {
        let (requests, waiting) = mpsc::channel(REQUESTS_MAX);
        let commit = move |requests: &[Request]| {
            // Nobody repeats what was noted, so it waits here, and who sends more waits behind it.
            store.wait_for_room();
            commit(&store, requests)
        };
        Self::start_with(commit, requests, waiting, name)
    }

    fn start_with(
        commit: impl FnMut(&[Request]) -> Result<(), StateError> + Send + 'static,
        requests: mpsc::Sender<Request>,
        waiting: mpsc::Receiver<Request>,
        name: &str,
    ) -> io::Result<Self> {
        let unwritten = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&unwritten);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(waiting, &counted, commit))?;
        Ok(Self { requests: Mutex::new(Some(requests)), thread: Mutex::new(Some(thread)), unwritten })
    }

    /// Makes the changes, and returns when they are on disk. When the caller goes away the changes are made anyway.
    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Result<(), WriteError> {
        self.request(changes, true).await
    }

    /// Returns when everything that was noted before is written: it survives the death of the process, and nothing
    /// written later survives anything without it.
    pub(crate) async fn written(&self) -> Result<(), WriteError> {
        self.request(Vec::new(), false).await
    }

    async fn request(&self, changes: Vec<Change>, durable: bool) -> Result<(), WriteError> {
        let requests = self.requests.lock().clone().ok_or(WriteError::Closed)?;
        let (done, outcome) = oneshot::channel();
        requests
            .send(Request { changes, durable, done: Some(done) })
            .await
            .map_err(|_| WriteError::Closed)?;
        outcome.await.map_err(|_| WriteError::Closed)?.map_err(WriteError::Store)
    }

    /// Makes the changes soon if there is room, in order with all others. They survive the death of the process.
    /// False when there is no room, or the writer has ended: nothing of it will be written. A note that could not be
    /// written is tried again with whatever is to be written next.
    #[must_use = "what there is no room for is not written"]
    pub(crate) fn note(&self, changes: Vec<Change>) -> bool {
        self.note_or_give_back(changes).is_ok()
    }

    /// The same, but gives back what there is no room for.
    pub(crate) fn note_or_give_back(&self, changes: Vec<Change>) -> Result<(), Vec<Change>> {
        let requests = self.requests.lock();
        let Some(requests) = requests.as_ref() else { return Err(changes) };
        if self.unwritten.load(Ordering::Relaxed) >= UNWRITTEN_MAX {
            return Err(changes);
        }
        let noting = requests.try_send(Request { changes, durable: false, done: None });
        noting.map_err(|error| error.into_inner().changes)
    }

    /// Has no room for anything while `work` runs.
    #[cfg(test)]
    pub(crate) fn refusing<T>(&self, work: impl FnOnce() -> T) -> T {
        let requests = self.requests.lock().take();
        let done = work();
        *self.requests.lock() = requests;
        done
    }

    /// Writes what waits and ends the thread. Blocks until that is done.
    pub(crate) fn close(&self) {
        *self.requests.lock() = None;
        if let Some(thread) = self.thread.lock().take() {
            // A thread that panicked has nothing more to write.
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

fn run(
    mut waiting: mpsc::Receiver<Request>,
    unwritten: &AtomicUsize,
    mut commit: impl FnMut(&[Request]) -> Result<(), StateError>,
) {
    let mut requests = Vec::with_capacity(64);
    while waiting.blocking_recv_many(&mut requests, BATCH_REQUESTS_MAX) > 0 {
        let outcome = commit(&requests).map_err(Arc::new);
        if let Err(error) = &outcome {
            tracing::error!(%error, requests = requests.len(), "could not write the state of queues and streams");
        }
        // Before anybody is answered, for they go on in the belief that it is so.
        let failed = outcome.is_err();
        let notes = if failed { requests.iter().filter(|request| request.is_note()).count() } else { 0 };
        unwritten.store(notes, Ordering::Relaxed);
        requests.retain_mut(|request| match request.done.take() {
            Some(done) => {
                let _ = done.send(outcome.clone());
                false
            }
            None => failed,
        });
    }
    if !requests.is_empty()
        && let Err(error) = commit(&requests)
    {
        tracing::error!(%error, notes = requests.len(), "notes on queues and streams are lost, the disk takes none");
    }
}

fn commit(store: &StateStore, requests: &[Request]) -> Result<(), StateError> {
    let mut batch = store.batch();
    for change in requests.iter().flat_map(|request| &request.changes) {
        match &change.value {
            Some(value) => batch.insert(&change.table, &change.key, value)?,
            None => batch.remove(&change.table, &change.key)?,
        }
    }
    match requests.iter().any(|request| request.durable) {
        true => batch.commit_durable(),
        false => batch.commit_lazily(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(table: &Table, number: u32) -> Change {
        Change { table: table.clone(), key: number.to_be_bytes().to_vec(), value: Some(vec![1]) }
    }

    #[tokio::test]
    async fn concurrent_commits_are_all_there() {
        let directory = tempfile::tempdir().unwrap();
        let store = StateStore::open(directory.path()).unwrap();
        let table = store.table("t").unwrap();
        let writer = Arc::new(Writer::start(store, "test").unwrap());
        let commits = (0..500).map(|number| {
            let (writer, table) = (Arc::clone(&writer), table.clone());
            tokio::spawn(async move { writer.commit(vec![change(&table, number)]).await })
        });
        for commit in futures::future::join_all(commits).await {
            commit.unwrap().unwrap();
        }
        assert_eq!(table.len().unwrap(), 500);
    }

    #[tokio::test]
    async fn closing_writes_what_was_noted_and_refuses_more() {
        let directory = tempfile::tempdir().unwrap();
        let store = StateStore::open(directory.path()).unwrap();
        let table = store.table("t").unwrap();
        let writer = Writer::start(store, "test").unwrap();
        assert!(writer.note(vec![change(&table, 1)]));
        writer.close();
        assert!(!writer.note(vec![change(&table, 3)]));
        assert_eq!(table.len().unwrap(), 1);
        assert!(matches!(writer.commit(vec![change(&table, 2)]).await, Err(WriteError::Closed)));
    }

    #[tokio::test]
    async fn a_note_whose_batch_failed_is_written_before_what_comes_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let store = StateStore::open(directory.path()).unwrap();
        let table = store.table("t").unwrap();
        let is_full = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let committing = {
            let (is_full, store) = (Arc::clone(&is_full), store.clone());
            move |requests: &[Request]| match is_full.load(Ordering::SeqCst) {
                true => Err(StateError::Poisoned { path: "full".into() }),
                false => commit(&store, requests),
            }
        };
        let (requests, waiting) = mpsc::channel(REQUESTS_MAX);
        let writer = Writer::start_with(committing, requests, waiting, "test").unwrap();
        assert!(writer.note(vec![change(&table, 1)]));
        assert!(writer.written().await.is_err());
        assert!(writer.commit(vec![change(&table, 2)]).await.is_err());
        assert!(writer.note(vec![change(&table, 3)]));
        writer.written().await.unwrap_err();
        assert_eq!((table.len().unwrap(), writer.unwritten.load(Ordering::SeqCst)), (0, 2));
        writer.unwritten.store(UNWRITTEN_MAX, Ordering::SeqCst);
        assert!(!writer.note(vec![change(&table, 4)]), "what is kept is bounded");
        is_full.store(false, Ordering::SeqCst);
        writer.written().await.unwrap();
        let numbers: Vec<u8> = table.iter().map(|row| row.unwrap().0[3]).collect();
        assert_eq!(numbers, [1, 3], "what failed with an answer is not made up for");
    }

    #[test]
    fn a_note_without_room_is_refused_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let table = StateStore::open(directory.path()).unwrap().table("t").unwrap();
        let (requests, _waiting) = mpsc::channel(1);
        let (requests, thread) = (Mutex::new(Some(requests)), Mutex::new(None));
        let writer = Writer { requests, thread, unwritten: Arc::default() };
        assert!(writer.note(vec![change(&table, 1)]));
        assert!(!writer.note(vec![change(&table, 2)]));
    }
}
