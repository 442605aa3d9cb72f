//! How devices reach the server: addresses, certificates, and where each device comes from.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;

use super::device::Device;
use crate::credentials::{Credentials, Standing};
use crate::error::Error;
use crate::scenario::{Scenario, Server, Sources, Transport};
use crate::transport::{self, Endpoint, Link};

/// The way to the server.
pub(super) struct Reach {
    /// One for each fleet.
    endpoints: Vec<Endpoint>,
    sources: Sources,
    credentials: Option<Credentials>,
}

impl Reach {
    /// Looks up the server's address. Blocks while it does.
    pub(super) fn prepare(scenario: &Scenario, credentials: Option<Credentials>) -> Result<Self, Error> {
        let server = &scenario.server;
        let address = resolve(server)?;
        let encrypted = scenario.fleets.iter().any(|fleet| fleet.transport.is_encrypted());
        let name = match ServerName::try_from(server.server_name.clone()) {
            Ok(name) => name,
            Err(_) if encrypted => return Err(Error::ServerName(server.server_name.clone())),
            // Without TLS nobody looks at it.
            Err(_) => address.ip().into(),
        };
        let endpoint = |carrier| Endpoint {
            path: server.websocket_path.clone(),
            ..Endpoint::new(address, carrier, name.clone())
        };
        let endpoints = scenario.fleets.iter().map(|fleet| endpoint(carrier(fleet.transport))).collect();
        Ok(Self { endpoints, sources: server.source_addresses.clone(), credentials })
    }

    /// Begins to connect a device. `settings` is what it uses for TLS, made when it is needed for the first time: it
    /// remembers the sessions that can be resumed.
    ///
    /// # Errors
    /// In words that can be counted.
    pub(super) fn open(
        &self,
        device: &Device,
        standing: Standing,
        settings: &mut Option<Arc<ClientConfig>>,
    ) -> Result<Link, String> {
        let index = device.index();
        let endpoint = &self.endpoints[device.role().number];
        let source = self.sources.of_device(index);
        let make = || {
            let credentials = self.credentials.as_ref().expect("a scenario with TLS has credentials");
            credentials.settings(index, device.name(), standing).map_err(|error| error.to_string())
        };
        let other = match standing {
            _ if !endpoint.transport.has_tls() => None,
            Standing::Valid => {
                if settings.is_none() {
                    *settings = Some(make()?);
                }
                None
            }
            // Not kept: its session must not be taken for one of the good certificate's.
            _ => Some(make()?),
        };
        Link::open(endpoint, source, other.as_ref().or(settings.as_ref()))
            .map_err(|failure| failure.to_string())
    }
}

fn carrier(transport: Transport) -> transport::Transport {
    match transport {
        Transport::Tcp => transport::Transport::Tcp,
        Transport::Tls => transport::Transport::Tls,
        Transport::WebSocket => transport::Transport::WebSocket,
        Transport::WebSocketTls => transport::Transport::WebSocketTls,
    }
}

/// The first address of the server that devices can come to from where they are.
fn resolve(server: &Server) -> Result<SocketAddr, Error> {
    let name = &server.address;
    let found = (name.host.as_str(), name.port)
        .to_socket_addrs()
        .map_err(|source| Error::Resolve { host: name.host.clone(), reason: source.to_string() })?;
    let wanted = server.source_addresses.of_device(0).map(|source| source.is_ipv4());
    let mut found: Vec<SocketAddr> = found.collect();
    // Servers that listen on one kind of address mostly listen on IPv4.
    found.sort_by_key(|address| !address.is_ipv4());
    let reachable = |address: &&SocketAddr| wanted.is_none_or(|ipv4| address.is_ipv4() == ipv4);
    found.iter().find(reachable).copied().ok_or_else(|| Error::Resolve {
        host: name.host.clone(),
        reason: "it has no address of the kind of the source addresses".to_owned(),
    })
}
