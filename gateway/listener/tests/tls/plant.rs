//! A plant with an authority, a server certificate, and devices that connect.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use certs::{Authority, Credentials, Validity};
use listener::{Accepted, Listener, Reason, Security, Settings, Tls};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) type Version = &'static SupportedProtocolVersion;
pub(crate) const TLS_12: Version = &rustls::version::TLS12;
pub(crate) const TLS_13: Version = &rustls::version::TLS13;
pub(crate) const BOTH_VERSIONS: [Version; 2] = [TLS_12, TLS_13];

/// Far more than any step takes; a test that waits this long has failed.
const BOUND: Duration = Duration::from_secs(10);

pub(crate) struct Plant {
    pub(crate) authority: Authority,
    pub(crate) directory: TempDir,
}

impl Plant {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let mut authority =
            Authority::create(directory.path(), "Plant Authority", Validity::days(30)).unwrap();
        authority.issue_server(&["localhost", "127.0.0.1"], Validity::days(7)).unwrap();
        Self { authority, directory }
    }

    pub(crate) fn device(&mut self, name: &str) -> Credentials {
        self.authority.issue_device(name, None, Validity::days(7)).unwrap()
    }

    /// TLS with everything the authority's directory holds; files are not watched.
    pub(crate) fn tls(&self) -> Tls {
        let (certificate, key) = self.authority.server_files();
        Tls {
            authorities: vec![self.authority.certificate_file()],
            revocation_lists: vec![self.authority.revocation_list_file()],
            watch_interval: None,
            ..Tls::new(certificate, key)
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::tls("test", loopback(), self.tls())
    }

    pub(crate) fn settings_with(&self, change: impl FnOnce(&mut Tls)) -> Settings {
        let mut tls = self.tls();
        change(&mut tls);
        Settings { security: Security::Tls(Box::new(tls)), ..self.settings() }
    }

    pub(crate) fn listen(&self) -> Listener {
        Listener::bind(self.settings()).unwrap()
    }

    /// A client that trusts this plant's authority; it keeps its sessions as long as the value lives.
    pub(crate) fn client(&self, credentials: Option<&Credentials>, version: Version) -> Arc<ClientConfig> {
        Arc::new(client_config(self.authority.certificate(), credentials, version))
    }
}

pub(crate) fn client_config(
    trusted: &CertificateDer<'static>,
    credentials: Option<&Credentials>,
    version: Version,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    match credentials {
        Some(credentials) => {
            builder.with_client_auth_cert(vec![credentials.certificate.clone()], credentials.key()).unwrap()
        }
        None => builder.with_no_client_auth(),
    }
}

pub(crate) fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

pub(crate) fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// Waits for a future, but not for ever.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future).await.expect("this takes milliseconds")
}

/// Waits until something is so, but not for ever.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    within(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

pub(crate) async fn until_refused(listener: &Listener, reason: Reason, times: u64) {
    until(|| {
        let stats = listener.stats();
        let others: u64 = stats.refused.iter().sum::<u64>() - stats.refused_for(reason);
        assert_eq!(others, 0, "only {reason} is expected: {stats:?}");
        stats.refused_for(reason) >= times
    })
    .await;
}

/// Both ends of a connection over which one byte went each way, so that tickets have arrived too.
pub(crate) async fn connect(listener: &mut Listener, client: &Arc<ClientConfig>) -> (Device, Accepted) {
    let address = listener.local_address();
    let both = within(async { tokio::join!(dial(address, client), listener.accept()) }).await;
    let (mut device, mut accepted) = (both.0.unwrap(), both.1.unwrap());
    echo(&mut device, &mut accepted).await;
    (device, accepted)
}

pub(crate) type Device = TlsStream<TcpStream>;

pub(crate) async fn dial(address: SocketAddr, client: &Arc<ClientConfig>) -> io::Result<Device> {
    let socket = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::clone(client)).connect(localhost(), socket).await
}

/// Sends one byte each way.
pub(crate) async fn echo(device: &mut Device, accepted: &mut Accepted) {
    within(async {
        device.write_all(b"?").await.unwrap();
        device.flush().await.unwrap();
        assert_eq!(accepted.stream.read_u8().await.unwrap(), b'?');
        accepted.stream.write_all(b"!").await.unwrap();
        accepted.stream.flush().await.unwrap();
        assert_eq!(device.read_u8().await.unwrap(), b'!');
    })
    .await;
}

/// What the client is told when it is refused. In TLS 1.3 its own handshake is done before the server's, so the
/// refusal is what it reads first.
pub(crate) async fn refusal(address: SocketAddr, client: &Arc<ClientConfig>) -> String {
    within(async {
        match dial(address, client).await {
            Err(error) => error.to_string(),
            Ok(mut device) => device.read_u8().await.unwrap_err().to_string(),
        }
    })
    .await
}
