//! What the broker does, compared with what it should.

use super::client::Flight;
use super::ledger::{Due, Taken};
use super::{Reply, Will, World};
use crate::stage::{Event, text};
use broker::Message;
use mqtt::{Ack, Packet, Publish, Qos, ReasonCode, Version};

/// What a payload says about itself; messages without payload share the label of their topic.
pub(super) fn label(topic: &str, payload: &[u8]) -> String {
    match std::str::from_utf8(payload).expect("payloads are text").trim_end_matches('x') {
        "" => format!("-{topic}"),
        label => label.to_owned(),
    }
}

impl World {
    /// Takes note of everything that happened, in order.
    pub(super) fn observe(&mut self) {
        if self.in_detail {
            self.note_details();
        }
        for event in self.stage.events.replace(Vec::new()).unwrap_or_default() {
            match event {
                Event::Routed(message) => self.routed(&message),
                Event::Committed(message, name, packet_id) => {
                    self.committed(&message, &name, packet_id.map(mqtt::PacketId::get));
                }
                Event::Refused(message, name, packet_id) => {
                    self.refused(&message, &name, packet_id.map(mqtt::PacketId::get));
                }
                Event::Overflowed(client_id) => self.overflowed(&client_id),
                Event::Got(name, packet) => self.got(&name, packet),
                Event::Parted(name) => self.parted(&name),
            }
        }
    }

    fn note_details(&mut self) {
        for event in self.stage.events.replace(Vec::new()).unwrap_or_default() {
            let line = match &event {
                Event::Got(name, packet) => format!("    {name}< {}", text::render(packet)),
                Event::Routed(message) => format!("    routed {:?}", message.payload),
                Event::Committed(message, ..) => format!("    committed {:?}", message.payload),
                Event::Refused(message, ..) => format!("    refused {:?}", message.payload),
                Event::Overflowed(client_id) => format!("    {client_id} overflowed"),
                Event::Parted(name) => format!("    {name} parted"),
            };
            self.log(line);
            self.stage.events.get_or_insert_default().push(event);
        }
        let stats = self.stage.broker.stats();
        let line = format!(
            "    {} made, {} finished before; {} waiting, dropped {:?}",
            self.balance.made, self.balance.finished, stats.queued_messages, stats.dropped
        );
        self.log(line);
    }

    fn routed(&mut self, message: &Message) {
        let label = label(&message.topic, &message.payload);
        if label.starts_with('w') {
            let will = self.wills.insert(label.clone(), Will::Published);
            assert_eq!(will, Some(Will::Due), "{label} is published");
        } else {
            self.received += 1;
        }
        let routed = self.route(message);
        self.held.push_back((label, routed));
    }

    fn committed(&mut self, message: &Message, name: &str, packet_id: Option<u16>) {
        let label = label(&message.topic, &message.payload);
        let at = self.held.iter().position(|(held, _)| *held == label).expect("what is committed was routed");
        let (_, mut routed) = self.held.remove(at).expect("it was just found");
        self.add_late(message, &mut routed);
        self.balance.made += (routed.plain.len() + routed.groups.len()) as u64;
        self.ledger.open(&label, &message.topic, message.qos, message.expires_at_ms, routed);
        self.retain(&label, message);
        if let Some(id) = packet_id {
            self.concluded(name, id, message.qos);
        }
    }

    /// A publish is not accepted: its publisher is told, and nobody gets it.
    fn refused(&mut self, message: &Message, name: &str, packet_id: Option<u16>) {
        assert_eq!(self.limits.queue_full, broker::QueueFull::Refuse);
        let label = label(&message.topic, &message.payload);
        let at = self.held.iter().position(|(held, _)| *held == label).expect("what is refused was routed");
        self.held.remove(at);
        let Some(id) = packet_id else { return };
        let (client_id, _) = name.split_once('.').expect("a name is client.connection");
        let Some(client) = self.clients.iter_mut().find(|client| client.id == client_id) else { return };
        if let Some(session) = client.session.as_mut().filter(|_| message.qos == Qos::ExactlyOnce)
            && session.committing.get(&id).is_some_and(|begun| begun == name)
        {
            session.committing.remove(&id);
        }
        if let Some(connection) = client.connection.as_mut().filter(|connection| connection.name == name) {
            connection.unacknowledged = connection.unacknowledged.saturating_sub(1);
        }
    }

    /// A session ended because it could not keep up.
    fn overflowed(&mut self, client_id: &str) {
        assert_eq!(self.limits.queue_full, broker::QueueFull::EndSession);
        let at = self.clients.iter().position(|client| client.id == client_id).expect("it is a client");
        if let Some(label) = self.clients[at].connection.take().and_then(|connection| connection.will) {
            self.will_is_due(&label);
        }
        self.end_session(at);
    }

    /// A publish is acknowledged: to its session, and to the connection it came on if that is still there.
    fn concluded(&mut self, name: &str, id: u16, qos: Qos) {
        let (client_id, _) = name.split_once('.').expect("a name is client.connection");
        let Some(client) = self.clients.iter_mut().find(|client| client.id == client_id) else { return };
        if qos == Qos::AtLeastOnce
            && client.is(name)
            && let Some(connection) = &mut client.connection
        {
            connection.unacknowledged = connection.unacknowledged.saturating_sub(1);
        }
        if let Some(session) = client.session.as_mut().filter(|_| qos == Qos::ExactlyOnce)
            && session.committing.get(&id).is_some_and(|begun| begun == name)
        {
            session.committing.remove(&id);
            session.taken.insert(id);
        }
    }

    /// The connection is gone.
    fn parted(&mut self, name: &str) {
        let (client_id, _) = name.split_once('.').expect("a name is client.connection");
        let at = self.clients.iter().position(|client| client.id == client_id).expect("it is a client");
        if let Some(session) = &mut self.clients[at].session {
            session.committing.retain(|_, begun| begun != name);
        }
        self.stage.forget(name);
        if !self.clients[at].is(name) {
            return;
        }
        let connection = self.clients[at].connection.take().expect("it was just found");
        if let Some(label) = &connection.will {
            self.will_is_due(label);
        }
        let now_ms = self.stage.now_ms;
        let session = self.session_mut(at);
        session.will = connection.will;
        if session.expiry_secs == 0 {
            self.end_session(at);
            return;
        }
        session.begin_wait(now_ms);
        session.feeds.retain(|feed| feed.options.qos > Qos::AtMostOnce);
        for feed in &mut session.feeds {
            feed.is_whole = false;
        }
        // Of what is in flight only QoS 1 goes to another member of a group [MQTT-4.8.2-4].
        self.forget_given_up(at, |flight| flight.may_go && flight.qos == Qos::AtLeastOnce);
    }

    /// Forgets exchanges that the broker gave up, or to another client, which it may for some.
    pub(super) fn forget_given_up(&mut self, at: usize, may_go: impl Fn(&Flight) -> bool) {
        let Some(live) = self.stage.broker.export(&self.clients[at].id) else { return };
        let Some(session) = &mut self.clients[at].session else { return };
        session.in_flight.retain(|id, flight| {
            let is_there = live.outbound.iter().any(|live| live.packet_id.get() == *id);
            assert!(
                is_there || may_go(flight),
                "{}: the exchange of {id} was forgotten",
                live.header.client_id
            );
            is_there
        });
    }

    fn got(&mut self, name: &str, packet: Packet) {
        let Some(at) = self.clients.iter().position(|client| client.is(name)) else {
            let is_goodbye = matches!(packet, Packet::Disconnect(_));
            let is_refusal = matches!(&packet, Packet::ConnAck(ack) if ack.reason.is_error());
            assert!(is_goodbye || is_refusal, "{name} is gone and gets {packet:?}");
            if is_refusal {
                assert_eq!(self.reply.take(), Some(Reply::Refused));
            }
            return;
        };
        let connection = self.clients[at].connection.as_ref().expect("it has this name");
        let bytes = mqtt::encoded_bytes(&packet, connection.version);
        assert!(bytes <= connection.packet_bytes_max, "{name}: {bytes} bytes in {packet:?} [MQTT-3.1.2-24]");
        let version = connection.version;
        match packet {
            Packet::Publish(publish) => self.delivered(at, &publish),
            Packet::PubRel(ack) => self.release_came(at, &ack),
            Packet::ConnAck(ack) => {
                self.answered(name, &Reply::Connected { session_present: ack.session_present });
            }
            Packet::SubAck(ack) => self.answered(name, &Reply::Codes(numbers(&ack.reasons))),
            Packet::UnsubAck(_) if version == Version::V3_1_1 => self.reply = None,
            Packet::UnsubAck(ack) => self.answered(name, &Reply::Codes(numbers(&ack.reasons))),
            Packet::PubComp(ack) => self.answered(name, &Reply::Complete(ack.reason.number())),
            Packet::PingResp => self.answered(name, &Reply::Pong),
            _ => {}
        }
    }

    fn answered(&mut self, name: &str, got: &Reply) {
        assert_eq!(self.reply.take().as_ref(), Some(got), "{name}: what it was due, and what it got");
    }

    fn release_came(&mut self, at: usize, ack: &Ack) {
        let is_known =
            self.session(at).in_flight.get(&ack.packet_id.get()).is_some_and(|flight| flight.released);
        assert!(
            is_known
                || ack.reason == ReasonCode::PacketIdentifierNotFound
                || self.version(at) == Version::V3_1_1,
            "PUBREL {} without a PUBREC",
            ack.packet_id
        );
    }

    pub(super) fn version(&self, at: usize) -> Version {
        self.clients[at].connection.as_ref().expect("connected").version
    }

    /// A PUBLISH reached a client.
    fn delivered(&mut self, at: usize, publish: &Publish) {
        let topic = self.resolve(at, publish);
        let label = label(&topic, &publish.payload);
        if self.took_flight(at, publish, &label) {
            return;
        }
        let session = self.clients[at].session.as_ref().expect("a connected client has a session");
        let number = session.number;
        let is_fed = publish.retain && session.feeds.iter().any(|feed| feed.labels.contains(&label));
        let is_member = |group: &str| session.groups.contains(group);
        self.is_vague |= is_fed && self.ledger.is_vague(&label, number, is_member);
        let taken = self.ledger.take(&label, number, publish, is_fed, is_member);
        let may_go = match &taken {
            Some(Taken::Plain(due)) => {
                self.check_copy(at, publish, &label, due);
                !due.is_exact || is_fed
            }
            Some(Taken::Shared) => true,
            None => {
                self.take_feed(at, publish, &label);
                true
            }
        };
        // Messages without payload can't be told apart.
        if let Some(entry) = self.ledger.entry(&label).filter(|_| !label.starts_with('-')) {
            assert_eq!(entry.topic, topic, "{label}: topic");
            let now_ms = self.stage.now_ms;
            assert!(entry.expires_at_ms.is_none_or(|at_ms| at_ms > now_ms), "{label} has expired");
            if let (Some(at_ms), Version::V5) = (entry.expires_at_ms, self.version(at)) {
                let left = (at_ms - now_ms).div_ceil(1_000) as u32;
                assert_eq!(
                    publish.properties.message_expiry_secs(),
                    Some(left),
                    "{label}: expiry [MQTT-3.3.2-6]"
                );
            }
        }
        match publish.packet_id {
            None => self.balance.finished += 1,
            Some(id) => {
                let flight = Flight { label, qos: publish.qos, released: false, may_go };
                self.session_mut(at).in_flight.insert(id.get(), flight);
            }
        }
    }

    /// The topic, by text or by alias `[MQTT-3.3.2-12]`.
    fn resolve(&mut self, at: usize, publish: &Publish) -> String {
        let connection = self.clients[at].connection.as_mut().expect("connected");
        let Some(alias) = publish.properties.topic_alias() else {
            assert!(!publish.topic.is_empty(), "neither topic nor alias");
            return publish.topic.to_string();
        };
        assert!(alias >= 1 && alias <= connection.aliases_max, "alias {alias} beyond the client's maximum");
        if publish.topic.is_empty() {
            return connection.aliases.get(&alias).expect("an alias was set up before it is used").clone();
        }
        connection.aliases.insert(alias, publish.topic.to_string());
        publish.topic.to_string()
    }

    /// Checks identifier and window; whether this repeats what an earlier connection got.
    fn took_flight(&mut self, at: usize, publish: &Publish, label: &str) -> bool {
        let Some(id) = publish.packet_id.map(mqtt::PacketId::get) else {
            assert!(!publish.dup, "{label}: DUP at QoS 0 [MQTT-3.3.1-2]");
            return false;
        };
        let window_max = usize::from(self.limits.outbound_window_messages_max);
        let client = &mut self.clients[at];
        let connection = client.connection.as_mut().expect("connected");
        assert!(connection.open.insert(id), "{}: {id} is in flight already [MQTT-2.2.1-4]", client.id);
        assert!(
            connection.open.len() <= connection.receive_max.min(window_max),
            "{}: {} unacknowledged [MQTT-3.3.4-9]",
            client.id,
            connection.open.len()
        );
        let session = client.session.as_ref().expect("connected");
        let Some(flight) = session.in_flight.get(&id) else {
            assert!(!publish.dup, "{}: {id} is no repeat [MQTT-3.3.1-1]", client.id);
            return false;
        };
        assert!(publish.dup, "{}: {id} is a repeat [MQTT-3.3.1-1]", client.id);
        assert_eq!((&*flight.label, flight.qos), (label, publish.qos), "{}: {id} was used again", client.id);
        assert!(!flight.released, "{}: {id} after its PUBREC [MQTT-4.3.3-6]", client.id);
        true
    }

    fn check_copy(&mut self, at: usize, publish: &Publish, label: &str, due: &Due) {
        let version = self.version(at);
        let topic = self.ledger.entry(label).map(|entry| entry.topic.clone()).unwrap_or_default();
        let published = self.ledger.entry(label).map_or(Qos::AtMostOnce, |entry| entry.qos);
        let session = self.session_mut(at);
        if session.feeds.iter().any(|feed| feed.labels.contains(label))
            || !due.is_exact
            || label.starts_with('-')
        {
            return;
        }
        assert_eq!((publish.qos, publish.retain), (due.qos, due.retain), "{label}: QoS and retain flag");
        if version == Version::V5 {
            let mut identifiers: Vec<_> = publish.properties.subscription_identifiers().collect();
            let mut wanted = due.identifiers.clone();
            identifiers.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(identifiers, wanted, "{label}: subscription identifiers");
        }
        let (publisher, number) = label.split_once('.').expect("publisher.number");
        if !publisher.starts_with('w') {
            let number = number.parse().expect("a number");
            let stream = format!("{publisher} {topic} {published:?} {:?}", publish.qos);
            let before = session.newest.insert(stream, number);
            assert!(before < Some(number), "{label} came after {before:?} [MQTT-4.6.0-6]");
        }
    }

    /// A message nobody else owes: it must be a retained one that a subscription still has to get.
    fn take_feed(&mut self, at: usize, publish: &Publish, label: &str) {
        let is_loose = self.is_loose;
        let session = self.session_mut(at);
        // One that must be whole in the end first; the other may have skipped the message.
        let waiting = session.feeds.iter_mut().filter(|feed| feed.labels.contains(label));
        let feed = waiting.min_by_key(|feed| !feed.is_whole);
        let Some(feed) = feed else {
            panic!("session {} is not due {label}: {publish:?}", session.number);
        };
        feed.labels.remove(label);
        assert!(publish.retain || is_loose, "{label}: a retained message has the retain flag [MQTT-3.3.1-8]");
        self.balance.made += 1;
    }
}

fn numbers(reasons: &[ReasonCode]) -> Vec<u8> {
    reasons.iter().map(|reason| reason.number()).collect()
}
