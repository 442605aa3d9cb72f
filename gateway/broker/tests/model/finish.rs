//! The end of a play: everybody comes back, takes what waits, and leaves for good. Then nothing may be left.

use super::client::Connection;
use super::{CLIENTS, Will, World};
use broker::DropReason;
use mqtt::{Qos, Version};
use std::collections::{BTreeMap, BTreeSet};

/// Reasons for which a copy of a QoS 1 or 2 message may be missing although its session is still there.
const MISSING_FOR: &[DropReason] = &[
    DropReason::QueueFull,
    DropReason::Expired,
    DropReason::TooLarge,
    DropReason::NotPermitted,
    DropReason::ClientRefused,
];

impl World {
    pub(super) fn finish(mut self) {
        self.log("the end");
        self.stage.denied.lock().expect("not poisoned").clear();
        self.stage.commit();
        self.observe();
        for at in 0..CLIENTS {
            if self.clients[at].session.is_some() {
                self.come_back(at);
            }
        }
        self.drain();
        self.check();
        self.check_complete();
        self.check_shared();
        for at in 0..CLIENTS {
            self.leave(at);
        }
        self.pass(1);
        self.check_empty();
    }

    /// Connects over whatever connection there is, with no limits of its own.
    fn come_back(&mut self, at: usize) {
        let connection = Connection {
            name: String::new(),
            version: Version::V5,
            receive_max: usize::from(u16::MAX),
            packet_bytes_max: usize::MAX,
            aliases_max: 0,
            aliases: BTreeMap::new(),
            own_aliases: BTreeMap::new(),
            asked_expiry_secs: u32::MAX,
            unacknowledged: 0,
            open: BTreeSet::new(),
            will: None,
        };
        let line = format!("CONNECT id={} session={}", self.clients[at].id, u32::MAX);
        self.take_in(at, connection, &line, false, false);
    }

    fn drain(&mut self) {
        loop {
            let mut busy = false;
            for at in 0..CLIENTS {
                while self.answer_one(at, 0) {
                    busy = true;
                }
            }
            if !busy {
                return;
            }
        }
    }

    /// Sessions that are still there got all they were due at QoS 1 and 2.
    fn check_complete(&self) {
        let stats = self.stage.broker.stats();
        assert_eq!((stats.queued_messages, stats.queued_bytes), (0, 0), "nothing waits");
        assert_eq!(self.stage.owed(), 0, "the store owes nobody anything");
        if self.dropped_before > 0 || MISSING_FOR.iter().any(|reason| stats.dropped(*reason) > 0) {
            return;
        }
        for client in &self.clients {
            let Some(session) = &client.session else { continue };
            // Messages without payload can't be told apart.
            for (label, entry) in self.ledger.entries().filter(|(label, _)| !label.starts_with('-')) {
                let missing = entry.due.iter().find(|due| {
                    due.session == session.number
                        && due.qos > Qos::AtMostOnce
                        && (due.is_exact || !self.restarted)
                });
                assert!(missing.is_none(), "{} lost {label}: {missing:?}", client.id);
            }
            for feed in session.feeds.iter().filter(|feed| feed.is_whole && !self.is_vague) {
                let missing = self.retained.values().find(|kept| feed.labels.contains(&kept.label));
                assert!(missing.is_none(), "{} lost a retained message", client.id);
            }
        }
    }

    /// Without any drop each group got each message.
    fn check_shared(&self) {
        let dropped = self.dropped_before + super::dropped(&self.stage.broker.stats());
        if dropped > 0 || self.restarted || self.is_vague {
            return;
        }
        for (label, entry) in self.ledger.entries() {
            assert!(
                entry.group_deliveries >= entry.groups.len(),
                "{label}: {} deliveries to {:?}",
                entry.group_deliveries,
                entry.groups
            );
        }
    }

    /// Ends a session with its connection.
    fn leave(&mut self, at: usize) {
        if self.clients[at].connection.is_none() {
            return;
        }
        self.session_mut(at).expiry_secs = 0;
        self.say(at, "DISCONNECT 0x00 session=0", true);
        assert!(self.clients[at].session.is_none());
    }

    fn check_empty(&mut self) {
        self.check();
        let stats = self.stage.broker.stats();
        assert_eq!((stats.connected, stats.sessions, stats.subscriptions), (0, 0, 0));
        assert_eq!((stats.queued_messages, stats.queued_bytes), (0, 0));
        assert_eq!((self.stage.owed(), self.stage.stored_sessions()), (0, 0), "the store is empty");
        assert_eq!(self.stage.broker.next_tick_ms(), None, "nobody waits for the clock");
        assert!(stats.retained_messages > 0 || stats.retained_bytes == 0);
        for (label, will) in &self.wills {
            assert!(matches!(will, Will::Published | Will::Void), "{label} is {will:?} in the end");
        }
    }
}
