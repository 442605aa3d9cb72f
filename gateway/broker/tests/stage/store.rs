//! What a store and a journal would hold.

use super::{Denied, Who};
use broker::{
    Broker, Change, CopyOptions, FlightStage, Message, Owed, Retention, SavedWill, SessionKey, SessionState,
    WillKey,
};
use mqtt::PacketId;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Default)]
pub(super) struct Store {
    sessions: BTreeMap<SessionKey, SessionState>,
    journal: Vec<Arc<Message>>,
    /// By offset, session and group.
    copies: BTreeMap<(u64, SessionKey, Option<Arc<str>>), CopyOptions>,
    retained: BTreeMap<String, (Message, u64)>,
    wills: BTreeMap<WillKey, SavedWill>,
}

impl Store {
    pub(super) fn append(
        &mut self,
        message: &Arc<Message>,
        owed: impl Iterator<Item = Owed>,
        exchange: Option<(SessionKey, PacketId)>,
    ) -> u64 {
        let offset = self.journal.len() as u64;
        self.journal.push(message.clone());
        if let Some((key, id)) = exchange
            && let Some(session) = self.sessions.get_mut(&key)
        {
            session.inbound.retain(|(other, _)| *other != id);
            session.inbound.push((id, Some(offset)));
        }
        for owed in owed {
            self.owe(owed.key, offset, owed.options);
        }
        offset
    }

    pub(super) fn retain(&mut self, message: &Message, offset: u64, retention: Retention) {
        match retention {
            Retention::Stored => {
                self.retained.insert(message.topic.to_string(), (message.clone(), offset));
            }
            Retention::Cleared => {
                self.retained.remove(&*message.topic);
            }
            Retention::Refused | Retention::NotAsked => {}
        }
    }

    pub(super) fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            self.apply_one(change);
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each change")]
    fn apply_one(&mut self, change: Change) {
        match change {
            Change::Header(header) => {
                let key = header.key;
                match self.sessions.get_mut(&key) {
                    Some(session) => session.header = *header,
                    None => {
                        let state = SessionState {
                            header: *header,
                            subscriptions: vec![],
                            inbound: vec![],
                            outbound: vec![],
                            carried: vec![],
                            feeds: vec![],
                            feeds_skip: vec![],
                        };
                        self.sessions.insert(key, state);
                    }
                }
            }
            Change::Closed(key) => {
                self.sessions.remove(&key);
                self.copies.retain(|(_, owner, _), _| *owner != key);
            }
            Change::Subscribed(key, held) => {
                let session = self.session(key);
                session.subscriptions.retain(|other| other.filter != held.filter);
                session.subscriptions.push(held);
            }
            Change::Unsubscribed(key, filter) => {
                self.session(key).subscriptions.retain(|held| held.filter != filter);
                self.fed(key, &filter);
            }
            Change::InboundTaken(key, id) => self.session(key).inbound.push((id, None)),
            Change::InboundReleased { key, packet_id, offset } => self
                .session(key)
                .inbound
                .retain(|(other, taken_at)| *other != packet_id || (offset.is_some() && *taken_at > offset)),
            Change::Flying(key, flight) => {
                if flight.stage == FlightStage::Released || flight.offset.is_some() {
                    self.session(key).carried.retain(|(id, _)| *id != flight.packet_id);
                }
                let outbound = &mut self.session(key).outbound;
                match outbound.iter_mut().find(|other| other.packet_id == flight.packet_id) {
                    Some(known) => *known = flight,
                    None => outbound.push(flight),
                }
            }
            Change::Landed(key, id) => {
                let session = self.session(key);
                session.outbound.retain(|flight| flight.packet_id != id);
                session.carried.retain(|(carried, _)| *carried != id);
            }
            Change::Carried(key, id, carried) => {
                let session = self.session(key);
                session.carried.retain(|(known, _)| *known != id);
                session.carried.push((id, *carried));
            }
            Change::Owed { key, offset, options } => self.owe(key, offset, options),
            Change::Feeding(key, feed) => {
                let feeds = &mut self.session(key).feeds;
                feeds.retain(|other| other.filter != feed.filter);
                feeds.push(feed);
            }
            Change::Fed(key, filter) => self.fed(key, &filter),
            Change::FeedSkips(key, offset) => self.session(key).feeds_skip.push(offset),
            Change::Settled(key, offset, shared) => {
                self.copies.remove(&(offset, key, shared));
            }
            Change::WillLeft(will) => {
                self.wills.insert(will.key, *will);
            }
            Change::WillOver(key) => {
                self.wills.remove(&key);
            }
            Change::RetainedOver { topic, offset } => {
                self.retained.retain(|other, (_, kept)| **other != *topic || Some(*kept) != offset);
            }
            Change::Moved { from, to, offset, options } => {
                let was_owed = self.copies.remove(&(offset, from, options.shared.clone())).is_some();
                if let Some(to) = to.filter(|_| was_owed) {
                    self.owe(to, offset, options);
                }
            }
        }
    }

    fn fed(&mut self, key: SessionKey, filter: &str) {
        let session = self.session(key);
        session.feeds.retain(|feed| *feed.filter != *filter);
        if session.feeds.is_empty() {
            session.feeds_skip.clear();
        }
    }

    fn owe(&mut self, key: SessionKey, offset: u64, options: CopyOptions) {
        self.copies.insert((offset, key, options.shared.clone()), options);
    }

    fn session(&mut self, key: SessionKey) -> &mut SessionState {
        self.sessions.get_mut(&key).expect("a change belongs to a session whose header came before it")
    }

    pub(super) fn restore(&mut self, broker: &Broker<Who>, now_ms: u64, denied: &Denied) {
        let mut restore = broker.restore();
        for session in self.sessions.values() {
            restore.session(session.clone()).expect("each is there once");
        }
        for ((offset, key, _), options) in &self.copies {
            let message = self.journal[*offset as usize].clone();
            restore.copy(*key, message, options.clone(), *offset).expect("copies go with their session");
        }
        for (message, offset) in self.retained.values() {
            restore.retained(message, Some(*offset), now_ms);
        }
        for will in self.wills.values() {
            let client_id = will.left_by.as_deref().expect("a will says who left it").to_owned();
            restore.will(will.clone(), Some(Who { client_id, owner: String::new(), denied: denied.clone() }));
        }
        let restored = restore.finish(now_ms);
        assert_eq!(restored.sessions, self.sessions.len());
        self.apply(restored.changes);
    }

    pub(super) fn of_client(&self, client_id: &str) -> Option<&SessionState> {
        self.sessions.values().find(|session| &*session.header.client_id == client_id)
    }

    pub(super) fn owed(&self) -> usize {
        self.copies.len()
    }

    pub(super) fn retained(&self) -> usize {
        self.retained.len()
    }

    pub(super) fn wills(&self) -> usize {
        self.wills.len()
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }
}
