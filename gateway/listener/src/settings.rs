//! What a listener is told at its start. Reading it from a settings file is not this crate's business.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One listening socket.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A name for logs, such as `mqtt`.
    pub name: String,
    /// Where to listen; port 0 lets the system choose.
    pub address: SocketAddr,
    /// TLS or not.
    pub security: Security,
    /// How much is allowed.
    pub limits: Limits,
}

impl Settings {
    /// A TLS listener with the default limits.
    pub fn tls(name: impl Into<String>, address: SocketAddr, tls: Tls) -> Self {
        let limits = Limits::default();
        Self { name: name.into(), address, security: Security::Tls(Box::new(tls)), limits }
    }

    /// A listener without encryption, for trusted networks and tests only.
    pub fn plain(name: impl Into<String>, address: SocketAddr) -> Self {
        Self { name: name.into(), address, security: Security::Plain, limits: Limits::default() }
    }
}

/// TLS or not.
#[derive(Clone, Debug)]
pub enum Security {
    /// Bytes in the clear; nobody is authenticated.
    Plain,
    /// TLS.
    Tls(Box<Tls>),
}

/// The TLS side of a listener. Every file is PEM and watched for changes.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The server's certificate, followed by intermediate certificates if there are any.
    pub certificate: PathBuf,
    /// The server's private key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
    /// Certificates of the authorities that devices' certificates may come from; each file may hold several.
    pub authorities: Vec<PathBuf>,
    /// Revocation lists of these authorities; each file may hold several. A certificate whose authority has no list
    /// here is taken as not revoked; a list past its next update still counts, with a warning.
    pub revocation_lists: Vec<PathBuf>,
    /// Whether a client must show a certificate.
    pub client_certificate: ClientCertificate,
    /// Which versions of TLS are spoken.
    pub versions: Versions,
    /// Protocol names to choose from by ALPN, most wanted first. If empty, what a client offers is ignored; otherwise
    /// a client that offers only others is refused, and one that offers none is welcome.
    pub alpn: Vec<String>,
    /// Whether sessions may be resumed.
    pub resumption: bool,
    /// How many sessions are kept for TLS 1.2 clients that know no tickets.
    pub sessions_max: usize,
    /// How often the files are looked at; `None` never looks.
    pub watch_interval: Option<Duration>,
}

impl Tls {
    /// Client certificate required, TLS 1.2 and 1.3, resumption on, files watched every second.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            authorities: Vec::new(),
            revocation_lists: Vec::new(),
            client_certificate: ClientCertificate::Required,
            versions: Versions::Tls12And13,
            alpn: Vec::new(),
            resumption: true,
            sessions_max: 1024,
            watch_interval: Some(Duration::from_secs(1)),
        }
    }
}

/// Whether a client must show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// Without one there is no connection.
    Required,
    /// One that is shown must be good.
    Optional,
    /// None is asked for.
    None,
}

/// Which versions of TLS are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// 1.3 where the client can, otherwise 1.2.
    Tls12And13,
    /// 1.3 alone.
    Tls13,
}

/// How much a listener allows.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections open at once, those in their handshake included; more are closed as they come.
    pub connections_max: usize,
    /// Connections open at once from one IPv4 address or one IPv6 /64 network; `None` for no such limit.
    pub connections_per_address_max: Option<usize>,
    /// Handshakes under way at once.
    pub handshakes_max: usize,
    /// Connections that wait for a handshake's place, each no more than a socket. With 0 they wait in the kernel's
    /// queue, where one address can keep the others out.
    pub waiting_max: usize,
    /// Connections taken from the kernel's queue in a second, and as many at once; `None` for no such limit.
    pub connections_per_sec_max: Option<u32>,
    /// How long a connection may be silent before the system asks whether the peer is still there; `None` never asks.
    pub tcp_keep_alive: Option<Duration>,
    /// How long a handshake may take.
    pub handshake_time_max: Duration,
    /// How many connections wait in the kernel's queue; the system may have a lower limit (`net.core.somaxconn`).
    pub backlog_connections_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 100_000,
            connections_per_address_max: None,
            handshakes_max: 512,
            waiting_max: 4096,
            connections_per_sec_max: None,
            tcp_keep_alive: None,
            handshake_time_max: Duration::from_secs(10),
            backlog_connections_max: 4096,
        }
    }
}
