//! Step 2: one connection from its CONNECT to its end. The connection's own task; everything it waits for is in [`Connection::run`].

use super::authenticate::{self, Authentication};
use super::candour::Candour;
use super::commit::{Commits, Refusal, Settled};
use super::connect::{LetIn, connect};
use super::patience::Patience;
use super::rate::Rate;
use super::{authorise, fan_out, wills};
use crate::client::Client;
use crate::connection::{Arrived, Carrier, Event, Transport};
use crate::connections::Open;
use crate::gateway::Gateway;
use crate::lifecycle::{self, DisconnectReason};
use crate::metrics::increment;
use crate::settings::{Compatibility, PublishRateExceeded};
use broker::{Change, Denial, Incoming, Parting, Received, Session, Violation};
use mqtt::{
    Auth, Disconnect, Packet, Properties, PropertiesBuilder, Property, Qos, ReasonCode, Subscribe, Text,
    Version,
};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Messages of one connection that may wait for the disk. Reading stops there: QoS 0 has no window of its own.
const WAITING_MESSAGES_MAX: usize = 1024;
/// Bytes of them.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// Bytes not yet taken by the client, beyond which nothing more is read from it or written for it.
const UNWRITTEN_BYTES_MAX: usize = 64 * 1024;
/// How long the last bytes may take to reach a client that is being disconnected.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(2);

/// Why a connection ends.
enum End {
    /// The client said so.
    Disconnected(Parting),
    /// The client is gone, or its network.
    Lost(String),
    /// The client broke the protocol.
    Breach { reason: ReasonCode, explanation: String },
    /// We end it, for this reason.
    Closed { reason: ReasonCode, explanation: String, told: String },
}

impl End {
    /// The reason in the lifecycle event.
    fn reason(&self) -> DisconnectReason {
        match self {
            Self::Disconnected(_) => DisconnectReason::ClientInitiatedDisconnect,
            Self::Lost(_) => DisconnectReason::ConnectionLost,
            Self::Breach { reason, .. } | Self::Closed { reason, .. } => DisconnectReason::of(*reason),
        }
    }

    fn closed(reason: ReasonCode, explanation: &(impl ToString + ?Sized)) -> Self {
        Self::Closed { reason, explanation: explanation.to_string(), told: String::new() }
    }

    fn violation(violation: &Violation) -> Self {
        Self::Breach { reason: violation.reason, explanation: violation.to_string() }
    }
}

struct Connection {
    gateway: Arc<Gateway>,
    transport: Transport<Carrier>,
    client: Client,
    open: Arc<Open>,
    wake: Arc<Notify>,
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
    /// Bytes came, and no PUBLISH among them was looked at yet.
    has_news: bool,
}

/// Serves one connection until it ends.
pub(super) async fn serve(gateway: Arc<Gateway>, arrived: Arrived) {
    let Some(let_in) = connect(&gateway, arrived).await else { return };
    let LetIn { transport, client, open, wake, candour, keep_alive_secs } = let_in;
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
        wake,
        candour,
        authentication: None,
        commits,
        promises_kept: true,
        settled_changes: Vec::new(),
        rate,
        stalled: None,
        stalled_until: None,
        patience,
        has_news: false,
    };
    let end = connection.run().await;
    connection.finish(end).await;
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
        let wake = Arc::clone(&self.wake);
        let timer = tokio::time::sleep_until(self.deadline());
        tokio::pin!(timer);
        loop {
            if let Err(end) = self.step().await {
                return end;
            }
            let reading = self.has_room() && self.stalled.is_none();
            let deadline = self.deadline();
            // A later one is found when the earlier is over.
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            tokio::select! {
                biased;
                () = gateway.shutdown.cancelled() => {
                    return End::closed(ReasonCode::ServerShuttingDown, "the gateway is shutting down");
                }
                settled = self.commits.next(&gateway) => {
                    if let Some(Err(end)) = settled.map(|settled| self.settle(settled)) {
                        return end;
                    }
                }
                () = wake.notified() => {}
                event = self.transport.next_event(reading) => match event {
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
        let deadline = self.patience.deadline();
        self.stalled_until.map_or(deadline, |until| until.min(deadline))
    }

    fn time_passed(&mut self) -> Result<(), End> {
        self.stalled_until.take_if(|until| *until <= Instant::now());
        if self.stalled.is_some() || !self.has_room_for_more() {
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
        self.patience.read(packet.is_some(), self.transport.has_part_of_a_packet(), Instant::now());
        packet.map_or(Ok(None), |packet| self.admit(packet, true))
    }

    /// Gives the packet back unless it is a PUBLISH that has to wait: behind one there is no room for, or because it comes too fast.
    fn admit(&mut self, packet: Packet, is_new: bool) -> Result<Option<Packet>, End> {
        let Packet::Publish(publish) = &packet else { return Ok(Some(packet)) };
        let mqtt = &self.gateway.settings.raw.mqtt;
        if !self.commits.is_held() && self.stalled_until.is_none() {
            let bytes =
                publish.topic.as_bytes().len() + publish.payload.len() + publish.properties.len_bytes();
            match self.rate.take(bytes, Instant::now()) {
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
            let changes = std::mem::take(&mut self.settled_changes);
            self.persist(changes).await?;
        }
        self.poll_session().await?;
        let changes = self.take_changes();
        // Nothing that was written to the output leaves before this: it is flushed by the next wait.
        self.persist(changes).await
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
        persisted.map_err(|error| End::closed(ReasonCode::ServerUnavailable, &error))
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

    async fn receive(&mut self, packet: Packet) -> Result<(), End> {
        match self.session().receive(packet) {
            Received::Publish(incoming) => {
                if std::mem::take(&mut self.has_news) {
                    let_others_go_first().await;
                }
                self.publish(incoming);
                Ok(())
            }
            Received::Subscribe(request) => self.subscribe(&request),
            Received::Unsubscribe(request) => {
                let ack = self.gateway.broker.unsubscribe(self.session(), &request);
                let ended = request
                    .filters
                    .iter()
                    .zip(&ack.reasons)
                    .filter(|(_, reason)| **reason == ReasonCode::Success);
                let ended = ended.map(|(filter, _)| filter.as_str());
                lifecycle::unsubscribed(&self.gateway, &self.client, ended);
                self.send(Packet::UnsubAck(ack))
            }
            Received::Authenticate(auth) => self.authenticate_again(&auth),
            Received::Reply(packet) => self.send(packet),
            Received::Nothing => Ok(()),
            Received::Disconnect(parting) => Err(End::Disconnected(parting)),
            Received::Violation(violation) => Err(End::violation(&violation)),
            Received::Superseded => {
                let reason = self.session().lost_to();
                Err(End::closed(reason, reason.name()))
            }
        }
    }

    fn authenticate_again(&mut self, auth: &Auth) -> Result<(), End> {
        let (under_way, bytes_max) = (&mut self.authentication, self.transport.peer_packet_bytes_max());
        match authenticate::again(&self.gateway, &self.client, bytes_max, under_way, auth) {
            Ok(answer) => self.send(answer),
            Err(refused) if refused.code == ReasonCode::ProtocolError => {
                Err(End::Breach { reason: refused.code, explanation: refused.explanation })
            }
            Err(refused) => {
                let (reason, told) = self.candour.reveal(refused.code, "");
                Err(End::Closed { reason, explanation: refused.explanation, told: told.to_string() })
            }
        }
    }

    fn publish(&mut self, incoming: Incoming) {
        let Incoming { publish, token } = incoming;
        let counters = &self.gateway.counters;
        increment(&counters.publishes[usize::from(publish.qos.number())]);
        counters.publish_bytes.fetch_add(publish.payload.len() as u64, Relaxed);
        let checked = self.gateway.check_publish(&publish.topic, publish.payload.len());
        let checked = checked.and_then(|()| self.gateway.check_properties(&publish.properties));
        if let Err((code, label, text)) = checked {
            self.commits.refuse(Refusal::Limit(code, label, text), token);
            return;
        }
        match authorise::authorise(&self.gateway, &self.client, publish) {
            Ok(permitted) => {
                self.commits.submit(&self.gateway, &self.client, permitted, token);
                if let Some(label) = self.commits.held_for() {
                    counters.publishes_delayed.increment(label);
                }
            }
            Err(denied) => self.commits.refuse(Refusal::Denied(denied.reason_string()), token),
        }
    }

    /// Acknowledges a message whose turn has come, or says why it can't.
    fn settle(&mut self, settled: Settled) -> Result<(), End> {
        let accepted = match settled {
            Settled::Accepted(accepted) => accepted,
            Settled::Refused(refusal, token) => return self.refuse(&refusal, token),
        };
        self.settled_changes.extend(fan_out::fan_out(&self.gateway, &accepted));
        tracing::debug!(
            client_id = self.client.client_id(),
            topic = accepted.delivery.as_ref().map(|delivery| delivery.message.topic.as_str()),
            offset = accepted.offset.map(|offset| offset.0),
            packet_id = accepted.token.as_ref().map(|token| token.packet_id().get()),
            "publish accepted"
        );
        if accepted.token.is_some() {
            self.gateway.counters.acknowledge_latency.record(accepted.received.elapsed());
        }
        let out = self.transport.output();
        // Section 3.4.2.1; a rule is as good as a subscriber. A PUBREC could say so too, but not every broker knows by then, so clients
        // do not expect it.
        let is_unheard = !accepted.is_heard && accepted.qos == Qos::AtLeastOnce;
        let reason = if is_unheard { ReasonCode::NoMatchingSubscribers } else { ReasonCode::Success };
        match fan_out::acknowledge(&self.open.session, accepted, reason, "", out) {
            fan_out::Next::GoOn => Ok(()),
            fan_out::Next::Close(violation) => Err(End::violation(&violation)),
        }
    }

    /// Says no to a publish: in the acknowledgement where there is one that can carry it, else by closing `[MQTT-3.3.5-2]`.
    fn refuse(&mut self, refusal: &Refusal, token: Option<broker::AckToken>) -> Result<(), End> {
        let (reason, label, explanation) = refusal.explain();
        let counters = &self.gateway.counters;
        // A denial was counted and logged when it was made.
        if !matches!(refusal, Refusal::Denied(_)) {
            counters.publishes_refused.increment(label);
            if let Some(left_out) = counters.refusal_lines.admit() {
                let (client_id, code) = (self.client.client_id(), reason.name());
                let subscriber = refusal.subscriber();
                tracing::warn!(
                    client_id,
                    subscriber,
                    code,
                    reason = explanation,
                    left_out,
                    "publish refused"
                );
            }
        }
        let (reason, told) = self.candour.reveal(reason, &explanation);
        let closed = || End::Closed { reason, told: told.to_string(), explanation: explanation.clone() };
        let Some(token) = token else { return Err(closed()) };
        match self.open.session.acknowledge(token, reason, told) {
            broker::Answer::Send(packet) => self.send(packet),
            broker::Answer::Close(_) => Err(closed()),
            broker::Answer::Nothing => Ok(()),
        }
    }

    fn subscribe(&mut self, request: &Subscribe) -> Result<(), End> {
        let (client, candour) = (&self.client, &self.candour);
        let gateway = &self.gateway;
        let mut is_denied = false;
        let permit = |asked: &mqtt::SubscribeFilter| {
            client.identity().authorise_subscribe(&asked.filter).map_err(|denied| {
                gateway.counters.subscribes_denied.increment(denied.label());
                is_denied = true;
                if let Some(left_out) = gateway.counters.refusal_lines.admit() {
                    let filter = asked.filter.as_str();
                    tracing::warn!(client_id = client.client_id(), filter, reason = %denied, left_out, "subscribe denied");
                }
                let told = denied.reason_string();
                let (reason, told) = candour.reveal(ReasonCode::NotAuthorized, &told);
                Denial::new(reason, told)
            })
        };
        let subscribed = gateway
            .broker
            .subscribe(&self.open.session, request, permit)
            .map_err(|violation| End::violation(&violation))?;
        let is_aws = gateway.settings.raw.mqtt.compatibility == Compatibility::Aws;
        if is_denied && is_aws && self.candour.version() == Version::V3_1_1 {
            return Err(End::closed(ReasonCode::NotAuthorized, "subscribed to what no policy allows"));
        }
        lifecycle::subscribed(&self.gateway, &self.client, subscribed.granted.iter().map(|filter| &**filter));
        self.send(Packet::SubAck(subscribed.ack))
    }

    /// Writes an answer. One that the client does not take, as it is too large, must not be sent, and without it there is nothing to go on
    /// with `[MQTT-3.1.2-24]`.
    fn send(&mut self, packet: Packet) -> Result<(), End> {
        if fan_out::encode_within(packet, self.candour.version(), &mut self.transport) {
            return Ok(());
        }
        Err(End::closed(ReasonCode::PacketTooLarge, "the client takes no packet as large as the answer"))
    }

    /// Ends the connection: waits for what was accepted, says goodbye, and leaves the session as it has to be.
    async fn finish(mut self, end: End) {
        if matches!(end, End::Breach { .. } | End::Closed { .. }) {
            self.commits.give_up();
            // The client may still read: what is about to be durable gets its acknowledgement first.
            let _ = tokio::time::timeout(CLOSE_TIME_MAX, self.settle_all()).await;
        }
        // What is in the output may promise something that is not persisted yet. If it can't be, the client must not hear it.
        let changes = self.take_changes();
        let kept = self.persist(changes).await.is_ok() && self.promises_kept && self.session().is_current();
        if !kept {
            self.transport.forget_output();
        }
        let parting = self.say_goodbye(&end).await;
        // Before the session is free for another connection, which is told of after this one.
        lifecycle::disconnected(&self.gateway, &self.client, end.reason());
        // There may be nobody left to answer, but subscribers get what was committed.
        self.settle_all().await;
        let departed = self.gateway.broker.disconnected(self.session(), parting, self.gateway.now_ms());
        self.gateway.connections.remove(&self.open);
        let mut changes = std::mem::take(&mut self.settled_changes);
        changes.extend(departed.changes);
        // The store says itself what is wrong; there is nobody left to tell.
        let _ = self.gateway.persist(changes).await;
        if let Some(will) = departed.will {
            wills::publish(&self.gateway, will).await;
        }
    }

    async fn settle_all(&mut self) {
        let gateway = Arc::clone(&self.gateway);
        while self.commits.len() > 0 || self.commits.is_held() {
            if let Some(settled) = self.commits.next(&gateway).await {
                // The connection ends in any case.
                let _ = self.settle(settled);
            }
        }
    }

    async fn say_goodbye(&mut self, end: &End) -> Parting {
        let (parting, label, explanation) = match end {
            End::Disconnected(parting) => (*parting, "client", "the client disconnected"),
            End::Lost(explanation) => (Parting::Lost, "lost", explanation.as_str()),
            End::Breach { reason, explanation } => {
                self.send_disconnect(*reason, self.candour.explain(explanation));
                (Parting::Lost, reason.name(), explanation.as_str())
            }
            End::Closed { reason, explanation, told } => {
                self.send_disconnect(*reason, told);
                let taken_over = *reason == ReasonCode::SessionTakenOver;
                let parting = if taken_over { Parting::TakenOver } else { Parting::Lost };
                (parting, reason.name(), explanation.as_str())
            }
        };
        self.gateway.counters.disconnects.increment(label);
        tracing::info!(
            client_id = self.client.client_id(),
            cause = label,
            reason = explanation,
            "disconnected"
        );
        // A peer that does not read must not hold the task.
        let _ = tokio::time::timeout(CLOSE_TIME_MAX, self.transport.close()).await;
        parting
    }

    /// Tells an MQTT 5 client why; MQTT 3.1.1 has no such packet.
    fn send_disconnect(&mut self, reason: ReasonCode, told: &str) {
        let version = self.candour.version();
        if version == Version::V3_1_1 {
            return;
        }
        let properties = match Text::try_from(told) {
            Ok(told) if !told.is_empty() => {
                PropertiesBuilder::new().with(Property::ReasonString(told)).build()
            }
            _ => Properties::default(),
        };
        let disconnect = Packet::Disconnect(Disconnect { reason, properties });
        fan_out::encode_within(disconnect, version, &mut self.transport);
    }
}
