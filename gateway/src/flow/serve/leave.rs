//! How a connection ends: what is still under way, the goodbye, and the session as it has to be left.

use super::Connection;
use crate::flow::{fan_out, wills};
use crate::lifecycle::{self, DisconnectReason};
use broker::{Parting, Violation};
use mqtt::{Disconnect, Packet, Properties, PropertiesBuilder, Property, ReasonCode, Text, Version};
use std::sync::Arc;
use std::time::Duration;

/// How long the last bytes may take to reach a client that is being disconnected.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(2);

/// Why a connection ends.
pub(super) enum End {
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

    pub(super) fn closed(reason: ReasonCode, explanation: &(impl ToString + ?Sized)) -> Self {
        Self::Closed { reason, explanation: explanation.to_string(), told: String::new() }
    }

    pub(super) fn violation(violation: &Violation) -> Self {
        Self::Breach { reason: violation.reason, explanation: violation.to_string() }
    }
}

impl Connection {
    /// Ends the connection: waits for what was accepted, says goodbye, and leaves the session as it has to be.
    pub(super) async fn finish(mut self, end: End) {
        if !matches!(end, End::Disconnected(_)) {
            // What there is no room for yet was promised to nobody. The client sends it again, perhaps at once and on another connection:
            // it must not come twice, nor behind what it sends there.
            self.commits.give_up();
        }
        if matches!(end, End::Breach { .. } | End::Closed { .. }) {
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
        // Whoever takes the session over has to find the connection before this one, as long as that is not done.
        self.turn.wait(&self.bell).await;
        self.turn.pass();
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
        let bell = Arc::clone(&self.bell);
        loop {
            let is_sent_again = !self.session().is_current() || self.commits.comes_again();
            if self.commits.holds_what_wants_an_answer() && is_sent_again {
                // The client is back, and sends it again on its new connection; or will be, and sends what was before it first.
                self.commits.give_up();
            }
            if self.commits.len() == 0 && !self.commits.holds_what_wants_an_answer() {
                // What nobody is to be told of is never sent again.
                self.turn.pass();
            }
            if self.commits.len() == 0 && !self.commits.is_held() {
                return;
            }
            tokio::select! {
                biased;
                settled = self.commits.next(&gateway) => {
                    // The connection ends in any case.
                    let _ = settled.map(|settled| self.settle(settled));
                }
                () = bell.rung() => {}
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
                let (shown, told) = self.candour.reveal(*reason, told);
                self.send_disconnect(shown, told);
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
