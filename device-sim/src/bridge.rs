//! TLS for the devices: a local socket on one side, the gateway on the other.
//!
//! The MQTT client speaks plainly to a Unix-domain socket in a directory that only this user may enter. The bridge
//! learns from the CONNECT which device is speaking, opens TLS to the gateway with that device's certificate, and
//! copies bytes both ways. So the TLS stack is ours to choose, a refusal during the handshake reaches the report with
//! its reason, and there is one place between client and gateway where a connection can be cut, slowed down or
//! garbled on purpose. It must not know MQTT beyond the client id.

mod first_packet;
mod reason;

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::credentials::Tls;
use crate::error::Error;
use crate::tally::Tally;

pub(crate) use reason::{of_client, of_io};

/// The largest CONNECT that is looked into for its client id.
const CONNECT_BYTES_MAX: usize = 70_000;
/// A device's client writes its CONNECT at once.
const CONNECT_PACKET_SECS_MAX: u64 = 10;
/// For reaching the gateway and for the TLS handshake, each.
const HANDSHAKE_SECS_MAX: u64 = 15;
/// Each way; a device's messages are small, and there are many devices.
const COPY_BUFFER_BYTES: usize = 2048;
/// How long to look for the alert that explains a connection the gateway broke off.
const ALERT_MILLIS_MAX: u64 = 200;

/// One for all devices of this process.
pub(crate) struct Bridge {
    // Removed with the socket when the bridge is dropped.
    _directory: tempfile::TempDir,
    socket: PathBuf,
    gateway: String,
    tls: Tls,
    tally: Arc<Tally>,
    /// Why a device's last connection ended; at most one for each device.
    failures: Mutex<HashMap<Arc<str>, String>>,
}

impl Bridge {
    /// Listens, and serves until the returned handle is aborted. `gateway` is HOST:PORT.
    pub(crate) fn start(
        gateway: String,
        tls: Tls,
        tally: Arc<Tally>,
    ) -> Result<(Arc<Self>, tokio::task::JoinHandle<()>), Error> {
        let set_up = |source| Error::SetUp { what: "the local socket of the devices", source };
        let directory = tempfile::Builder::new()
            .prefix("device-sim-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir()
            .map_err(set_up)?;
        let socket = directory.path().join("bridge");
        let listener = UnixListener::bind(&socket).map_err(set_up)?;
        let bridge =
            Arc::new(Self { _directory: directory, socket, gateway, tls, tally, failures: Mutex::default() });
        let serving = tokio::spawn(Arc::clone(&bridge).serve(listener));
        Ok((bridge, serving))
    }

    /// Where the devices' clients connect.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Why this device's last connection ended, if the bridge knows better than the client. Told once.
    pub(crate) fn take_failure(&self, device: &str) -> Option<String> {
        self.failures.lock().remove(device)
    }

    async fn serve(self: Arc<Self>, listener: UnixListener) {
        loop {
            match listener.accept().await {
                // Only this process's devices can reach the socket, so their number bounds the tasks.
                Ok((device, _)) => {
                    let bridge = Arc::clone(&self);
                    tokio::spawn(async move { bridge.carry(device).await });
                }
                // Out of file descriptors: some come back when connections end.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn carry(&self, mut device: UnixStream) {
        let Ok((name, first)) = self.identify(&mut device).await else { return };
        self.failures.lock().remove(&name);
        if let Err(reason) = self.carry_for(&name, &first, &mut device).await {
            // Before `device` is dropped: the client asks as soon as it sees its socket closed.
            self.failures.lock().insert(name, reason);
        }
    }

    /// Reads until the client id is known.
    async fn identify(&self, device: &mut UnixStream) -> io::Result<(Arc<str>, Vec<u8>)> {
        let mut first = Vec::with_capacity(256);
        loop {
            let read = timeout(Duration::from_secs(CONNECT_PACKET_SECS_MAX), device.read_buf(&mut first));
            if read.await?? == 0 || first.len() > CONNECT_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let client_id = first_packet::client_id(&first).map_err(|_| io::ErrorKind::InvalidData)?;
            if let Some(client_id) = client_id {
                let known = self.tls.devices.get_key_value(client_id);
                let (name, _) = known.ok_or(io::ErrorKind::NotFound)?;
                return Ok((Arc::clone(name), first));
            }
        }
    }

    /// The reason for a failure, in words; a connection that ends in order is none.
    async fn carry_for(&self, name: &str, first: &[u8], device: &mut UnixStream) -> Result<(), String> {
        let mut gateway = self.reach(name).await?;
        let copied = async {
            gateway.write_all(first).await?;
            gateway.flush().await?;
            tokio::io::copy_bidirectional_with_sizes(
                device,
                &mut gateway,
                COPY_BUFFER_BYTES,
                COPY_BUFFER_BYTES,
            )
            .await
        };
        match copied.await {
            Ok(_) => Ok(()),
            Err(error) => Err(explain(&mut gateway, &error).await),
        }
    }

    async fn reach(&self, name: &str) -> Result<TlsStream<TcpStream>, String> {
        let limit = Duration::from_secs(HANDSHAKE_SECS_MAX);
        let config = self.tls.devices.get(name).ok_or("no certificate for this device")?;
        let tcp = timeout(limit, TcpStream::connect(&self.gateway))
            .await
            .map_err(|_| "timed out while connecting".to_owned())?
            .map_err(|error| of_io(&error))?;
        // A message is written whole; waiting to fill a segment would only add latency.
        tcp.set_nodelay(true).map_err(|error| of_io(&error))?;
        let handshake = TlsConnector::from(Arc::clone(config)).connect(self.tls.server_name.clone(), tcp);
        let stream = timeout(limit, handshake)
            .await
            .map_err(|_| "timed out in the TLS handshake".to_owned())?
            .map_err(|error| of_io(&error))?;
        match stream.get_ref().1.handshake_kind() {
            Some(HandshakeKind::Resumed) => self.tally.resumed_handshakes.add(1),
            _ => self.tally.full_handshakes.add(1),
        }
        Ok(stream)
    }
}

/// With TLS 1.3 a refused client certificate is told after the handshake. If writing failed first, the alert that
/// says why may still wait to be read.
async fn explain(gateway: &mut TlsStream<TcpStream>, error: &io::Error) -> String {
    if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) {
        let mut rest = [0; 512];
        let look = async {
            loop {
                match gateway.read(&mut rest).await {
                    Ok(0) => return None,
                    Ok(_) => {}
                    Err(later) => return Some(later),
                }
            }
        };
        if let Ok(Some(later)) = timeout(Duration::from_millis(ALERT_MILLIS_MAX), look).await
            && later.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
        {
            return of_io(&later);
        }
    }
    of_io(error)
}
