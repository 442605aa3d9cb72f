//! Where a link goes, and through what.

use std::net::SocketAddr;

use rustls_pki_types::ServerName;

/// What carries the bytes of MQTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Bare TCP.
    #[default]
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket over TCP.
    WebSocket,
    /// WebSocket over TLS.
    WebSocketTls,
}

impl Transport {
    /// Every one, with its name in a scenario.
    pub const ALL: [(&'static str, Self); 4] = [
        ("tcp", Self::Tcp),
        ("tls", Self::Tls),
        ("websocket", Self::WebSocket),
        ("websocket_tls", Self::WebSocketTls),
    ];

    /// Whether it encrypts.
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Tls | Self::WebSocketTls)
    }

    /// Whether bytes go in frames of WebSocket.
    pub fn has_websocket(self) -> bool {
        matches!(self, Self::WebSocket | Self::WebSocketTls)
    }
}

/// A server, and how to speak to it. One for all links of a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// What carries the bytes.
    pub transport: Transport,
    /// The name that its certificate must have, if there is TLS.
    pub server_name: ServerName<'static>,
    /// The path that WebSocket asks for.
    pub path: String,
}

impl Endpoint {
    /// The path that servers of MQTT listen to by custom.
    pub const PATH: &'static str = "/mqtt";

    /// A server that is spoken to without TLS or WebSocket.
    pub fn tcp(address: SocketAddr) -> Self {
        Self::new(address, Transport::Tcp, address.ip().into())
    }

    /// A server that answers by `server_name`, with the usual path.
    pub fn new(address: SocketAddr, transport: Transport, server_name: ServerName<'static>) -> Self {
        Self { address, transport, server_name, path: Self::PATH.to_owned() }
    }

    /// What HTTP calls the server.
    pub(super) fn host(&self) -> String {
        let port = self.address.port();
        match &self.server_name {
            ServerName::DnsName(name) => format!("{}:{port}", name.as_ref()),
            _ => self.address.to_string(),
        }
    }
}
