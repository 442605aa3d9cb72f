//! Reading PEM files, with errors that name the file.

use std::path::{Path, PathBuf};

use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use crate::LoadError;

/// A file of this size is no certificate, key or revocation list, but a wrong path.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// The certificates of a file, at least one.
pub(crate) fn certificates(
    what: &'static str,
    file: &Path,
) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    items(what, file, "certificate", "CERTIFICATE")
}

/// The revocation lists of a file, at least one.
pub(crate) fn revocation_lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, LoadError> {
    items("revocation list", file, "revocation list", "X509 CRL")
}

/// The first private key of a file.
pub(crate) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, LoadError> {
    let text = read("private key", file)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        PemError::NoItemsFound => LoadError::Empty {
            what: "private key",
            file: file.to_path_buf(),
            label: "PRIVATE KEY",
            hint: private_key_hint(&text),
        },
        error => damaged("private key", file, &error),
    })
}

pub(crate) fn damaged(what: &'static str, file: &Path, reason: &dyn std::fmt::Display) -> LoadError {
    LoadError::Damaged { what, file: file.to_path_buf(), reason: reason.to_string() }
}

fn items<T: PemObject>(
    what: &'static str,
    file: &Path,
    item: &'static str,
    label: &'static str,
) -> Result<Vec<T>, LoadError> {
    let text = read(what, file)?;
    let items: Vec<T> =
        T::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(|error| damaged(what, file, &error))?;
    if items.is_empty() {
        let hint = if contains(&text, b"PRIVATE KEY-----") { "; this is a private key" } else { "" };
        return Err(LoadError::Empty { what: item, file: PathBuf::from(file), label, hint });
    }
    Ok(items)
}

fn read(what: &'static str, file: &Path) -> Result<Vec<u8>, LoadError> {
    let failed = |source| LoadError::Read { what, file: file.to_path_buf(), source };
    let length = std::fs::metadata(file).map_err(failed)?.len();
    if length > FILE_BYTES_MAX {
        return Err(damaged(
            what,
            file,
            &format!("it has {length} bytes, at most {FILE_BYTES_MAX} are read"),
        ));
    }
    std::fs::read(file).map_err(failed)
}

fn private_key_hint(text: &[u8]) -> &'static str {
    if contains(text, b"ENCRYPTED") {
        "; this key is encrypted, decrypt it with `openssl pkey`"
    } else if contains(text, b"BEGIN CERTIFICATE-----") {
        "; this is a certificate"
    } else {
        ""
    }
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}
