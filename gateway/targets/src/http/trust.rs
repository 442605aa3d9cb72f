//! TLS towards a server: whom it must be certified by.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::config::{HttpError, Settings};

/// The client's side of TLS, TLS 1.2 and 1.3. The system's authorities are trusted, or those of a file instead.
pub(super) fn client_config(settings: &Settings) -> Result<ClientConfig, HttpError> {
    let roots = match &settings.authorities {
        Some(path) => match from_file(path) {
            Ok(roots) => roots,
            Err(why) => return settings.refuse("authorities", format!("`{}`: {why}", path.display())),
        },
        None => from_system(),
    };
    if roots.is_empty() && settings.url.starts_with("https") {
        return settings.refuse(
            "authorities",
            "this system trusts no authority; install its `ca-certificates` or name a PEM file",
        );
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn from_file(path: &std::path::Path) -> Result<RootCertStore, String> {
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| format!("can't be read: {error}"))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| format!("is not PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("holds what is not an authority: {error}"))?;
    }
    if roots.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(roots) }
}

fn from_system() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "an authority of the system can't be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
}
