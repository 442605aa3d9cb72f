//! From the settings to the listeners: TLS always, plain when it is switched on.

use crate::settings::Settings;
use listener::{BindError, Limits, Listener, Security, Tls};
use std::time::Duration;

/// The TLS side of the settings.
pub(crate) fn tls(settings: &Settings) -> Tls {
    let raw = &settings.raw.tls;
    Tls {
        authorities: raw.authorities.clone(),
        revocation_lists: raw.revocation_lists.clone(),
        ..Tls::new(&raw.certificate, &raw.key)
    }
}

/// Binds what the settings ask for.
pub(crate) fn bind(settings: &Settings) -> Result<Vec<Listener>, BindError> {
    let raw = &settings.raw.listener;
    let limits = Limits {
        connections_max: raw.connections_max,
        connections_per_address_max: raw.connections_per_address_max,
        handshakes_max: raw.handshakes_max,
        handshake_time_max: Duration::from_secs(raw.handshake_secs_max),
        ..Limits::default()
    };
    let security = Security::Tls(Box::new(tls(settings)));
    let secure = listener::Settings {
        name: "mqtt".to_string(),
        address: raw.tls_address,
        security,
        limits: limits.clone(),
    };
    let plain = raw.plain_address.map(|address| listener::Settings {
        name: "mqtt-plain".to_string(),
        address,
        security: Security::Plain,
        limits,
    });
    [secure].into_iter().chain(plain).map(Listener::bind).collect()
}
