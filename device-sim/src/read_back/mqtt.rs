//! A subscription, by the public MQTT client rumqttc: a witness that shares no code with the devices.
//!
//! Its session persists, so that what arrives while the server is away, or while the reader is, is owed to it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rumqttc::{
    AsyncClient, ConnAck, ConnectionError, Event, EventLoop, MqttOptions, Packet, QoS, SubscribeReasonCode,
    Transport,
};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::tunnel::Tunnel;
use super::{Books, Broker, RETRY_MILLIS, settle_down};
use crate::scenario::Qos;

/// For the first subscription to be there.
const SUBSCRIBE_SECS_MAX: u64 = 20;
/// For reaching the server once.
const CONNECT_SECS_MAX: u64 = 15;
/// For clearing the session away at the end.
const LEAVE_SECS_MAX: u64 = 3;
const KEEP_ALIVE_SECS: u64 = 30;
/// The largest packet that is taken, as large as MQTT allows.
const PACKET_BYTES_MAX: usize = 268_435_460;
/// Requests to the client that wait; there is one at a time.
const REQUESTS_MAX: usize = 4;

/// What is subscribed to.
pub(super) struct Subscription {
    pub(super) filter: String,
    pub(super) qos: Qos,
    /// Leaves after subscribing, and comes back at the end.
    pub(super) offline: bool,
}

/// A subscriber, from before the first device connects to after the last.
pub(super) struct Reader {
    broker: Broker,
    tunnel: Option<Tunnel>,
    shared: Arc<Shared>,
    following: Option<JoinHandle<()>>,
}

struct Shared {
    books: Arc<Books>,
    subscription: Subscription,
    /// Why there is no connection now; `None` while there is one.
    trouble: Mutex<Option<String>>,
    /// The first attempt to subscribe has ended, one way or the other.
    answered: Notify,
}

impl Reader {
    /// Subscribes. Errors are words for people.
    pub(super) async fn start(
        broker: Broker,
        subscription: Subscription,
        books: Arc<Books>,
    ) -> Result<Self, String> {
        let tunnel = match &broker.tls {
            Some(tls) => {
                let server = format!("{}:{}", broker.host, broker.port);
                let tunnel = Tunnel::start(server, tls.clone());
                Some(tunnel.map_err(|error| format!("cannot make a local socket: {error}"))?)
            }
            None => None,
        };
        let offline = subscription.offline;
        let shared = Arc::new(Shared {
            books,
            subscription,
            trouble: Mutex::new(Some("no connection was tried".to_owned())),
            answered: Notify::new(),
        });
        let mut reader = Self { broker, tunnel, shared, following: None };
        // What an earlier run of the same name left would be taken for what arrived in this one.
        reader.clear().await;
        reader.follow();
        let answered = timeout(Duration::from_secs(SUBSCRIBE_SECS_MAX), reader.shared.answered.notified());
        let in_time = answered.await.is_ok();
        if let Some(trouble) = reader.shared.trouble.lock().clone() {
            return Err(trouble);
        }
        if !in_time {
            return Err("the server did not answer".to_owned());
        }
        if offline {
            reader.stop().await;
        }
        Ok(reader)
    }

    pub(super) fn filter(&self) -> &str {
        &self.shared.subscription.filter
    }

    /// Waits for what is still to come, and clears the session away.
    pub(super) async fn finish(mut self, deadline: Instant) -> Result<(), String> {
        if self.following.is_none() {
            self.follow();
        }
        settle_down(&self.shared.books, deadline).await;
        let trouble = self.shared.trouble.lock().clone().filter(|_| !self.shared.books.complete());
        self.stop().await;
        self.clear().await;
        trouble.map_or(Ok(()), |trouble| {
            Err(format!("subscription `{}` could not be read: {trouble}", self.filter()))
        })
    }

    fn follow(&mut self) {
        let (client, events) = self.connection(false);
        self.following = Some(tokio::spawn(follow(client, events, Arc::clone(&self.shared))));
    }

    /// Breaks the connection off; the session stays.
    async fn stop(&mut self) {
        if let Some(following) = self.following.take() {
            following.abort();
            // The connection is closed once the task is gone.
            let _ = following.await;
        }
    }

    /// Ends the session: connects with a clean one and leaves.
    async fn clear(&self) {
        let (client, mut events) = self.connection(true);
        let cleared = async {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) if client.try_disconnect().is_err() => return,
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        };
        // If it can't be done the server still holds what nobody will fetch; the run's result stands.
        let _ = timeout(Duration::from_secs(LEAVE_SECS_MAX), cleared).await;
    }

    fn connection(&self, clean: bool) -> (AsyncClient, EventLoop) {
        let id = self.broker.client_id.as_str();
        let mut options = match self.tunnel.as_ref().map(Tunnel::socket).map(Path::to_string_lossy) {
            Some(socket) => {
                let mut options = MqttOptions::new(id, socket, 0);
                options.set_transport(Transport::Unix);
                options
            }
            None => MqttOptions::new(id, self.broker.host.clone(), self.broker.port),
        };
        options
            .set_clean_session(clean)
            .set_keep_alive(Duration::from_secs(KEEP_ALIVE_SECS))
            .set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
        if let Some((user, password)) = &self.broker.login {
            options.set_credentials(user.clone(), password.clone());
        }
        let (client, mut events) = AsyncClient::new(options, REQUESTS_MAX);
        events.network_options.set_connection_timeout(CONNECT_SECS_MAX).set_tcp_nodelay(true);
        (client, events)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(following) = &self.following {
            following.abort();
        }
    }
}

/// Receives for ever, over as many connections as it takes.
async fn follow(client: AsyncClient, mut events: EventLoop, shared: Arc<Shared>) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(answer))) => shared.connected(&client, &answer),
            Ok(Event::Incoming(Packet::SubAck(answer))) => {
                if answer.return_codes.contains(&SubscribeReasonCode::Failure) {
                    *shared.trouble.lock() = Some("the server refused the subscription".to_owned());
                }
                shared.answered.notify_one();
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => shared.books.receive(&publish.payload, None),
            Ok(_) => {}
            Err(error) => {
                *shared.trouble.lock() = Some(words(&error));
                shared.answered.notify_one();
                tokio::time::sleep(Duration::from_millis(RETRY_MILLIS)).await;
            }
        }
    }
}

impl Shared {
    fn connected(&self, client: &AsyncClient, answer: &ConnAck) {
        *self.trouble.lock() = None;
        // Subscribing again to what the session still has could bring retained messages a second time.
        if answer.session_present {
            return;
        }
        let qos = match self.subscription.qos {
            Qos::AtMostOnce => QoS::AtMostOnce,
            Qos::AtLeastOnce => QoS::AtLeastOnce,
            Qos::ExactlyOnce => QoS::ExactlyOnce,
        };
        if client.try_subscribe(self.subscription.filter.clone(), qos).is_err() {
            *self.trouble.lock() = Some("the client has no room for a subscription".to_owned());
        }
    }
}

/// The innermost reason, which says what happened.
fn words(error: &ConnectionError) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
