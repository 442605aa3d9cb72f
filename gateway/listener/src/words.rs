//! Errors of a handshake in words for people.

use std::io;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::verifier::Shown;
use crate::{Presented, Reason, Refused};

/// A subject comes from a stranger and goes into a log.
const SUBJECT_CHARACTERS_MAX: usize = 200;

/// Explains an error of the handshake's input or output, or of TLS inside one.
pub(crate) fn explain_io(error: &io::Error, shown: &Shown) -> Refused {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(error) => explain(error, shown),
        None => Refused {
            reason: Reason::Closed,
            explanation: format!("the client hung up in the middle of the handshake: {error}"),
            presented: shown_certificate(shown),
        },
    }
}

/// Explains that the time is over.
pub(crate) fn explain_timeout(limit: Duration, shown: &Shown) -> Refused {
    Refused {
        reason: Reason::TimedOut,
        explanation: format!(
            "the handshake was not done within {} s; the client is silent or too slow",
            limit.as_secs_f32()
        ),
        presented: shown_certificate(shown),
    }
}

/// Explains an error of TLS.
pub(crate) fn explain(error: &Error, shown: &Shown) -> Refused {
    let presented = shown_certificate(shown);
    let (reason, explanation) = match error {
        Error::InvalidCertificate(certificate) => {
            explain_certificate(certificate, shown, presented.as_deref())
        }
        error => explain_protocol(error),
    };
    Refused { reason, explanation, presented }
}

fn explain_certificate(
    error: &CertificateError,
    shown: &Shown,
    presented: Option<&Presented>,
) -> (Reason, String) {
    let issuer = presented.map_or("unknown", |presented| presented.issuer.as_str());
    match error {
        CertificateError::Expired => (Reason::Expired, "the client's certificate has expired".to_owned()),
        CertificateError::ExpiredContext { not_after, .. } => (
            Reason::Expired,
            format!("the client's certificate expired on {}; issue a new one", unix_date(*not_after)),
        ),
        CertificateError::NotValidYet => {
            (Reason::NotYetValid, "the client's certificate is not valid yet".to_owned())
        }
        CertificateError::NotValidYetContext { not_before, .. } => (
            Reason::NotYetValid,
            format!(
                "the client's certificate is valid only from {}; check the clocks",
                unix_date(*not_before)
            ),
        ),
        CertificateError::Revoked => (Reason::Revoked, "the client's certificate was revoked".to_owned()),
        CertificateError::UnknownIssuer => (
            Reason::UnknownAuthority,
            format!(
                "the client's certificate is of an unknown authority, `{issuer}`; trust it or issue another"
            ),
        ),
        // The same error stands for a signature of the handshake, which is wrong if the client lacks the key.
        CertificateError::BadSignature if shown.turned_down => (
            Reason::UnknownAuthority,
            format!(
                "the client's certificate names `{issuer}` as its authority, but another key than the trusted one signed it"
            ),
        ),
        CertificateError::BadSignature => {
            (Reason::BadCertificate, "the client does not hold the key of its certificate".to_owned())
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
            Reason::BadCertificate,
            "the client's certificate is not for clients; it lacks the extended key usage `clientAuth`"
                .to_owned(),
        ),
        CertificateError::BadEncoding => {
            (Reason::BadCertificate, "the client's certificate is malformed".to_owned())
        }
        other => (Reason::BadCertificate, format!("the client's certificate can't be used: {other}")),
    }
}

fn explain_protocol(error: &Error) -> (Reason, String) {
    match error {
        Error::NoCertificatesPresented => {
            (Reason::NoCertificate, "the client showed no certificate, and one is required".to_owned())
        }
        Error::InvalidCertRevocationList(error) => (
            Reason::BadCertificate,
            format!(
                "the revocation list of the certificate's authority can't be used ({error:?}); replace it"
            ),
        ),
        Error::InvalidMessage(message) => (
            Reason::NotTls,
            format!("what the client sent is not TLS ({message:?}); plain MQTT or HTTP on the TLS port?"),
        ),
        Error::PeerIncompatible(what) => (
            Reason::Incompatible,
            format!("no TLS version or cipher suite in common with the client: {what:?}"),
        ),
        Error::NoApplicationProtocol => (
            Reason::Incompatible,
            "the client offers by ALPN only protocols that are not spoken here".to_owned(),
        ),
        Error::AlertReceived(alert) => explain_alert(*alert),
        Error::PeerMisbehaved(_) => {
            (Reason::Misbehaved, format!("the client broke the rules of TLS: {error}"))
        }
        other => (Reason::Misbehaved, format!("the handshake failed: {other}")),
    }
}

fn explain_alert(alert: AlertDescription) -> (Reason, String) {
    let explanation = match alert {
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired => format!(
            "the client does not accept the server's certificate ({alert:?}); check the authority it trusts, and the name and date of the server's certificate"
        ),
        other => format!("the client gave up the handshake ({other:?})"),
    };
    (Reason::RefusedByClient, explanation)
}

fn shown_certificate(shown: &Shown) -> Option<Box<Presented>> {
    shown.certificate.as_deref().map(|certificate| Box::new(presented(certificate)))
}

/// What a certificate says about itself.
fn presented(certificate: &[u8]) -> Presented {
    let fingerprint = hex::encode(Sha256::digest(certificate));
    let unreadable = || "unreadable".to_owned();
    match x509_parser::parse_x509_certificate(certificate) {
        Ok((_, parsed)) => Presented {
            subject: tame(&parsed.subject().to_string()),
            issuer: tame(&parsed.issuer().to_string()),
            fingerprint,
            not_before: Some(date(parsed.validity().not_before.to_datetime())),
            not_after: Some(date(parsed.validity().not_after.to_datetime())),
        },
        Err(_) => Presented {
            subject: unreadable(),
            issuer: unreadable(),
            fingerprint,
            not_before: None,
            not_after: None,
        },
    }
}

/// Makes a stranger's text fit for a log: no control characters, not too long.
pub(crate) fn tame(text: &str) -> String {
    let escaped = text.escape_debug();
    let mut tamed: String = escaped.clone().take(SUBJECT_CHARACTERS_MAX).collect();
    if escaped.count() > SUBJECT_CHARACTERS_MAX {
        tamed.push('…');
    }
    tamed
}

pub(crate) fn date(instant: OffsetDateTime) -> String {
    instant.format(&Rfc3339).unwrap_or_else(|_| instant.to_string())
}

fn unix_date(instant: UnixTime) -> String {
    let secs = i64::try_from(instant.as_secs()).ok();
    let found = secs.and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok());
    found.map_or_else(|| format!("second {}", instant.as_secs()), date)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_strangers_text_can_stand_in_a_log() {
        assert_eq!(tame("CN=a\nb\u{1b}[2J"), "CN=a\\nb\\u{1b}[2J");
        assert_eq!(tame(&"x".repeat(1000)).chars().count(), SUBJECT_CHARACTERS_MAX + 1);
    }

    #[test]
    fn an_alert_about_our_certificate_says_so() {
        let refused = explain(&Error::AlertReceived(AlertDescription::UnknownCA), &Shown::default());
        assert_eq!(refused.reason, Reason::RefusedByClient);
        assert!(refused.explanation.contains("does not accept the server's certificate"), "{refused}");
    }

    proptest! {
        #[test]
        fn no_certificate_is_too_broken_to_be_named(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(presented(&bytes).fingerprint.len(), 64);
        }
    }
}
