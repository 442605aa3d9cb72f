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
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How many sessions one look at the clock deals with.
const SESSIONS_MAX: usize = 1000;
/// How many wills are published at once.
const WILLS_AT_ONCE_MAX: usize = 64;
/// How often a will is tried for which a target or a subscriber has no room; there is no client that could send it again.
const TRIES_MAX: u32 = 6;
/// The time between two tries, beside what each waits for room.
const TRY_INTERVAL: Duration = Duration::from_secs(1);
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
    let mut tries_left = TRIES_MAX;
    loop {
        let Ok(permitted) = authorise::authorise(gateway, &client, publish.clone()) else {
            gateway.counters.wills_refused.increment("denied");
            return Ok(Vec::new());
        };
        let mut commits = Commits::of_will(gateway.bus.producer(), key);
        commits.submit(gateway, &client, permitted, None);
        tries_left -= 1;
        match commits.settled(gateway).await {
            Settled::Accepted(accepted) => return Ok(fan_out::fan_out(gateway, &accepted)),
            Settled::Refused(Refusal::ShuttingDown, _) => return Err(Postponed),
            Settled::Refused(refusal, _) if tries_left > 0 && refusal.may_pass() => {
                tokio::select! {
                    () = gateway.shutdown.cancelled() => return Err(Postponed),
                    () = tokio::time::sleep(TRY_INTERVAL) => {}
                }
            }
            Settled::Refused(refusal, _) => {
                let (_, label, explanation) = refusal.explain();
                gateway.counters.wills_refused.increment(label);
                tracing::warn!(%client_id, reason = explanation, "will not published");
                return Ok(Vec::new());
            }
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

/// Publishes wills whose delay is over and ends sessions whose time is up, until the gateway shuts down. Wills of different clients are
/// published side by side: they share what the disk does, and after a restart there may be one for every client that was connected. One
/// that waits for room holds up neither the clock nor, as long as there are not too many of its kind, the others.
pub(crate) async fn watch_clock(gateway: Arc<Gateway>) {
    let mut due = VecDeque::new();
    let mut publishing = JoinSet::new();
    loop {
        let ticked = gateway.broker.tick(gateway.now_ms(), SESSIONS_MAX);
        persist(&gateway, ticked.changes).await;
        for client_id in ticked.ended {
            increment(&gateway.counters.sessions_expired);
            tracing::debug!(%client_id, "session expired");
        }
        due.extend(ticked.wills);
        begin(&gateway, &mut due, &mut publishing);
        if ticked.more {
            continue;
        }
        let look = tokio::time::sleep(PAUSE_MAX);
        tokio::pin!(look);
        loop {
            tokio::select! {
                () = gateway.shutdown.cancelled() => {
                    while publishing.join_next().await.is_some() {}
                    return;
                }
                () = &mut look => break,
                Some(_) = publishing.join_next() => begin(&gateway, &mut due, &mut publishing),
            }
        }
    }
}

/// Begins to publish as many of the wills that are due as may be under way at once. Those that wait are as many as sessions at most.
fn begin(gateway: &Arc<Gateway>, due: &mut VecDeque<DueWill<Client>>, publishing: &mut JoinSet<()>) {
    while publishing.len() < WILLS_AT_ONCE_MAX
        && let Some(will) = due.pop_front()
    {
        let gateway = Arc::clone(gateway);
        publishing.spawn(async move { publish(&gateway, will).await });
    }
}
