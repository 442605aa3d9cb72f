//! A publisher that keeps a pace, whatever it is answered: each message has a moment at which it is due, and what is sent late was due all the
//! same. Who measures from that moment measures without coordinated omission.

use crate::client::{Client, Connect, Gone};
use crate::packet::{Publish, kind};
use anyhow::ensure;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Messages not acknowledged; the gateway takes a hundred at once.
const WINDOW: usize = 100;
/// How long it listens when nothing is due.
const LISTENS: Duration = Duration::from_micros(500);
/// How long no answer may come.
const SILENT: Duration = Duration::from_secs(30);

/// What is published when.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Client identifier.
    pub client_id: String,
    /// The topic of every message.
    pub topic: String,
    /// All moments are counted from here.
    pub epoch: Instant,
    /// When the first message is due, since `epoch`.
    pub begins: Duration,
    /// From one message to the next.
    pub interval: Duration,
    /// The number of the first message.
    pub first: u64,
    /// How many.
    pub messages: u64,
    /// Bytes of one payload, about.
    pub payload_bytes: usize,
}

impl Pace {
    fn due(&self, number: u64) -> Duration {
        let nanos = self.interval.as_nanos() * u128::from(number - self.first);
        self.begins + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// `{"publisher": …, "number": …, "due_micros": …, "filling": …}`
    fn payload(&self, number: u64) -> String {
        let (name, due) = (&self.client_id, self.due(number).as_micros());
        let known =
            format!("{{\"publisher\":\"{name}\",\"number\":{number},\"due_micros\":{due},\"filling\":\"");
        format!("{known}{}\"}}", "x".repeat(self.payload_bytes.saturating_sub(known.len() + 2)))
    }
}

/// Publishes at QoS 1. Returns when every message is acknowledged; gives the time from due to acknowledged, in microseconds.
///
/// # Errors
/// When a message is refused, or the connection is lost.
pub fn publish_paced(address: SocketAddr, pace: &Pace) -> anyhow::Result<Vec<u64>> {
    let mut client = Client::connect_plain(address, &Connect::clean(5, &pace.client_id))?;
    let (mut next, end) = (pace.first, pace.first + pace.messages);
    // Acknowledgements come in the order of the publishes `[MQTT-4.6.0-2]`.
    let mut pending: VecDeque<(u16, u64)> = VecDeque::with_capacity(WINDOW);
    let mut took = Vec::with_capacity(usize::try_from(pace.messages)?);
    let mut heard = Instant::now();
    while next < end || !pending.is_empty() {
        let mut bytes = Vec::new();
        let now = pace.epoch.elapsed();
        while next < end && pending.len() < WINDOW && pace.due(next) <= now {
            let id = client.next_id();
            let publish = Publish { qos: 1, id, ..Publish::new(&pace.topic, pace.payload(next)) };
            bytes.extend(client.publish_bytes(&publish));
            pending.push_back((id, next));
            next += 1;
        }
        if !bytes.is_empty() {
            client.send(&bytes)?;
        }
        let mut bound = LISTENS;
        loop {
            let packet = match client.read_within(bound) {
                Ok(packet) => packet,
                Err(Gone::Silent) => break,
                Err(gone) => return Err(gone.into()),
            };
            let due = pending.pop_front().filter(|(id, _)| packet.kind == kind::PUBACK && packet.id() == *id);
            let (_, number) = due.ok_or_else(|| anyhow::anyhow!("{packet:?} is not the next answer"))?;
            ensure!(packet.reason() < 0x80, "refused: {packet:?}");
            took.push(pace.epoch.elapsed().saturating_sub(pace.due(number)).as_micros() as u64);
            heard = Instant::now();
            // What else came with it.
            bound = Duration::from_nanos(1);
        }
        ensure!(pending.is_empty() || heard.elapsed() < SILENT, "no answer for {} s", SILENT.as_secs());
        if pending.is_empty() {
            heard = Instant::now();
        }
    }
    client.disconnect()?;
    Ok(took)
}
