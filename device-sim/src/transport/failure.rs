//! Why a link ended, in a few words that are the same each time, so that they can be counted.

use std::io;

/// Why a link cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The other side ended it without a reason.
    #[error("closed by the gateway")]
    Closed,
    /// The socket failed.
    #[error("{}", of_socket(.0))]
    Socket(#[from] io::Error),
    /// TLS failed, on either side.
    #[error("{}", of_tls(.0))]
    Tls(#[from] rustls::Error),
    /// The server does not speak WebSocket, or does not want to.
    #[error("the gateway refused WebSocket with status {0}")]
    Refused(u16),
    /// The server broke the rules of WebSocket.
    #[error("WebSocket: {0}")]
    WebSocket(&'static str),
    /// TLS was asked for without saying whom to trust. The caller's fault.
    #[error("no authority is named for TLS; name the one that signed the certificate of the server")]
    NoAuthority,
    /// The server sent a message of TLS that is longer than any.
    #[error("the gateway sent a TLS message that is too long")]
    TooLong,
    /// The other side does not read what is sent to it.
    #[error("the gateway stopped reading")]
    Unread,
}

fn of_socket(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
            Failure::Closed.to_string()
        }
        io::ErrorKind::TimedOut => "timed out".to_owned(),
        // Without the number that comes with it: the words are enough.
        _ => error.to_string().split(" (os error").next().unwrap_or_default().to_lowercase(),
    }
}

fn of_tls(error: &rustls::Error) -> String {
    match error {
        // What the server says about our certificate.
        rustls::Error::AlertReceived(alert) => words(&format!("{alert:?}")),
        rustls::Error::InvalidCertificate(reason) => {
            format!("certificate of the gateway: {}", words(&format!("{reason:?}")))
        }
        other => other.to_string(),
    }
}

/// `CertificateRevoked` → `certificate revoked`.
fn words(name: &str) -> String {
    let plain = name.split(['(', '{', ' ']).next().unwrap_or(name);
    let mut text = String::with_capacity(name.len() + 4);
    let mut previous = ' ';
    for character in plain.chars() {
        if character.is_ascii_uppercase() && previous.is_ascii_lowercase() {
            text.push(' ');
        }
        text.push(character.to_ascii_lowercase());
        previous = character;
    }
    text
}

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, CertificateError};

    use super::*;

    #[test]
    fn reasons_are_words_without_numbers() {
        let alert = |alert| Failure::Tls(rustls::Error::AlertReceived(alert));
        let cases: [(Failure, &str); 7] = [
            (alert(AlertDescription::CertificateRevoked), "certificate revoked"),
            (alert(AlertDescription::UnknownCA), "unknown ca"),
            (CertificateError::UnknownIssuer.into(), "certificate of the gateway: unknown issuer"),
            (io::Error::from(io::ErrorKind::BrokenPipe).into(), "closed by the gateway"),
            (io::Error::from_raw_os_error(111).into(), "connection refused"),
            (io::Error::from_raw_os_error(113).into(), "no route to host"),
            (Failure::Refused(404), "the gateway refused WebSocket with status 404"),
        ];
        for (failure, expected) in cases {
            assert_eq!(failure.to_string(), expected);
        }
    }

    impl From<CertificateError> for Failure {
        fn from(error: CertificateError) -> Self {
            Self::Tls(error.into())
        }
    }
}
