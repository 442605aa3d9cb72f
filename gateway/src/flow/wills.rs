//! Messages that clients left behind: published like any other, through authorisation, rules and the durable write.

use super::authorise;
use super::commit::{Commits, Settled};
use super::fan_out;
use crate::client::Client;
use crate::gateway::Gateway;
use broker::{Change, DueWill};
use mqtt::Publish;
use std::sync::Arc;
use std::time::Duration;

/// How many sessions one look at the clock deals with.
const SESSIONS_MAX: usize = 1000;
/// The longest time between two looks.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Publishes a will that is due.
pub(crate) async fn publish(gateway: &Arc<Gateway>, will: DueWill<Client>) {
    let Some(client) = will.attachment else {
        tracing::warn!(client_id = %will.client_id, topic = will.message.topic.as_str(), "a will from before the restart has no identity, it is not published");
        return;
    };
    if let Err(reason) = gateway.still_admitted(&client) {
        tracing::warn!(
            client_id = client.client_id(),
            reason,
            "the will of a client that may not connect any more is not published"
        );
        return;
    }
    let message = will.message;
    let publish = Publish {
        dup: false,
        qos: message.qos,
        retain: message.retain,
        topic: message.topic,
        packet_id: None,
        properties: message.properties,
        payload: message.payload,
    };
    let Ok(permitted) = authorise::authorise(gateway, &client, publish) else { return };
    let mut commits = Commits::new(gateway.bus.producer());
    commits.submit(gateway, &client, permitted, None).await;
    match commits.next().await {
        Settled::Accepted(accepted) => persist(gateway, fan_out::fan_out(gateway, &accepted)).await,
        Settled::Refused(refusal, _) => {
            let (_, label, explanation) = refusal.explain();
            gateway.counters.publishes_refused.increment(label);
            tracing::warn!(client_id = client.client_id(), reason = explanation, "will not published");
        }
    }
}

/// The store says itself what is wrong; there is no client to tell.
async fn persist(gateway: &Gateway, changes: Vec<Change>) {
    let _ = gateway.persist(changes).await;
}

/// Publishes wills whose delay is over and ends sessions whose time is up, until the gateway shuts down.
pub(crate) async fn watch_clock(gateway: Arc<Gateway>) {
    loop {
        let ticked = gateway.broker.tick(gateway.now_ms(), SESSIONS_MAX);
        persist(&gateway, ticked.changes).await;
        for client_id in ticked.ended {
            tracing::debug!(%client_id, "session expired");
        }
        for will in ticked.wills {
            publish(&gateway, will).await;
        }
        if ticked.more {
            continue;
        }
        tokio::select! {
            () = gateway.shutdown.cancelled() => return,
            () = tokio::time::sleep(PAUSE_MAX) => {}
        }
    }
}
