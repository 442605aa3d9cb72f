//! Servers that devices meet.

use std::net::SocketAddr;
use std::sync::Arc;

use device_sim::credentials::{Credentials, Standing};
use device_sim::scenario;
use device_sim::transport::Transport;
use end_to_end::{Gateway, Site};
use rustls::ClientConfig;

/// A server that listens on each transport.
pub(crate) trait Server {
    fn name(&self) -> &'static str;

    fn address(&self, transport: Transport) -> SocketAddr;

    /// The TLS settings of the device `kiln-1`.
    fn settings(&self, standing: Standing) -> anyhow::Result<Arc<ClientConfig>>;

    /// What it must refuse, and in which words.
    fn refusals(&self) -> &'static [(Standing, &'static str)];
}

pub(crate) struct OurGateway {
    site: Site,
    credentials: Credentials,
    _gateway: Gateway,
}

impl OurGateway {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut site = Site::new("")?;
        site.register(&["kiln-1"])?;
        let folder = site.path("pki/devices");
        // A folder of certificates has its revoked ones beside it.
        let revoked = site.issue(&["gone"])?.remove(0);
        site.authority().revoke("gone", certs::Reason::ALL[0].1)?;
        std::fs::create_dir(folder.join("revoked"))?;
        std::fs::rename(&revoked.certificate_file, folder.join("revoked/gone.crt"))?;
        std::fs::rename(&revoked.key_file, folder.join("revoked/gone.key"))?;
        let server = scenario::Server {
            authority: Some(site.path("pki/authority.crt")),
            certificates: scenario::Certificates::Folder(folder),
            ..scenario::Server::default()
        };
        let credentials = Credentials::prepare(&server, 1)?;
        let gateway = Gateway::start(&site)?;
        Ok(Self { site, credentials, _gateway: gateway })
    }
}

impl Server for OurGateway {
    fn name(&self) -> &'static str {
        "the gateway"
    }

    fn address(&self, transport: Transport) -> SocketAddr {
        match transport {
            Transport::Tcp => self.site.plain_address,
            Transport::Tls => self.site.tls_address,
            Transport::WebSocket => self.site.plain_websocket_address,
            Transport::WebSocketTls => self.site.https_address,
        }
    }

    fn settings(&self, standing: Standing) -> anyhow::Result<Arc<ClientConfig>> {
        Ok(self.credentials.settings(0, "kiln-1", standing)?)
    }

    fn refusals(&self) -> &'static [(Standing, &'static str)] {
        &[(Standing::Revoked, "certificate revoked")]
    }
}
