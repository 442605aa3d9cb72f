//! TLS for the reader's client: a Unix-domain socket that only this user may reach on one side, the server on the other.
//!
//! So the client needs no TLS of its own, and the certificates are those of the fleet.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::broker::Tls;

/// For reaching the server and for the TLS handshake together.
const HANDSHAKE_SECS_MAX: u64 = 15;

/// Carries the reader's connections, one at a time.
pub(super) struct Tunnel {
    // Removed with the socket when the tunnel is dropped.
    _directory: tempfile::TempDir,
    socket: PathBuf,
    serving: JoinHandle<()>,
}

impl Tunnel {
    /// Listens, and serves until it is dropped. `server` is HOST:PORT.
    pub(super) fn start(server: String, tls: Tls) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("device-sim-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir()?;
        let socket = directory.path().join("reader");
        let listener = UnixListener::bind(&socket)?;
        let serving = tokio::spawn(async move {
            // The reader has one connection at a time, and closes one before it opens the next.
            while let Ok((client, _)) = listener.accept().await {
                let _ = carry(client, &server, &tls).await;
            }
        });
        Ok(Self { _directory: directory, socket, serving })
    }

    /// Where the client connects.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn carry(mut client: UnixStream, server: &str, tls: &Tls) -> io::Result<()> {
    let reach = async {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        TlsConnector::from(Arc::clone(&tls.config)).connect(tls.server_name.clone(), stream).await
    };
    let mut stream = timeout(Duration::from_secs(HANDSHAKE_SECS_MAX), reach).await??;
    copy_bidirectional(&mut client, &mut stream).await.map(drop)
}
