//! Devices that publish, and keep their half of every exchange over broken connections. What became of each message is noted.

use crate::identity::Identity;
use crate::schedule;
use anyhow::{Context, bail, ensure};
use end_to_end::{Client, Connect, Gone, Packet, Publish, kind, wait};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Exchanges that a device begins before the first is over.
const WINDOW: usize = 16;
/// How long a device listens before it looks at what else there is to do.
const LISTENS: Duration = Duration::from_millis(5);

/// What a device knows of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was acknowledged: PUBACK, or PUBREC.
    Acknowledged,
    /// It was refused with a reason.
    Refused,
    /// Neither.
    Unknown,
}

/// A message and what its device knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) key: u64,
    pub(crate) fate: Fate,
    /// It was sent more than once.
    pub(crate) repeated: bool,
}

/// What a device noted.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    pub(crate) messages: BTreeMap<Identity, Sent>,
    pub(crate) connections: u64,
}

/// A device at work.
pub(crate) struct Device<'a> {
    number: u64,
    plan: &'a schedule::Publisher,
    address: SocketAddr,
    /// No further messages, once it is set; what was begun is finished.
    stop: &'a AtomicBool,
    link: Option<Client>,
    is_known: bool,
    pending: VecDeque<Pending>,
    next: u64,
    diary: Diary,
}

struct Pending {
    id: u16,
    number: u64,
    is_released: bool,
}

impl<'a> Device<'a> {
    pub(crate) fn new(
        number: u64,
        plan: &'a schedule::Publisher,
        address: SocketAddr,
        stop: &'a AtomicBool,
    ) -> Self {
        let (pending, diary) = (VecDeque::new(), Diary::default());
        Self { number, plan, address, stop, link: None, is_known: false, pending, next: 0, diary }
    }

    /// Publishes everything there is, at its pace, and waits for the answers until `deadline`.
    ///
    /// # Errors
    /// When the gateway breaks a promise of the protocol.
    pub(crate) fn run(mut self, deadline: Instant) -> anyhow::Result<Diary> {
        let begun = Instant::now();
        let mut cut_at = self.plan.cuts_every;
        while self.next < self.plan.messages || !self.pending.is_empty() {
            if Instant::now() > deadline {
                break;
            }
            if self.stop.load(Relaxed) && self.pending.is_empty() {
                break;
            }
            self.come_back()?;
            let due = begun.elapsed().as_millis() as u64 * self.plan.per_second / 1_000;
            let due = if self.stop.load(Relaxed) { self.next } else { due.min(self.plan.messages) };
            while self.link.is_some() && self.pending.len() < WINDOW && self.next < due {
                self.publish_next()?;
            }
            if let Some(every) = self.plan.cuts_every
                && cut_at.is_some_and(|at| self.next >= at)
            {
                cut_at = Some(self.next + every);
                self.link = None;
            }
            while let Some(packet) = self.with(|link| link.read_within(LISTENS)) {
                self.receive(&packet)?;
            }
        }
        Ok(self.diary)
    }

    /// Does something with the connection, and gives it up when it is gone.
    fn with<T>(&mut self, act: impl FnOnce(&mut Client) -> Result<T, Gone>) -> Option<T> {
        match act(self.link.as_mut()?) {
            Ok(done) => Some(done),
            Err(Gone::Silent) => None,
            Err(Gone::Closed(_)) => {
                self.link = None;
                None
            }
        }
    }

    /// Connects if it is not, and sends again what was not finished, in the order it was begun `[MQTT-4.4.0-1]`.
    fn come_back(&mut self) -> anyhow::Result<()> {
        if self.link.is_some() {
            return Ok(());
        }
        let Ok(mut client) = Client::plain(self.address) else {
            wait::let_pass(LISTENS);
            return Ok(());
        };
        let mut connect = Connect::durable(self.plan.version, format!("p{}", self.number));
        if self.plan.version == 5 {
            // The session expiry interval that the gateway takes at most; clocks jump.
            connect.properties = vec![0x11, 0xff, 0xff, 0xff, 0xff];
        }
        let Ok(answer) = client.connect(&connect) else { return Ok(()) };
        if answer.reason() != 0 {
            // On a full disk nobody gets a session.
            wait::let_pass(LISTENS * 10);
            return Ok(());
        }
        ensure!(answer.body[0] == 1 || !self.is_known, "the session of p{} is lost", self.number);
        self.is_known = true;
        self.diary.connections += 1;
        self.link = Some(client);
        for at in 0..self.pending.len() {
            let Pending { id, number, is_released } = self.pending[at];
            if is_released {
                self.with(|link| link.answer(kind::PUBREL, id));
                continue;
            }
            let bytes = self.publish(id, number, true);
            self.with(|link| link.send(&bytes));
            let identity = self.identity(number);
            self.diary.messages.entry(identity).and_modify(|sent| sent.repeated = true);
        }
        Ok(())
    }

    fn identity(&self, number: u64) -> Identity {
        Identity { publisher: self.number, number }
    }

    fn publish_next(&mut self) -> anyhow::Result<()> {
        let number = self.next;
        self.next += 1;
        // The smallest that is free: an identifier is in use again right after its exchange.
        let id = (1..).find(|id| self.pending.iter().all(|pending| pending.id != *id)).context("an id")?;
        let sent = Sent { key: number % self.plan.keys, fate: Fate::Unknown, repeated: false };
        self.diary.messages.insert(self.identity(number), sent);
        let bytes = self.publish(id, number, false);
        self.pending.push_back(Pending { id, number, is_released: false });
        self.with(|link| link.send(&bytes));
        Ok(())
    }

    fn publish(&self, id: u16, number: u64, dup: bool) -> Vec<u8> {
        let key = number % self.plan.keys;
        let payload = self.identity(number).payload(key, self.plan.payload_bytes);
        let publish = Publish {
            qos: self.plan.qos,
            id,
            dup,
            ..Publish::new(&format!("crash/{}/{key}", self.number), payload)
        };
        self.link.as_ref().map(|link| link.publish_bytes(&publish)).unwrap_or_default()
    }

    fn receive(&mut self, packet: &Packet) -> anyhow::Result<()> {
        if packet.kind == kind::DISCONNECT {
            self.link = None;
            return Ok(());
        }
        let at = self.pending.iter().position(|pending| pending.id == packet.id());
        let at = at.with_context(|| format!("{packet:?} answers nothing that p{} sent", self.number))?;
        let number = self.pending[at].number;
        match packet.kind {
            kind::PUBACK | kind::PUBREC if packet.reason() >= 0x80 => {
                self.note(number, Fate::Refused);
                self.pending.remove(at);
            }
            kind::PUBACK => {
                self.note(number, Fate::Acknowledged);
                self.pending.remove(at);
            }
            kind::PUBREC => {
                self.note(number, Fate::Acknowledged);
                self.pending[at].is_released = true;
                self.with(|link| link.answer(kind::PUBREL, packet.id()));
            }
            kind::PUBCOMP => {
                self.pending.remove(at);
            }
            _ => bail!("{packet:?} to a publisher"),
        }
        Ok(())
    }

    fn note(&mut self, number: u64, fate: Fate) {
        let identity = self.identity(number);
        self.diary.messages.entry(identity).and_modify(|sent| sent.fate = fate);
    }
}
