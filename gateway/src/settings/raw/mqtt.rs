//! `[mqtt]` of the settings file, with its switches: every key, its unit and its default. Nothing here is checked beyond its type.

use serde::Deserialize;

/// `[mqtt]`: limits on what one client may do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Mqtt {
    /// Whose ways the broker has. With `aws`, many defaults below are the quotas of AWS IoT Core; COMPATIBILITY.md lists all that changes.
    pub(crate) compatibility: Compatibility,
    /// Payload of one publish or will; a larger one is refused.
    pub(crate) payload_bytes_max: usize,
    /// Length of a client identifier; a CONNECT with a longer one is refused.
    pub(crate) client_id_bytes_max: usize,
    /// Length of a topic name or filter.
    pub(crate) topic_bytes_max: usize,
    /// Its levels: one more than it has slashes.
    pub(crate) topic_levels_max: usize,
    /// Bytes of the properties of one PUBLISH or will.
    pub(crate) properties_bytes_max: usize,
    /// User properties among them.
    pub(crate) user_properties_max: usize,
    /// MQTT 5 clients that ask for less are told this one.
    pub(crate) keep_alive_secs_min: u16,
    /// Clients that ask for more, or for none, are told this one (MQTT 5) or held to what they asked (MQTT 3.1.1); 0 is
    /// no limit.
    pub(crate) keep_alive_secs_max: u16,
    /// QoS 1 and 2 publishes of one client that wait for their acknowledgement.
    pub(crate) receive_maximum: u16,
    /// QoS 1 and 2 messages sent to one client and not acknowledged yet; the client may ask for fewer.
    pub(crate) in_flight_messages_per_client_max: u16,
    /// Topic aliases in each direction of a connection (MQTT 5); towards a client no more than it asks for. 0 is none.
    pub(crate) topic_alias_maximum: u16,
    /// How long a session is kept without a connection. MQTT 5 clients that ask for more are told this; a session of MQTT 3.1.1 that is not
    /// clean gets it. 4294967295 is for ever.
    pub(crate) session_expiry_secs_max: u32,
    /// Longest delay of a will; a longer one is cut to it.
    pub(crate) will_delay_secs_max: u32,
    /// Filters in one SUBSCRIBE; those beyond are refused.
    pub(crate) filters_per_subscribe_max: usize,
    /// Of one session.
    pub(crate) subscriptions_per_client_max: usize,
    /// Of all clients together.
    pub(crate) subscriptions_max: usize,
    /// Messages that wait for one client, those in flight to it included.
    pub(crate) queued_messages_per_client_max: usize,
    /// Their topics, properties and payloads in bytes.
    pub(crate) queued_bytes_per_client_max: usize,
    /// Bytes that wait for all clients together. Once half of it is taken, a client with more than an even share of that half is full too.
    pub(crate) queued_bytes_max: usize,
    /// What happens to a message at QoS 1 or 2 for a client whose queue is full.
    pub(crate) queue_full: QueueFull,
    /// With `queue_full = "refuse"`, how long a publish of MQTT 3.1.1 waits before its connection is closed.
    pub(crate) queue_full_wait_secs_max: u64,
    /// What happens to a message at QoS 0 for a client whose queue is full.
    pub(crate) queue_full_qos0: QueueFullQos0,
    /// Retained messages; with these, a publish that would add one is refused.
    pub(crate) retained_messages_max: usize,
    /// Bytes of topic, properties and payload of all retained messages.
    pub(crate) retained_bytes_max: usize,
    /// Sessions, connected or not; beyond them a CONNECT of a new client identifier is refused.
    pub(crate) sessions_max: usize,
    /// How often values below `$SYS/broker/` that changed are published; 0 is never.
    pub(crate) sys_interval_secs: u64,
    /// CONNECTs of one client identifier in a second, beyond which they are refused; 0 is no limit.
    pub(crate) connects_per_client_per_sec_max: u32,
    /// PUBLISH packets of one connection in a second; 0 is no limit.
    pub(crate) publishes_per_sec_max: u64,
    /// Bytes of topic, properties and payload in them in a second; 0 is no limit.
    pub(crate) publish_bytes_per_sec_max: u64,
    /// What happens to a connection that publishes faster. An HTTPS request is answered 429 in any case.
    pub(crate) publish_rate_exceeded: PublishRateExceeded,
    /// A packet must be whole this long after its first byte; 0 is no limit.
    pub(crate) packet_secs_max: u64,
    /// How long a client that asked for no keep alive may be silent; 0 is no limit.
    pub(crate) idle_secs_max: u64,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            compatibility: Compatibility::Standard,
            payload_bytes_max: 131_072,
            client_id_bytes_max: 128,
            topic_bytes_max: 1024,
            topic_levels_max: 32,
            properties_bytes_max: 65_536,
            user_properties_max: 1_000,
            keep_alive_secs_min: 0,
            keep_alive_secs_max: 1200,
            receive_maximum: 100,
            in_flight_messages_per_client_max: 100,
            topic_alias_maximum: 8,
            session_expiry_secs_max: 604_800,
            will_delay_secs_max: 604_800,
            filters_per_subscribe_max: 64,
            subscriptions_per_client_max: 512,
            subscriptions_max: 5_000_000,
            queued_messages_per_client_max: 1000,
            queued_bytes_per_client_max: 16_777_216,
            queued_bytes_max: 2 << 30,
            queue_full: QueueFull::EndSession,
            queue_full_wait_secs_max: 10,
            queue_full_qos0: QueueFullQos0::DropOldest,
            retained_messages_max: 1_000_000,
            retained_bytes_max: 1 << 30,
            sessions_max: 1_000_000,
            sys_interval_secs: 10,
            connects_per_client_per_sec_max: 0,
            publishes_per_sec_max: 0,
            publish_bytes_per_sec_max: 0,
            publish_rate_exceeded: PublishRateExceeded::Wait,
            packet_secs_max: 60,
            idle_secs_max: 0,
        }
    }
}

/// The switch `compatibility`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Compatibility {
    /// MQTT as the standards have it.
    Standard,
    /// Where AWS IoT Core departs from them, so does this broker.
    Aws,
}

/// The switch `queue_full`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum QueueFull {
    /// The session of the client that can't keep up ends: its connection is closed with 0x97 (quota exceeded), its next CONNACK says that no
    /// session is present, and the log says how many messages went with it. The others get the message.
    EndSession,
    /// The publisher is told 0x97 and nobody gets the message; one that speaks MQTT 3.1.1 waits, and is closed when no room comes.
    Refuse,
    /// This client does not get the message, which is counted, and the others do. What AWS IoT Core does.
    DropNewest,
}

/// The switch `queue_full_qos0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum QueueFullQos0 {
    /// The oldest QoS 0 message that waits makes room.
    DropOldest,
    /// The new one is dropped.
    DropNewest,
}

/// The switch `publish_rate_exceeded`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PublishRateExceeded {
    /// Nothing more is read from it until it may go on.
    Wait,
    /// It is closed, with 0x96 (message rate too high) in MQTT 5.
    Disconnect,
}
