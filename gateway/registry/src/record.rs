//! The rows: what is stored of a thing, a certificate, a user and a policy.
//!
//! A row is JSON, `{"format": 1, "record": {…}}`. A row of a later format is refused, not guessed at.

use access::scram::Credential;
use access::{Certificate, Fingerprint};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The status of a certificate, in the words of AWS IoT. Only an active one connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CertificateStatus {
    /// May connect.
    Active,
    /// Put aside.
    Inactive,
    /// Never to be trusted again.
    Revoked,
    /// Met but not yet approved.
    PendingActivation,
}

impl CertificateStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Active, Self::Inactive, Self::Revoked, Self::PendingActivation];

    /// The word of the AWS IoT API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Revoked => "REVOKED",
            Self::PendingActivation => "PENDING_ACTIVATION",
        }
    }
}

impl fmt::Display for CertificateStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// A registered certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRecord {
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// Whether it may connect.
    pub status: CertificateStatus,
    /// When it was registered, in milliseconds since 1970.
    pub registered_at_ms: u64,
    /// Its subject, to be shown to people; decisions use the certificate the peer presents.
    pub subject: String,
    /// End of its validity in seconds since 1970, to be shown.
    pub not_after_secs: i64,
    /// Names of the policies attached.
    pub policies: BTreeSet<String>,
    /// Names of the things attached.
    pub things: BTreeSet<String>,
}

impl CertificateRecord {
    /// A row for this certificate, with nothing attached.
    pub fn new(certificate: &Certificate, status: CertificateStatus, registered_at_ms: u64) -> Self {
        Self {
            fingerprint: certificate.fingerprint,
            status,
            registered_at_ms,
            subject: certificate.subject.as_text().to_owned(),
            not_after_secs: certificate.not_after_secs,
            policies: BTreeSet::new(),
            things: BTreeSet::new(),
        }
    }
}

/// A thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThingRecord {
    /// Its name, which never changes.
    pub name: String,
    /// Its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thing_type: Option<String>,
    /// Its attributes.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Starts at 1, grows with every change.
    pub version: u64,
}

/// The status of a user. Only an active one connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UserStatus {
    /// May connect.
    Active,
    /// Put aside.
    Inactive,
}

impl fmt::Display for UserStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
        })
    }
}

/// A user, with what is kept of its password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    /// Its name, which never changes.
    pub name: String,
    /// Whether it may connect.
    pub status: UserStatus,
    /// What a proof of the password is checked against; never the password.
    pub credential: Credential,
    /// When it was created, in milliseconds since 1970.
    pub created_at_ms: u64,
    /// When it got its password, in milliseconds since 1970.
    pub password_set_at_ms: u64,
    /// Names of the policies attached.
    pub policies: BTreeSet<String>,
    /// Starts at 1, grows with every change.
    pub version: u64,
}

impl UserRecord {
    /// A row for an active user with nothing attached.
    pub fn new(name: &str, credential: Credential, now_ms: u64) -> Self {
        Self {
            name: name.to_owned(),
            status: UserStatus::Active,
            credential,
            created_at_ms: now_ms,
            password_set_at_ms: now_ms,
            policies: BTreeSet::new(),
            version: 1,
        }
    }
}

/// A user as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSummary {
    /// Its name.
    pub name: String,
    /// Whether it may connect.
    pub status: UserStatus,
    /// How often its password is hashed.
    pub iterations: u32,
    /// When it was created, in milliseconds since 1970.
    pub created_at_ms: u64,
    /// When it got its password, in milliseconds since 1970.
    pub password_set_at_ms: u64,
    /// Names of the policies attached.
    pub policies: BTreeSet<String>,
    /// Grows with every change.
    pub version: u64,
}

impl From<&UserRecord> for UserSummary {
    fn from(record: &UserRecord) -> Self {
        Self {
            name: record.name.clone(),
            status: record.status,
            iterations: record.credential.iterations(),
            created_at_ms: record.created_at_ms,
            password_set_at_ms: record.password_set_at_ms,
            policies: record.policies.clone(),
            version: record.version,
        }
    }
}

/// What this installation alone knows; made when the registry is opened for the first time.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Installation {
    /// What the credentials of users that do not exist are made from.
    pub(crate) decoy_secret: [u8; 32],
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// Its name.
    pub name: String,
    /// The document in force.
    pub document: String,
    /// Starts at 1, grows with every new document.
    pub version: u64,
}

/// The format that is written.
const FORMAT: u64 = 1;

#[derive(Serialize)]
struct Written<'a, T> {
    format: u64,
    record: &'a T,
}

#[derive(Deserialize)]
struct Stored<'a> {
    format: u64,
    /// Not looked into before the format is known.
    #[serde(borrow)]
    record: &'a RawValue,
}

/// The bytes of a row.
pub(crate) fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(&Written { format: FORMAT, record })
        .expect("records have text keys and nothing that JSON lacks")
}

/// The record of a row, or what is wrong with the row.
pub(crate) fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, String> {
    let Stored { format, record } = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if format != FORMAT {
        return Err(format!(
            "its format is {format}, this version reads format {FORMAT}; use the version that wrote it"
        ));
    }
    serde_json::from_str(record.get()).map_err(|error| error.to_string())
}
