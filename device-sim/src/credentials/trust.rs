//! Whom devices trust, and whether they remember sessions.

use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;

use super::ticket::Ticket;
use super::{Identity, certificates, content};
use crate::error::Error;

const WHAT: &str = "authority certificate";

/// What the TLS settings of all devices have in common. Cheap to share, so that a device costs little.
#[derive(Clone, Debug)]
pub struct Trust {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    resume: bool,
}

impl Trust {
    /// Trusts servers whose certificate one of the authorities in the file (PEM) has signed. With `resume`, a device
    /// remembers a session and takes it up again when it reconnects.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate of an authority.
    pub fn load(file: &Path, resume: bool) -> Result<Self, Error> {
        let certificates = certificates(WHAT, file)?;
        Self::of(certificates, resume).map_err(|reason| content(WHAT, file, reason))
    }

    /// As [`load`](Self::load), from certificates in memory.
    ///
    /// # Errors
    /// When one is no certificate.
    pub fn of(authorities: Vec<CertificateDer<'static>>, resume: bool) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for certificate in authorities {
            roots.add(certificate)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Ok(Self { roots: Arc::new(roots), provider, resume })
    }

    /// The settings of one device. Each has its own, because a session remembered for one must not be taken up by
    /// another.
    ///
    /// # Errors
    /// Never with the provider that comes with this program.
    pub fn settings(&self, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, Error> {
        let cannot = |error: rustls::Error| Error::Certificate {
            what: "the TLS settings of a device".to_owned(),
            reason: error.to_string(),
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(cannot)?
            .with_root_certificates(Arc::clone(&self.roots));
        let mut settings = match identity {
            Some(identity) => builder.with_client_cert_resolver(identity.resolver()),
            None => builder.with_no_client_auth(),
        };
        settings.resumption =
            if self.resume { Resumption::store(Arc::new(Ticket::default())) } else { Resumption::disabled() };
        Ok(Arc::new(settings))
    }
}
