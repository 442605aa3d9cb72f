//! Clients that behave as the standard says, in a world that does not: connections break, are taken over, the disk is slow, the process is
//! killed. Whatever the order of events, each seed is one, the promises hold:
//!
//! - a packet identifier in flight is not used for another message `[MQTT-2.2.1-4]`, and no window is exceeded `[MQTT-3.3.4-9]`;
//! - what a publisher was acknowledged reaches every durable subscriber: at least once at QoS 1, exactly once at QoS 2;
//! - of one publisher, one topic and one quality of service the order is kept `[MQTT-4.6.0-6]`;
//! - in the end nothing waits, and the store owes nobody anything.
//!
//! `SEED=n cargo test -p broker --test interleavings` replays one, `SEEDS=n` runs more.

mod stage;

use broker::Limits;
use mqtt::{Packet, Qos};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use stage::{Stage, text};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const STEPS: usize = 250;
const SEEDS: u64 = 300;
const RECEIVE_MAX: usize = 3;

/// A client that never forgets its session.
struct Client {
    id: &'static str,
    version: &'static str,
    subscriptions: &'static str,
    /// Connections so far; each has a name of its own on the stage, so one can be taken over.
    connections: usize,
    subscribed: bool,
    /// Packets that arrived and were not dealt with.
    wire: VecDeque<Packet>,
    /// Identifiers the server has in flight on this connection.
    open: BTreeSet<u16>,
    /// Message behind each identifier the server has in flight, over connections.
    in_flight: BTreeMap<u16, String>,
    /// QoS 2 identifiers received and not released.
    received: BTreeSet<u16>,
    /// Messages taken, in order.
    taken: Vec<String>,
    /// Own publishes not finished, in the order sent.
    pending: Vec<Pending>,
    next_id: u16,
    next_number: u32,
}

struct Pending {
    id: u16,
    line: String,
    payload: String,
    released: bool,
}

impl Client {
    fn new(id: &'static str, version: &'static str, subscriptions: &'static str) -> Self {
        Self {
            id,
            version,
            subscriptions,
            connections: 0,
            subscribed: false,
            wire: VecDeque::new(),
            open: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            received: BTreeSet::new(),
            taken: Vec::new(),
            pending: Vec::new(),
            next_id: 0,
            next_number: 0,
        }
    }

    fn name(&self) -> String {
        format!("{}.{}", self.id, self.connections)
    }
}

struct World {
    stage: Stage,
    clients: Vec<Client>,
    random: StdRng,
    /// Messages whose publisher has the acknowledgement that promises them.
    promised: BTreeSet<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let limits =
            Limits { inbound_window_messages_max: 4, queue_messages_max: 100_000, ..Limits::default() };
        let clients = vec![
            Client::new("p0", "session=100000", ""),
            Client::new("p1", "v3", ""),
            Client::new("s0", "session=100000 receive=3 aliases=1", "t/+:2"),
            Client::new("s1", "v3", "t/0:1 t/#:2"),
            Client::new("g0", "session=100000 receive=3", "$share/g/t/#:2"),
            Client::new("g1", "session=100000 receive=3", "$share/g/t/#:2"),
        ];
        let random = StdRng::seed_from_u64(seed);
        Self { stage: Stage::new(limits), clients, random, promised: BTreeSet::new() }
    }

    /// Connects, over a connection that may still be there, and repeats what was not finished `[MQTT-4.4.0-1]`.
    fn connect(&mut self, at: usize) {
        let client = &mut self.clients[at];
        client.connections += 1;
        client.wire.clear();
        client.open.clear();
        if client.id.starts_with('g') {
            // QoS 1 in flight to a member that went may be with another one now, and its identifier free (section 4.8.2).
            client.in_flight.retain(|_, payload| payload.split(':').nth(2) == Some("2"));
        }
        let name = client.name();
        let line = format!("CONNECT id={} {}", client.id, client.version);
        let repeats: Vec<_> = client.pending.iter().map(Pending::repeat).collect();
        let subscribe = !client.subscribed && !client.subscriptions.is_empty();
        let subscriptions = client.subscriptions;
        client.subscribed = true;
        self.stage.send(&name, text::parse(&line));
        if subscribe {
            self.stage.send(&name, text::parse(&format!("SUBSCRIBE 1 {subscriptions}")));
        }
        for line in repeats {
            self.send(at, &line);
        }
    }

    fn send(&mut self, at: usize, line: &str) {
        let name = self.clients[at].name();
        if self.stage.is_connected(&name) {
            self.stage.send(&name, text::parse(line));
        }
        self.collect();
    }

    /// Takes what the server wrote from the stage, as the network does, and checks what a network monitor could.
    fn collect(&mut self) {
        for client in &mut self.clients {
            while let Some(packet) = self.stage.next(&client.name()) {
                if let Packet::Publish(publish) = &packet
                    && let Some(id) = publish.packet_id
                {
                    let payload = String::from_utf8_lossy(&publish.payload).into_owned();
                    match client.in_flight.get(&id.get()) {
                        Some(known) => {
                            assert!(publish.dup && *known == payload, "{}: {id} used twice", client.id);
                        }
                        None => {
                            client.in_flight.insert(id.get(), payload);
                        }
                    }
                    client.open.insert(id.get());
                    let is_bounded = client.version.contains("receive");
                    assert!(
                        !is_bounded || client.open.len() <= RECEIVE_MAX,
                        "{}: window exceeded",
                        client.id
                    );
                }
                client.wire.push_back(packet);
            }
        }
    }

    fn publish(&mut self, at: usize) {
        let name = self.clients[at].name();
        if !self.stage.is_connected(&name) || self.clients[at].pending.len() >= 4 {
            return;
        }
        let qos = self.random.random_range(0..3);
        let topic = self.random.random_range(0..2);
        let client = &mut self.clients[at];
        client.next_number += 1;
        let payload = format!("{}:{topic}:{qos}:{:06}", client.id, client.next_number);
        let mut line = format!("PUBLISH t/{topic} {payload} qos={qos}");
        if qos > 0 {
            client.next_id = client.next_id % 500 + 1;
            line += &format!(" id={}", client.next_id);
            client.pending.push(Pending { id: client.next_id, line: line.clone(), payload, released: false });
        }
        self.send(at, &line);
    }

    /// The client deals with one packet.
    fn handle(&mut self, at: usize) -> bool {
        let client = &mut self.clients[at];
        let Some(packet) = client.wire.pop_front() else { return false };
        let mut answer = None;
        match packet {
            Packet::Publish(publish) => {
                let payload = String::from_utf8_lossy(&publish.payload).into_owned();
                match (publish.qos, publish.packet_id) {
                    (Qos::ExactlyOnce, Some(id)) => {
                        if client.received.insert(id.get()) {
                            client.taken.push(payload);
                        }
                        answer = Some(format!("PUBREC {id}"));
                    }
                    (_, Some(id)) => {
                        client.taken.push(payload);
                        client.finish(id.get());
                        answer = Some(format!("PUBACK {id}"));
                    }
                    (_, None) => client.taken.push(payload),
                }
            }
            Packet::PubRel(ack) => {
                client.received.remove(&ack.packet_id.get());
                client.finish(ack.packet_id.get());
                answer = Some(format!("PUBCOMP {}", ack.packet_id));
            }
            Packet::PubAck(ack) | Packet::PubComp(ack) => {
                if let Some(at) = client.pending.iter().position(|pending| pending.id == ack.packet_id.get())
                {
                    self.promised.insert(client.pending.remove(at).payload);
                }
            }
            Packet::PubRec(ack) => {
                if let Some(pending) =
                    client.pending.iter_mut().find(|pending| pending.id == ack.packet_id.get())
                {
                    pending.released = true;
                    self.promised.insert(pending.payload.clone());
                    answer = Some(format!("PUBREL {}", pending.id));
                }
            }
            _ => {}
        }
        if let Some(line) = answer {
            self.send(at, &line);
        }
        true
    }

    fn step(&mut self) {
        let at = self.random.random_range(0..self.clients.len());
        match self.random.random_range(0..100) {
            0..40 => {
                self.handle(at);
            }
            40..70 => self.publish(at % 2),
            70..74 => {
                let name = self.clients[at].name();
                if self.stage.is_connected(&name) {
                    self.stage.lose(&name);
                }
            }
            74..84 => {
                if !self.stage.is_connected(&self.clients[at].name()) {
                    self.connect(at);
                }
            }
            84..86 => self.connect(at),
            86..90 => self.stage.hold(),
            90..96 => self.stage.commit(),
            96..98 => self.stage.pass(1_000),
            _ if self.random.random() => self.stage.restart(),
            // The disk was quicker than the process.
            _ => self.stage.restart_committed(),
        }
        self.collect();
    }

    /// Everybody connects, the disk catches up, and all packets are dealt with.
    fn wind_down(&mut self) {
        self.stage.commit();
        for round in 0.. {
            assert!(round < 100_000, "the exchange does not come to an end");
            let mut busy = false;
            for at in 0..self.clients.len() {
                if !self.stage.is_connected(&self.clients[at].name()) {
                    self.connect(at);
                    busy = true;
                }
                busy |= self.handle(at);
            }
            self.collect();
            if !busy {
                return;
            }
        }
    }

    fn check(&self) {
        for client in &self.clients {
            assert!(client.pending.is_empty(), "{} waits for an acknowledgement", client.id);
            check_order(client);
        }
        let expected: Vec<_> = self.promised.iter().collect();
        let shared: Vec<_> = self.clients[4].taken.iter().chain(&self.clients[5].taken).cloned().collect();
        for (who, taken) in
            [("s0", &self.clients[2].taken), ("s1", &self.clients[3].taken), ("the group", &shared)]
        {
            for payload in &expected {
                let times = taken.iter().filter(|taken| taken == payload).count();
                let is_qos_2 = payload.split(':').nth(2) == Some("2");
                assert!(times >= 1, "{who} lost {payload}");
                assert!(times == 1 || !is_qos_2, "{who} got {payload} {times} times");
            }
        }
        let stats = self.stage.broker.stats();
        assert_eq!((stats.queued_messages, stats.queued_bytes, self.stage.owed()), (0, 0, 0));
        assert_eq!(stats.in_flight, 0);
    }
}

impl Pending {
    fn repeat(&self) -> String {
        if self.released { format!("PUBREL {}", self.id) } else { format!("{} dup", self.line) }
    }
}

impl Client {
    fn finish(&mut self, id: u16) {
        self.open.remove(&id);
        self.in_flight.remove(&id);
    }
}

/// First arrivals of each publisher, topic and quality of service are in the order they were sent.
fn check_order(client: &Client) {
    if client.id.starts_with('g') {
        return;
    }
    let mut newest: BTreeMap<&str, &str> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for payload in &client.taken {
        let (stream, number) = payload.rsplit_once(':').expect("publisher:topic:qos:number");
        if seen.insert(payload) {
            let before = newest.insert(stream, number);
            assert!(
                before.is_none_or(|before| before < number),
                "{}: {payload} came after {before:?}",
                client.id
            );
        }
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for at in 0..world.clients.len() {
        world.connect(at);
    }
    for _ in 0..STEPS {
        world.step();
    }
    world.wind_down();
    world.check();
}

#[test]
fn every_interleaving_keeps_the_promises() {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    if let Some(seed) = number("SEED") {
        run(seed);
        return;
    }
    for seed in 0..number("SEEDS").unwrap_or(SEEDS) {
        if std::panic::catch_unwind(|| run(seed)).is_err() {
            panic!("broken by SEED={seed}");
        }
    }
}
