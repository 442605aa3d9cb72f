//! Where a link goes.

use std::net::SocketAddr;

/// A server, and how to speak to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
}

impl Endpoint {
    /// A server that is spoken to without TLS or WebSocket.
    pub fn tcp(address: SocketAddr) -> Self {
        Self { address }
    }
}
