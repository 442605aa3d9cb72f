//! The device's side of TLS.

use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::path::Path;
use std::sync::Arc;

/// How a device connects. Clones share their sessions, so that a second connection is resumed.
#[derive(Debug, Clone)]
pub struct TlsOptions(pub(crate) Arc<ClientConfig>);

/// TLS 1.2 and 1.3, trusting one authority, with a certificate or without.
pub(crate) fn options(authority: &Path, certificate: Option<(&Path, &Path)>) -> anyhow::Result<TlsOptions> {
    with_versions(authority, certificate, rustls::DEFAULT_VERSIONS)
}

/// The same without a certificate of its own.
///
/// # Errors
/// About the authority's file.
pub fn trust(authority: &Path) -> anyhow::Result<TlsOptions> {
    options(authority, None)
}

impl TlsOptions {
    /// The same for a client of another kind.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }

    /// The same, offering these protocols in the handshake (ALPN).
    pub fn offering(&self, names: &[&str]) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self(Arc::new(config))
    }

    /// A device with the files of a certificate and a key, speaking only `version`.
    ///
    /// # Errors
    /// About the files.
    pub fn with_version(
        authority: &Path,
        certificate: (&Path, &Path),
        version: &'static SupportedProtocolVersion,
    ) -> anyhow::Result<Self> {
        with_versions(authority, Some(certificate), &[version])
    }

    /// A device with the files of a certificate and a key.
    ///
    /// # Errors
    /// About the files.
    pub fn with_files(authority: &Path, certificate: (&Path, &Path)) -> anyhow::Result<Self> {
        options(authority, Some(certificate))
    }
}

fn with_versions(
    authority: &Path,
    certificate: Option<(&Path, &Path)>,
    versions: &[&'static SupportedProtocolVersion],
) -> anyhow::Result<TlsOptions> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(authority).with_context(|| format!("{}", authority.display()))?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_root_certificates(roots);
    let config = match certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key)?)?
        }
    };
    Ok(TlsOptions(Arc::new(config)))
}
