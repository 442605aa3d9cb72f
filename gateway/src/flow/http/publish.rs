//! A publish by request: the same steps as one by packet, and the answer when a PUBACK would be sent.

use super::answer::Fault;
use super::{Visitor, request};
use crate::client::Client;
use crate::flow::commit::{Commits, Refusal, Settled};
use crate::flow::{authorise, fan_out};
use crate::gateway::Gateway;
use crate::lifecycle::Presence;
use crate::metrics::increment;
use access::Permitted;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use mqtt::{Publish, ReasonCode};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long the body of a request may take.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// What is read of the body of a request that is refused whatever its body is, so that its connection can be used again; and for how long.
const DISCARD_BYTES_MAX: u64 = 64 * 1024;
const DISCARD_TIME_MAX: Duration = Duration::from_secs(1);
/// How long the disk, or a target that is behind, may keep a client waiting for its answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// Publishes what the request asks for. Done when it is durable, or need not be.
///
/// # Errors
/// Why it was not accepted; after a timeout it may still be.
pub(super) async fn publish(visitor: &Visitor, request: Request<Incoming>) -> Result<(), Fault> {
    let gateway = &visitor.gateway;
    let (head, body) = request.into_parts();
    // Before anything of the body is kept: who is not known must not cost memory.
    let client = match visitor.admit().await {
        Ok(client) => client,
        Err(fault) => return Err(if discard(body).await { fault } else { fault.closing() }),
    };
    let payload = read_body(body, gateway.settings.raw.mqtt.payload_bytes_max).await?;
    let publish = Publish { payload, ..request::read(&head)? };
    increment(&gateway.counters.publishes[usize::from(publish.qos.number())]);
    gateway.counters.publish_bytes.fetch_add(publish.payload.len() as u64, Relaxed);
    let checked = gateway.check_publish(&publish.topic, publish.payload.len());
    let checked = checked.and_then(|()| gateway.check_properties(&publish.properties));
    checked.and_then(|()| visitor.check_rate(&publish)).map_err(|(code, label, text)| {
        gateway.counters.publishes_refused.increment(label);
        Fault::refused(code, text)
    })?;
    let permitted = authorise::authorise(gateway, &client, publish)
        .map_err(|denied| Fault::forbidden(&denied.reason_string()))?;
    let Ok(place) = Arc::clone(&gateway.http_publishes).try_acquire_owned() else {
        gateway.counters.publishes_refused.increment("too_many_at_once");
        return Err(Fault::unavailable("too many publishes wait for the disk; try again"));
    };
    // A task of its own: what has become durable reaches its subscribers even if the client hangs up before.
    let (answer, answered) = oneshot::channel();
    let accepting = Arc::clone(gateway);
    gateway.connection_tasks.spawn(async move {
        let _ = answer.send(accept(&accepting, &client, permitted).await);
        drop(place);
    });
    match tokio::time::timeout(ANSWER_TIME_MAX, answered).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) | Err(_) => Err(Fault::unavailable("the publish was not durable in time; it may yet be")),
    }
}

/// The steps from the rules to the subscribers.
async fn accept(gateway: &Arc<Gateway>, client: &Client, publish: Permitted<Publish>) -> Result<(), Fault> {
    let begun = Instant::now();
    let mut commits = Commits::new(gateway.bus.producer(), None);
    commits.submit(gateway, client, publish, None);
    let mut asking = None;
    let settled = loop {
        // The places are shared by all who ask: what waits for one target that is behind, or for one function, must not take them from those
        // that publish to others.
        if commits.is_asking() {
            if asking.is_none() {
                asking = Arc::clone(&gateway.functions.http_places).try_acquire_owned().ok();
            }
            if asking.is_none() {
                return Err(no_room(gateway, "function"));
            }
        } else if let Some(label) = commits.held_for() {
            return Err(no_room(gateway, label));
        }
        if let Some(settled) = commits.next(gateway).await {
            break settled;
        }
    };
    match settled {
        Settled::Accepted(accepted) => {
            let changes = fan_out::fan_out(gateway, &accepted);
            let persisted = gateway.persist(changes).await;
            persisted.map_err(|error| Fault::refused(ReasonCode::ServerUnavailable, error.to_string()))?;
            gateway.counters.acknowledge_latency.record(begun.elapsed());
            Ok(())
        }
        Settled::Refused(refusal, _) => Err(refused(gateway, &refusal)),
    }
}

fn no_room(gateway: &Gateway, label: &str) -> Fault {
    gateway.counters.publishes_refused.increment(label);
    Fault::unavailable("there is no room for it now; try again later")
}

fn refused(gateway: &Gateway, refusal: &Refusal) -> Fault {
    let (code, label, explanation) = refusal.explain();
    gateway.counters.publishes_refused.increment(label);
    Fault::refused(code, explanation)
}

async fn read_body(body: Incoming, bytes_max: usize) -> Result<Bytes, Fault> {
    let too_large = || Fault::too_large(format!("the payload has more than {bytes_max} bytes"));
    // Where the length is announced nothing has to be read to refuse it.
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large());
    }
    let collected = tokio::time::timeout(BODY_TIME_MAX, collect(body, bytes_max)).await;
    collected.map_err(|_| Fault::too_slow("the payload did not come in time"))?.map_err(|error| match error {
        Some(error) => Fault::invalid(format!("the payload can't be read: {error}")),
        None => too_large(),
    })
}

/// Reads a body without keeping it; whether that was all of it.
async fn discard(mut body: Incoming) -> bool {
    if body.size_hint().lower() > DISCARD_BYTES_MAX {
        return false;
    }
    let read = async {
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            if bytes > DISCARD_BYTES_MAX {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(DISCARD_TIME_MAX, read).await.unwrap_or(false)
}

/// `None` stands for a body that is too large.
async fn collect(mut body: Incoming, bytes_max: usize) -> Result<Bytes, Option<hyper::Error>> {
    let mut payload = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if payload.len() + data.len() > bytes_max {
            return Err(None);
        }
        payload.extend_from_slice(&data);
    }
    Ok(payload.freeze())
}

impl Visitor {
    /// Whether this connection may publish so much now. A request can't be left unread for long, as packets are, without its client taking
    /// us for dead; it is told to come later.
    fn check_rate(&self, publish: &Publish) -> Result<(), (ReasonCode, &'static str, String)> {
        let bytes = publish.topic.len() + publish.properties.len_bytes() + publish.payload.len();
        self.rate.lock().take(bytes, tokio::time::Instant::now()).map_err(|_| {
            let text = "this connection publishes faster than allowed; try again later".to_string();
            (ReasonCode::MessageRateTooHigh, "rate", text)
        })
    }

    /// Who asks, as the registry and the revocation lists have it now. There is no client id, as with AWS IoT.
    async fn admit(&self) -> Result<Client, Fault> {
        let gateway = &self.gateway;
        if self.listener.is_tls() && *self.listener.trust_changes().borrow() != self.trust_generation {
            self.listener.check(&self.certificates).map_err(|refused| Fault::not_admitted(&refused))?;
        }
        let principal = match &self.certificate {
            // Requests know no users; the policy for anybody is that of the listeners without TLS.
            None if self.listener.is_tls() => {
                return Err(Fault::forbidden("no certificate, and publishing by HTTPS needs one"));
            }
            None => gateway
                .plain_principal()
                .ok_or_else(|| Fault::forbidden("no certificate, and no policy for such clients"))?,
            Some(Err(error)) => return Err(Fault::not_admitted(error)),
            Some(Ok(certificate)) => {
                let admitted = gateway.registry.admit(certificate, gateway.now_ms()).await;
                admitted.map_err(|refused| Fault::not_admitted(&refused))?
            }
        };
        let certificates = Arc::clone(&self.certificates);
        Ok(Client::new(&principal, "", self.peer, certificates, Presence::past()))
    }
}
