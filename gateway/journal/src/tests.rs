//! The journal as its callers see it, on a storage that breaks.

mod appending;
mod damage;
mod failures;
mod model;
mod opening;
mod retaining;
mod trimming;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::storage::faulty::FaultyStorage;
use crate::{CommitError, Journal, Offset, ReadError, Settings};

/// Small segments and no work in the background.
fn small() -> Settings {
    Settings {
        segment_bytes: 64 * 1024,
        record_bytes_max: 16 * 1024,
        queue_bytes_max: 256 * 1024,
        batch_bytes_max: 32 * 1024,
        spare_segments: 0,
        ..Settings::default()
    }
}

fn open(storage: &FaultyStorage) -> Journal {
    open_with(storage, small())
}

fn open_with(storage: &FaultyStorage, settings: Settings) -> Journal {
    Journal::open_in(Arc::new(storage.clone()), settings).expect("the journal opens")
}

type Records = Vec<(Offset, Bytes)>;

/// Everything that can be read, from the oldest record on.
fn read_all(journal: &Journal) -> Records {
    let mut reader = journal.read_from(journal.oldest());
    let mut records = Vec::new();
    while let Some(entry) = reader.next().expect("reading works") {
        records.push((entry.offset, entry.payload));
    }
    assert_eq!(reader.position(), journal.frontier(), "a reader at the end stands at the frontier");
    records
}

/// What can be read, as text.
fn texts(journal: &Journal) -> Vec<String> {
    read_all(journal).into_iter().map(|(_, payload)| String::from_utf8(payload.to_vec()).unwrap()).collect()
}

/// Appends all, then takes all outcomes.
async fn append_all<T: Into<Bytes>>(
    journal: &Journal,
    payloads: impl IntoIterator<Item = T>,
) -> Vec<(Offset, Result<(), CommitError>)> {
    let mut producer = journal.producer();
    let mut count = 0;
    for payload in payloads {
        producer.append(payload).await.expect("the record is taken");
        count += 1;
    }
    let mut outcomes = Vec::new();
    for _ in 0..count {
        outcomes.push(producer.next_outcome().await);
    }
    outcomes
}

/// Appends each record in a batch of its own.
async fn append_each(journal: &Journal, payloads: &[&'static str]) -> Vec<Offset> {
    let mut offsets = Vec::new();
    for payload in payloads {
        offsets.push(journal.append_durable(payload.as_bytes()).await.expect("the record is durable"));
    }
    offsets
}

/// Waits for a condition that a background thread brings about.
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    panic!("waited in vain until {what}");
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
