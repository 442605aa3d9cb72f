//! From the certificate of a connection to a principal.

use crate::record::{CertificateRecord, CertificateStatus};
use crate::state::State;
use crate::{Operation, Registry, RegistryError, name};
use access::{Certificate, Fingerprint, Principal};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What to do with a certificate that a trusted authority issued but that is not registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RegisterUnknown {
    /// Refuse it.
    #[default]
    Never,
    /// Register it as active, with this policy, and with a thing named by its common name if that is a legal name.
    ///
    /// A thing of that name that exists already is attached: the authority vouches for the name, and so a device with a
    /// new certificate is the same thing.
    FromTrustedAuthority {
        /// Name of the policy to attach; it must exist.
        default_policy: String,
    },
}

/// Why a certificate does not connect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not registered.
    #[error(
        "certificate `{fingerprint}` ({subject}) is not registered; register it, or set `register_unknown`"
    )]
    NotRegistered {
        /// The certificate.
        fingerprint: Fingerprint,
        /// Its subject.
        subject: String,
    },
    /// Registered, but not active.
    #[error("certificate `{fingerprint}` ({subject}) is {status}; only ACTIVE ones connect")]
    NotActive {
        /// The certificate.
        fingerprint: Fingerprint,
        /// Its subject.
        subject: String,
        /// Its status.
        status: CertificateStatus,
    },
    /// Its time is over.
    #[error(
        "certificate `{fingerprint}` expired at {not_after_secs} seconds since 1970; give the device a new one"
    )]
    Expired {
        /// The certificate.
        fingerprint: Fingerprint,
        /// Last moment of its validity, in seconds since 1970.
        not_after_secs: i64,
    },
    /// Its time has not come.
    #[error(
        "certificate `{fingerprint}` is valid from {not_before_secs} seconds since 1970; check the clocks"
    )]
    NotYetValid {
        /// The certificate.
        fingerprint: Fingerprint,
        /// First moment of its validity, in seconds since 1970.
        not_before_secs: i64,
    },
    /// An authority is not a device.
    #[error(
        "certificate `{fingerprint}` belongs to an authority and is not registered by itself; register it by hand if it must be"
    )]
    Authority {
        /// The certificate.
        fingerprint: Fingerprint,
    },
    /// It would have been registered, but that failed.
    #[error("certificate `{fingerprint}` could not be registered: {reason}")]
    CannotRegister {
        /// The certificate.
        fingerprint: Fingerprint,
        /// What failed.
        reason: String,
    },
}

impl Refused {
    /// The reason as the value of a metric label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NotRegistered { .. } => "not_registered",
            Self::NotActive { .. } => "not_active",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::Authority { .. } => "authority",
            Self::CannotRegister { .. } => "cannot_register",
        }
    }
}

impl Registry {
    /// Who the certificate is, if it may connect at this moment (milliseconds since 1970). From memory alone.
    ///
    /// The TLS handshake has proved that the peer holds it and that a trusted authority issued it. On a resumed
    /// connection the handshake proves neither anew, so ask after every handshake.
    ///
    /// # Errors
    /// When the certificate is not registered, not active or not valid now.
    pub fn authenticate(&self, certificate: &Arc<Certificate>, now_ms: u64) -> Result<Principal, Refused> {
        let fingerprint = certificate.fingerprint;
        let now_secs = i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX);
        let state = self.state.read();
        let subject = || certificate.subject.as_text().to_owned();
        let Some(record) = state.certificates.get(&fingerprint) else {
            return Err(Refused::NotRegistered { fingerprint, subject: subject() });
        };
        if record.status != CertificateStatus::Active {
            return Err(Refused::NotActive { fingerprint, subject: subject(), status: record.status });
        }
        check_validity(certificate, now_secs)?;
        Ok(principal(certificate, record, &state))
    }

    /// [`authenticate`](Self::authenticate), and registers an unknown certificate if the settings say so; then it writes
    /// to disk, on a blocking thread.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate), and when the certificate cannot be registered.
    pub async fn admit(
        self: &Arc<Self>,
        certificate: &Arc<Certificate>,
        now_ms: u64,
    ) -> Result<Principal, Refused> {
        let refused = match self.authenticate(certificate, now_ms) {
            Err(refused @ Refused::NotRegistered { .. }) => refused,
            settled => return settled,
        };
        let RegisterUnknown::FromTrustedAuthority { default_policy } = &self.settings.register_unknown else {
            return Err(refused);
        };
        let fingerprint = certificate.fingerprint;
        check_validity(certificate, i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX))?;
        if certificate.is_authority {
            return Err(Refused::Authority { fingerprint });
        }
        let (registry, unknown, policy) = (Arc::clone(self), Arc::clone(certificate), default_policy.clone());
        let registered =
            tokio::task::spawn_blocking(move || registry.register_unknown(&unknown, policy, now_ms));
        let cannot = |reason: String| Refused::CannotRegister { fingerprint, reason };
        match registered.await {
            // Another connection of the same device may have been quicker.
            Ok(Ok(()) | Err(RegistryError::AlreadyExists { .. })) => self.authenticate(certificate, now_ms),
            Ok(Err(error)) => Err(cannot(error.to_string())),
            Err(_) => Err(cannot("the gateway is shutting down".to_owned())),
        }
    }

    /// Who a client without a certificate is, on a listener that asks for none: it has no thing and this policy alone.
    ///
    /// `None` when there is no such policy.
    pub fn without_certificate(&self, policy: &str) -> Option<Principal> {
        let policy = Arc::clone(&self.state.read().policies.get(policy)?.policy);
        let certificate = Arc::new(Certificate::absent());
        Some(Principal { certificate, user: None, things: Arc::from([]), policies: Arc::from([policy]) })
    }

    fn register_unknown(
        &self,
        certificate: &Certificate,
        policy: String,
        now_ms: u64,
    ) -> Result<(), RegistryError> {
        let thing = certificate.subject.common_name().filter(|common_name| name::THING.admits(common_name));
        let mut record = CertificateRecord::new(certificate, CertificateStatus::Active, now_ms);
        record.policies.insert(policy);
        record.things.extend(thing.map(str::to_owned));
        self.write(|draft| {
            if let Some(thing) = thing {
                let (name, attributes) = (thing.to_owned(), BTreeMap::new());
                match draft.apply(Operation::CreateThing { name, thing_type: None, attributes }) {
                    Ok(()) | Err(RegistryError::AlreadyExists { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            draft.apply(Operation::RegisterCertificate(record))
        })
    }
}

fn check_validity(certificate: &Certificate, now_secs: i64) -> Result<(), Refused> {
    let (fingerprint, not_after_secs) = (certificate.fingerprint, certificate.not_after_secs);
    if now_secs > not_after_secs {
        return Err(Refused::Expired { fingerprint, not_after_secs });
    }
    if now_secs < certificate.not_before_secs {
        return Err(Refused::NotYetValid { fingerprint, not_before_secs: certificate.not_before_secs });
    }
    Ok(())
}

fn principal(certificate: &Arc<Certificate>, record: &CertificateRecord, state: &State) -> Principal {
    let things =
        record.things.iter().filter_map(|name| state.things.get(name)).map(|entry| Arc::clone(&entry.thing));
    let policies = record
        .policies
        .iter()
        .filter_map(|name| state.policies.get(name))
        .map(|entry| Arc::clone(&entry.policy));
    Principal {
        certificate: Arc::clone(certificate),
        user: None,
        things: things.collect(),
        policies: policies.collect(),
    }
}
