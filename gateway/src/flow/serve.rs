//! Step 2: one connection from its CONNECT to its end. The connection's own task; everything it waits for is in [`Connection::run`].

mod handle;
mod leave;

use super::authenticate::Authentication;
use super::candour::Candour;
use super::commit::Commits;
use super::connect::{LetIn, connect};
use super::patience::Patience;
use super::rate::Rate;
use super::turn::Turn;
use crate::client::Client;
use crate::connection::{Arrived, Bell, Carrier, Event, Transport};
use crate::connections::Open;
use crate::gateway::Gateway;
use crate::settings::PublishRateExceeded;
use broker::{Change, Session};
use leave::End;
use mqtt::{Packet, ReasonCode, Version};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// Messages of one connection that may wait for the disk. Reading stops there: QoS 0 has no window of its own.
const WAITING_MESSAGES_MAX: usize = 1024;
/// Bytes of them.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// Bytes not yet taken by the client, beyond which nothing more is read from it or written for it.
const UNWRITTEN_BYTES_MAX: usize = 64 * 1024;

pub(super) struct Connection {
    gateway: Arc<Gateway>,
    transport: Transport<Carrier>,
    client: Client,
    open: Arc<Open>,
    bell: Arc<Bell>,
    turn: Turn,
    candour: Candour,
    /// An authentication anew that is under way.
    authentication: Option<Box<Authentication>>,
    commits: Commits,
    /// Whether everything that the output promises was persisted.
    promises_kept: bool,
    /// What fanning out changed in durable sessions, to be persisted.
    settled_changes: Vec<Change>,
    rate: Rate,
    /// A PUBLISH that has to wait; nothing behind it is read.
    stalled: Option<Box<Packet>>,
    /// When it may go on, if that is a matter of time.
    stalled_until: Option<Instant>,
    patience: Patience,
    /// When the task was woken last: what it finds came then. The clock is looked at once for all packets of a read.
    now: Instant,
    /// What [`Transport::taken`] was when time was looked at last.
    taken: u64,
    /// Bytes came, and no PUBLISH among them was looked at yet.
    has_news: bool,
}

/// Serves one connection until it ends.
pub(super) async fn serve(gateway: Arc<Gateway>, arrived: Arrived) {
    // Beginning and end in memory of their own: the task is as large as the largest of what it waits for, and a connection waits for
    // neither of them while it lives.
    let Some(let_in) = Box::pin(connect(&gateway, arrived)).await else { return };
    let LetIn { transport, client, open, bell, turn, candour, keep_alive_secs } = let_in;
    let mqtt = &gateway.settings.raw.mqtt;
    let patience = Patience::new(keep_alive_secs, mqtt.idle_secs_max, mqtt.packet_secs_max);
    let rate = Rate::new(mqtt.publishes_per_sec_max, mqtt.publish_bytes_per_sec_max);
    // MQTT 5 has a way to say no; a client of MQTT 3.1.1 could only be closed, so it waits first.
    let waits = candour.version() == Version::V3_1_1;
    let subscriber_wait_max = waits.then(|| Duration::from_secs(mqtt.queue_full_wait_secs_max));
    let commits = Commits::new(gateway.bus.producer(), subscriber_wait_max);
    let mut connection = Connection {
        gateway,
        transport,
        client,
        open,
        bell,
        turn,
        candour,
        authentication: None,
        commits,
        promises_kept: true,
        settled_changes: Vec::new(),
        rate,
        stalled: None,
        stalled_until: None,
        patience,
        now: Instant::now(),
        taken: 0,
        has_news: false,
    };
    let end = connection.run().await;
    Box::pin(connection.finish(end)).await;
}

/// Goes to the end of the line of tasks that are ready. The runtime begins with the connection that heard of its bytes last, so that without
/// this a message would overtake the SUBSCRIBE that another client sent before it. No order between connections is promised: this only
/// makes the surprise rare. It costs a turn of the line, no system call.
async fn let_others_go_first() {
    let mut went = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut went, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Connection {
    fn session(&self) -> &Session<Client> {
        &self.open.session
    }

    async fn run(&mut self) -> End {
        let gateway = Arc::clone(&self.gateway);
        let bell = Arc::clone(&self.bell);
        let timer = tokio::time::sleep_until(self.deadline());
        tokio::pin!(timer);
        loop {
            if gateway.connections.are_closing() {
                return End::closed(ReasonCode::ServerShuttingDown, "the gateway is shutting down");
            }
            self.now = Instant::now();
            if let Err(end) = self.step().await {
                return end;
            }
            let reading = self.has_room_for_more() && self.stalled.is_none();
            let deadline = self.deadline();
            // A later one is found when the earlier is over.
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            tokio::select! {
                biased;
                settled = self.commits.next(&gateway), if self.commits.is_waiting() => {
                    if let Some(Err(end)) = settled.map(|settled| self.settle(settled)) {
                        return end;
                    }
                }
                () = bell.rung() => {}
                event = self.transport.next_event_within(reading, UNWRITTEN_BYTES_MAX) => match event {
                    Ok(Event::Readable) => self.has_news = true,
                    Ok(Event::Flushed) => {}
                    Ok(Event::Closed) => return End::Lost("closed by the peer without DISCONNECT".to_string()),
                    Err(error) => return End::Lost(error.to_string()),
                },
                () = &mut timer => {
                    if let Err(end) = self.time_passed() {
                        return end;
                    }
                    timer.as_mut().reset(self.deadline());
                }
            }
        }
    }

    /// When the time has come to look whether something took too long, or may go on.
    fn deadline(&self) -> Instant {
        let overdue_at = self.stalled.as_ref().and_then(|_| self.turn.overdue_at());
        let others = [self.stalled_until, overdue_at].into_iter().flatten();
        others.fold(self.patience.deadline(), Instant::min)
    }

    fn time_passed(&mut self) -> Result<(), End> {
        if self.stalled.is_some() && !self.turn.has_come() && self.turn.overdue_at() <= Some(Instant::now()) {
            let explanation = "the connection before this one still has publishes that wait for the disk";
            return Err(End::closed(ReasonCode::ServerBusy, explanation));
        }
        self.stalled_until.take_if(|until| *until <= Instant::now());
        let taken = self.transport.taken();
        let takes = std::mem::replace(&mut self.taken, taken) != taken;
        let unwritten = self.transport.unwritten() >= UNWRITTEN_BYTES_MAX;
        if self.stalled.is_some() || !self.has_room_for_more() || (unwritten && takes) {
            // The client may have said much that was not read yet.
            self.patience.pardon(Instant::now());
            return Ok(());
        }
        match self.patience.exhausted(Instant::now()) {
            Some(explanation) => Err(End::closed(ReasonCode::KeepAliveTimeout, explanation)),
            None => Ok(()),
        }
    }

    /// Whether what was accepted and waits leaves room for more.
    fn has_room_for_more(&self) -> bool {
        self.commits.len() < WAITING_MESSAGES_MAX && self.commits.bytes() < WAITING_BYTES_MAX
    }

    fn has_room(&self) -> bool {
        self.has_room_for_more() && self.transport.unwritten() < UNWRITTEN_BYTES_MAX
    }

    /// The next packet that may be dealt with now.
    fn next_packet(&mut self) -> Result<Option<Packet>, End> {
        if let Some(stalled) = self.stalled.take() {
            return self.admit(*stalled, false);
        }
        let packet = self
            .transport
            .next_packet(Some(self.candour.version()))
            .map_err(|error| End::Breach { reason: error.reason_code(), explanation: error.to_string() })?;
        // Only whole packets count as life: one byte now and then is no reason to keep a connection `[MQTT-3.1.2-22]`.
        self.patience.read(packet.is_some(), self.transport.has_part_of_a_packet(), self.now);
        packet.map_or(Ok(None), |packet| self.admit(packet, true))
    }

    /// Gives the packet back unless it is a PUBLISH that has to wait: for the connection before this one, behind one there is no room for,
    /// behind one whose refusal closes the connection, or because it comes too fast.
    fn admit(&mut self, packet: Packet, is_new: bool) -> Result<Option<Packet>, End> {
        let Packet::Publish(publish) = &packet else { return Ok(Some(packet)) };
        let mqtt = &self.gateway.settings.raw.mqtt;
        if !self.turn.has_come() {
            if is_new {
                self.gateway.counters.publishes_delayed.increment("taken_over");
            }
        } else if !self.commits.is_held() && !self.closes_soon() && self.stalled_until.is_none() {
            let bytes =
                publish.topic.as_bytes().len() + publish.payload.len() + publish.properties.len_bytes();
            match self.rate.take(bytes, self.now) {
                Ok(()) => return Ok(Some(packet)),
                Err(_) if mqtt.publish_rate_exceeded == PublishRateExceeded::Disconnect => {
                    let explanation = "publishes faster than the settings allow";
                    return Err(End::closed(ReasonCode::MessageRateTooHigh, explanation));
                }
                Err(until) => {
                    self.stalled_until = Some(until);
                    if is_new {
                        self.gateway.counters.publishes_delayed.increment("rate");
                    }
                }
            }
        }
        self.stalled = Some(Box::new(packet));
        Ok(None)
    }

    /// MQTT 3.1.1 knows no refusal but the end of the connection. What came behind the refused publish is sent again with it, so it must not
    /// be taken before.
    fn closes_soon(&self) -> bool {
        self.candour.version() == Version::V3_1_1 && self.commits.has_refused()
    }

    /// Does everything that can be done without waiting for the peer or the disk.
    async fn step(&mut self) -> Result<(), End> {
        while self.has_room() {
            if self.client.is_cut() {
                return Err(End::closed(ReasonCode::NotAuthorized, "cut off"));
            }
            let Some(packet) = self.next_packet()? else { break };
            self.receive(packet).await?;
            while let Some(settled) = self.commits.try_next() {
                self.settle(settled)?;
            }
            // Who owes a copy is said before anything else can be said about it.
            if !self.settled_changes.is_empty() {
                let changes = std::mem::take(&mut self.settled_changes);
                self.persist(changes).await?;
            }
        }
        self.poll_session().await?;
        let changes = self.take_changes();
        // Nothing that was written to the output leaves before this: it is flushed by the next wait.
        self.persist(changes).await?;
        // A connection that took the session over took with it what was not persisted yet, and may still be at it.
        if self.session().is_current() { Ok(()) } else { Err(self.superseded()) }
    }

    fn superseded(&self) -> End {
        let reason = self.session().lost_to();
        End::closed(reason, reason.name())
    }

    /// What has to be persisted before the output is flushed.
    fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = std::mem::take(&mut self.settled_changes);
        // A session that another connection took over is that connection's to persist.
        if self.session().is_current() {
            changes.extend(self.session().take_changes());
        }
        changes
    }

    async fn persist(&mut self, changes: Vec<Change>) -> Result<(), End> {
        let persisted = self.gateway.persist(changes).await;
        self.promises_kept &= persisted.is_ok();
        // 0x88 (server unavailable) is of CONNACK alone.
        persisted.map_err(|error| End::closed(ReasonCode::ImplementationSpecificError, &error))
    }

    /// Writes what the session may send now.
    async fn poll_session(&mut self) -> Result<(), End> {
        let now_ms = self.gateway.now_ms();
        while self.transport.unwritten() < UNWRITTEN_BYTES_MAX {
            let outgoing =
                self.open.session.poll_outgoing(now_ms, UNWRITTEN_BYTES_MAX, self.transport.output());
            if let Some(reason) = outgoing.closing {
                return Err(End::closed(reason, reason.name()));
            }
            if !outgoing.more {
                return Ok(());
            }
            // A round may have looked at much and written little; others want the processor too.
            tokio::task::yield_now().await;
        }
        // There is more, and the session will not wake us for it: a flush does.
        Ok(())
    }
}
