//! A stage for broker and clients: what the gateway does around the broker, without sockets, clock or disk.
//!
//! Every effect goes through [`Store`], which keeps what a real store would, so that `restart` is a kill -9 between any two steps.

#![allow(dead_code, reason = "each test binary plays another part of it")]

mod store;
pub(crate) mod text;

use broker::{
    AckToken, Answer, Attachment, Broker, Change, Denial, DueWill, Limits, Message, Parting, Received, Route,
    Session,
};
use bytes::BytesMut;
use mqtt::{Auth, Connect, Packet, ReasonCode, Version};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use store::Store;

/// Who may not do what, as `verb client topic`.
type Denied = Arc<Mutex<BTreeSet<String>>>;

#[derive(Clone, Debug)]
pub(crate) struct Who {
    client_id: String,
    owner: String,
    denied: Denied,
}

impl Who {
    fn may(&self, verb: &str, topic: &str) -> bool {
        let key = format!("{verb} {} {topic}", self.client_id);
        !self.denied.lock().expect("no test panics with it").contains(&key)
    }
}

impl Attachment for Who {
    fn may_receive(&self, topic: &str) -> bool {
        self.may("receive", topic)
    }

    fn owner(&self) -> Arc<str> {
        self.owner.as_str().into()
    }

    fn owns(&self, owner: &str) -> bool {
        self.owner == owner
    }

    fn persisted(&self) -> Arc<str> {
        self.client_id.as_str().into()
    }
}

#[derive(Default)]
struct Client {
    session: Option<Session<Who>>,
    who: Option<Who>,
    version: Option<Version>,
    inbox: VecDeque<Packet>,
    closed: bool,
    stopped: bool,
    woken: Arc<AtomicBool>,
}

/// A publish whose commit is held back.
struct Held {
    client: String,
    token: Option<AckToken>,
    message: Arc<Message>,
    route: Route<Who>,
}

/// What happened, in order, for a test that follows with a model.
pub(crate) enum Event {
    /// A message was received, or a will became due, and it was decided who gets it.
    Routed(Arc<Message>),
    /// It is durable and in the outboxes; the connection it came on, and the packet identifier it is acknowledged with.
    Committed(Arc<Message>, String, Option<mqtt::PacketId>),
    /// It was not accepted, for want of room: the same.
    Refused(Arc<Message>, String, Option<mqtt::PacketId>),
    /// The session of a client ended for want of room.
    Overflowed(Arc<str>),
    /// A client got a packet.
    Got(String, Packet),
    /// The broker was told that a connection ended.
    Parted(String),
}

pub(crate) struct Stage {
    limits: Limits,
    pub(crate) broker: Broker<Who>,
    clients: BTreeMap<String, Client>,
    store: Store,
    pub(crate) now_ms: u64,
    pub(crate) denied: Denied,
    /// Publishes that wait for `commit`, while commits are held.
    held: Option<Vec<Held>>,
    /// What happened since it was last taken, if anybody wants to know.
    pub(crate) events: Option<Vec<Event>>,
}

/// What the client makes of a packet: what its version can't carry is lost.
fn over_the_wire(packet: &Packet, version: Version) -> Packet {
    let mut wire = BytesMut::new();
    mqtt::encode(packet, version, &mut wire).expect("the broker makes legal packets");
    let decoded = mqtt::decode(&mut wire, Some(version), usize::MAX).expect("what was encoded decodes");
    decoded.expect("it is whole")
}

impl Stage {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            broker: Broker::recording(limits.clone(), [7; 32]),
            limits,
            clients: BTreeMap::new(),
            store: Store::default(),
            now_ms: 1_000_000,
            denied: Denied::default(),
            held: None,
            events: None,
        }
    }

    fn note(&mut self, event: impl FnOnce() -> Event) {
        if let Some(events) = &mut self.events {
            events.push(event());
        }
    }

    fn give(&mut self, name: &str, packet: Packet) {
        self.note(|| Event::Got(name.to_owned(), packet.clone()));
        self.client(name).inbox.push_back(packet);
    }

    fn client(&mut self, name: &str) -> &mut Client {
        self.clients.entry(name.to_owned()).or_default()
    }

    /// A client sends a packet; everything that follows from it happens.
    pub(crate) fn send(&mut self, name: &str, packet: Packet) {
        if let Packet::Connect(connect) = &packet
            && self.client(name).session.is_none()
        {
            self.connect(name, connect);
            self.settle();
            return;
        }
        let client = self.client(name);
        let Some(session) = client.session.take() else { panic!("{name} is not connected") };
        let version = session.version();
        let received = session.receive(packet);
        self.client(name).session = Some(session);
        self.persist(name);
        match received {
            Received::Publish(incoming) => self.publish(name, incoming),
            Received::Subscribe(request) => {
                let client = &self.clients[name];
                let (session, who) =
                    (client.session.as_ref().expect("connected"), client.who.as_ref().expect("connected"));
                let permit = |asked: &mqtt::SubscribeFilter| match who.may("subscribe", &asked.filter) {
                    true => Ok(()),
                    false => Err(Denial::new(ReasonCode::NotAuthorized, "denied by policy")),
                };
                match self.broker.subscribe(session, &request, permit) {
                    Ok(subscribed) => self.reply(name, Packet::SubAck(subscribed.ack)),
                    Err(violation) => self.violate(name, violation.reason, version),
                }
            }
            Received::Unsubscribe(request) => {
                let session = self.clients[name].session.as_ref().expect("connected");
                let ack = self.broker.unsubscribe(session, &request);
                self.reply(name, Packet::UnsubAck(ack));
            }
            // Anybody may be anybody on this stage.
            Received::Authenticate(auth) => {
                self.reply(name, Packet::Auth(Auth { reason: ReasonCode::Success, ..auth }));
            }
            Received::Reply(packet) => self.reply(name, packet),
            Received::Nothing => {}
            Received::Disconnect(how) => self.part(name, how),
            Received::Violation(violation) => self.violate(name, violation.reason, version),
            Received::Superseded => self.part(name, Parting::TakenOver),
        }
        self.settle();
    }

    fn connect(&mut self, name: &str, connect: &Connect) {
        let owner = connect.username.as_deref().unwrap_or("one").to_owned();
        let who = Who { client_id: connect.client_id.to_string(), owner, denied: self.denied.clone() };
        let woken = Arc::new(AtomicBool::new(true));
        let wake = {
            let woken = woken.clone();
            Arc::new(move || woken.store(true, Ordering::Relaxed))
        };
        let outcome = self.broker.connect(connect, who.clone(), wake, self.now_ms);
        let client = self.client(name);
        *client = Client {
            version: Some(connect.version),
            inbox: std::mem::take(&mut client.inbox),
            ..Client::default()
        };
        match outcome {
            Ok(connected) => {
                client.session = Some(connected.session);
                client.who = Some(who);
                client.woken = woken;
                self.store.apply(connected.changes);
                self.give(name, over_the_wire(&Packet::ConnAck(connected.connack), connect.version));
                self.publish_will(connected.will);
            }
            Err(refusal) => {
                client.closed = true;
                self.give(name, refusal.connack());
            }
        }
    }

    fn publish(&mut self, name: &str, incoming: broker::Incoming) {
        let client = &self.clients[name];
        let session = client.session.as_ref().expect("connected");
        let message = Arc::new(Message::of(&incoming.publish, session.client_id().clone(), self.now_ms));
        let may = client.who.as_ref().is_none_or(|who| who.may("publish", &message.topic));
        if !may {
            self.acknowledge(name, incoming.token, ReasonCode::NotAuthorized, "denied by policy");
            return;
        }
        let route = self.broker.route(&message);
        self.note(|| Event::Routed(message.clone()));
        let held = Held { client: name.to_owned(), token: incoming.token, message, route };
        match &mut self.held {
            Some(waiting) => waiting.push(held),
            None => self.commit_one(held),
        }
    }

    fn append(&mut self, held: &Held) -> u64 {
        let exchange = held.token.as_ref().and_then(AckToken::exchange);
        self.store.append(&held.message, held.route.owed(), exchange)
    }

    fn commit_one(&mut self, mut held: Held) {
        if held.route.refusal().is_some() {
            let sentence = "full";
            let packet_id = held.token.as_ref().map(AckToken::packet_id);
            self.note(|| Event::Refused(held.message.clone(), held.client.clone(), packet_id));
            return self.acknowledge(&held.client, held.token, ReasonCode::QuotaExceeded, sentence);
        }
        let offset = self.append(&held);
        if let Some(token) = &mut held.token {
            token.recorded(offset);
        }
        let delivered = self.broker.deliver(&held.route, &held.message, Some(offset), self.now_ms);
        self.store.retain(&held.message, offset, delivered.retention);
        self.store.apply(delivered.changes);
        // Who had no room is gone before it is asked who subscribed meanwhile.
        for overflowed in &delivered.overflowed {
            self.note(|| Event::Overflowed(overflowed.client_id.clone()));
        }
        let packet_id = held.token.as_ref().map(AckToken::packet_id);
        self.note(|| Event::Committed(held.message.clone(), held.client.clone(), packet_id));
        for overflowed in delivered.overflowed {
            self.publish_will(overflowed.will);
        }
        self.acknowledge(&held.client, held.token, ReasonCode::Success, "");
    }

    fn acknowledge(&mut self, name: &str, token: Option<AckToken>, reason: ReasonCode, sentence: &str) {
        let Some(token) = token else { return };
        let session = self.clients[name].session.as_ref().expect("a client that published was connected");
        let answer = session.acknowledge(token, reason, sentence);
        self.persist(name);
        match answer {
            Answer::Send(packet) => self.reply(name, packet),
            Answer::Close(_) => self.part(name, Parting::Lost),
            Answer::Nothing => {}
        }
    }

    fn publish_will(&mut self, will: Option<DueWill<Who>>) {
        let Some(will) = will else { return };
        let who = will.attachment.expect("every will has somebody who left it");
        assert_eq!(*will.client_id, *who.client_id);
        let message = Arc::new(will.message);
        let route = self.broker.route(&message);
        self.store.apply(vec![Change::WillOver(will.key)]);
        self.note(|| Event::Routed(message.clone()));
        self.commit_one(Held { client: String::new(), token: None, message, route });
    }

    #[expect(clippy::needless_pass_by_value, reason = "what is sent is gone")]
    fn reply(&mut self, name: &str, packet: Packet) {
        self.persist(name);
        let version = self.client(name).version.expect("who is replied to has connected");
        self.give(name, over_the_wire(&packet, version));
    }

    fn persist(&mut self, name: &str) {
        let changes =
            self.clients.get(name).and_then(|client| client.session.as_ref()).map(Session::take_changes);
        self.store.apply(changes.unwrap_or_default());
    }

    fn violate(&mut self, name: &str, reason: ReasonCode, version: Version) {
        if version == Version::V5 {
            let packet = Packet::Disconnect(mqtt::Disconnect { reason, properties: Default::default() });
            self.give(name, packet);
        }
        self.part(name, Parting::Lost);
    }

    /// The connection ends.
    pub(crate) fn part(&mut self, name: &str, how: Parting) {
        // The gateway drains its commits first.
        if !self.held.as_ref().is_some_and(|held| held.iter().any(|held| held.client == name)) {
            self.part_now(name, how);
        } else {
            self.client(name).closed = true;
        }
    }

    fn part_now(&mut self, name: &str, how: Parting) {
        let client = self.client(name);
        client.closed = true;
        let Some(session) = client.session.take() else { return };
        self.store.apply(session.take_changes());
        let departed = self.broker.disconnected(&session, how, self.now_ms);
        self.store.apply(departed.changes);
        self.note(|| Event::Parted(name.to_owned()));
        self.publish_will(departed.will);
    }

    /// A client's network fails.
    pub(crate) fn lose(&mut self, name: &str) {
        self.part(name, Parting::Lost);
        self.settle();
    }

    /// Runs every connection's task until none has anything to do.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut busy = false;
            for name in self.clients.keys().cloned().collect::<Vec<_>>() {
                busy |= self.poll(&name);
            }
            if !busy {
                return;
            }
        }
    }

    fn poll(&mut self, name: &str) -> bool {
        let now_ms = self.now_ms;
        let client = self.client(name);
        let Some(session) = client.session.as_ref().filter(|_| !client.stopped && !client.closed) else {
            return false;
        };
        let version = session.version();
        let mut out = BytesMut::new();
        let outgoing = session.poll_outgoing(now_ms, 64, &mut out);
        self.persist(name);
        if let Some(reason) = outgoing.closing {
            if version == Version::V5 {
                let packet = mqtt::Disconnect { reason, properties: Default::default() };
                self.give(name, Packet::Disconnect(packet));
            }
            let how = if reason == ReasonCode::SessionTakenOver { Parting::TakenOver } else { Parting::Lost };
            self.part(name, how);
            return true;
        }
        while let Some(packet) =
            mqtt::decode(&mut out, Some(version), usize::MAX).expect("the broker writes legal packets")
        {
            self.give(name, packet);
        }
        outgoing.packets > 0 || outgoing.more
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        loop {
            let ticked = self.broker.tick(self.now_ms, 100);
            self.store.apply(ticked.changes);
            for will in ticked.wills {
                self.publish_will(Some(will));
            }
            if !ticked.more {
                break;
            }
        }
        self.settle();
    }

    /// Holds commits back, as a slow disk does.
    pub(crate) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// What was held becomes durable.
    pub(crate) fn commit(&mut self) {
        // A connection that a refusal ends is there until the last of its publishes is settled.
        while let Some(next) = self.held.as_mut().filter(|held| !held.is_empty()).map(|held| held.remove(0)) {
            self.commit_one(next);
        }
        self.held = None;
        for name in self.clients.keys().cloned().collect::<Vec<_>>() {
            if self.clients[&name].closed {
                self.part_now(&name, Parting::Lost);
            }
        }
        self.settle();
    }

    /// kill -9, and a new process on what the old one persisted.
    pub(crate) fn restart(&mut self) {
        self.held = None;
        self.start_again();
    }

    /// The same at the worst moment: what was held is durable, and nothing else came of it.
    pub(crate) fn restart_committed(&mut self) {
        for held in self.held.take().unwrap_or_default() {
            if held.route.refusal().is_none() {
                self.append(&held);
            }
        }
        self.start_again();
    }

    fn start_again(&mut self) {
        for client in self.clients.values_mut() {
            client.closed |= client.session.take().is_some();
        }
        self.broker = Broker::recording(self.limits.clone(), [8; 32]);
        self.store.restore(&self.broker, self.now_ms, &self.denied);
        self.pass(0);
    }

    pub(crate) fn stop(&mut self, name: &str, stopped: bool) {
        self.client(name).stopped = stopped;
        self.settle();
    }

    /// The next packet the client got.
    pub(crate) fn next(&mut self, name: &str) -> Option<Packet> {
        self.client(name).inbox.pop_front()
    }

    /// Whether the server closed the client's connection, or it ended; asked once.
    pub(crate) fn take_closed(&mut self, name: &str) -> bool {
        std::mem::take(&mut self.client(name).closed)
    }

    pub(crate) fn is_connected(&self, name: &str) -> bool {
        self.clients.get(name).is_some_and(|client| client.session.is_some() && !client.closed)
    }

    /// Drops a client that has no connection and that nobody will look at any more.
    pub(crate) fn forget(&mut self, name: &str) {
        if self.clients.get(name).is_some_and(|client| client.session.is_none()) {
            self.clients.remove(name);
        }
    }

    /// What the store has of a client's session.
    pub(crate) fn stored(&self, client_id: &str) -> Option<&broker::SessionState> {
        self.store.of_client(client_id)
    }

    /// Whether publishes wait for `commit`.
    pub(crate) fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.clients.keys().cloned().collect()
    }

    /// Copies the store says are owed.
    pub(crate) fn owed(&self) -> usize {
        self.store.owed()
    }

    /// Retained messages in the store.
    pub(crate) fn stored_retained(&self) -> usize {
        self.store.retained()
    }

    /// Wills in the store.
    pub(crate) fn stored_wills(&self) -> usize {
        self.store.wills()
    }

    /// Sessions in the store.
    pub(crate) fn stored_sessions(&self) -> usize {
        self.store.sessions()
    }
}
