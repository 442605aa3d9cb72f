//! Opening the listening socket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket};

use crate::{LoadError, Settings};

/// How long the system waits for an answer before it asks a silent peer again, and how often it asks.
const PROBE_INTERVAL: Duration = Duration::from_secs(15);
const PROBES_MAX: u32 = 4;

/// Why a listener could not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The port is taken.
    #[error(
        "listener `{name}` can't use `{address}`: another program listens there; stop it (`ss -ltnp` shows which) or set another port"
    )]
    InUse {
        /// The listener.
        name: String,
        /// The address.
        address: SocketAddr,
    },
    /// The port needs a privilege.
    #[error(
        "listener `{name}` may not use `{address}`: ports below 1024 need the capability CAP_NET_BIND_SERVICE; grant it or set a higher port"
    )]
    NotPermitted {
        /// The listener.
        name: String,
        /// The address.
        address: SocketAddr,
    },
    /// The machine has no such address.
    #[error(
        "listener `{name}` can't use `{address}`: this machine has no such address; `0.0.0.0` listens on all"
    )]
    NoSuchAddress {
        /// The listener.
        name: String,
        /// The address.
        address: SocketAddr,
    },
    /// Any other refusal of the operating system.
    #[error("listener `{name}` can't listen on `{address}`: {source}")]
    Other {
        /// The listener.
        name: String,
        /// The address.
        address: SocketAddr,
        /// The refusal.
        source: io::Error,
    },
    /// The TLS files can't be used.
    #[error("listener `{name}`: {source}")]
    Tls {
        /// The listener.
        name: String,
        /// Which file and why.
        source: LoadError,
    },
}

/// Opens the socket a listener listens on.
pub(crate) fn open(settings: &Settings) -> Result<TcpListener, BindError> {
    let address = settings.address;
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Without it a restart would have to wait until the connections of the last run are forgotten.
        socket.set_reuseaddr(true)?;
        // Inherited by the connections.
        if let Some(silence_max) = settings.limits.tcp_keep_alive {
            let probes = TcpKeepalive::new()
                .with_time(silence_max)
                .with_interval(PROBE_INTERVAL)
                .with_retries(PROBES_MAX);
            SockRef::from(&socket).set_tcp_keepalive(&probes)?;
        }
        socket.bind(address)?;
        socket.listen(settings.limits.backlog_connections_max)
    };
    listen().map_err(|source: io::Error| {
        let name = settings.name.clone();
        match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { name, address },
            io::ErrorKind::PermissionDenied => BindError::NotPermitted { name, address },
            io::ErrorKind::AddrNotAvailable => BindError::NoSuchAddress { name, address },
            _ => BindError::Other { name, address, source },
        }
    })
}
