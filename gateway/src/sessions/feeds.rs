//! Retained messages that subscriptions still have to get: the feeds, and the copies of them in flight, whose bodies no other row has.

use super::copies;
use super::rows::{self, FeedRow, OwedRow};
use super::store::{Tables, Writer, number};
use broker::{Carried, SavedFeed, SessionKey, SessionState};
use bus::Record;
use bytes::Bytes;
use journal::state::{Batch, StateError};
use mqtt::PacketId;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// What of this is in the store, so that nothing has to be read, or removed in vain, when an exchange or a subscription is over.
#[derive(Default)]
pub(super) struct Feeds {
    sessions: HashMap<SessionKey, Feeding>,
    carried: HashSet<(SessionKey, PacketId)>,
}

#[derive(Default)]
struct Feeding {
    filters: BTreeSet<Arc<str>>,
    skips: Vec<u64>,
}

impl Writer {
    pub(super) fn feeding(
        &mut self,
        batch: &mut Batch,
        key: SessionKey,
        feed: &SavedFeed,
    ) -> Result<(), StateError> {
        self.feeds.sessions.entry(key).or_default().filters.insert(feed.filter.clone());
        let row = rows::key_with(key, feed.filter.as_bytes());
        batch.insert(&self.tables.feeds, row, rows::encode(FeedRow::new(feed)))
    }

    /// The feed is over, if there was one; with the last of a session, nobody has to know any more what they leave out.
    pub(super) fn fed(&mut self, batch: &mut Batch, key: SessionKey, filter: &str) -> Result<(), StateError> {
        let Some(feeding) = self.feeds.sessions.get_mut(&key) else { return Ok(()) };
        if feeding.filters.remove(filter) {
            batch.remove(&self.tables.feeds, rows::key_with(key, filter.as_bytes()))?;
        }
        if feeding.filters.is_empty() { self.forget_feeds(batch, key) } else { Ok(()) }
    }

    pub(super) fn feeds_skip(
        &mut self,
        batch: &mut Batch,
        key: SessionKey,
        offset: u64,
    ) -> Result<(), StateError> {
        // The last feed may have been over in the meantime.
        let Some(feeding) = self.feeds.sessions.get_mut(&key) else { return Ok(()) };
        feeding.skips.push(offset);
        batch.insert(&self.tables.skips, rows::key_with(key, &offset.to_be_bytes()), [])
    }

    pub(super) fn forget_feeds(&mut self, batch: &mut Batch, key: SessionKey) -> Result<(), StateError> {
        let Some(feeding) = self.feeds.sessions.remove(&key) else { return Ok(()) };
        for filter in feeding.filters {
            batch.remove(&self.tables.feeds, rows::key_with(key, filter.as_bytes()))?;
        }
        for offset in feeding.skips {
            batch.remove(&self.tables.skips, rows::key_with(key, &offset.to_be_bytes()))?;
        }
        Ok(())
    }

    pub(super) fn carry(
        &mut self,
        batch: &mut Batch,
        key: SessionKey,
        id: PacketId,
        carried: &Carried,
    ) -> Result<(), StateError> {
        match copies::record(&carried.message).encode() {
            Ok(record) => {
                self.feeds.carried.insert((key, id));
                let row = rows::encode_carried(&OwedRow::new(&carried.options), &record);
                batch.insert(&self.tables.carried, rows::packet_key(key, id), row)
            }
            Err(error) => {
                tracing::error!(%error, topic = carried.message.topic.as_str(), "a copy in flight can't be stored");
                Ok(())
            }
        }
    }

    /// The client has the message, or its exchange has another.
    pub(super) fn drop_carried(
        &mut self,
        batch: &mut Batch,
        key: SessionKey,
        id: PacketId,
    ) -> Result<(), StateError> {
        if self.feeds.carried.remove(&(key, id)) {
            batch.remove(&self.tables.carried, rows::packet_key(key, id))?;
        }
        Ok(())
    }

    pub(super) fn forget_carried(&mut self, batch: &mut Batch, key: SessionKey) -> Result<(), StateError> {
        for row in self.tables.carried.prefix(rows::session_key(key)) {
            let row = row?.0;
            if let Some(id) = rows::packet_id_of(&row) {
                self.feeds.carried.remove(&(key, id));
            }
            batch.remove(&self.tables.carried, row)?;
        }
        Ok(())
    }

    /// Gives sessions at start what they have of this.
    pub(super) fn restore_feeds(
        &mut self,
        sessions: &mut BTreeMap<SessionKey, SessionState>,
    ) -> anyhow::Result<()> {
        let Self { tables: Tables { feeds, skips, carried, .. }, feeds: known, .. } = self;
        for row in feeds.iter() {
            let (key, value) = row?;
            let Some((key, filter)) = rows::split_key(&key) else { continue };
            let (Some(session), Ok(filter)) = (sessions.get_mut(&key), std::str::from_utf8(filter)) else {
                continue;
            };
            let feed = rows::decode::<FeedRow>("session-feed", &value)?.feed(filter);
            known.sessions.entry(key).or_default().filters.insert(feed.filter.clone());
            session.feeds.push(feed);
        }
        for row in skips.iter() {
            let (key, _) = row?;
            let Some((key, offset)) = rows::split_key(&key) else { continue };
            let (Some(feeding), Some(offset)) = (known.sessions.get_mut(&key), number(offset)) else {
                continue;
            };
            feeding.skips.push(offset);
            if let Some(session) = sessions.get_mut(&key) {
                session.feeds_skip.push(offset);
            }
        }
        for row in carried.iter() {
            let (key, value) = row?;
            let (Some((session, _)), Some(id)) = (rows::split_key(&key), rows::packet_id_of(&key)) else {
                continue;
            };
            let Some(state) = sessions.get_mut(&session) else { continue };
            known.carried.insert((session, id));
            let (options, record) = rows::decode_carried(&value)?;
            let record = Record::decode(&Bytes::copy_from_slice(record)).ok();
            match record.and_then(|record| copies::message(&record)) {
                Some(message) => {
                    let carried = Carried { message: Arc::new(message), options: options.options() };
                    state.carried.push((id, carried));
                }
                None => {
                    tracing::error!(client_id = %state.header.client_id, "a copy in flight can't be read");
                }
            }
        }
        Ok(())
    }
}
