//! What all devices of a run, and all devices of one of its fleets, have in common.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::scenario::{Fleet, Identity, Protocol, Scenario, Stages, Template};
use crate::truth::proof::{self, Origin};
use crate::wire::{self, Connect, Qos, Subscription, Version, Will, encode};

use super::flight::REQUEST_PACKET_ID;

/// The longest packet that a device takes.
pub(super) const PACKET_BYTES_MAX: u32 = 2 * 1024 * 1024;

/// Different failures that people are told of.
const REASONS_TOLD_MAX: usize = 64;

/// A run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) name: Box<str>,
    /// What stands for the name in a proof.
    pub(crate) number: u64,
    pub(crate) seed: u64,
    /// When it started, in microseconds since 1970.
    pub(crate) started_micros: u64,
    /// Nothing becomes due after this, in microseconds since the start.
    pub(crate) ends_micros: Option<u64>,
    /// How long acknowledgements are waited for, in microseconds.
    pub(crate) drain_micros: u64,
    pub(crate) stages: Arc<Stages>,
    /// Reasons for failures that were told.
    told: Mutex<BTreeSet<String>>,
}

impl Run {
    /// A run of a scenario that started then, in microseconds since 1970.
    pub(crate) fn new(scenario: &Scenario, name: &str, started_micros: u64) -> Self {
        Self {
            name: name.into(),
            number: proof::run_number(name),
            seed: scenario.seed,
            started_micros,
            ends_micros: scenario.end().map(micros),
            drain_micros: micros(scenario.drain),
            stages: Arc::clone(&scenario.stages),
            told: Mutex::default(),
        }
    }

    /// Tells people of a failure the first time that it has this reason.
    pub(crate) fn tell_once(&self, device: &str, what: &str, reason: &str) {
        let mut told = self.told.lock();
        if told.len() < REASONS_TOLD_MAX && told.insert(format!("{what}: {reason}")) {
            crate::report::tell(&format!("{device} {what}: {reason} (more of these are only counted)"));
        }
    }

    /// How long a message of this run took until now; `None` if it is none, or does not say when it was due.
    pub(crate) fn delivery_micros(&self, payload: &[u8], now: u64) -> Option<u64> {
        let due = proof::open(payload, &self.name)?.due_micros?;
        Some((self.started_micros + now).saturating_sub(due))
    }
}

/// A fleet, as its devices see it.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) run: Arc<Run>,
    /// The fleet's place in the scenario, from 0.
    pub(crate) number: usize,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) version: Version,
    password: Option<Box<[u8]>>,
}

impl Role {
    pub(crate) fn new(run: Arc<Run>, number: usize, fleet: Arc<Fleet>, password: Option<String>) -> Self {
        let version = version(fleet.protocol);
        Self { run, number, version, password: password.map(|text| text.into_bytes().into()), fleet }
    }

    /// The device's number when all fleets are counted through, from 0.
    pub(crate) fn index(&self, place: u32) -> u32 {
        self.fleet.first_device + place
    }

    /// When a device connects for the first time, in microseconds since the start.
    pub(crate) fn connects_at(&self, place: u32) -> u64 {
        micros(self.fleet.connects_at(place))
    }

    /// Whether its devices hear anything.
    pub(crate) fn listens(&self) -> bool {
        !self.fleet.subscriptions.is_empty() || self.fleet.answer.is_some()
    }

    pub(crate) fn origin<'a>(&'a self, name: &'a str, clock_ahead_ms: i64) -> Origin<'a> {
        Origin { device_id: name, run: &self.run.name, clock_ahead_ms }
    }

    pub(crate) fn identity<'a>(&'a self, place: u32, name: &'a str) -> Identity<'a> {
        Identity { device: name, fleet: &self.fleet.name, place, run: &self.run.name }
    }

    /// Writes a device's CONNECT.
    pub(crate) fn greet(&self, place: u32, name: &str, out: &mut Vec<u8>) {
        let identity = self.identity(place, name);
        let render = |template: &Template| template.render(&identity);
        let user_name = self.fleet.user_name.as_ref().map(render);
        let will = self.fleet.will.as_ref().map(|will| (will, render(&will.topic), render(&will.payload)));
        let connect = Connect {
            clean: self.fleet.clean_session,
            keep_alive_secs: self.fleet.keep_alive_secs,
            user_name: user_name.as_deref(),
            password: self.password.as_deref(),
            will: will.as_ref().map(|(will, topic, payload)| Will {
                topic,
                payload: payload.as_bytes(),
                qos: qos(will.qos),
                retain: will.retain,
                delay_secs: will.delay_secs,
            }),
            session_expiry_secs: self.fleet.session_expiry_secs,
            packet_bytes_max: PACKET_BYTES_MAX,
            ..Connect::new(self.version, name)
        };
        encode::connect(out, &connect).expect("the lengths of a scenario's texts were checked");
    }

    /// Writes a device's SUBSCRIBE, if there is anything it wants to hear.
    pub(crate) fn subscribe(&self, place: u32, name: &str, out: &mut Vec<u8>) {
        let identity = self.identity(place, name);
        let own =
            self.fleet.subscriptions.iter().map(|subscription| (&subscription.filter, subscription.qos));
        let commands = self.fleet.answer.iter().map(|answer| (&answer.filter, answer.qos));
        let filters: Vec<(String, Qos)> =
            own.chain(commands).map(|(filter, wanted)| (filter.render(&identity), qos(wanted))).collect();
        if filters.is_empty() {
            return;
        }
        let subscriptions: Vec<Subscription<'_>> =
            filters.iter().map(|(filter, qos)| Subscription { filter, qos: *qos }).collect();
        encode::subscribe(out, self.version, REQUEST_PACKET_ID, &subscriptions)
            .expect("the lengths of a scenario's texts were checked");
    }
}

/// In microseconds, as the engine counts time.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

pub(crate) fn qos(qos: crate::scenario::Qos) -> Qos {
    use crate::scenario::Qos as Wanted;
    match qos {
        Wanted::AtMostOnce => Qos::AtMostOnce,
        Wanted::AtLeastOnce => Qos::AtLeastOnce,
        Wanted::ExactlyOnce => Qos::ExactlyOnce,
    }
}

fn version(protocol: Protocol) -> Version {
    match protocol {
        Protocol::V311 => Version::V3,
        Protocol::V5 => Version::V5,
    }
}

/// A decoder for a connection of this version.
pub(crate) fn decoder(version: Version) -> wire::Decoder {
    wire::Decoder::new(version, PACKET_BYTES_MAX)
}
