//! The directory of an authority that is made here.
//!
//! ```text
//! authority.crt          for the server to trust, PEM
//! authority.key          mode 0600
//! server.crt server.key  for the server to show; the key has mode 0600
//! crl.pem                for the server to refuse the certificates that are made revoked
//! ```
//!
//! What is there is kept and used again, so that a server need not be told anew with every run.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyUsagePurpose};

use super::{Authority, authority_parameters, cannot, new_key, parameters};
use crate::error::Error;

const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;

pub(super) fn make(directory: &Path, server_names: &[&str]) -> Result<Authority, Error> {
    let (certificate, key) = (directory.join("authority.crt"), directory.join("authority.key"));
    if certificate.exists() {
        return Authority::load(&certificate, &key);
    }
    fs::create_dir_all(directory).map_err(|source| Error::Write { path: directory.to_owned(), source })?;
    let key_pair = new_key()?;
    let parameters = authority_parameters();
    let signed = parameters.self_signed(&key_pair).map_err(|error| cannot("an authority", error))?;
    write(&key, &key_pair.serialize_pem(), SECRET)?;
    let authority = Authority::new(signed.der().clone(), Issuer::new(parameters, key_pair))?;
    issue_server(&authority, directory, server_names)?;
    write(&directory.join("crl.pem"), &authority.revocation_list()?, PUBLIC)?;
    // Last: where this was interrupted there is no authority yet.
    write(&certificate, &signed.pem(), PUBLIC)?;
    Ok(authority)
}

fn issue_server(authority: &Authority, directory: &Path, names: &[&str]) -> Result<(), Error> {
    let what = format!("a certificate for `{}`", names.join("`, `"));
    let alternatives: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let alternatives = CertificateParams::new(alternatives).map_err(|error| cannot(&what, error))?;
    let mut parameters = parameters("device-sim server");
    parameters.subject_alt_names = alternatives.subject_alt_names;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = new_key()?;
    let signed = parameters.signed_by(&key, &authority.issuer).map_err(|error| cannot(&what, error))?;
    write(&directory.join("server.key"), &key.serialize_pem(), SECRET)?;
    write(&directory.join("server.crt"), &signed.pem(), PUBLIC)
}

/// A new file, so that nobody can read a key before its mode is set, and nothing of others is overwritten.
fn write(file: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(file)
        .and_then(|mut opened| opened.write_all(text.as_bytes()));
    written.map_err(|source| Error::Write { path: file.to_owned(), source })
}
