//! What one device has to send: due messages wait here, in order, until they may be handed to the client.
//!
//! Nothing is skipped silently. A message that becomes due while the device cannot send waits; what exceeds the
//! bound, or still waits at the very end, is counted as not sent with its reason.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, QoS};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::fleet::Shared;
use crate::flight::{Flight, Written};
use crate::payload::{Message, Reading, Sensor, line};
use crate::ranges::Ranges;
use crate::schedule::Schedule;

/// Counted under this reason when a device has more waiting than it may keep.
pub(crate) const TOO_MANY_WAITING: &str = "too many messages waiting for the connection";
/// Counted under this reason when the run ends first.
pub(crate) const ENDED: &str = "the run ended before the device could send";

struct Waiting {
    sequence: u64,
    due: Duration,
    reading: Reading,
}

/// One device's messages, from due to acknowledged.
pub(crate) struct Load {
    shared: Arc<Shared>,
    index: u32,
    name: Arc<str>,
    topic: String,
    client: AsyncClient,
    schedule: Schedule,
    next_due: Option<Duration>,
    sensor: Sensor,
    last_sequence: u64,
    waiting: VecDeque<Waiting>,
    pub(crate) flight: Flight,
    acknowledged: Ranges,
    given_up: u64,
    /// Once nothing more becomes due: when to stop waiting for acknowledgements.
    deadline: Option<Instant>,
    // Both live as long as the device, because making them anew for each packet costs more than the packet.
    timer: Pin<Box<Sleep>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// What a device leaves behind.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) name: Arc<str>,
    pub(crate) last_sequence: u64,
    pub(crate) acknowledged: Ranges,
    /// Written, but never acknowledged.
    pub(crate) unacknowledged: u64,
}

impl Load {
    pub(crate) fn new(shared: Arc<Shared>, index: u32, name: Arc<str>, client: AsyncClient) -> Self {
        let plan = shared.settings.plan;
        let mut schedule = Schedule::new(&plan, index);
        let next_due = schedule.next();
        let blank = Reading { temperature_tenths: 0, humidity_tenths: 0 };
        let constant = Message {
            device: &name,
            sequence: 0,
            due_micros: 0,
            reading: blank,
            line: line(index),
            run: &shared.settings.message.run,
        };
        Self {
            topic: shared.settings.message.topic.render(&constant, ""),
            sensor: Sensor::new(plan.seed, index),
            timer: Box::pin(tokio::time::sleep_until(shared.started)),
            stop: Box::pin(shared.stop.clone().cancelled_owned()),
            shared,
            index,
            name,
            client,
            schedule,
            next_due,
            last_sequence: 0,
            waiting: VecDeque::new(),
            flight: Flight::default(),
            acknowledged: Ranges::default(),
            given_up: 0,
            deadline: None,
        }
    }

    /// Keeps the schedule, handing messages over if connected, until all is done or the drain time is over.
    pub(crate) async fn tend(&mut self, connected: bool) {
        loop {
            let now = Instant::now();
            self.collect(now);
            if connected {
                self.hand_over();
            }
            if self.finished(now) {
                return;
            }
            self.wake().await;
        }
    }

    /// As `tend` without a connection, but only until an instant. True when all is done.
    pub(crate) async fn rest(&mut self, until: Instant) -> bool {
        tokio::select! {
            () = self.tend(false) => true,
            () = tokio::time::sleep_until(until) => false,
        }
    }

    async fn wake(&mut self) {
        let due = self.next_due.map(|due| self.shared.started + due);
        let at = [due, self.deadline].into_iter().flatten().min();
        if let Some(at) = at
            && self.timer.deadline() != at
        {
            self.timer.as_mut().reset(at);
        }
        let stopping = self.deadline.is_some();
        tokio::select! {
            biased;
            () = self.stop.as_mut(), if !stopping => {
                self.collect(Instant::now());
                self.next_due = None;
                self.begin_draining();
            }
            () = self.timer.as_mut(), if at.is_some() => {}
        }
    }

    fn begin_draining(&mut self) {
        self.deadline = Some(Instant::now() + self.shared.settings.drain);
    }

    fn finished(&self, now: Instant) -> bool {
        let Some(deadline) = self.deadline else { return false };
        now >= deadline || (self.waiting.is_empty() && self.flight.len() == 0)
    }

    /// Moves what became due into the waiting messages.
    fn collect(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.shared.started);
        while let Some(due) = self.next_due.filter(|due| *due <= elapsed) {
            let end = &self.shared.settings.end;
            // After the end nothing is due, even if this device looks late.
            if end.after.is_some_and(|after| due >= after) {
                self.next_due = None;
                return;
            }
            self.last_sequence += 1;
            let all = end.messages_per_device == Some(self.last_sequence);
            self.shared.tally.due.add(1);
            let reading = self.sensor.read();
            if self.waiting.len() < self.shared.settings.session.waiting_messages_max {
                self.waiting.push_back(Waiting { sequence: self.last_sequence, due, reading });
            } else {
                self.shared.tally.not_sent.count(TOO_MANY_WAITING, 1);
            }
            self.next_due = self.schedule.next();
            if all {
                self.next_due = None;
                self.begin_draining();
            }
        }
    }

    /// Hands waiting messages to the client, as far as the in-flight limit allows.
    fn hand_over(&mut self) {
        let shared = Arc::clone(&self.shared);
        let message = &shared.settings.message;
        while self.flight.len() < usize::from(shared.settings.session.inflight) {
            let Some(waiting) = self.waiting.front() else { return };
            let payload = message.payload.render(
                &Message {
                    device: &self.name,
                    sequence: waiting.sequence,
                    due_micros: shared.started_at_micros
                        + u64::try_from(waiting.due.as_micros()).unwrap_or(u64::MAX / 2),
                    reading: waiting.reading,
                    line: line(self.index),
                    run: &message.run,
                },
                &message.padding,
            );
            // The client's queue holds the in-flight limit, so it is full only if the count above is wrong; the
            // message then stays where it is.
            if self.client.try_publish(self.topic.as_str(), message.qos, false, payload).is_err() {
                return;
            }
            self.flight.hand_over(waiting.sequence, waiting.due);
            self.waiting.pop_front();
        }
    }

    /// The client wrote a publish.
    pub(crate) fn written(&mut self, packet_id: u16) {
        let tally = &self.shared.tally;
        match self.flight.written(packet_id) {
            Some(Written::First(_)) => tally.sent.add(1),
            Some(Written::Resent) => tally.resent.add(1),
            Some(Written::Republished) => tally.republished.add(1),
            None => {}
        }
    }

    /// The gateway answered for the last time about a packet.
    pub(crate) fn acknowledged(&mut self, packet_id: u16) {
        if let Some(flying) = self.flight.acknowledged(packet_id) {
            self.acknowledged.insert(flying.sequence);
            let tally = &self.shared.tally;
            tally.acknowledged.add(1);
            tally.puback.record(self.shared.started.elapsed().saturating_sub(flying.due));
        }
    }

    /// The gateway forgot the session; see [`Flight::session_lost`].
    pub(crate) fn session_lost(&mut self, packet_ids: &[u16]) {
        self.given_up += self.flight.session_lost(packet_ids) as u64;
    }

    /// Counts what is left over.
    pub(crate) fn end(self) -> Outcome {
        let unwritten = self.flight.unwritten();
        self.shared.tally.not_sent.count(ENDED, self.waiting.len() as u64 + unwritten);
        let at_most_once = self.shared.settings.message.qos == QoS::AtMostOnce;
        let unacknowledged =
            if at_most_once { 0 } else { self.flight.len() as u64 - unwritten + self.given_up };
        Outcome {
            name: self.name,
            last_sequence: self.last_sequence,
            acknowledged: self.acknowledged,
            unacknowledged,
        }
    }

    pub(crate) fn stopped(&mut self) -> impl Future<Output = ()> + '_ {
        self.stop.as_mut()
    }
}
