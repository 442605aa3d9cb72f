//! Why the TLS files can't be used: which file, what is wrong, what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Why the TLS files can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file can't be read.
    #[error("can't read {what} `{}`: {source}{}", file.display(), what_to_do(source))]
    Read {
        /// What the file is for.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// The refusal of the operating system.
        source: io::Error,
    },
    /// A file holds nothing of the kind it should.
    #[error("`{}` holds no {what}; it takes PEM, `-----BEGIN {label}-----`{hint}", file.display())]
    Empty {
        /// What was looked for.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// The PEM label of it.
        label: &'static str,
        /// A guess at the reason, or nothing.
        hint: &'static str,
    },
    /// A file holds something that can't be understood.
    #[error("{what} `{}` can't be used: {reason}", file.display())]
    Damaged {
        /// What the file is for.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key are not a pair.
    #[error("`{}` is not the key of certificate `{}`; replace both together", key.display(), certificate.display())]
    KeyMismatch {
        /// The key file.
        key: PathBuf,
        /// The certificate file.
        certificate: PathBuf,
    },
    /// Client certificates are asked for, but no authority is trusted.
    #[error(
        "client certificates are asked for, but no authority is given; name the file with its certificate"
    )]
    NoAuthorities,
    /// The cryptographic library refused.
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl LoadError {
    /// The file it is about, if it is about one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Read { file, .. } | Self::Empty { file, .. } | Self::Damaged { file, .. } => Some(file),
            Self::KeyMismatch { key, .. } => Some(key),
            Self::NoAuthorities | Self::Tls(_) => None,
        }
    }
}

fn what_to_do(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "; let the user the gateway runs as read it",
        io::ErrorKind::NotFound => "; check the path, or make it with `iot-gateway certs`",
        _ => "",
    }
}
