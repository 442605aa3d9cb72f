//! The facts of a client certificate that identify a device and that policies may name.
//!
//! Reads, and judges nothing: that the certificate chains to a trusted authority is the TLS handshake's finding, that it
//! is registered and active is the registry's. Any bytes may come in; what is malformed is an error, never a panic.

mod name;

pub(crate) use name::ATTRIBUTES;
pub use name::{DistinguishedName, NameAttribute};

use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The longest certificate read, in bytes. Real ones have one to four thousand.
pub const CERTIFICATE_BYTES_MAX: usize = 64 * 1024;

/// Values of a multi-valued certificate attribute after this many are ignored, as in AWS IoT.
pub(crate) const ATTRIBUTE_VALUES_MAX: usize = 5;

/// SHA-256 of a certificate in DER: the certificate id of AWS IoT.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// Why text is not a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a certificate id is 64 hexadecimal digits, the SHA-256 of the certificate in DER; this has {length} characters"
)]
pub struct FingerprintError {
    length: usize,
}

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Fingerprint {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| FingerprintError { length: text.chars().count() })?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 64];
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
        formatter.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl serde::Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why bytes are not a certificate this gateway reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Over [`CERTIFICATE_BYTES_MAX`].
    #[error("the certificate has {bytes} bytes, the limit is {CERTIFICATE_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not an X.509 certificate in DER.
    #[error("not an X.509 certificate in DER: {0}")]
    Malformed(String),
    /// More bytes follow the certificate.
    #[error("{bytes} bytes follow the certificate")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

/// A name from the extension for alternative names of the subject or the issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlternativeName {
    /// A host name.
    Dns(String),
    /// An e-mail address.
    Email(String),
    /// A URI.
    Uri(String),
    /// An IP address.
    Ip(IpAddr),
}

/// The facts of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// Whom it is about.
    pub subject: DistinguishedName,
    /// Who issued it.
    pub issuer: DistinguishedName,
    /// Other names of the subject.
    pub subject_alternative_names: Vec<AlternativeName>,
    /// Other names of the issuer.
    pub issuer_alternative_names: Vec<AlternativeName>,
    /// The serial number in lower-case hexadecimal, without leading zero bytes.
    pub serial_number: String,
    /// First moment of validity, in seconds since 1970.
    pub not_before_secs: i64,
    /// Last moment of validity, in seconds since 1970.
    pub not_after_secs: i64,
    /// Whether it may issue certificates.
    pub is_authority: bool,
}

impl Certificate {
    /// Stands for the certificate of a client that shows none, on a listener that asks for none: it has no names, so no certificate
    /// variable of a policy has a value, and its fingerprint is all zero, which no certificate has.
    pub fn absent() -> Self {
        Self {
            fingerprint: Fingerprint::from([0; 32]),
            subject: DistinguishedName::new([]),
            issuer: DistinguishedName::new([]),
            subject_alternative_names: Vec::new(),
            issuer_alternative_names: Vec::new(),
            serial_number: String::new(),
            not_before_secs: 0,
            not_after_secs: i64::MAX,
            is_authority: false,
        }
    }

    /// Whether it is [`Certificate::absent`].
    pub fn is_absent(&self) -> bool {
        self.fingerprint == Fingerprint::from([0; 32])
    }

    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// When the bytes are not exactly one certificate within the size limit.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::TooLong { bytes: der.len() });
        }
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|error| CertificateError::Malformed(error.to_string()))?;
        if !rest.is_empty() {
            return Err(CertificateError::Trailing { bytes: rest.len() });
        }
        let (subject_alternative_names, issuer_alternative_names) = alternative_names(&certificate);
        let serial = certificate.raw_serial();
        let leading = serial.iter().take_while(|byte| **byte == 0).count();
        Ok(Self {
            fingerprint: Fingerprint::of(der),
            subject: DistinguishedName::read(certificate.subject()),
            issuer: DistinguishedName::read(certificate.issuer()),
            subject_alternative_names,
            issuer_alternative_names,
            serial_number: hex::encode(&serial[leading..]),
            not_before_secs: certificate.validity().not_before.timestamp(),
            not_after_secs: certificate.validity().not_after.timestamp(),
            is_authority: certificate.is_ca(),
        })
    }

    /// Whether the moment, in seconds since 1970, lies within the validity, both ends included.
    pub fn is_valid_at(&self, now_secs: i64) -> bool {
        (self.not_before_secs..=self.not_after_secs).contains(&now_secs)
    }
}

fn alternative_names(certificate: &X509Certificate<'_>) -> (Vec<AlternativeName>, Vec<AlternativeName>) {
    let (mut subject, mut issuer) = (Vec::new(), Vec::new());
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => {
                subject.extend(names.general_names.iter().filter_map(alternative_name));
            }
            ParsedExtension::IssuerAlternativeName(names) => {
                issuer.extend(names.general_names.iter().filter_map(alternative_name));
            }
            _ => {}
        }
    }
    (subject, issuer)
}

fn alternative_name(name: &GeneralName<'_>) -> Option<AlternativeName> {
    match name {
        GeneralName::DNSName(text) => Some(AlternativeName::Dns((*text).to_owned())),
        GeneralName::RFC822Name(text) => Some(AlternativeName::Email((*text).to_owned())),
        GeneralName::URI(text) => Some(AlternativeName::Uri((*text).to_owned())),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(AlternativeName::Ip)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
