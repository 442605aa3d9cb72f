//! From the settings to the bounds that the broker and the bus keep.

use crate::gateway::packet_bytes_max;
use crate::settings::{Compatibility, DeadLetterOverflow, QueueFull, QueueFullQos0, Settings};
use broker::Limits;
use bus::{BusSettings, DeadLetterLimits, TargetName};

/// The bounds that the settings ask for.
pub(crate) fn broker_limits(settings: &Settings) -> Limits {
    let mqtt = &settings.raw.mqtt;
    let base = match mqtt.compatibility {
        Compatibility::Standard => Limits::default(),
        Compatibility::Aws => Limits::aws(),
    };
    Limits {
        sessions_max: mqtt.sessions_max,
        client_id_bytes_max: mqtt.client_id_bytes_max,
        keep_alive_secs_min: mqtt.keep_alive_secs_min,
        keep_alive_secs_max: mqtt.keep_alive_secs_max,
        session_expiry_secs_max: mqtt.session_expiry_secs_max,
        will_delay_secs_max: mqtt.will_delay_secs_max,
        inbound_window_messages_max: mqtt.receive_maximum,
        outbound_window_messages_max: mqtt.in_flight_messages_per_client_max,
        packet_bytes_max: u32::try_from(packet_bytes_max(settings)).unwrap_or(u32::MAX),
        inbound_topic_aliases_max: mqtt.topic_alias_maximum,
        outbound_topic_aliases_max: mqtt.topic_alias_maximum,
        filter_bytes_max: mqtt.topic_bytes_max,
        filter_levels_max: mqtt.topic_levels_max,
        filters_per_subscribe_max: mqtt.filters_per_subscribe_max,
        subscriptions_per_session_max: mqtt.subscriptions_per_client_max,
        subscriptions_max: mqtt.subscriptions_max,
        retained_messages_max: mqtt.retained_messages_max,
        retained_bytes_max: mqtt.retained_bytes_max,
        queue_messages_max: mqtt.queued_messages_per_client_max,
        queue_bytes_max: mqtt.queued_bytes_per_client_max,
        queued_bytes_max: mqtt.queued_bytes_max,
        queue_full: match mqtt.queue_full {
            QueueFull::EndSession => broker::QueueFull::EndSession,
            QueueFull::Refuse => broker::QueueFull::Refuse,
            QueueFull::DropNewest => broker::QueueFull::DropNewest,
        },
        queue_full_qos0: match mqtt.queue_full_qos0 {
            QueueFullQos0::DropOldest => broker::QueueFullQos0::DropOldest,
            QueueFullQos0::DropNewest => broker::QueueFullQos0::DropNewest,
        },
        ..base
    }
}

/// What the bus needs to know: how many dead letters it keeps for each target.
///
/// # Errors
/// The settings name a target that can't be one.
pub(crate) fn bus_settings(settings: &Settings) -> anyhow::Result<BusSettings> {
    let raw = &settings.raw.dead_letters;
    let limits = |letters_max, bytes_max, overflow| DeadLetterLimits {
        letters_max,
        bytes_max,
        overflow: match overflow {
            DeadLetterOverflow::EvictOldest => bus::DeadLetterOverflow::EvictOldest,
            DeadLetterOverflow::Block => bus::DeadLetterOverflow::Block,
        },
    };
    let mut bus_settings = BusSettings {
        dead_letters: limits(raw.letters_max, raw.bytes_max, raw.overflow),
        aside: Some(crate::store::aside_settings(settings)),
        ..BusSettings::default()
    };
    for (name, own) in &raw.target {
        let limits = limits(
            own.letters_max.unwrap_or(raw.letters_max),
            own.bytes_max.unwrap_or(raw.bytes_max),
            own.overflow.unwrap_or(raw.overflow),
        );
        bus_settings.dead_letters_of.insert(TargetName::parse(name)?, limits);
    }
    Ok(bus_settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The quotas stand in two places: in the preset of the settings, and in the broker for those who use it without.
    #[test]
    fn the_preset_of_aws_gives_the_quotas_that_the_broker_knows() {
        let text = "[tls]\ncertificate = \"c\"\nkey = \"k\"\nauthorities = [\"a\"]\n[mqtt]\ncompatibility = \"aws\"\n";
        let file = Path::new("gateway.toml");
        let settings = Settings::from_text(text, file, Path::new("/"), std::iter::empty()).unwrap();
        let limits = broker_limits(&settings);
        // These are no quotas of AWS: the size of the installation, and what payload and properties come to.
        let Limits { sessions_max, packet_bytes_max, .. } = limits;
        assert_eq!(limits, Limits { sessions_max, packet_bytes_max, ..Limits::aws() });
    }
}
