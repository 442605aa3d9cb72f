//! Messages that clients left behind: published like any other, through authorisation, rules and the durable write.

use super::authorise;
use super::commit::{Commits, Refusal, Settled};
use super::fan_out;
use crate::client::Client;
use crate::connections::trusted;
use crate::gateway::Gateway;
use crate::metrics::increment;
use broker::{Change, DueWill};
use mqtt::Publish;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How many sessions one look at the clock deals with.
const SESSIONS_MAX: usize = 1000;
/// How many wills are published at once.
const WILLS_AT_ONCE_MAX: usize = 64;
/// The longest time between two looks.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Publishes a will that is due, unless its client may not do that any more. Then it is over, and said to be so; but for one that a shutdown
/// leaves to the next start (section 3.1.3.2.2).
pub(crate) async fn publish(gateway: &Arc<Gateway>, will: DueWill<Client>) {
    let key = will.key;
    let changes = match attempt(gateway, will).await {
        Ok(mut changes) => {
            changes.push(Change::WillOver(key));
            changes
        }
        Err(Postponed) => return,
    };
    persist(gateway, changes).await;
}

/// The gateway ends before the will could be published.
struct Postponed;

async fn attempt(gateway: &Arc<Gateway>, will: DueWill<Client>) -> Result<Vec<Change>, Postponed> {
    let DueWill { key, message, client_id, attachment } = will;
    let client = match stands_for(gateway, attachment) {
        Ok(client) => client,
        Err((label, reason)) => {
            gateway.counters.wills_refused.increment(label);
            tracing::warn!(%client_id, topic = message.topic.as_str(), reason, "will not published");
            return Ok(Vec::new());
        }
    };
    let publish = Publish {
        dup: false,
        qos: message.qos,
        retain: message.retain,
        topic: message.topic,
        packet_id: None,
        properties: message.properties,
        payload: message.payload,
    };
    let Ok(permitted) = authorise::authorise(gateway, &client, publish) else {
        gateway.counters.wills_refused.increment("denied");
        return Ok(Vec::new());
    };
    let mut commits = Commits::of_will(gateway.bus.producer(), key);
    commits.submit(gateway, &client, permitted, None);
    match commits.settled(gateway).await {
        Settled::Accepted(accepted) => Ok(fan_out::fan_out(gateway, &accepted)),
        Settled::Refused(Refusal::ShuttingDown, _) => Err(Postponed),
        Settled::Refused(refusal, _) => {
            let (_, label, explanation) = refusal.explain();
            gateway.counters.wills_refused.increment(label);
            tracing::warn!(%client_id, reason = explanation, "will not published");
            Ok(Vec::new())
        }
    }
}

/// Who left the will, if it would be let in today: by the registry, and by the authorities and revocation lists. Otherwise a label for
/// metrics, and why not.
fn stands_for(gateway: &Gateway, client: Option<Client>) -> Result<Client, (&'static str, String)> {
    let client = client.ok_or_else(|| ("unknown_client", "nothing is kept of who left it".to_string()))?;
    gateway.still_admitted(&client).map_err(|reason| ("not_admitted", reason))?;
    for listener in gateway.listeners.read().iter() {
        trusted(&client, listener).map_err(|refused| ("not_trusted", refused.to_string()))?;
    }
    Ok(client)
}

/// The store says itself what is wrong; there is no client to tell.
async fn persist(gateway: &Gateway, changes: Vec<Change>) {
    let _ = gateway.persist(changes).await;
}

/// Publishes wills of different clients side by side: they share what the disk does, and after a restart there may be one for every client
/// that was connected.
async fn publish_all(gateway: &Arc<Gateway>, wills: Vec<DueWill<Client>>) {
    let mut tasks = JoinSet::new();
    for will in wills {
        if tasks.len() >= WILLS_AT_ONCE_MAX {
            tasks.join_next().await;
        }
        let gateway = Arc::clone(gateway);
        tasks.spawn(async move { publish(&gateway, will).await });
    }
    while tasks.join_next().await.is_some() {}
}

/// Publishes wills whose delay is over and ends sessions whose time is up, until the gateway shuts down.
pub(crate) async fn watch_clock(gateway: Arc<Gateway>) {
    loop {
        let ticked = gateway.broker.tick(gateway.now_ms(), SESSIONS_MAX);
        persist(&gateway, ticked.changes).await;
        for client_id in ticked.ended {
            increment(&gateway.counters.sessions_expired);
            tracing::debug!(%client_id, "session expired");
        }
        publish_all(&gateway, ticked.wills).await;
        if ticked.more {
            continue;
        }
        tokio::select! {
            () = gateway.shutdown.cancelled() => return,
            () = tokio::time::sleep(PAUSE_MAX) => {}
        }
    }
}
