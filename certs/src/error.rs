//! What can go wrong, said so that the reader knows which file it is about and what to do.

use std::path::{Path, PathBuf};

/// Why an authority could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused to read or write a file.
    #[error("can't {action} `{}`: {source}", file.display())]
    Io {
        /// What was attempted: "read", "write", "create", "lock".
        action: &'static str,
        /// The file or directory.
        file: PathBuf,
        /// The refusal of the operating system.
        source: std::io::Error,
    },
    /// An authority was to be made where one already is.
    #[error("`{}` already holds an authority; use it, or choose another directory", directory.display())]
    AuthorityExists {
        /// The directory.
        directory: PathBuf,
    },
    /// No authority was found.
    #[error("`{}` holds no authority (`{missing}` is missing); make one with `certs authority`", directory.display())]
    NoAuthority {
        /// The directory.
        directory: PathBuf,
        /// The first file that was looked for in vain.
        missing: &'static str,
    },
    /// A certificate or key file does not hold what it should.
    #[error("`{}` is damaged: {reason}; restore it from a copy", file.display())]
    DamagedFile {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// `authority.key` is not the key of `authority.crt`.
    #[error("`{}` is not the key of `{}`; one of them was replaced, restore the pair", key.display(), certificate.display())]
    KeyMismatch {
        /// The key file.
        key: PathBuf,
        /// The certificate file.
        certificate: PathBuf,
    },
    /// A line of `issued.jsonl` can't be read.
    #[error("`{}`, line {line}: {reason}; restore the file from a copy", file.display())]
    DamagedIndex {
        /// The index file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// `issued.jsonl` was written by a newer version of this program.
    #[error("`{}` has format version {found}, this program reads up to {known}; use a newer `iot-gateway`", file.display())]
    NewerIndex {
        /// The index file.
        file: PathBuf,
        /// The version in the file.
        found: u32,
        /// The newest version this program reads.
        known: u32,
    },
    /// A device name can't be a file name and a client id.
    #[error("device name `{}` {reason}", name.escape_debug())]
    DeviceName {
        /// The name.
        name: String,
        /// What is wrong with it and what is allowed.
        reason: String,
    },
    /// An organization or authority name can't stand in a certificate.
    #[error("{field} `{}` {reason}", value.escape_debug())]
    Subject {
        /// Which part of the subject.
        field: &'static str,
        /// The value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A server name is neither a DNS name nor an IP address.
    #[error("server name `{}` {reason}", name.escape_debug())]
    ServerName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A server certificate without a name would be accepted by nobody.
    #[error(
        "a server certificate needs at least one DNS name or IP address, such as `localhost` or `127.0.0.1`"
    )]
    NoServerName,
    /// A validity that ends before it begins.
    #[error("validity ends ({not_after}) before it begins ({not_before})")]
    Validity {
        /// The beginning.
        not_before: String,
        /// The end.
        not_after: String,
    },
    /// A certificate was asked for that outlives its authority.
    #[error(
        "the certificate would end {not_after}, after its authority ({authority_not_after}); ask for fewer days"
    )]
    OutlivesAuthority {
        /// The end that was asked for.
        not_after: String,
        /// The end of the authority.
        authority_not_after: String,
    },
    /// A valid certificate for this name exists, with its files.
    #[error("device `{name}` already has a valid certificate in `{}`; use it, or revoke it first", file.display())]
    AlreadyIssued {
        /// The device.
        name: String,
        /// Its certificate.
        file: PathBuf,
    },
    /// Nothing issued by this authority goes by that name, serial number or fingerprint.
    #[error("no certificate with name, serial number or fingerprint `{}` was issued here{}", which.escape_debug(), suggestion(nearest.as_deref()))]
    NotFound {
        /// What was looked for.
        which: String,
        /// The name that is most like it.
        nearest: Option<String>,
    },
    /// The cryptographic library refused.
    #[error("can't make {what}: {source}")]
    Making {
        /// What was to be made.
        what: &'static str,
        /// The refusal.
        source: rcgen::Error,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, file: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, file: file.to_path_buf(), source }
    }

    pub(crate) fn making(what: &'static str) -> impl FnOnce(rcgen::Error) -> Self {
        move |source| Self::Making { what, source }
    }

    pub(crate) fn damaged(file: &Path, reason: &dyn std::fmt::Display) -> Self {
        Self::DamagedFile { file: file.to_path_buf(), reason: reason.to_string() }
    }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}
