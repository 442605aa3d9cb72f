//! From the settings to the listeners: MQTT over TLS always, the others when they are switched on.

use crate::settings::{self, ListenerLimits, Settings};
use listener::{BindError, ClientCertificate, Limits, Listener, Security, Tls};
use std::net::SocketAddr;
use std::time::Duration;

/// Names of MQTT in a TLS handshake (ALPN): AWS IoT's, and the registered one.
const MQTT_NAMES: [&str; 2] = ["x-amzn-mqtt-ca", "mqtt"];
/// Names of HTTP: AWS IoT's, and the registered one.
const HTTP_NAMES: [&str; 2] = ["x-amzn-http-ca", "http/1.1"];

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// A CONNECT packet.
    Mqtt,
    /// An HTTP request, which may ask for a WebSocket.
    Http,
}

impl Speaks {
    /// What this connection begins with, when the client may have chosen in the TLS handshake.
    pub(crate) fn on(self, chosen: Option<&str>) -> Self {
        match chosen {
            Some(name) if MQTT_NAMES.contains(&name) => Self::Mqtt,
            Some(name) if HTTP_NAMES.contains(&name) => Self::Http,
            _ => self,
        }
    }

    /// The names to choose from. A client that offers none is welcome.
    fn names(self) -> Vec<String> {
        let http: &[&str] = if self == Self::Http { &HTTP_NAMES } else { &[] };
        MQTT_NAMES.iter().chain(http).map(ToString::to_string).collect()
    }
}

/// A listener, and what its clients speak unless they say otherwise.
pub(crate) struct Bound {
    pub(crate) listener: Listener,
    pub(crate) speaks: Speaks,
}

/// The TLS side of the settings.
pub(crate) fn tls(settings: &Settings) -> Tls {
    let raw = &settings.raw.tls;
    Tls {
        authorities: raw.authorities.clone(),
        revocation_lists: raw.revocation_lists.clone(),
        client_certificate: match settings.raw.listener.client_certificate {
            settings::ClientCertificate::Required => ClientCertificate::Required,
            settings::ClientCertificate::Optional => ClientCertificate::Optional,
        },
        ..Tls::new(&raw.certificate, &raw.key)
    }
}

/// The limits of one listener: its own where it has some, otherwise those of all.
fn limits(all: &settings::Listener, own: &ListenerLimits) -> Limits {
    let per_sec_max = own.connections_per_sec_max.unwrap_or(all.connections_per_sec_max);
    Limits {
        connections_max: own.connections_max.unwrap_or(all.connections_max),
        connections_per_address_max: own.connections_per_address_max.or(all.connections_per_address_max),
        handshakes_max: own.handshakes_max.unwrap_or(all.handshakes_max),
        handshake_time_max: Duration::from_secs(all.handshake_secs_max),
        waiting_max: own.waiting_max.unwrap_or(all.waiting_max),
        connections_per_sec_max: (per_sec_max > 0).then_some(per_sec_max),
        tcp_keep_alive: (all.tcp_keep_alive_secs > 0).then(|| Duration::from_secs(all.tcp_keep_alive_secs)),
        ..Limits::default()
    }
}

/// Binds what the settings ask for.
pub(crate) fn bind(settings: &Settings) -> Result<Vec<Bound>, BindError> {
    let raw = &settings.raw.listener;
    let secure = |speaks: Speaks| Security::Tls(Box::new(Tls { alpn: speaks.names(), ..tls(settings) }));
    let bind = |name: &str, address: SocketAddr, speaks: Speaks, security: Security, own: &ListenerLimits| {
        let limits = limits(raw, own);
        let settings = listener::Settings { name: name.to_string(), address, security, limits };
        Listener::bind(settings).map(|listener| Bound { listener, speaks })
    };
    let mut bound = vec![bind("mqtt", raw.tls_address, Speaks::Mqtt, secure(Speaks::Mqtt), &raw.tls)?];
    if let Some(address) = raw.https_address {
        bound.push(bind("https", address, Speaks::Http, secure(Speaks::Http), &raw.https)?);
    }
    if let Some(address) = raw.plain_address {
        bound.push(bind("mqtt-plain", address, Speaks::Mqtt, Security::Plain, &raw.plain)?);
    }
    if let Some(address) = raw.plain_websocket_address {
        bound.push(bind("http-plain", address, Speaks::Http, Security::Plain, &raw.plain_websocket)?);
    }
    Ok(bound)
}

#[cfg(test)]
mod tests {
    use super::Speaks::{self, Http, Mqtt};

    #[test]
    fn the_name_chosen_in_the_handshake_decides_and_without_one_the_port() {
        let cases = [
            (Mqtt, None, Mqtt),
            (Mqtt, Some("x-amzn-mqtt-ca"), Mqtt),
            (Http, None, Http),
            (Http, Some("http/1.1"), Http),
            (Http, Some("x-amzn-http-ca"), Http),
            (Http, Some("x-amzn-mqtt-ca"), Mqtt),
            (Http, Some("mqtt"), Mqtt),
        ];
        for (port, chosen, expected) in cases {
            assert_eq!(port.on(chosen), expected, "{port:?} {chosen:?}");
        }
        assert!(!Speaks::Mqtt.names().contains(&"http/1.1".to_string()));
    }
}
