//! Why a connection failed, in a few words that are the same each time, so that they can be counted.

use std::io;

use rumqttc::{ConnectionError, StateError};

/// The words for a connection that the other side ended without a reason.
const CLOSED: &str = "closed by the gateway";

/// The reason of an error from a socket or from TLS.
pub(crate) fn of_io(error: &io::Error) -> String {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return of_tls(tls);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
            CLOSED.to_owned()
        }
        io::ErrorKind::TimedOut => "timed out".to_owned(),
        _ => error.to_string(),
    }
}

fn of_tls(error: &rustls::Error) -> String {
    match error {
        // What the gateway says about our certificate.
        rustls::Error::AlertReceived(alert) => words(&format!("{alert:?}")),
        rustls::Error::InvalidCertificate(reason) => {
            format!("certificate of the gateway: {}", words(&format!("{reason:?}")))
        }
        other => other.to_string(),
    }
}

/// The reason of an error from the MQTT client.
pub(crate) fn of_client(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Io(error) => of_io(error),
        ConnectionError::MqttState(StateError::Io(error)) => of_io(error),
        ConnectionError::MqttState(StateError::ConnectionAborted) => CLOSED.to_owned(),
        ConnectionError::MqttState(StateError::AwaitPingResp) => "no answer to PINGREQ".to_owned(),
        ConnectionError::MqttState(StateError::Deserialization(rumqttc::mqttbytes::Error::Io(error))) => {
            of_io(error)
        }
        // The packet's id is left out, so that all of them count as one reason.
        ConnectionError::MqttState(StateError::Unsolicited(_)) => {
            "acknowledgement of a packet that was not sent".to_owned()
        }
        ConnectionError::ConnectionRefused(code) => format!("CONNACK: {}", words(&format!("{code:?}"))),
        ConnectionError::NetworkTimeout => "no CONNACK in time".to_owned(),
        ConnectionError::FlushTimeout => "the gateway stopped reading".to_owned(),
        other => other.to_string(),
    }
}

/// `CertificateRevoked` → `certificate revoked`.
fn words(name: &str) -> String {
    let plain = name.split(['(', '{', ' ']).next().unwrap_or(name);
    let mut text = String::with_capacity(name.len() + 4);
    let mut previous = ' ';
    for character in plain.chars() {
        let starts_word = character.is_ascii_uppercase() && previous.is_ascii_lowercase();
        if starts_word {
            text.push(' ');
        }
        text.push(character.to_ascii_lowercase());
        previous = character;
    }
    text
}

#[cfg(test)]
mod tests {
    use rustls::AlertDescription;

    use super::*;

    #[test]
    fn reasons_are_words() {
        let alert = |alert| io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert));
        for (error, expected) in [
            (alert(AlertDescription::CertificateRevoked), "certificate revoked"),
            (alert(AlertDescription::UnknownCA), "unknown ca"),
            (alert(AlertDescription::HandshakeFailure), "handshake failure"),
            (io::ErrorKind::ConnectionRefused.into(), "connection refused"),
            (io::ErrorKind::UnexpectedEof.into(), "closed by the gateway"),
        ] {
            assert_eq!(of_io(&error), expected);
        }
        let refused = ConnectionError::ConnectionRefused(rumqttc::ConnectReturnCode::NotAuthorized);
        assert_eq!(of_client(&refused), "CONNACK: not authorized");
    }
}
