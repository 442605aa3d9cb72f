//! A Mosquitto that trusts an authority made for it.

use std::fmt::Write as _;
use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::Context;
use device_sim::credentials::{Credentials, Standing};
use device_sim::scenario;
use device_sim::transport::Transport;
use end_to_end::{free_port, wait};
use rustls::ClientConfig;
use tempfile::TempDir;

use super::server::Server;

/// Where Debian puts it; the directory is not in everybody's path.
const PLACES: [&str; 2] = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"];

/// Killed when it is dropped.
pub(crate) struct Mosquitto {
    child: Child,
    _folder: TempDir,
    addresses: [SocketAddr; 4],
    credentials: Credentials,
}

impl Mosquitto {
    /// `None` when it is not installed.
    pub(crate) fn start() -> anyhow::Result<Option<Self>> {
        let Some(program) = PLACES.iter().map(PathBuf::from).find(|place| place.is_file()) else {
            return Ok(None);
        };
        let folder = tempfile::Builder::new().prefix("mosquitto-").tempdir()?;
        let server = scenario::Server {
            certificates: scenario::Certificates::Made(folder.path().join("pki")),
            ..scenario::Server::default()
        };
        let credentials = Credentials::prepare(&server, 1)?;
        let addresses = [free_port()?, free_port()?, free_port()?, free_port()?];
        let configuration = folder.path().join("mosquitto.conf");
        std::fs::write(&configuration, settings(folder.path(), &addresses)?)?;
        let log = File::create(folder.path().join("log"))?;
        let child = Command::new(program)
            .arg("-c")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut mosquitto = Self { child, _folder: folder, addresses, credentials };
        let ready = wait::for_true("Mosquitto listens", wait::SOON, || {
            addresses.iter().all(|address| TcpStream::connect(address).is_ok())
        });
        let log = mosquitto._folder.path().join("log");
        ready.with_context(|| {
            let ended = mosquitto.child.try_wait();
            format!("{ended:?}: {}", std::fs::read_to_string(log).unwrap_or_default())
        })?;
        Ok(Some(mosquitto))
    }
}

fn settings(folder: &Path, addresses: &[SocketAddr; 4]) -> anyhow::Result<String> {
    let pki = folder.join("pki");
    let pki = pki.display();
    let tls = format!(
        "cafile {pki}/authority.crt\ncertfile {pki}/server.crt\nkeyfile {pki}/server.key\ncrlfile {pki}/crl.pem\n\
         require_certificate true\n"
    );
    // Started by root it would become a user who cannot read the key.
    let mut text = "user root\nallow_anonymous true\npersistence false\nlog_type all\n".to_owned();
    for ((_, transport), address) in Transport::ALL.iter().zip(addresses) {
        write!(text, "\nlistener {} {}\n", address.port(), address.ip())?;
        if transport.has_websocket() {
            text.push_str("protocol websockets\n");
        }
        if transport.has_tls() {
            text.push_str(&tls);
        }
    }
    Ok(text)
}

impl Server for Mosquitto {
    fn name(&self) -> &'static str {
        "Mosquitto"
    }

    fn address(&self, transport: Transport) -> SocketAddr {
        let place = Transport::ALL.iter().position(|(_, each)| *each == transport);
        self.addresses[place.expect("the list has every transport")]
    }

    fn settings(&self, standing: Standing) -> anyhow::Result<Arc<ClientConfig>> {
        Ok(self.credentials.settings(0, "kiln-1", standing)?)
    }

    fn refusals(&self) -> &'static [(Standing, &'static str)] {
        &[
            (Standing::Expired, "certificate expired"),
            (Standing::NotYetValid, "bad certificate"),
            (Standing::Revoked, "certificate revoked"),
        ]
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
