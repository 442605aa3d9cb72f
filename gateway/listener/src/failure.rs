//! Why a connection was refused.

use std::fmt;

/// The kind of a refusal; there is a counter for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A certificate is required and none was shown.
    NoCertificate,
    /// The certificate was signed by nobody we trust.
    UnknownAuthority,
    /// The validity of the certificate is over.
    Expired,
    /// The validity of the certificate has not begun.
    NotYetValid,
    /// The certificate is on a revocation list.
    Revoked,
    /// The certificate is malformed, or not meant for a client, or not the client's own.
    BadCertificate,
    /// The handshake took too long.
    TimedOut,
    /// What arrived is not TLS.
    NotTls,
    /// No version, cipher suite or application protocol in common.
    Incompatible,
    /// The client broke the rules of TLS.
    Misbehaved,
    /// The client refused us, most often because it does not trust our certificate.
    RefusedByClient,
    /// The client hung up in the middle of the handshake.
    Closed,
    /// As many connections as allowed are open.
    TooManyConnections,
    /// As many connections as allowed from one address are open.
    TooManyFromAddress,
    /// As many connections as allowed wait for their handshake, most of them from this address.
    TooManyWaiting,
}

impl Reason {
    /// Every reason with its name in logs and metrics.
    pub const ALL: [(Self, &'static str); 15] = [
        (Self::NoCertificate, "no_certificate"),
        (Self::UnknownAuthority, "unknown_authority"),
        (Self::Expired, "expired"),
        (Self::NotYetValid, "not_yet_valid"),
        (Self::Revoked, "revoked"),
        (Self::BadCertificate, "bad_certificate"),
        (Self::TimedOut, "timed_out"),
        (Self::NotTls, "not_tls"),
        (Self::Incompatible, "incompatible"),
        (Self::Misbehaved, "misbehaved"),
        (Self::RefusedByClient, "refused_by_client"),
        (Self::Closed, "closed"),
        (Self::TooManyConnections, "too_many_connections"),
        (Self::TooManyFromAddress, "too_many_from_address"),
        (Self::TooManyWaiting, "too_many_waiting"),
    ];

    pub(crate) fn position(self) -> usize {
        self as usize
    }

    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        Self::ALL[self.position()].1
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Why a connection, or a certificate chain, was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{explanation}")]
pub struct Refused {
    /// The kind.
    pub reason: Reason,
    /// A sentence for people: what happened and what to do.
    pub explanation: String,
    /// The certificate the client showed, if it came so far. Nothing in it is to be believed.
    pub presented: Option<Box<Presented>>,
}

impl Refused {
    pub(crate) fn new(reason: Reason, explanation: impl Into<String>) -> Self {
        Self { reason, explanation: explanation.into(), presented: None }
    }
}

/// What a certificate says about itself, cut and escaped so that it can stand in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The subject, such as `O=Plant, CN=sensor-17`.
    pub subject: String,
    /// The issuer.
    pub issuer: String,
    /// SHA-256 of the certificate in hex.
    pub fingerprint: String,
    /// From when it is valid, if it can be parsed.
    pub not_before: Option<String>,
    /// Until when it is valid, if it can be parsed.
    pub not_after: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_position() {
        for (position, (reason, _)) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.position(), position, "{reason}");
        }
    }
}
