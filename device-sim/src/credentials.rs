//! Certificates on disk → TLS settings for each device.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::error::Error;

/// Sessions that a device remembers. It talks to one server; TLS 1.3 hands out two tickets at once.
const SESSIONS_PER_DEVICE: usize = 2;

/// A pair of files, named after the device.
pub(crate) struct Credential {
    pub(crate) name: Arc<str>,
    certificate: PathBuf,
    key: PathBuf,
}

/// What the bridge needs to speak TLS for every device.
pub(crate) struct Tls {
    pub(crate) server_name: ServerName<'static>,
    /// By client id, which is the device's name. One configuration each, because a session remembered for one
    /// device must not be resumed by another.
    pub(crate) devices: HashMap<Arc<str>, Arc<ClientConfig>>,
}

/// The first `devices` pairs in a directory, sorted by name.
pub(crate) fn find(directory: &Path, devices: u32) -> Result<Vec<Credential>, Error> {
    let cannot_read = |source| Error::Read {
        what: "certificate directory",
        path: directory.to_owned(),
        source,
        advice: "make device certificates with `iot-gateway certs device`, they are in its `devices` directory",
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(cannot_read)? {
        let certificate = entry.map_err(cannot_read)?.path();
        let key = certificate.with_extension("key");
        let name = certificate.file_stem().and_then(|name| name.to_str());
        if let Some(name) = name
            && certificate.extension().is_some_and(|extension| extension == "crt")
            && key.exists()
        {
            found.push(Credential { name: name.into(), certificate, key });
        }
    }
    if found.len() < devices as usize {
        let found = found.len();
        return Err(Error::TooFewCertificates { directory: directory.to_owned(), found, wanted: devices });
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found.truncate(devices as usize);
    Ok(found)
}

/// Reads every pair and makes its TLS settings.
pub(crate) fn load(
    authority: &Path,
    server_name: &str,
    credentials: &[Credential],
    resume: bool,
) -> Result<Tls, Error> {
    let server_name = ServerName::try_from(server_name.to_owned())
        .map_err(|_| Error::ServerName(server_name.to_owned()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates("authority certificate", authority)? {
        roots.add(certificate).map_err(|error| content("authority certificate", authority, error))?;
    }
    let roots = Arc::new(roots);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut devices = HashMap::with_capacity(credentials.len());
    for credential in credentials {
        let chain = certificates("device certificate", &credential.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&credential.key)
            .map_err(|error| content("device key", &credential.key, error))?;
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider supports the default versions")
            .with_root_certificates(Arc::clone(&roots))
            .with_client_auth_cert(chain, key)
            .map_err(|error| content("device certificate", &credential.certificate, error))?;
        config.resumption =
            if resume { Resumption::in_memory_sessions(SESSIONS_PER_DEVICE) } else { Resumption::disabled() };
        devices.insert(Arc::clone(&credential.name), Arc::new(config));
    }
    Ok(Tls { server_name, devices })
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = std::fs::read(path).map_err(|source| Error::Read {
        what,
        path: path.to_owned(),
        source,
        advice: "check the path and who may read it",
    })?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let all = all.map_err(|error| content(what, path, error))?;
    if all.is_empty() {
        return Err(content(what, path, "it has no certificate in PEM form"));
    }
    Ok(all)
}

fn content(what: &'static str, path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Content { what, path: path.to_owned(), reason: reason.to_string() }
}
