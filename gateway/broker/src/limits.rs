//! Every bound the broker keeps, each with its unit in its name.

use crate::Compatibility;
use mqtt::Qos;

/// What happens to a QoS 0 copy that finds its session's queue full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueFullQos0 {
    /// The oldest QoS 0 copy that waits makes room; when none waits, the new copy is dropped.
    #[default]
    DropOldest,
    /// The new copy is dropped.
    DropNewest,
}

/// What happens to a QoS 1 or 2 copy that finds its session's queue full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueFull {
    /// The session that can't keep up ends when the message is delivered to the others: its connection is closed with 0x97 (quota
    /// exceeded), and its client learns from the next CONNACK (session present 0) that something is missing. See
    /// [`crate::Delivered::overflowed`].
    #[default]
    EndSession,
    /// The message is not to be accepted: [`crate::Route::refusal`] names a session without room, and the publisher can be told before
    /// anything is written. Nobody gets it.
    Refuse,
    /// The copy is dropped and counted, the others get theirs; its client does not learn of it. What AWS IoT Core does.
    DropNewest,
}

/// Bounds of sessions, subscriptions and queues.
///
/// [`Limits::default`] is for clients as the standard allows them, with the numbers of Mosquitto and EMQX; [`Limits::aws`] has the
/// quotas of AWS IoT Core, which refuse some legal clients (a topic of nine levels, say).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Whose ways the server has where they differ in more than a number.
    pub compatibility: Compatibility,
    /// Sessions kept, connected or not.
    pub sessions_max: usize,
    /// Length of a client identifier.
    pub client_id_bytes_max: usize,
    /// Smallest keep alive granted, other than none. An MQTT 5 client that asks for less is told this one.
    pub keep_alive_secs_min: u16,
    /// Largest keep alive granted; an MQTT 5 client that asks for more, or for none, is told this one. 0 grants everything.
    pub keep_alive_secs_max: u16,
    /// Longest life of a session without a connection. MQTT 3.1.1 sessions that are not clean get it; MQTT 5 clients are told when
    /// they asked for more. `u32::MAX` means that sessions may live for ever.
    pub session_expiry_secs_max: u32,
    /// Longest delay of a will.
    pub will_delay_secs_max: u32,
    /// QoS 1 and 2 publishes a client may have unacknowledged (Receive Maximum of the server).
    pub inbound_window_messages_max: u16,
    /// QoS 1 and 2 publishes sent to a client and not yet acknowledged; the client's own Receive Maximum may be smaller.
    pub outbound_window_messages_max: u16,
    /// Largest packet accepted, told to MQTT 5 clients; the codec enforces it.
    pub packet_bytes_max: u32,
    /// Topic aliases a client may set up.
    pub inbound_topic_aliases_max: u16,
    /// Topic aliases used towards a client; the client's own maximum may be smaller.
    pub outbound_topic_aliases_max: u16,
    /// Highest quality of service served.
    pub qos_max: Qos,
    /// Whether clients may publish retained messages.
    pub retain_available: bool,
    /// Whether filters may hold `+` and `#`.
    pub wildcard_subscriptions_available: bool,
    /// Whether `$share/…` filters are served.
    pub shared_subscriptions_available: bool,
    /// Length of a topic filter.
    pub filter_bytes_max: usize,
    /// Levels of a topic filter; one level more than it has slashes.
    pub filter_levels_max: usize,
    /// Filters in one SUBSCRIBE; those beyond are answered with 0x97 (quota exceeded).
    pub filters_per_subscribe_max: usize,
    /// Subscriptions of one session.
    pub subscriptions_per_session_max: usize,
    /// Subscriptions of all sessions together.
    pub subscriptions_max: usize,
    /// Retained messages kept.
    pub retained_messages_max: usize,
    /// Bytes of topic, payload and properties of all retained messages together.
    pub retained_bytes_max: usize,
    /// Copies waiting for one session, in flight ones included.
    pub queue_messages_max: usize,
    /// Bytes of topic, payload and properties of the copies waiting for one session.
    pub queue_bytes_max: usize,
    /// Bytes of the copies waiting for all sessions together; a message with several copies counts several times. Once half of it is
    /// taken, a session is full too when it holds more than an even share of that half, so that a few can't take the room of all.
    pub queued_bytes_max: usize,
    /// Policy for QoS 0 copies when the queue is full.
    pub queue_full_qos0: QueueFullQos0,
    /// Policy for QoS 1 and 2 copies when the queue is full.
    pub queue_full: QueueFull,
    /// Whether QoS 0 copies are kept for a session without a connection.
    pub queue_qos0_offline: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            compatibility: Compatibility::Standard,
            sessions_max: 500_000,
            client_id_bytes_max: 1_024,
            keep_alive_secs_min: 0,
            keep_alive_secs_max: 0,
            session_expiry_secs_max: 7 * 24 * 3_600,
            will_delay_secs_max: 7 * 24 * 3_600,
            inbound_window_messages_max: 100,
            outbound_window_messages_max: 100,
            packet_bytes_max: 256 * 1_024,
            inbound_topic_aliases_max: 16,
            outbound_topic_aliases_max: 16,
            qos_max: Qos::ExactlyOnce,
            retain_available: true,
            wildcard_subscriptions_available: true,
            shared_subscriptions_available: true,
            filter_bytes_max: 65_535,
            filter_levels_max: 128,
            filters_per_subscribe_max: 1_000,
            subscriptions_per_session_max: 10_000,
            subscriptions_max: 5_000_000,
            retained_messages_max: 1_000_000,
            retained_bytes_max: 1 << 30,
            queue_messages_max: 1_000,
            queue_bytes_max: 16 << 20,
            queued_bytes_max: 2 << 30,
            queue_full_qos0: QueueFullQos0::DropOldest,
            queue_full: QueueFull::EndSession,
            queue_qos0_offline: false,
        }
    }
}

impl Limits {
    /// The quotas of AWS IoT Core where it has one.
    pub fn aws() -> Self {
        Self {
            compatibility: Compatibility::Aws,
            client_id_bytes_max: 128,
            keep_alive_secs_min: 30,
            keep_alive_secs_max: 1_200,
            session_expiry_secs_max: 3_600,
            packet_bytes_max: 146 * 1_024,
            inbound_topic_aliases_max: 8,
            outbound_topic_aliases_max: 8,
            qos_max: Qos::AtLeastOnce,
            filter_bytes_max: 256,
            filter_levels_max: 8,
            filters_per_subscribe_max: 8,
            subscriptions_per_session_max: 50,
            subscriptions_max: 500_000,
            queue_full: QueueFull::DropNewest,
            ..Self::default()
        }
    }
}
