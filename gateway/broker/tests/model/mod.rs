//! A small model of an MQTT server, played beside the broker: [`play`] turns any bytes into what a few clients, a slow disk and a clock
//! do, and after each step compares.
//!
//! The model knows who is due which message, in which order, which packet identifiers are in flight, which sessions exist and what is
//! retained. It does not know how the broker keeps any of that. Every copy is accounted for: it was delivered, it waits, or it was dropped
//! and counted. When something differs, the steps so far are printed as a scenario.

#![allow(dead_code, reason = "used by the sequences test and by the fuzz target")]

mod act;
mod arrive;
mod client;
mod finish;
mod input;
mod ledger;
mod observe;
mod pass;
mod routes;
mod topics;

use crate::stage::Stage;
use broker::{DropReason, Limits, QueueFull, QueueFullQos0, Stats};
use client::{Client, Session};
use input::Input;
use ledger::{Ledger, Routed};
use mqtt::Qos;
use std::collections::{BTreeMap, VecDeque};

const CLIENTS: usize = 4;
/// Steps of one play; beyond that nothing new happens, it only takes longer.
const STEPS_MAX: usize = 300;

/// Copies that no queue reaches.
const AMPLE: usize = 10_000;

/// Plays what `bytes` say.
///
/// # Panics
/// When the broker does anything the model does not allow.
pub(crate) fn play(bytes: &[u8]) {
    play_through(bytes, false);
}

/// The same, noting among the steps what clients get and how many copies there are.
///
/// # Panics
/// As [`play`].
pub(crate) fn play_in_detail(bytes: &[u8]) {
    play_through(bytes, true);
}

fn play_through(bytes: &[u8], in_detail: bool) {
    let mut input = Input::new(bytes);
    let mut world = World::new(&mut input);
    world.in_detail = in_detail;
    let mut steps = 0;
    while !input.is_used_up() && steps < STEPS_MAX {
        world.step(&mut input);
        world.check();
        steps += 1;
    }
    world.finish();
}

/// A reply the broker owes the client that was just heard.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Connected { session_present: bool },
    Refused,
    Codes(Vec<u8>),
    Complete(u8),
    Pong,
}

/// A will and what is to become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Will {
    /// Its connection lives.
    Armed,
    /// Its connection ended; it is due, now or after its delay.
    Due,
    /// It was published.
    Published,
    /// It will not be published any more.
    Void,
}

struct Retained {
    label: String,
    publisher: String,
    expires_at_ms: Option<u64>,
}

/// Every copy there ever was in this process, and what became of it.
#[derive(Default)]
struct Balance {
    made: u64,
    finished: u64,
    /// Copies the client refused: finished, and counted as dropped too.
    refused: u64,
}

struct World {
    stage: Stage,
    limits: Limits,
    clients: Vec<Client>,
    ledger: Ledger,
    /// Messages that wait for the disk, in order.
    held: VecDeque<(String, Routed)>,
    retained: BTreeMap<String, Retained>,
    /// By label, which starts with `wd` when the will has a delay.
    wills: BTreeMap<String, Will>,
    balance: Balance,
    /// What the processes before this one dropped.
    dropped_before: u64,
    /// Whether copies of retained messages may have been dropped, which the model does not follow one by one.
    is_loose: bool,
    /// Whether a copy may have been a live one as well as one from the retained messages, so that copies can't be counted any more.
    is_vague: bool,
    restarted: bool,
    reply: Option<Reply>,
    sessions_so_far: usize,
    next_number: u64,
    /// Messages of clients that were routed.
    received: usize,
    in_detail: bool,
    script: Script,
}

/// The steps so far, printed when the play ends in a panic.
#[derive(Default)]
struct Script(Vec<String>);

impl Drop for Script {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the steps that led here:\n{}", self.0.join("\n"));
        }
    }
}

fn limits(input: &mut Input<'_>) -> Limits {
    let (first, second) = (input.byte(), input.byte());
    let flag = |byte: u8, bit: u8| byte & (1 << bit) != 0;
    let defaults = Limits::default();
    Limits {
        queue_messages_max: if flag(first, 0) { 4 } else { AMPLE },
        queue_full_qos0: if flag(second, 7) { QueueFullQos0::DropNewest } else { QueueFullQos0::DropOldest },
        queue_full: match first & 0b110 {
            0b010 => QueueFull::Refuse,
            0b100 => QueueFull::DropNewest,
            _ => QueueFull::EndSession,
        },
        queue_qos0_offline: flag(first, 3),
        inbound_window_messages_max: if flag(first, 4) { 2 } else { 100 },
        retained_messages_max: if flag(first, 5) { 2 } else { 1_000 },
        subscriptions_per_session_max: if flag(first, 6) { 2 } else { 100 },
        outbound_window_messages_max: if flag(first, 7) { 2 } else { 100 },
        sessions_max: if flag(second, 0) { 3 } else { 100 },
        session_expiry_secs_max: if flag(second, 1) { 20 } else { defaults.session_expiry_secs_max },
        qos_max: if flag(second, 2) { Qos::AtLeastOnce } else { Qos::ExactlyOnce },
        retain_available: !flag(second, 3),
        shared_subscriptions_available: !flag(second, 4),
        wildcard_subscriptions_available: !flag(second, 5),
        subscriptions_max: if flag(second, 6) { 5 } else { 1_000 },
        inbound_topic_aliases_max: 2,
        outbound_topic_aliases_max: 2,
        ..defaults
    }
}

impl World {
    fn new(input: &mut Input<'_>) -> Self {
        let limits = limits(input);
        let mut stage = Stage::new(limits.clone());
        stage.events = Some(Vec::new());
        Self {
            stage,
            script: Script(vec![format!("{limits:?}")]),
            limits,
            clients: (0..CLIENTS).map(Client::new).collect(),
            ledger: Ledger::default(),
            held: VecDeque::new(),
            retained: BTreeMap::new(),
            wills: BTreeMap::new(),
            balance: Balance::default(),
            dropped_before: 0,
            is_loose: false,
            is_vague: false,
            restarted: false,
            reply: None,
            sessions_so_far: 0,
            next_number: 0,
            received: 0,
            in_detail: false,
        }
    }

    fn log(&mut self, line: impl Into<String>) {
        self.script.0.push(line.into());
    }

    fn new_session(&mut self, expiry_secs: u32) -> Session {
        self.sessions_so_far += 1;
        Session::new(self.sessions_so_far, expiry_secs)
    }

    fn session(&self, at: usize) -> &Session {
        self.clients[at].session.as_ref().expect("a connected client has a session")
    }

    fn session_mut(&mut self, at: usize) -> &mut Session {
        self.clients[at].session.as_mut().expect("a connected client has a session")
    }

    /// The client ended its session, or time did.
    fn end_session(&mut self, at: usize) {
        let Some(session) = self.clients[at].session.take() else { return };
        if let Some(label) = session.will {
            self.will_is_due(&label);
        }
    }

    fn will_is_due(&mut self, label: &str) {
        if let Some(will) = self.wills.get_mut(label)
            && *will == Will::Armed
        {
            *will = Will::Due;
        }
    }

    fn will_is_void(&mut self, label: &str) {
        if let Some(will) = self.wills.get_mut(label)
            && *will != Will::Published
        {
            *will = Will::Void;
        }
    }

    /// Compares all that can be seen from outside.
    fn check(&mut self) {
        let stats = self.stage.broker.stats();
        let sessions = self.clients.iter().filter(|client| client.session.is_some()).count();
        assert_eq!(stats.sessions, sessions as u64, "sessions");
        let connected = self.clients.iter().filter(|client| client.connection.is_some()).count();
        assert_eq!(stats.connected, connected as u64, "connections");
        assert_eq!(stats.subscriptions, self.subscriptions() as u64, "subscriptions");
        self.check_retained(&stats);
        if !self.stage.is_holding() && !self.is_vague {
            self.check_balance(&stats);
        }
        for at in 0..CLIENTS {
            self.check_stored(at);
        }
    }

    fn subscriptions(&self) -> usize {
        let sessions = self.clients.iter().filter_map(|client| client.session.as_ref());
        sessions.map(|session| session.subscriptions.len()).sum()
    }

    fn check_retained(&self, stats: &Stats) {
        assert_eq!(stats.retained_messages, self.retained.len() as u64, "retained messages");
        for topic in topics::TOPICS {
            let got =
                self.stage.broker.retained(topic).map(|message| observe::label(topic, &message.payload));
            let due = self.retained.get(*topic).map(|kept| kept.label.clone());
            assert_eq!(got, due, "retained for `{topic}`");
        }
    }

    /// Copies made = finished + dropped + waiting.
    fn check_balance(&self, stats: &Stats) {
        let dropped = dropped(stats) - self.balance.refused;
        let made = self.balance.made;
        let accounted = self.balance.finished + dropped + stats.queued_messages;
        // Copies of retained messages are counted as made when they arrive; those that were dropped instead are too many here.
        assert!(
            accounted == made || (self.is_loose && accounted > made),
            "{made} copies made, {} finished, {dropped} dropped, {} waiting: {:?}",
            self.balance.finished,
            stats.queued_messages,
            stats.dropped,
        );
    }

    /// What the store has of a session is what the broker has.
    fn check_stored(&self, at: usize) {
        let client = &self.clients[at];
        let stored = self.stage.stored(&client.id);
        let Some(session) = &client.session else {
            assert!(stored.is_none(), "{}: a session is stored that is over", client.id);
            return;
        };
        if session.expiry_secs == 0 {
            // It is forgotten when it ends, if it was durable before.
            return;
        }
        let stored = stored.expect("a durable session is stored");
        let live = self.stage.broker.export(&client.id).expect("a durable session is exported");
        assert_eq!(stored.header, live.header, "{}: header", client.id);
        let mut subscriptions = stored.subscriptions.clone();
        subscriptions.sort_by(|one, other| one.filter.cmp(&other.filter));
        assert_eq!(subscriptions, live.subscriptions, "{}: subscriptions", client.id);
        let exchange = |flight: &broker::Flight| (flight.packet_id, flight.stage);
        let alive: Vec<_> = live.outbound.iter().map(exchange).collect();
        // What is not in the journal, a retained message say, is not repeated by the next process.
        let is_kept = |flight: &&broker::Flight| {
            !self.restarted || flight.offset.is_some() || alive.contains(&exchange(flight))
        };
        let exchanges: Vec<_> = stored.outbound.iter().filter(is_kept).map(exchange).collect();
        assert_eq!(exchanges, alive, "{}: exchanges", client.id);
        let mut inbound = stored.inbound.clone();
        inbound.sort_unstable();
        assert_eq!(inbound, live.inbound, "{}: identifiers received", client.id);
        let taken: Vec<_> = live.inbound.iter().map(|(id, _)| id.get()).collect();
        assert_eq!(taken, session.taken.iter().copied().collect::<Vec<_>>(), "{}: QoS 2 taken", client.id);
        let filters: Vec<_> = live.subscriptions.iter().map(|held| held.filter.to_string()).collect();
        assert_eq!(filters, session.subscriptions.keys().cloned().collect::<Vec<_>>());
    }
}

/// Copies dropped in this process, messages that were not retained aside.
fn dropped(stats: &Stats) -> u64 {
    stats.dropped.iter().sum::<u64>() - stats.dropped(DropReason::RetainedFull)
}
