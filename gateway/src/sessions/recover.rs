//! At start: puts back what the store and the journal hold.

use super::copies;
use super::rows::{self, FlightRow, OwedRow, SessionRow, SubscriptionRow, WillRow};
use super::store::{FOLLOW_KEY, SessionStore, Tables, Writer, number};
use crate::client::Client;
use anyhow::Context;
use broker::{Broker, Restore, SavedWill, SessionHeader, SessionKey, SessionState, WillKey};
use bus::{Floor, Record};
use bytes::Bytes;
use journal::state::StateStore;
use journal::{Journal, Offset};
use mqtt::PacketId;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

impl SessionStore {
    /// Restores sessions and retained messages into `broker`, and goes on from there. Blocks; to be done before the first connection.
    ///
    /// # Errors
    /// When the store can't be read.
    pub(crate) fn open(
        state: &StateStore,
        journal: &Journal,
        floor: Floor,
        broker: &Broker<Client>,
        now_ms: u64,
    ) -> anyhow::Result<Self> {
        let tables = Tables::open(state)?;
        let from = match tables.follow.get(FOLLOW_KEY)? {
            Some(bytes) => {
                Offset(number(&bytes).context("the place of sessions in the journal can't be read")?)
            }
            None => journal.oldest(),
        };
        let mut writer = Writer::new(tables, journal, from, floor);
        catch_up(&mut writer)?;
        let restored = restore(&mut writer, journal, broker, now_ms)?;
        state.sync()?;
        writer.raise_floor();
        tracing::info!(
            sessions = restored.sessions,
            copies = restored.copies,
            retained = restored.retained,
            wills = restored.wills,
            "sessions restored"
        );
        Ok(Self::start(writer)?)
    }
}

/// Looks at what became durable after the last commit before the crash.
fn catch_up(writer: &mut Writer) -> anyhow::Result<()> {
    loop {
        let before = writer.reader.position();
        let mut batch = writer.tables.store.batch();
        writer.follow(&mut batch)?;
        if writer.reader.position() == before {
            return Ok(());
        }
        batch.commit_lazily()?;
    }
}

struct Restored {
    sessions: usize,
    copies: usize,
    retained: usize,
    wills: usize,
}

/// A session that ended is here still beside the one its client began right after, if the crash came before its end was on disk: what
/// ends a session and what begins the next may be persisted by different connections. The younger one counts.
fn forget_replaced(writer: &mut Writer) -> anyhow::Result<()> {
    let mut youngest: HashMap<Arc<str>, SessionKey> = HashMap::new();
    let mut replaced = Vec::new();
    for row in writer.tables.sessions.iter() {
        let (key, value) = row?;
        let Some((key, _)) = rows::split_key(&key) else { continue };
        let client_id = rows::decode::<SessionRow>("session", &value)?.header(key).client_id;
        // Rows come in the order of their keys, and keys only grow.
        replaced.extend(youngest.insert(client_id, key));
    }
    let mut batch = writer.tables.store.batch();
    for key in replaced {
        tracing::warn!(
            session = key.0,
            "a session that its client had replaced before the crash is gone now"
        );
        writer.forget(&mut batch, key)?;
    }
    Ok(batch.commit_lazily()?)
}

fn restore(
    writer: &mut Writer,
    journal: &Journal,
    broker: &Broker<Client>,
    now_ms: u64,
) -> anyhow::Result<Restored> {
    let mut restore = broker.restore();
    separate_wills(writer)?;
    forget_replaced(writer)?;
    for state in sessions(writer)?.into_values() {
        let client_id = Arc::clone(&state.header.client_id);
        restore.session(state).with_context(|| format!("session of client `{client_id}`"))?;
    }
    let copies = restore_copies(writer, journal, &mut restore)?;
    let retained = restore_retained(writer, &mut restore, now_ms)?;
    let wills = restore_wills(writer, &mut restore)?;
    let restored = restore.finish(now_ms);
    let mut batch = writer.tables.store.batch();
    for change in &restored.changes {
        writer.apply(&mut batch, change)?;
    }
    batch.commit_lazily()?;
    Ok(Restored { sessions: restored.sessions, copies, retained, wills })
}

/// Those that expired meanwhile are removed.
fn restore_retained(
    writer: &Writer,
    restore: &mut Restore<'_, Client>,
    now_ms: u64,
) -> anyhow::Result<usize> {
    let mut retained = 0;
    let mut batch = writer.tables.store.batch();
    for row in writer.tables.retained.iter() {
        let (topic, value) = row?;
        let (offset, record) = rows::split_retained(&value);
        let record = Record::decode(&Bytes::copy_from_slice(record)).ok();
        match record.and_then(|record| copies::message(&record)) {
            Some(message) if message.is_expired(now_ms) => {
                batch.remove(&writer.tables.retained, topic)?;
            }
            Some(message) => {
                restore.retained(&message, offset, now_ms);
                retained += 1;
            }
            None => {
                tracing::error!(topic = %String::from_utf8_lossy(&topic), "a retained message can't be read");
            }
        }
    }
    batch.commit_lazily()?;
    Ok(retained)
}

/// Gives wills that stand in their sessions' rows, as format 1 had it, rows of their own. Only once, so the numbers that name them need
/// only be new.
fn separate_wills(writer: &mut Writer) -> anyhow::Result<()> {
    let mut wills = Vec::new();
    let mut key_max = 0;
    for row in writer.tables.wills.iter() {
        key_max = key_max.max(number(&row?.0).unwrap_or(0));
    }
    for row in writer.tables.sessions.iter() {
        let (key, value) = row?;
        let Some((key, _)) = rows::split_key(&key) else { continue };
        key_max = key_max.max(key.0);
        let mut row = rows::decode::<SessionRow>("session", &value)?;
        if let Some(will) = row.take_will(key) {
            wills.push((key, row, will));
        }
    }
    let mut batch = writer.tables.store.batch();
    for (session, row, will) in wills {
        key_max += 1;
        batch.insert(&writer.tables.sessions, rows::session_key(session), rows::encode(row))?;
        batch.insert(&writer.tables.wills, rows::will_key(WillKey(key_max)), rows::encode(will))?;
    }
    batch.commit_lazily()?;
    Ok(())
}

fn restore_wills(writer: &Writer, restore: &mut Restore<'_, Client>) -> anyhow::Result<usize> {
    let mut restored = 0;
    for row in writer.tables.wills.iter() {
        let (key, value) = row?;
        let Some(key) = number(&key).map(WillKey) else { continue };
        let Some(will) = rows::decode::<WillRow>("will", &value)?.will(key) else {
            tracing::error!(will = key.0, "a will can't be read");
            continue;
        };
        let client = who_left(&will);
        restore.will(will, client);
        restored += 1;
    }
    Ok(restored)
}

/// `None` when nobody stands for the will any more: that is said and counted when it is due.
fn who_left(will: &SavedWill) -> Option<Client> {
    let client = Client::restore(will.left_by.as_deref()?, &will.client_id);
    client
        .inspect_err(|error| tracing::error!(client_id = %will.client_id, %error, "nobody stands for a will"))
        .ok()
}

fn sessions(writer: &mut Writer) -> anyhow::Result<BTreeMap<SessionKey, SessionState>> {
    let mut sessions = BTreeMap::new();
    for row in writer.tables.sessions.iter() {
        let (key, value) = row?;
        let Some((key, _)) = rows::split_key(&key) else { continue };
        let header = rows::decode::<SessionRow>("session", &value)?.header(key);
        sessions.insert(key, empty(header));
    }
    for row in writer.tables.subscriptions.iter() {
        let (key, value) = row?;
        let Some((key, filter)) = rows::split_key(&key) else { continue };
        let (Some(session), Ok(filter)) = (sessions.get_mut(&key), std::str::from_utf8(filter)) else {
            continue;
        };
        let row = rows::decode::<SubscriptionRow>("session-subscription", &value)?;
        session.subscriptions.push(row.subscription(filter));
    }
    for row in writer.tables.inbound.iter() {
        let (key, taken_at) = row?;
        let Some((key, id)) = rows::split_key(&key) else { continue };
        if let (Some(session), Some(id)) = (sessions.get_mut(&key), packet_id(id)) {
            session.inbound.push((id, number(&taken_at)));
        }
    }
    writer.restore_feeds(&mut sessions)?;
    let mut flights: HashMap<SessionKey, Vec<(u64, broker::Flight)>> = HashMap::new();
    for row in writer.tables.flights.iter() {
        let (key, value) = row?;
        let Some((key, id)) = rows::split_key(&key) else { continue };
        let Some(id) = packet_id(id) else { continue };
        let row = rows::decode::<FlightRow>("session-flight", &value)?;
        writer.next_order = writer.next_order.max(row.order);
        let mut flight = row.flight(id);
        if let (Some(offset), None) = (flight.offset, &flight.shared) {
            flight.shared = first_owed(writer, key, offset)?.and_then(|owed| owed.options().shared);
        }
        flights.entry(key).or_default().push((row.order, flight));
    }
    for (key, mut flights) in flights {
        flights.sort_by_key(|(order, _)| *order);
        if let Some(session) = sessions.get_mut(&key) {
            session.outbound = flights.into_iter().map(|(_, flight)| flight).collect();
        }
    }
    Ok(sessions)
}

fn empty(header: SessionHeader) -> SessionState {
    SessionState {
        header,
        subscriptions: Vec::new(),
        inbound: Vec::new(),
        outbound: Vec::new(),
        carried: Vec::new(),
        feeds: Vec::new(),
        feeds_skip: Vec::new(),
    }
}

/// The copy a flight of format 1 is of: there was only one for each record then. Where there are several, a session's own is the first.
fn first_owed(writer: &Writer, key: SessionKey, offset: u64) -> anyhow::Result<Option<OwedRow>> {
    let place = rows::owed_key(key, offset, None);
    let Some(row) = writer.tables.owed.prefix(place).next() else { return Ok(None) };
    Ok(Some(rows::decode("session-owed", &row?.1)?))
}

fn packet_id(bytes: &[u8]) -> Option<PacketId> {
    PacketId::new(u16::from_be_bytes(bytes.try_into().ok()?))
}

/// Gives every session the copies it is owed, in the order of the journal; a record that several share is read once.
fn restore_copies(
    writer: &mut Writer,
    journal: &Journal,
    restore: &mut Restore<'_, Client>,
) -> anyhow::Result<usize> {
    let mut owed: BTreeMap<u64, Vec<(SessionKey, OwedRow)>> = BTreeMap::new();
    let mut batch = writer.tables.store.batch();
    for row in writer.tables.owed.iter() {
        let (place, value) = row?;
        let Some((key, rest)) = rows::split_key(&place) else { continue };
        let Some((offset, shared)) = rows::split_owed(rest) else { continue };
        let content: OwedRow = rows::decode("session-owed", &value)?;
        if content.shared() != shared {
            // The key of format 1.
            batch.remove(&writer.tables.owed, place.clone())?;
            let place = rows::owed_key(key, offset, content.shared());
            batch.insert(&writer.tables.owed, place, rows::encode(&content))?;
        }
        owed.entry(offset).or_default().push((key, content));
    }
    writer.owed.clear();
    let mut restored = 0;
    for (offset, copies) in owed {
        let message = read_message(journal, Offset(offset)).map(Arc::new);
        for (key, row) in copies {
            let place = rows::owed_key(key, offset, row.shared());
            let shared: Option<Arc<str>> = row.shared().map(Arc::from);
            let gone = match &message {
                None => true,
                Some(message) => restore.copy(key, Arc::clone(message), row.options(), offset).is_err(),
            };
            if gone {
                batch.remove(&writer.tables.owed, place)?;
            } else {
                writer.owed.insert((offset, key, shared));
                restored += 1;
            }
        }
    }
    batch.commit_lazily()?;
    Ok(restored)
}

fn read_message(journal: &Journal, offset: Offset) -> Option<broker::Message> {
    match journal.read_at(offset) {
        Ok(Some(entry)) => Record::decode(&entry.payload).ok().and_then(|record| copies::message(&record)),
        Ok(None) => {
            tracing::error!(offset = offset.0, "a message owed to a session is not in the journal");
            None
        }
        Err(error) => {
            tracing::error!(offset = offset.0, %error, "a message owed to a session can't be read");
            None
        }
    }
}
