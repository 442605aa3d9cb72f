//! One entry of the books: a certificate that was issued, and whether it was revoked since.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::Fingerprint;

/// What a certificate was issued for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// For a server: extended key usage `serverAuth`, names in the subject alternative names.
    Server,
    /// For a device: extended key usage `clientAuth`, name in the subject's common name.
    Device,
}

/// A certificate that was issued. Times are seconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Server or device.
    pub kind: Kind,
    /// The serial number in lower-case hex.
    pub serial: String,
    /// The SHA-256 fingerprint.
    pub fingerprint: Fingerprint,
    /// The common name in the subject: the device's name, or a server's first name.
    pub common_name: String,
    /// The organization in the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// DNS names and IP addresses of a server; empty for a device.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// When it was issued.
    pub issued_at_secs: i64,
    /// The first second of its validity.
    pub not_before_secs: i64,
    /// The last second of its validity.
    pub not_after_secs: i64,
    /// Set once it is revoked. Kept on a line of its own in the index.
    #[serde(skip)]
    pub revocation: Option<Revocation>,
}

impl Issued {
    /// Whether the certificate can be used at `now`.
    pub fn status(&self, now: OffsetDateTime) -> Status {
        let now_secs = now.unix_timestamp();
        if self.revocation.is_some() {
            Status::Revoked
        } else if now_secs < self.not_before_secs {
            Status::NotYetValid
        } else if now_secs > self.not_after_secs {
            Status::Expired
        } else {
            Status::Valid
        }
    }
}

/// Whether a certificate can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It can be used.
    Valid,
    /// Its validity has not begun.
    NotYetValid,
    /// Its validity is over.
    Expired,
    /// It was revoked; this comes before the other states.
    Revoked,
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Valid => "valid",
            Self::NotYetValid => "not yet valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        })
    }
}

/// When and why a certificate was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// When, in seconds since 1970-01-01 UTC.
    pub at_secs: i64,
    /// Why.
    pub reason: Reason,
}

/// Why a certificate was revoked, as RFC 5280 section 5.3.1 names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No reason was given.
    #[default]
    Unspecified,
    /// Somebody else may have the private key.
    KeyCompromise,
    /// The device belongs to somebody else now.
    AffiliationChanged,
    /// A newer certificate takes its place.
    Superseded,
    /// The device is out of service.
    CessationOfOperation,
    /// The device may no longer do what it could.
    PrivilegeWithdrawn,
}

impl Reason {
    /// Every reason with the name it has on the command line.
    pub const ALL: [(&'static str, Self); 6] = [
        ("unspecified", Self::Unspecified),
        ("key-compromise", Self::KeyCompromise),
        ("affiliation-changed", Self::AffiliationChanged),
        ("superseded", Self::Superseded),
        ("cessation-of-operation", Self::CessationOfOperation),
        ("privilege-withdrawn", Self::PrivilegeWithdrawn),
    ];

    pub(crate) fn to_rcgen(self) -> rcgen::RevocationReason {
        match self {
            Self::Unspecified => rcgen::RevocationReason::Unspecified,
            Self::KeyCompromise => rcgen::RevocationReason::KeyCompromise,
            Self::AffiliationChanged => rcgen::RevocationReason::AffiliationChanged,
            Self::Superseded => rcgen::RevocationReason::Superseded,
            Self::CessationOfOperation => rcgen::RevocationReason::CessationOfOperation,
            Self::PrivilegeWithdrawn => rcgen::RevocationReason::PrivilegeWithdrawn,
        }
    }
}

/// The text is not a reason for a revocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a reason to revoke; it takes one of unspecified, key-compromise, affiliation-changed, superseded, cessation-of-operation, privilege-withdrawn", .0.escape_debug())]
pub struct NotAReason(String);

impl FromStr for Reason {
    type Err = NotAReason;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found.map(|(_, reason)| *reason).ok_or_else(|| NotAReason(text.to_owned()))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            Self::ALL.iter().find(|(_, reason)| reason == self).map_or("unspecified", |(name, _)| name);
        formatter.write_str(name)
    }
}
