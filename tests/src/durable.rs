//! Clients that keep their half of every QoS 2 exchange over broken connections, as the standard asks of them (section 4.4).

use crate::client::{Client, Connect, Gone};
use crate::packet::{Packet, Publish, kind};
use crate::wait;
use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// Exchanges that a publisher begins before the first is over.
const WINDOW: usize = 8;
/// Packets that a client reads before it looks at what else there is to do.
const HEARS: usize = 16;
/// How long a client listens before it looks at what else there is to do.
const LISTENS: Duration = Duration::from_millis(20);

/// A connection that may be gone, and the session that must not be.
struct Link {
    address: SocketAddr,
    connect: Connect,
    open: Option<Client>,
    /// Whether the server said that it keeps the session.
    is_known: bool,
    connections: u64,
}

impl Link {
    fn new(address: SocketAddr, version: u8, client_id: &str) -> Self {
        let connect = Connect::durable(version, client_id);
        Self { address, connect, open: None, is_known: false, connections: 0 }
    }

    /// Connects if it is not. Whether it was not, and is now.
    fn come_back(&mut self) -> anyhow::Result<bool> {
        if self.open.is_some() {
            return Ok(false);
        }
        let Ok(mut client) = Client::plain(self.address) else {
            wait::let_pass(LISTENS);
            return Ok(false);
        };
        let Ok(answer) = client.connect(&self.connect) else { return Ok(false) };
        ensure!(answer.reason() == 0, "not let in: {answer:?}");
        let is_present = answer.body[0] == 1;
        ensure!(is_present || !self.is_known, "the session of `{}` is lost", self.connect.client_id);
        self.is_known = true;
        self.connections += 1;
        self.open = Some(client);
        Ok(true)
    }

    /// Does something with the connection, and gives it up when it is gone.
    fn with<T>(&mut self, act: impl FnOnce(&mut Client) -> Result<T, Gone>) -> Option<T> {
        match act(self.open.as_mut()?) {
            Ok(done) => Some(done),
            Err(Gone::Silent) => None,
            Err(Gone::Closed(_)) => {
                self.open = None;
                None
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.with(|client| client.send(bytes));
    }

    fn answer(&mut self, kind: u8, id: u16) {
        self.with(|client| client.answer(kind, id));
    }

    fn listen(&mut self) -> Option<Packet> {
        self.with(|client| client.read_within(LISTENS))
    }
}

/// Publishes `{"publisher": …, "sequence": …}` at QoS 2, and again what was not acknowledged when a connection broke.
pub struct Publisher {
    link: Link,
    name: String,
    topic: String,
    /// In the order they were sent.
    pending: VecDeque<Pending>,
    next_sequence: u64,
    repeated: u64,
}

struct Pending {
    id: u16,
    sequence: u64,
    is_released: bool,
}

impl Publisher {
    /// One that has not connected yet; `version` is 4 or 5.
    pub fn new(address: SocketAddr, version: u8, name: &str, topic: &str) -> Self {
        Self {
            link: Link::new(address, version, name),
            name: name.to_string(),
            topic: topic.to_string(),
            pending: VecDeque::new(),
            next_sequence: 0,
            repeated: 0,
        }
    }

    /// Sends what there is to send, as long as no more than `messages_max` were sent in all, and listens for a moment.
    ///
    /// # Errors
    /// When the server breaks a promise.
    pub fn turn(&mut self, messages_max: u64) -> anyhow::Result<()> {
        if self.link.come_back()? {
            self.repeat();
        }
        while self.link.open.is_some() && self.pending.len() < WINDOW && self.next_sequence < messages_max {
            // The smallest that is free: an identifier is in use again right after its PUBCOMP.
            let id = (1..).find(|id| self.pending.iter().all(|pending| pending.id != *id));
            let pending =
                Pending { id: id.context("an id")?, sequence: self.next_sequence, is_released: false };
            self.next_sequence += 1;
            let bytes = self.publish(&pending, false);
            self.pending.push_back(pending);
            self.link.send(&bytes);
        }
        for _ in 0..HEARS {
            let Some(packet) = self.link.listen() else { break };
            self.receive(&packet)?;
        }
        Ok(())
    }

    fn publish(&self, pending: &Pending, dup: bool) -> Vec<u8> {
        let payload = format!("{{\"publisher\": \"{}\", \"sequence\": {}}}", self.name, pending.sequence);
        let publish = Publish { qos: 2, id: pending.id, dup, ..Publish::new(&self.topic, payload) };
        self.link.open.as_ref().map(|client| client.publish_bytes(&publish)).unwrap_or_default()
    }

    /// Everything that was not finished, in the order in which it was begun `[MQTT-4.4.0-1]`.
    fn repeat(&mut self) {
        for at in 0..self.pending.len() {
            let pending = &self.pending[at];
            if pending.is_released {
                self.link.answer(kind::PUBREL, self.pending[at].id);
            } else {
                self.link.send(&self.publish(pending, true));
            }
            self.repeated += 1;
        }
    }

    fn receive(&mut self, packet: &Packet) -> anyhow::Result<()> {
        match packet.kind {
            kind::PUBREC => {
                ensure!(packet.reason() < 0x80, "refused: {packet:?}");
                let pending = self.pending.iter_mut().find(|pending| pending.id == packet.id());
                pending.context("a PUBREC for nothing that was sent")?.is_released = true;
                self.link.answer(kind::PUBREL, packet.id());
            }
            kind::PUBCOMP => self.pending.retain(|pending| pending.id != packet.id()),
            kind::DISCONNECT => self.link.open = None,
            _ => bail!("{packet:?} to a publisher"),
        }
        Ok(())
    }

    /// Messages whose PUBCOMP came.
    pub fn acknowledged(&self) -> u64 {
        self.next_sequence - self.pending.len() as u64
    }

    /// Messages not acknowledged.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Packets that were sent again.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Connections there were.
    pub fn connections(&self) -> u64 {
        self.link.connections
    }
}

/// Subscribes at QoS 2 and counts every message that it takes.
pub struct Subscriber {
    link: Link,
    filter: String,
    is_subscribed: bool,
    /// Identifiers whose message was taken and not released.
    taken: BTreeMap<u16, Vec<u8>>,
    /// Sequence numbers by publisher, in the order of arrival.
    arrived: BTreeMap<String, Vec<u64>>,
    repeats: u64,
}

impl Subscriber {
    /// One that has not connected yet; `version` is 4 or 5.
    pub fn new(address: SocketAddr, version: u8, name: &str, filter: &str) -> Self {
        Self {
            link: Link::new(address, version, name),
            filter: filter.to_string(),
            is_subscribed: false,
            taken: BTreeMap::new(),
            arrived: BTreeMap::new(),
            repeats: 0,
        }
    }

    /// Lets the server have no more than `messages_max` exchanges under way; of MQTT 5 alone.
    #[must_use]
    pub fn with_receive_maximum(mut self, messages_max: u16) -> Self {
        let properties = &mut self.link.connect.properties;
        properties.push(0x21);
        properties.extend(messages_max.to_be_bytes());
        self
    }

    /// Listens for a moment.
    ///
    /// # Errors
    /// When the server breaks a promise.
    pub fn turn(&mut self) -> anyhow::Result<()> {
        self.link.come_back()?;
        if !self.is_subscribed {
            let filter = self.filter.clone();
            self.is_subscribed = self.link.with(|client| client.subscribe(&filter, 2)) == Some(2);
        }
        for _ in 0..HEARS {
            let Some(packet) = self.link.listen() else { break };
            self.receive(&packet)?;
        }
        Ok(())
    }

    /// Whether its subscription was granted.
    pub fn is_subscribed(&self) -> bool {
        self.is_subscribed
    }

    fn receive(&mut self, packet: &Packet) -> anyhow::Result<()> {
        match packet.kind {
            kind::PUBLISH => self.take(packet.publish(self.link.connect.version)?),
            kind::PUBREL => {
                self.taken.remove(&packet.id());
                self.link.answer(kind::PUBCOMP, packet.id());
                Ok(())
            }
            kind::DISCONNECT => {
                self.link.open = None;
                Ok(())
            }
            _ => bail!("{packet:?} to a subscriber"),
        }
    }

    fn take(&mut self, publish: Publish) -> anyhow::Result<()> {
        ensure!(publish.qos == 2, "{publish:?} at another quality of service");
        match self.taken.get(&publish.id) {
            Some(known) => {
                ensure!(publish.dup && *known == publish.payload, "{publish:?} under an id in use");
                self.repeats += 1;
            }
            None => {
                let (publisher, sequence) = origin(&serde_json::from_slice(&publish.payload)?)?;
                self.arrived.entry(publisher).or_default().push(sequence);
                self.taken.insert(publish.id, publish.payload);
            }
        }
        self.link.answer(kind::PUBREC, publish.id);
        Ok(())
    }

    /// How many messages it took.
    pub fn count(&self) -> u64 {
        self.arrived.values().map(|sequences| sequences.len() as u64).sum()
    }

    /// Repeats that it recognised by their identifier.
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// Connections there were.
    pub fn connections(&self) -> u64 {
        self.link.connections
    }

    /// Makes sure that of each publisher's `counts` messages every one arrived once, in the order they were sent.
    ///
    /// # Errors
    /// Which did not, or more than once, or too late.
    pub fn check(&self, counts: &BTreeMap<String, u64>) -> anyhow::Result<()> {
        let who = &self.link.connect.client_id;
        for (publisher, count) in counts {
            let arrived = self.arrived.get(publisher).map(Vec::as_slice).unwrap_or_default();
            let once: BTreeSet<u64> = arrived.iter().copied().collect();
            let lost: Vec<u64> = (0..*count).filter(|sequence| !once.contains(sequence)).collect();
            ensure!(lost.is_empty(), "{who}: lost of `{publisher}`: {lost:?}");
            ensure!(
                arrived.len() == once.len(),
                "{who}: {} of `{publisher}` came twice",
                arrived.len() - once.len()
            );
            ensure!(arrived.is_sorted(), "{who}: those of `{publisher}` came out of order");
        }
        Ok(())
    }
}

/// Who published a message of [`Publisher`], and its number.
///
/// # Errors
/// When it is not one.
pub fn origin(data: &Value) -> anyhow::Result<(String, u64)> {
    let publisher = data["publisher"].as_str().with_context(|| format!("no publisher in {data}"))?;
    Ok((publisher.to_string(), data["sequence"].as_u64().with_context(|| format!("no number in {data}"))?))
}
