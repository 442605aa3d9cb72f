//! A connection that is ready to be served.

use std::fmt;
use std::net::SocketAddr;

use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use crate::Stream;

/// A connection whose handshake is done and whose certificate chain, if it has one, is good.
#[derive(Debug)]
pub struct Accepted {
    /// The bytes. Its place among the connections is free again when it is dropped.
    pub stream: Stream,
    /// Who is at the other end.
    pub peer: SocketAddr,
    /// The address the peer connected to.
    pub local: SocketAddr,
    /// The peer's certificate chain, its own certificate first; empty without one. On a resumed session it is the
    /// chain of the first handshake.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Whether the session was resumed. The chain was checked again against the files as they are now; what the
    /// registry says about the certificate was not.
    pub resumed: bool,
    /// The protocol chosen by ALPN.
    pub alpn: Option<String>,
    /// The server name the client asked for (SNI).
    pub server_name: Option<String>,
    /// The version of TLS; `None` on a plain connection.
    pub version: Option<TlsVersion>,
    /// The value of `Handle::trust_changes` when the chain was checked. Whoever keeps a list of connections compares
    /// it after adding this one, so that a change in between is not missed.
    pub trust_generation: u64,
}

impl Accepted {
    /// SHA-256 of the peer's certificate, the name by which it is registered.
    pub fn fingerprint(&self) -> Option<[u8; 32]> {
        self.certificates.first().map(|certificate| Sha256::digest(certificate).into())
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::V1_2 => "TLS 1.2",
            Self::V1_3 => "TLS 1.3",
        })
    }
}
