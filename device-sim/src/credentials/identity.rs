//! A certificate and its private key.

use std::path::Path;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{certificates, content};
use crate::error::Error;

/// What a device proves itself with.
#[derive(Clone, Debug)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
}

impl Identity {
    /// Reads a certificate, with those between it and its authority if there are any, and its key, both PEM.
    ///
    /// # Errors
    /// When a file cannot be read, or is not what it should be, or the key is not the certificate's.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let chain = certificates("device certificate", certificate)?;
        let unusable = |reason: String| content("device key", key, reason);
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(error.to_string()))?;
        let secret = any_supported_type(&secret).map_err(|error| unusable(error.to_string()))?;
        let certified = CertifiedKey::new(chain, secret);
        // A key that cannot tell its public half is found out by the server.
        match certified.keys_match() {
            Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
                Err(unusable(format!("it is not the key of `{}`", certificate.display())))
            }
            Err(error @ rustls::Error::InvalidCertificate(_)) => {
                Err(content("device certificate", certificate, error))
            }
            _ => Ok(Self { certified: Arc::new(certified) }),
        }
    }

    /// A certificate whose key may be shared with others.
    pub(super) fn of(certificate: CertificateDer<'static>, key: Arc<dyn SigningKey>) -> Self {
        Self { certified: Arc::new(CertifiedKey::new(vec![certificate], key)) }
    }

    /// The certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        self.certified.cert.first().map_or(&[], |certificate| certificate.as_ref())
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.certified)))
    }
}
