//! The TLS settings of each device: whom it trusts, which certificate it shows, what it remembers.
//!
//! Certificates come from a folder, or are signed as they are needed by an authority that exists or is made. The same
//! source gives certificates that a server must refuse: expired, not valid yet, revoked.
//!
//! It must not know: sockets, when a device connects.

mod authority;
mod identity;
mod source;
mod ticket;
mod trust;

#[cfg(test)]
mod tests;

pub use authority::{Authority, Standing};
pub use identity::Identity;
pub use source::Credentials;
pub use trust::Trust;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::error::Error;

/// A pair of files, named after the device.
#[derive(Debug)]
pub(crate) struct Credential {
    pub(crate) name: Arc<str>,
    certificate: PathBuf,
    key: PathBuf,
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
