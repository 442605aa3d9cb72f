//! Who we are: the server's certificate chain and its key.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use sha2::{Digest, Sha256};

use crate::{LoadError, Tls, files, words};

/// The server's certificate chain and its key.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) pair: CertifiedKey,
    pub(crate) digest: [u8; 32],
}

impl Identity {
    pub(crate) fn load(tls: &Tls, provider: &CryptoProvider) -> Result<Self, LoadError> {
        let chain = files::certificates("server certificate", &tls.certificate)?;
        let key_der = files::private_key(&tls.key)?;
        let mut hasher = Sha256::new();
        chain.iter().for_each(|certificate| hasher.update(certificate));
        hasher.update(key_der.secret_der());
        let key = provider
            .key_provider
            .load_private_key(key_der)
            .map_err(|error| files::damaged("private key", &tls.key, &error))?;
        let pair = CertifiedKey::new(chain, key);
        match pair.keys_match() {
            // A key that can't tell its public half shows only at the first handshake whether it fits.
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                return Err(LoadError::KeyMismatch {
                    key: tls.key.clone(),
                    certificate: tls.certificate.clone(),
                });
            }
            Err(error) => return Err(files::damaged("server certificate", &tls.certificate, &error)),
        }
        warn_about_validity(&pair, tls);
        Ok(Self { pair, digest: hasher.finalize().into() })
    }

    pub(crate) fn resolver(&self) -> Arc<rustls::sign::SingleCertAndKey> {
        Arc::new(self.pair.clone().into())
    }
}

/// A server certificate out of its time is for the clients to refuse; not starting would be worse for those that
/// have no clock.
fn warn_about_validity(pair: &CertifiedKey, tls: &Tls) {
    let Some(leaf) = pair.cert.first() else { return };
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(leaf) else { return };
    if !parsed.validity().is_valid() {
        tracing::warn!(
            file = %tls.certificate.display(),
            not_before = words::date(parsed.validity().not_before.to_datetime()),
            not_after = words::date(parsed.validity().not_after.to_datetime()),
            "server certificate is not valid now, clients will refuse it; renew it"
        );
    }
}
