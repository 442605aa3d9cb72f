//! What each packet of a client leads to, and what it is told when that is done.

use super::leave::End;
use super::{Connection, let_others_go_first};
use crate::flow::commit::{Refusal, Settled};
use crate::flow::{authenticate, authorise, fan_out};
use crate::lifecycle;
use crate::metrics::increment;
use crate::settings::Compatibility;
use broker::{Denial, Incoming, Received};
use mqtt::{Auth, Packet, Qos, ReasonCode, Subscribe, Version};
use std::sync::atomic::Ordering::Relaxed;

impl Connection {
    pub(super) async fn receive(&mut self, packet: Packet) -> Result<(), End> {
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
            Received::Superseded => Err(self.superseded()),
        }
    }

    fn authenticate_again(&mut self, auth: &Auth) -> Result<(), End> {
        let (under_way, bytes_max) = (&mut self.authentication, self.transport.peer_packet_bytes_max());
        match authenticate::again(&self.gateway, &self.client, bytes_max, under_way, auth) {
            Ok(answer) => self.send(answer),
            Err(refused) if refused.code == ReasonCode::ProtocolError => {
                Err(End::Breach { reason: refused.code, explanation: refused.explanation })
            }
            Err(refused) => Err(End::Closed {
                reason: refused.code,
                explanation: refused.explanation,
                told: String::new(),
            }),
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
    pub(super) fn settle(&mut self, settled: Settled) -> Result<(), End> {
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
        let closed = || End::Closed { reason, told: explanation.clone(), explanation: explanation.clone() };
        let Some(token) = token else { return Err(closed()) };
        let (reason, told) = self.candour.reveal(reason, &explanation);
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
        self.report_beyond_limits(&subscribed.ack.reasons);
        let is_aws = gateway.settings.raw.mqtt.compatibility == Compatibility::Aws;
        if is_denied && is_aws && self.candour.version() == Version::V3_1_1 {
            return Err(End::closed(ReasonCode::NotAuthorized, "subscribed to what no policy allows"));
        }
        lifecycle::subscribed(&self.gateway, &self.client, subscribed.granted.iter().map(|filter| &**filter));
        self.send(Packet::SubAck(subscribed.ack))
    }

    /// Counts and logs the filters that a limit or a switched off feature keeps out; a denial was counted and logged when it was made.
    fn report_beyond_limits(&self, reasons: &[ReasonCode]) {
        let counters = &self.gateway.counters;
        let is_denial =
            |reason: &ReasonCode| matches!(reason, ReasonCode::NotAuthorized | ReasonCode::UnspecifiedError);
        for reason in reasons.iter().filter(|reason| reason.is_error() && !is_denial(reason)) {
            counters.subscribes_refused.increment(reason.name());
            if let Some(left_out) = counters.refusal_lines.admit() {
                let (client_id, code) = (self.client.client_id(), reason.name());
                tracing::warn!(client_id, code, left_out, "a filter is beyond a limit, it is not subscribed");
            }
        }
    }

    /// Writes an answer. One that the client does not take, as it is too large, must not be sent, and without it there is nothing to go on
    /// with `[MQTT-3.1.2-24]`.
    fn send(&mut self, packet: Packet) -> Result<(), End> {
        if fan_out::encode_within(packet, self.candour.version(), &mut self.transport) {
            return Ok(());
        }
        Err(End::closed(ReasonCode::PacketTooLarge, "the client takes no packet as large as the answer"))
    }
}
