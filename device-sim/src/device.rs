//! One device: connects, publishes by its schedule, reconnects, and remembers what was acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnAck, ConnectionError, Event, EventLoop, MqttOptions, Outgoing, Packet, Request,
};
use rumqttc::{PubAck, PubComp, Transport};
use tokio::time::{Instant, timeout};

use crate::bridge::of_client;
use crate::fleet::Shared;
use crate::load::{Load, Outcome};
use crate::random::Random;
use crate::schedule;

/// The client's own limit for reaching CONNACK; longer than the bridge's, so that the bridge can say why.
const CONNECT_SECS_MAX: u64 = 35;
/// The first pause before connecting again; it doubles up to the second.
const PAUSE_MILLIS: (u64, u64) = (100, 5_000);
/// For saying goodbye.
const DISCONNECT_SECS_MAX: u64 = 1;

pub(crate) struct Device {
    shared: Arc<Shared>,
    name: Arc<str>,
    index: u32,
    client: AsyncClient,
    events: EventLoop,
    load: Load,
    connected: bool,
    /// What the last connection left unacknowledged, or never wrote.
    unsettled: VecDeque<Request>,
    pause: Pause,
}

impl Device {
    pub(crate) fn new(shared: Arc<Shared>, index: u32) -> Self {
        let name = Arc::clone(&shared.settings.names[index as usize]);
        let (client, mut events) =
            AsyncClient::new(options(&shared, &name), usize::from(shared.settings.session.inflight));
        events.network_options.set_connection_timeout(CONNECT_SECS_MAX).set_tcp_nodelay(true);
        let load = Load::new(Arc::clone(&shared), index, Arc::clone(&name), client.clone());
        let pause = Pause::new(shared.settings.plan.seed, index);
        Self {
            shared,
            name,
            index,
            client,
            events,
            load,
            connected: false,
            unsettled: VecDeque::new(),
            pause,
        }
    }

    /// Plays until the run ends and, for the drain time, until everything is acknowledged.
    pub(crate) async fn play(mut self) -> Outcome {
        let start = self.shared.started + schedule::connect_at(&self.shared.settings.plan, self.index);
        let stopped = tokio::select! {
            () = tokio::time::sleep_until(start) => false,
            () = self.load.stopped() => true,
        };
        if stopped {
            return self.load.end();
        }
        let mut attempt = Instant::now();
        loop {
            // A client that is polled without a connection connects. It then throws away what is pending if the
            // session is new, so that is kept out of its reach until the CONNACK says what to do with it.
            if !self.connected {
                self.unsettled.append(&mut self.events.pending);
            }
            // The poll is never dropped before it is ready, except at the end: a packet half written would be lost.
            let polled = tokio::select! {
                biased;
                polled = self.events.poll() => polled,
                () = self.load.tend(self.connected) => break,
            };
            match polled {
                Ok(Event::Incoming(Packet::ConnAck(connack))) => self.connected(&connack, attempt),
                Ok(event) => self.happened(&event),
                Err(error) => {
                    let pause = self.failed(&error);
                    if self.load.rest(Instant::now() + pause).await {
                        break;
                    }
                    attempt = Instant::now();
                }
            }
        }
        self.leave().await;
        self.load.end()
    }

    fn connected(&mut self, connack: &ConnAck, attempt: Instant) {
        self.connected = true;
        self.pause.reset();
        let tally = &self.shared.tally;
        tally.connected.add(1);
        tally.connects.add(1);
        tally.connect.record(attempt.elapsed());
        let unsettled = self.in_order();
        if connack.session_present {
            self.events.pending = unsettled.into_iter().map(mark_duplicate).collect();
        } else {
            self.publish_again(unsettled);
        }
    }

    /// What the last connections left, in the order of the messages [MQTT-4.6.0-1]. The client alone would put what
    /// it had already written again behind what it had not, if the connection broke in the middle of that.
    fn in_order(&mut self) -> VecDeque<Request> {
        let mut unsettled = std::mem::take(&mut self.unsettled);
        let flight = &self.load.flight;
        // Whatever has no packet id yet was never written, and is in order at the end.
        unsettled.make_contiguous().sort_by_key(|request| {
            let packet_id = match request {
                Request::Publish(publish) => publish.pkid,
                Request::PubRel(release) => release.pkid,
                _ => 0,
            };
            flight.sequence(packet_id).unwrap_or(u64::MAX)
        });
        unsettled
    }

    /// The gateway has no session, so an old packet id means nothing to it: what was not acknowledged is published
    /// as new packets, in order, before what was never written.
    fn publish_again(&mut self, unsettled: VecDeque<Request>) {
        let mut packet_ids = Vec::new();
        let mut again = VecDeque::new();
        let mut unwritten = VecDeque::new();
        // A publish that waited for its packet id to become free was the next to be written.
        unwritten.extend(self.events.state.collision.take().map(renumber));
        for request in unsettled {
            match request {
                Request::Publish(publish) if publish.pkid != 0 => {
                    packet_ids.push(publish.pkid);
                    again.push_back(renumber(publish));
                }
                Request::Publish(publish) => unwritten.push_back(Request::Publish(publish)),
                // A PUBREL without a session: the message is in the gateway's hands, but nobody will say so.
                _ => {}
            }
        }
        self.load.session_lost(&packet_ids);
        again.append(&mut unwritten);
        self.events.pending = again;
    }

    fn happened(&mut self, event: &Event) {
        match event {
            Event::Outgoing(Outgoing::Publish(packet_id)) => self.load.written(*packet_id),
            Event::Incoming(Packet::PubAck(PubAck { pkid }) | Packet::PubComp(PubComp { pkid })) => {
                self.load.acknowledged(*pkid);
            }
            _ => {}
        }
    }

    /// Counts why, and says how long to wait before connecting again.
    fn failed(&mut self, error: &ConnectionError) -> Duration {
        // What happened before the connection broke comes before what is written again.
        while let Some(event) = self.events.state.events.pop_front() {
            self.happened(&event);
        }
        let told = self.shared.bridge.as_ref().and_then(|bridge| bridge.take_failure(&self.name));
        let reason = told.unwrap_or_else(|| of_client(error));
        let tally = &self.shared.tally;
        if std::mem::take(&mut self.connected) {
            tally.connected.subtract(1);
            tally.failed(&tally.disconnects, &self.name, "lost its connection", &reason);
        } else {
            tally.failed(&tally.connect_failures, &self.name, "cannot connect", &reason);
        }
        self.pause.next()
    }

    async fn leave(&mut self) {
        if !std::mem::take(&mut self.connected) {
            return;
        }
        self.shared.tally.connected.subtract(1);
        if self.client.try_disconnect().is_err() {
            return;
        }
        let goodbye = async {
            while let Ok(event) = self.events.poll().await {
                if event == Event::Outgoing(Outgoing::Disconnect) {
                    return;
                }
                self.happened(&event);
            }
        };
        // The gateway is free not to read any more; the run is over either way.
        let _ = timeout(Duration::from_secs(DISCONNECT_SECS_MAX), goodbye).await;
    }
}

fn options(shared: &Shared, name: &str) -> MqttOptions {
    let settings = &shared.settings;
    let mut options = match &shared.bridge {
        Some(bridge) => {
            let mut options = MqttOptions::new(name, bridge.socket().to_string_lossy(), 0);
            options.set_transport(Transport::Unix);
            options
        }
        None => MqttOptions::new(name, settings.host.clone(), settings.port),
    };
    options
        .set_clean_session(settings.session.clean)
        .set_keep_alive(settings.session.keep_alive)
        .set_inflight(settings.session.inflight)
        .set_max_packet_size(settings.message.packet_bytes_max, settings.message.packet_bytes_max);
    options
}

/// The client writes the same packet again without saying so, which [MQTT-3.3.1-1] demands.
fn mark_duplicate(request: Request) -> Request {
    match request {
        Request::Publish(mut publish) if publish.pkid != 0 => {
            publish.dup = true;
            Request::Publish(publish)
        }
        other => other,
    }
}

fn renumber(mut publish: rumqttc::Publish) -> Request {
    publish.pkid = 0;
    publish.dup = false;
    Request::Publish(publish)
}

/// Pauses between attempts that grow, and differ between devices so that a fleet does not come back as one.
struct Pause {
    random: Random,
    millis: u64,
}

impl Pause {
    fn new(seed: u64, device: u32) -> Self {
        // The schedules and sensors use the streams from the other end.
        Self { random: Random::new(seed, u64::MAX - u64::from(device)), millis: PAUSE_MILLIS.0 }
    }

    fn reset(&mut self) {
        self.millis = PAUSE_MILLIS.0;
    }

    fn next(&mut self) -> Duration {
        let pause = Duration::from_millis(self.millis).mul_f64(0.5 + self.random.fraction());
        self.millis = (self.millis * 2).min(PAUSE_MILLIS.1);
        pause
    }
}
