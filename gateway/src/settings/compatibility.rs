//! The switch `mqtt.compatibility`: numbers that differ from the defaults. A key that the settings give wins over them.
//!
//! What is no number is in `broker::Compatibility` and where it is asked. COMPATIBILITY.md lists every departure with its reason.

use toml::Table;

/// The quotas that AWS IoT Core documents.
const AWS: &str = r#"
payload_bytes_max = 131072
client_id_bytes_max = 128
topic_bytes_max = 256
topic_levels_max = 8
keep_alive_secs_min = 30
keep_alive_secs_max = 1200
receive_maximum = 100
in_flight_messages_per_client_max = 100
topic_alias_maximum = 8
session_expiry_secs_max = 3600
filters_per_subscribe_max = 8
subscriptions_per_client_max = 50
subscriptions_max = 500000
queue_full = "drop_newest"
publishes_per_sec_max = 100
publish_bytes_per_sec_max = 524288
connects_per_client_per_sec_max = 1
"#;

/// Puts in what the switch asks for and the settings do not say themselves; whether there was anything to put in.
pub(super) fn apply(table: &mut Table) -> bool {
    let Some(mqtt) = table.get_mut("mqtt").and_then(|mqtt| mqtt.as_table_mut()) else { return false };
    if mqtt.get("compatibility").and_then(|switch| switch.as_str()) != Some("aws") {
        return false;
    }
    let preset: Table = AWS.parse().expect("the preset is TOML");
    for (key, value) in preset {
        mqtt.entry(key).or_insert(value);
    }
    true
}
