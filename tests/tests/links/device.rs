//! One device, written with nothing but the wire and a link.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use device_sim::credentials::Standing;
use device_sim::transport::{Buffers, Endpoint, Handshake, Link, Readiness, Transport};
use device_sim::wire::{self, Connect, Decoder, Publish, Qos, Subscription, Version, Will, encode};
use mio::{Events, Interest, Poll, Token};
use rustls::ClientConfig;

use super::server::Server;

/// For one thing to happen.
const BOUND: Duration = Duration::from_secs(20);

pub(crate) struct Device {
    link: Link,
    poll: Poll,
    buffers: Buffers,
    decoder: Decoder,
    version: Version,
    /// What the server said and nobody asked for yet.
    heard: Vec<Heard>,
    packet_id: u16,
    again: bool,
    limit: Option<usize>,
    reads: usize,
}

/// A packet, out of the buffer it was read from.
#[derive(Debug)]
enum Heard {
    Message { payload: Vec<u8>, qos: Qos, packet_id: u16 },
    Other(String),
}

impl Device {
    pub(crate) fn connect(
        server: &dyn Server,
        transport: Transport,
        version: Version,
        standing: Standing,
    ) -> anyhow::Result<Self> {
        Self::connect_with(server, transport, version, &server.settings(standing)?)
    }

    pub(crate) fn connect_with(
        server: &dyn Server,
        transport: Transport,
        version: Version,
        settings: &Arc<ClientConfig>,
    ) -> anyhow::Result<Self> {
        let mut device = Self::open(server, transport, version, settings)?;
        device.greet(&Connect { keep_alive_secs: 60, ..Connect::new(version, "kiln-1") })?;
        Ok(device)
    }

    /// Over bare TCP, with a will of its name.
    pub(crate) fn connect_for(server: &dyn Server, name: &str, keep_alive_secs: u16) -> anyhow::Result<Self> {
        let settings = server.settings(Standing::Valid)?;
        let mut device = Self::open(server, Transport::Tcp, Version::V3, &settings)?;
        let payload = name.as_bytes();
        let will = Will { topic: "wills", payload, qos: Qos::AtMostOnce, retain: false, delay_secs: 0 };
        let connect = Connect::new(Version::V3, name);
        device.greet(&Connect { keep_alive_secs, will: Some(will), ..connect })?;
        Ok(device)
    }

    fn open(
        server: &dyn Server,
        transport: Transport,
        version: Version,
        settings: &Arc<ClientConfig>,
    ) -> anyhow::Result<Self> {
        let endpoint = Endpoint::new(server.address(transport), transport, "localhost".try_into()?);
        let mut link = Link::open(&endpoint, None, Some(settings))?;
        let poll = Poll::new()?;
        poll.registry().register(link.socket(), Token(0), Interest::READABLE | Interest::WRITABLE)?;
        let mut device = Self {
            link,
            poll,
            buffers: Buffers::new(),
            decoder: Decoder::new(version, wire::PACKET_BYTES_MAX),
            version,
            heard: Vec::new(),
            packet_id: 0,
            again: false,
            limit: None,
            reads: 0,
        };
        device.until(|device| device.link.is_open())?;
        Ok(device)
    }

    fn greet(&mut self, connect: &Connect<'_>) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        encode::connect(&mut bytes, connect)?;
        self.send(&bytes)?;
        self.expect("ConnAck(Accepted { session_present: false, code: 0,")
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.link.send(bytes, &mut self.buffers)?)
    }

    pub(crate) fn handshake(&self) -> Option<Handshake> {
        self.link.handshake()
    }

    pub(crate) fn subscribe(&mut self, filter: &str) -> anyhow::Result<()> {
        let (mut bytes, packet_id) = (Vec::new(), self.next_id());
        let subscription = Subscription { filter, qos: Qos::ExactlyOnce };
        encode::subscribe(&mut bytes, self.version, packet_id, &[subscription])?;
        self.send(&bytes)?;
        self.expect(&format!("SubAck {{ packet_id: {packet_id}, codes: [2] }}"))
    }

    /// Publishes, acknowledges whatever comes back, and gives that.
    pub(crate) fn publish_and_hear(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: Qos,
    ) -> anyhow::Result<Vec<u8>> {
        let packet_id = if qos == Qos::AtMostOnce { 0 } else { self.next_id() };
        let mut bytes = Vec::new();
        let publish = Publish { topic, payload, qos, packet_id, ..Publish::default() };
        encode::publish(&mut bytes, self.version, &publish)?;
        self.send(&bytes)?;
        match qos {
            Qos::AtMostOnce => {}
            Qos::AtLeastOnce => self.expect(&format!("PubAck {{ packet_id: {packet_id}, code: 0 }}"))?,
            Qos::ExactlyOnce => {
                self.expect(&format!("PubRec {{ packet_id: {packet_id}, code: 0 }}"))?;
                bytes.clear();
                encode::pubrel(&mut bytes, self.version, packet_id, wire::SUCCESS);
                self.send(&bytes)?;
                self.expect(&format!("PubComp {{ packet_id: {packet_id}, code: 0 }}"))?;
            }
        }
        self.hear()
    }

    pub(crate) fn publish_only(&mut self, topic: &str, payload: &[u8]) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        encode::publish(&mut bytes, self.version, &Publish { topic, payload, ..Publish::default() })?;
        self.send(&bytes)?;
        self.until(|device| device.link.unsent_bytes() == 0)
    }

    /// The next message, with all that its quality of service asks for.
    pub(crate) fn hear(&mut self) -> anyhow::Result<Vec<u8>> {
        let heard = self.take(|heard| matches!(heard, Heard::Message { .. }))?;
        let Heard::Message { payload, qos, packet_id } = heard else { bail!("not a message") };
        let mut bytes = Vec::new();
        match qos {
            Qos::AtMostOnce => {}
            Qos::AtLeastOnce => {
                encode::puback(&mut bytes, self.version, packet_id, wire::SUCCESS);
                self.send(&bytes)?;
            }
            Qos::ExactlyOnce => {
                encode::pubrec(&mut bytes, self.version, packet_id, wire::SUCCESS);
                self.send(&bytes)?;
                self.expect(&format!("PubRel {{ packet_id: {packet_id}, code: 0 }}"))?;
                bytes.clear();
                encode::pubcomp(&mut bytes, self.version, packet_id, wire::SUCCESS);
                self.send(&bytes)?;
            }
        }
        Ok(payload)
    }

    pub(crate) fn ping(&mut self) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        encode::pingreq(&mut bytes);
        self.send(&bytes)?;
        self.expect("PingResp")
    }

    /// Says goodbye, and waits until the server has closed.
    pub(crate) fn leave(mut self) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        encode::disconnect(&mut bytes, self.version, wire::CLOSED_IN_ORDER);
        self.send(&bytes)?;
        self.link.close(&mut self.buffers);
        self.closed()
    }

    /// Waits until the server has closed, whatever it says before that.
    pub(crate) fn closed(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + BOUND;
        loop {
            match self.turn() {
                Ok(()) => ensure!(Instant::now() < end, "the connection stays open"),
                Err(error) => {
                    let reason = error.to_string();
                    ensure!(
                        reason == "closed by the gateway" || reason == "connection reset",
                        "it ended with `{reason}`"
                    );
                    return Ok(());
                }
            }
        }
    }

    pub(crate) fn fall_silent(&mut self) {
        self.link.fall_silent();
    }

    pub(crate) fn limit(&mut self, bytes: Option<usize>) {
        self.limit = bytes;
        self.link.limit_reading(bytes);
    }

    /// Reads `step` bytes at a time until a message of `size` bytes is there; how many turns had something to read.
    pub(crate) fn hear_slowly(&mut self, step: usize, size: usize) -> anyhow::Result<usize> {
        self.limit = Some(step);
        let payload = self.hear()?;
        ensure!(payload.len() == size, "{} of {size} bytes", payload.len());
        Ok(self.reads)
    }

    fn next_id(&mut self) -> u16 {
        self.packet_id += 1;
        self.packet_id
    }

    fn expect(&mut self, beginning: &str) -> anyhow::Result<()> {
        let found = self.take(|heard| matches!(heard, Heard::Other(_)));
        match found.with_context(|| format!("waiting for `{beginning}`"))? {
            Heard::Other(text) if text.starts_with(beginning) => Ok(()),
            other => bail!("{other:?} instead of `{beginning}`"),
        }
    }

    fn take(&mut self, wanted: impl Fn(&Heard) -> bool) -> anyhow::Result<Heard> {
        self.until(|device| device.heard.iter().any(&wanted))?;
        let place = self.heard.iter().position(wanted).context("it was there a moment ago")?;
        Ok(self.heard.remove(place))
    }

    fn until(&mut self, done: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        let end = Instant::now() + BOUND;
        while !done(self) {
            ensure!(Instant::now() < end, "nothing more happens; heard {:?}", self.heard);
            self.turn()?;
        }
        Ok(())
    }

    /// One poll, and what it brings.
    fn turn(&mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(4);
        let waits = !self.again && self.limit.is_none();
        let wait = if waits { Duration::from_millis(200) } else { Duration::ZERO };
        self.poll.poll(&mut events, Some(wait))?;
        let mut ready = Readiness { readable: self.again, ..Readiness::default() };
        for event in &events {
            let told = Readiness::from(event);
            ready.readable |= told.readable;
            ready.writable |= told.writable;
            ready.read_closed |= told.read_closed;
        }
        if let Some(bytes) = self.limit {
            self.link.limit_reading(Some(bytes));
            ready.readable = true;
        }
        let mut received = Vec::new();
        let advanced = self.link.advance(ready, &mut self.buffers, &mut received);
        ensure!(self.limit.is_none_or(|limit| received.len() <= limit), "more than the limit was read");
        self.reads += usize::from(!received.is_empty());
        self.understand(&received)?;
        self.again = advanced?.again;
        Ok(())
    }

    fn understand(&mut self, mut received: &[u8]) -> anyhow::Result<()> {
        while let Some(packet) = self.decoder.next(&mut received)? {
            self.heard.push(match packet {
                wire::Incoming::Publish(Publish { payload, qos, packet_id, .. }) => {
                    Heard::Message { payload: payload.to_vec(), qos, packet_id }
                }
                other => Heard::Other(format!("{other:?}")),
            });
        }
        Ok(())
    }
}
