//! The thread that writes sessions to the state store.

use super::copies;
use super::feeds::Feeds;
use super::rows::{self, FlightRow, OwedRow, SessionRow, SubscriptionRow, WillRow};
use broker::{Change, FlightStage, SessionKey, WillKey};
use bus::{Floor, Record, Source};
use bytes::Bytes;
use journal::state::{Batch, StateError, StateStore, Table};
use journal::{Journal, Offset, Reader};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Requests that wait for the thread; connections wait when it is full.
const REQUESTS_WAITING_MAX: usize = 4096;
/// Requests that share one commit.
const REQUESTS_PER_COMMIT_MAX: usize = 1024;
/// Journal records looked at in one go when nobody asks for anything.
const RECORDS_PER_LOOK_MAX: usize = 10_000;
/// How often the journal is followed when nobody asks for anything.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long what was committed lazily may keep the journal from being trimmed.
const SYNC_INTERVAL: Duration = Duration::from_secs(10);

/// The tables.
pub(super) struct Tables {
    pub(super) store: StateStore,
    pub(super) sessions: Table,
    pub(super) subscriptions: Table,
    pub(super) inbound: Table,
    pub(super) flights: Table,
    pub(super) owed: Table,
    pub(super) wills: Table,
    pub(super) feeds: Table,
    pub(super) skips: Table,
    pub(super) carried: Table,
    pub(super) retained: Table,
    pub(super) follow: Table,
}

impl Tables {
    pub(super) fn open(store: &StateStore) -> Result<Self, StateError> {
        Ok(Self {
            store: store.clone(),
            sessions: store.table("session")?,
            subscriptions: store.table("session-subscription")?,
            inbound: store.table("session-inbound")?,
            flights: store.table("session-flight")?,
            owed: store.table("session-owed")?,
            wills: store.table("will")?,
            feeds: store.table("session-feed")?,
            skips: store.table("session-feed-skip")?,
            carried: store.table("session-carried")?,
            retained: store.table("retained")?,
            follow: store.table("session-follow")?,
        })
    }
}

/// Where the thread stands in the journal.
pub(super) const FOLLOW_KEY: &[u8] = b"offset";

struct Request {
    changes: Vec<Change>,
    done: Option<oneshot::Sender<Result<(), StoreFailed>>>,
}

/// The store takes no more changes.
#[derive(Debug, Clone, thiserror::Error)]
#[error("sessions can't be stored: {0}")]
pub(crate) struct StoreFailed(String);

/// The handle that connections use.
pub(crate) struct SessionStore {
    requests: parking_lot::RwLock<Option<mpsc::Sender<Request>>>,
    thread: parking_lot::Mutex<Option<JoinHandle<()>>>,
}

impl SessionStore {
    /// Starts the thread, which goes on from what [`super::recover`] found.
    pub(super) fn start(writer: Writer) -> std::io::Result<Self> {
        let (requests, received) = mpsc::channel(REQUESTS_WAITING_MAX);
        let thread =
            std::thread::Builder::new().name("sessions".to_string()).spawn(move || writer.run(received))?;
        let requests = parking_lot::RwLock::new(Some(requests));
        Ok(Self { requests, thread: parking_lot::Mutex::new(Some(thread)) })
    }

    /// Makes changes durable, in order; returns when what a later packet could contradict is on disk.
    ///
    /// # Errors
    /// When the store failed; the connection must not send what these changes promise.
    pub(crate) async fn persist(&self, changes: Vec<Change>) -> Result<(), StoreFailed> {
        if changes.is_empty() {
            return Ok(());
        }
        let gone = || StoreFailed("the gateway is shutting down".to_string());
        let requests = self.requests.read().clone().ok_or_else(gone)?;
        if !changes.iter().any(is_promise) {
            return requests.send(Request { changes, done: None }).await.map_err(|_| gone());
        }
        let (done, outcome) = oneshot::channel();
        requests.send(Request { changes, done: Some(done) }).await.map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }

    /// Writes what is waiting and ends the thread. Blocks until the last connection has let go.
    pub(crate) fn close(&self) {
        drop(self.requests.write().take());
        if let Some(thread) = self.thread.lock().take() {
            // It catches its own errors; a panic in it was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Whether a later packet could contradict the change, so that it has to be on disk before the packet that goes with it.
fn is_promise(change: &Change) -> bool {
    !matches!(change, Change::Settled(..) | Change::Landed(..) | Change::RetainedOver { .. })
}

/// The record that a change is about, if it is about one.
fn offset_of(change: &Change) -> Option<u64> {
    match change {
        Change::Settled(_, offset, _) | Change::Moved { offset, .. } | Change::Owed { offset, .. } => {
            Some(*offset)
        }
        Change::Flying(_, flight) => flight.offset,
        Change::InboundReleased { offset, .. } | Change::RetainedOver { offset, .. } => *offset,
        _ => None,
    }
}

/// What the thread owns.
pub(super) struct Writer {
    pub(super) tables: Tables,
    pub(super) reader: Reader,
    pub(super) floor: Floor,
    /// From which offset whose session is owed a copy, and by which group; the first is what the journal must keep.
    pub(super) owed: BTreeSet<(u64, SessionKey, Option<Arc<str>>)>,
    pub(super) next_order: u64,
    pub(super) feeds: Feeds,
    /// Whether the last look at the journal ended before its end.
    is_behind: bool,
    /// When everything was on disk last, and how far the journal had been looked at then.
    synced: Instant,
    synced_to: Offset,
    pub(super) failed: Option<StoreFailed>,
}

impl Writer {
    pub(super) fn new(tables: Tables, journal: &Journal, from: Offset, floor: Floor) -> Self {
        let reader = journal.read_from(from);
        Self {
            tables,
            reader,
            floor,
            owed: BTreeSet::new(),
            next_order: 0,
            feeds: Feeds::default(),
            is_behind: false,
            synced: Instant::now(),
            synced_to: from,
            failed: None,
        }
    }

    fn run(mut self, mut received: mpsc::Receiver<Request>) {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else {
            tracing::error!("the thread of the sessions can't be started");
            return;
        };
        let mut requests = Vec::new();
        loop {
            let wait = received.recv_many(&mut requests, REQUESTS_PER_COMMIT_MAX);
            let time_max = if self.is_behind { Duration::ZERO } else { LOOK_INTERVAL };
            let count = runtime.block_on(async { tokio::time::timeout(time_max, wait).await });
            let outcome = match count {
                Ok(0) => break,
                Ok(_) | Err(_) => {
                    // What is not written now can't be written later: connections wait until there is room.
                    self.tables.store.wait_for_room();
                    self.commit(&requests)
                }
            };
            if let Err(error) = &outcome {
                tracing::error!(%error, "sessions can't be stored; clients with durable sessions are refused");
            }
            for request in requests.drain(..) {
                if let Some(done) = request.done {
                    // The connection may be gone by now.
                    let _ = done.send(outcome.clone());
                }
            }
        }
        if let Err(error) = self.commit(&[]).and_then(|()| self.tables.store.sync().map_err(failed)) {
            tracing::error!(%error, "the last changes of sessions could not be stored");
        }
    }

    fn commit(&mut self, requests: &[Request]) -> Result<(), StoreFailed> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let durable = requests.iter().any(|request| request.done.is_some());
        let outcome = self.write(requests, durable);
        if let Err(error) = &outcome {
            self.failed = Some(error.clone());
        }
        outcome
    }

    fn write(&mut self, requests: &[Request], durable: bool) -> Result<(), StoreFailed> {
        let mut batch = self.tables.store.batch();
        // Copies first: a change can only be about a copy whose record is durable, and that copy has to be known by then.
        let goal = requests.iter().flat_map(|request| &request.changes).filter_map(offset_of).max();
        loop {
            self.follow(&mut batch).map_err(failed)?;
            if goal.is_none_or(|goal| self.reader.position().0 > goal) || !self.is_behind {
                break;
            }
            std::mem::replace(&mut batch, self.tables.store.batch()).commit_lazily().map_err(failed)?;
        }
        // A session that ends is forgotten with the copies that are in the store by now.
        std::mem::replace(&mut batch, self.tables.store.batch()).commit_lazily().map_err(failed)?;
        for change in requests.iter().flat_map(|request| &request.changes) {
            self.apply(&mut batch, change).map_err(failed)?;
        }
        let looked_at = self.reader.position();
        let is_new = !batch.is_empty() || looked_at != self.synced_to;
        let is_due = self.synced.elapsed() > SYNC_INTERVAL || self.floor.is_wanted();
        if durable || (is_new && is_due) {
            batch.commit_durable().map_err(failed)?;
            (self.synced, self.synced_to) = (Instant::now(), looked_at);
            self.raise_floor();
        } else if is_new {
            batch.commit_lazily().map_err(failed)?;
        }
        Ok(())
    }

    /// Notes the copies and the retained messages of what became durable.
    pub(super) fn follow(&mut self, batch: &mut Batch) -> Result<(), StateError> {
        let start = self.reader.position();
        self.is_behind = true;
        for _ in 0..RECORDS_PER_LOOK_MAX {
            match self.reader.next() {
                Ok(Some(entry)) => self.note(batch, entry.offset, &entry.payload)?,
                Ok(None) => {
                    self.is_behind = false;
                    break;
                }
                Err(journal::ReadError::Trimmed { oldest, .. }) => self.reader.seek(oldest),
                Err(error) => {
                    // The place stays; the next look tries again.
                    tracing::error!(%error, "the journal can't be followed for sessions");
                    self.is_behind = false;
                    break;
                }
            }
        }
        if self.reader.position() != start {
            batch.insert(&self.tables.follow, FOLLOW_KEY, self.reader.position().0.to_be_bytes())?;
        }
        Ok(())
    }

    fn note(&mut self, batch: &mut Batch, offset: Offset, payload: &Bytes) -> Result<(), StateError> {
        // What can't be read is said below, if it holds anything for a session.
        if let Ok(Some(source)) = bus::record::source(payload) {
            self.note_source(batch, offset, source)?;
        }
        if !bus::record::holds_message(payload) {
            return Ok(());
        }
        let Ok(mut record) = Record::decode(payload) else {
            tracing::error!(
                offset = offset.0,
                "a journal record can't be read; copies owed from it are lost"
            );
            return Ok(());
        };
        for owed in std::mem::take(&mut record.owed) {
            if let Some((key, options)) = copies::read(&owed)
                && self.tables.sessions.contains(rows::session_key(key))?
            {
                self.owe(batch, key, offset.0, &OwedRow::new(&options))?;
            }
        }
        if record.retained {
            self.retain(batch, offset, record)?;
        }
        Ok(())
    }

    /// What the record proves was taken.
    fn note_source(&mut self, batch: &mut Batch, offset: Offset, source: Source) -> Result<(), StateError> {
        match source {
            Source::Exchange { session, packet_id } => {
                let key = SessionKey(session);
                if !self.tables.sessions.contains(rows::session_key(key))? {
                    return Ok(());
                }
                let row = rows::key_with(key, &packet_id.to_be_bytes());
                batch.insert(&self.tables.inbound, row, offset.0.to_be_bytes())
            }
            // It was published: not again, whatever else of its end is lost.
            Source::Will { will } => batch.remove(&self.tables.wills, rows::will_key(WillKey(will))),
        }
    }

    fn retain(&mut self, batch: &mut Batch, offset: Offset, mut record: Record) -> Result<(), StateError> {
        let topic = record.topic.clone();
        if record.message.as_ref().is_none_or(|message| message.payload.is_empty()) {
            return batch.remove(&self.tables.retained, topic);
        }
        record.events.clear();
        record.source = None;
        match record.encode() {
            Ok(bytes) => batch.insert(&self.tables.retained, topic, rows::encode_retained(offset.0, &bytes)),
            Err(error) => {
                tracing::error!(%error, topic, "a retained message can't be stored");
                Ok(())
            }
        }
    }

    fn owe(
        &mut self,
        batch: &mut Batch,
        key: SessionKey,
        offset: u64,
        row: &OwedRow,
    ) -> Result<(), StateError> {
        self.owed.insert((offset, key, row.shared().map(Arc::from)));
        batch.insert(&self.tables.owed, rows::owed_key(key, offset, row.shared()), rows::encode(row))
    }

    fn settle(
        &mut self,
        batch: &mut Batch,
        key: SessionKey,
        offset: u64,
        shared: Option<&str>,
    ) -> Result<(), StateError> {
        self.owed.remove(&(offset, key, shared.map(Arc::from)));
        batch.remove(&self.tables.owed, rows::owed_key(key, offset, shared))
    }

    pub(super) fn apply(&mut self, batch: &mut Batch, change: &Change) -> Result<(), StateError> {
        let tables = &self.tables;
        match change {
            Change::Header(header) => {
                let row = rows::encode(SessionRow::new(header));
                batch.insert(&tables.sessions, rows::session_key(header.key), row)
            }
            Change::Closed(key) => {
                // What is removed is what the store holds.
                std::mem::replace(batch, tables.store.batch()).commit_lazily()?;
                self.forget(batch, *key)
            }
            Change::Subscribed(key, saved) => {
                let row = rows::encode(SubscriptionRow::new(saved));
                batch.insert(&tables.subscriptions, rows::key_with(*key, saved.filter.as_bytes()), row)
            }
            Change::Unsubscribed(key, filter) => {
                batch.remove(&tables.subscriptions, rows::key_with(*key, filter.as_bytes()))?;
                self.fed(batch, *key, filter)
            }
            Change::Feeding(key, feed) => self.feeding(batch, *key, feed),
            Change::Fed(key, filter) => self.fed(batch, *key, filter),
            Change::FeedSkips(key, offset) => self.feeds_skip(batch, *key, *offset),
            Change::Carried(key, id, carried) => self.carry(batch, *key, *id, carried),
            Change::Owed { key, offset, options } => self.owe(batch, *key, *offset, &OwedRow::new(options)),
            Change::InboundTaken(key, id) => batch.insert(&tables.inbound, rows::packet_key(*key, *id), []),
            Change::InboundReleased { key, packet_id, offset } => {
                self.release(batch, rows::packet_key(*key, *packet_id), *offset)
            }
            Change::Flying(key, flight) => {
                self.next_order += 1;
                let row = rows::encode(FlightRow::new(flight, self.next_order));
                batch.insert(&tables.flights, rows::packet_key(*key, flight.packet_id), row)?;
                if flight.stage == FlightStage::Published && flight.offset.is_none() {
                    return Ok(());
                }
                self.drop_carried(batch, *key, flight.packet_id)
            }
            Change::Landed(key, id) => {
                batch.remove(&tables.flights, rows::packet_key(*key, *id))?;
                self.drop_carried(batch, *key, *id)
            }
            Change::Settled(key, offset, shared) => self.settle(batch, *key, *offset, shared.as_deref()),
            Change::WillLeft(will) => {
                batch.insert(&tables.wills, rows::will_key(will.key), rows::encode(WillRow::new(will)))
            }
            Change::RetainedOver { topic, offset } => self.retained_over(batch, topic, *offset),
            Change::WillOver(key) => batch.remove(&tables.wills, rows::will_key(*key)),
            Change::Moved { from, offset, options, .. }
                if !self.owed.contains(&(*offset, *from, options.shared.clone())) =>
            {
                Ok(())
            }
            Change::Moved { from, to, offset, options } => {
                self.settle(batch, *from, *offset, options.shared.as_deref())?;
                match to {
                    Some(to) => self.owe(batch, *to, *offset, &OwedRow::new(options)),
                    None => Ok(()),
                }
            }
        }
    }

    /// A later record may have given the topic another message, and been looked at before this.
    fn retained_over(&self, batch: &mut Batch, topic: &str, offset: Option<u64>) -> Result<(), StateError> {
        let row = self.tables.retained.get(topic)?;
        if row.is_some_and(|row| rows::split_retained(&row).0 == offset) {
            batch.remove(&self.tables.retained, topic)?;
        }
        Ok(())
    }

    /// The client let go of an identifier. A later record may have taken it again, and been looked at before this.
    fn release(&self, batch: &mut Batch, row: Vec<u8>, offset: Option<u64>) -> Result<(), StateError> {
        if let Some(offset) = offset
            && let Some(taken) = self.tables.inbound.get(&row)?
            && number(&taken).is_some_and(|taken_at| taken_at > offset)
        {
            return Ok(());
        }
        batch.remove(&self.tables.inbound, row)
    }

    /// Removes a session and all that belongs to it.
    pub(super) fn forget(&mut self, batch: &mut Batch, key: SessionKey) -> Result<(), StateError> {
        let prefix = rows::session_key(key);
        batch.remove(&self.tables.sessions, prefix)?;
        for table in [&self.tables.subscriptions, &self.tables.inbound, &self.tables.flights] {
            for row in table.prefix(prefix) {
                batch.remove(table, row?.0)?;
            }
        }
        self.forget_feeds(batch, key)?;
        self.forget_carried(batch, key)?;
        let rows: Result<Vec<_>, _> = self.tables.owed.prefix(prefix).collect();
        for (row, _) in rows? {
            if let Some((offset, shared)) = rows::split_key(&row).and_then(|(_, rest)| rows::split_owed(rest))
            {
                self.settle(batch, key, offset, shared)?;
            }
        }
        Ok(())
    }

    /// The journal keeps what is owed, and what was not looked at yet. Call it when both are durable.
    pub(super) fn raise_floor(&self) {
        let looked_at = self.reader.position().0;
        let needed = self.owed.first().map_or(looked_at, |(offset, ..)| (*offset).min(looked_at));
        self.floor.raise(Offset(needed));
    }
}

/// A number at the end of a key.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

fn failed(error: impl std::fmt::Display) -> StoreFailed {
    StoreFailed(error.to_string())
}
