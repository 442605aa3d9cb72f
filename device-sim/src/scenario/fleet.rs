//! A fleet: devices of one type.

use std::sync::Arc;
use std::time::Duration;

use super::{Publication, Qos, Template};

/// Devices of one type: how they connect, what they subscribe to, answer and publish.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// What it is called; unique in the scenario.
    pub name: Arc<str>,
    /// How many devices; at least one.
    pub devices: u32,
    /// Number of its first device when the devices of all fleets are counted through, from 0.
    pub first_device: u32,
    /// How its devices reach the server.
    pub transport: Transport,
    /// MQTT version.
    pub protocol: Protocol,
    /// How devices are called.
    pub client_id: ClientId,
    /// How many of its devices connect for the first time in each second.
    pub connect_per_second: f64,
    /// When its first device connects.
    pub connect_at: Duration,
    /// MQTT keep alive, in seconds; 0 turns it off.
    pub keep_alive_secs: u16,
    /// A clean session (MQTT 5: clean start) on every connect.
    pub clean_session: bool,
    /// MQTT 5: how long the server keeps a session, in seconds.
    pub session_expiry_secs: u32,
    /// How many publishes a device may have unacknowledged.
    pub inflight_max: u16,
    /// How many messages a device keeps while it cannot send.
    pub waiting_messages_max: usize,
    /// User name.
    pub user_name: Option<Template>,
    /// Name of the environment variable that holds the password.
    pub password_environment: Option<String>,
    /// What the server publishes for a device that vanishes.
    pub will: Option<Will>,
    /// What a device subscribes to after connecting.
    pub subscriptions: Vec<Subscription>,
    /// How a device answers what it is sent; its filter is subscribed to as well.
    pub answer: Option<Answer>,
    /// What a device publishes; may be empty, for subscribers and idle devices.
    pub publications: Vec<Arc<Publication>>,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            name: "device".into(),
            devices: 10,
            first_device: 0,
            transport: Transport::Tcp,
            protocol: Protocol::V311,
            client_id: ClientId::Template(Template::constant("device")),
            connect_per_second: 100.0,
            connect_at: Duration::ZERO,
            keep_alive_secs: 60,
            clean_session: false,
            session_expiry_secs: 3600,
            inflight_max: 20,
            waiting_messages_max: 1000,
            user_name: None,
            password_environment: None,
            will: None,
            subscriptions: Vec::new(),
            answer: None,
            publications: Vec::new(),
        }
    }
}

impl Fleet {
    /// When the device with this place in its fleet (from 0) connects for the first time.
    pub fn connects_at(&self, place: u32) -> Duration {
        self.connect_at + Duration::from_secs_f64(f64::from(place) / self.connect_per_second)
    }
}

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket over TCP.
    WebSocket,
    /// WebSocket over TLS.
    WebSocketTls,
}

impl Transport {
    /// Whether it needs certificates.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::WebSocketTls)
    }
}

/// MQTT version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.
    V5,
}

/// How devices are called.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientId {
    /// As their certificate's file, without its ending.
    Certificate,
    /// From `{index}`, `{fleet}` and `{run}`; differs from device to device.
    Template(Template),
}

/// A will.
#[derive(Clone, Debug, PartialEq)]
pub struct Will {
    /// Its topic.
    pub topic: Template,
    /// Its payload, as text.
    pub payload: Template,
    /// Its quality of service.
    pub qos: Qos,
    /// Whether it is retained.
    pub retain: bool,
    /// MQTT 5: how long the server waits before it publishes it, in seconds.
    pub delay_secs: u32,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    /// Its topic filter.
    pub filter: Template,
    /// The quality of service asked for.
    pub qos: Qos,
}

/// How a device answers commands.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Which messages are commands.
    pub filter: Template,
    /// Where the answer goes; `None`: to the response topic that the command carries (MQTT 5).
    pub topic: Option<Template>,
    /// What it says.
    pub payload: Template,
    /// Its quality of service.
    pub qos: Qos,
    /// How long the device thinks.
    pub after: Duration,
}
