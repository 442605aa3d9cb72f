//! Measures what an idle mutual-TLS connection costs the server in resident memory, and a handshake in processor time.
//!
//! `cargo run --release -p listener --example idle_connections -- [CONNECTIONS]`
//!
//! The devices run in a process of their own, so what is measured is the server alone. Each connection is waiting in a
//! read with a buffer of 512 bytes, as a device's connection does between messages.
#![allow(clippy::print_stdout, reason = "the numbers are what this program is for")]
#![allow(clippy::unwrap_used, reason = "a measurement that fails may as well stop")]

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use certs::{Authority, Credentials, Validity};
use listener::{Listener, Settings, Tls};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const READ_BUFFER_BYTES: usize = 512;
const DIALS_AT_ONCE: usize = 32;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["devices", address, directory, device, version, plan] => {
            let client = client(directory, device, version);
            runtime.block_on(devices(address.parse().unwrap(), client, &plan.parse().unwrap()));
        }
        ["measure", version, count] => runtime.block_on(measure(version, count.parse().unwrap())),
        [] => each_version("2000"),
        [count] => each_version(count),
        _ => println!("usage: idle_connections [CONNECTIONS]"),
    }
}

/// Each in a process of its own: memory that the first has freed would be used again by the second.
fn each_version(count: &str) {
    for version in ["1.3", "1.2"] {
        let arguments = ["measure", version, count];
        Command::new(std::env::current_exe().unwrap()).args(arguments).status().unwrap();
    }
}

/// What the devices do.
#[derive(Clone, Copy)]
enum Plan {
    /// So many connections at once, kept open.
    Keep(usize),
    /// So many one after the other, each with a full handshake.
    Full(usize),
    /// So many one after the other, each resuming the session of the one before.
    Resume(usize),
}

impl std::fmt::Display for Plan {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keep(count) => write!(formatter, "keep:{count}"),
            Self::Full(count) => write!(formatter, "full:{count}"),
            Self::Resume(count) => write!(formatter, "resume:{count}"),
        }
    }
}

impl std::str::FromStr for Plan {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (plan, count) = text.split_once(':').unwrap_or_default();
        let count = count.parse()?;
        Ok(match plan {
            "full" => Self::Full(count),
            "resume" => Self::Resume(count),
            _ => Self::Keep(count),
        })
    }
}

async fn measure(version: &str, connections: usize) {
    let directory = tempfile::TempDir::new().unwrap();
    let mut authority = Authority::create(directory.path(), "Authority", Validity::days(2)).unwrap();
    let (certificate, key) = authority.server_files();
    authority.issue_server(&["localhost"], Validity::days(1)).unwrap();
    let device = authority.issue_device("device", None, Validity::days(1)).unwrap();
    let tls = Tls {
        authorities: vec![authority.certificate_file()],
        revocation_lists: vec![authority.revocation_list_file()],
        ..Tls::new(certificate, key)
    };
    let mut listener =
        Listener::bind(Settings::tls("measured", "127.0.0.1:0".parse().unwrap(), tls)).unwrap();
    let address = listener.local_address();
    let start = |plan: Plan| spawn_devices(address, &authority, &device, version, plan);

    let mut idle = start(Plan::Keep(connections));
    let memory_before = resident_bytes();
    let mut held = Vec::with_capacity(connections);
    while held.len() < connections {
        held.push(hold(listener.accept().await.unwrap()));
    }
    let each = (resident_bytes() - memory_before) / connections;
    println!("TLS {version}: {connections} idle connections, {each} bytes each");
    idle.kill().unwrap();
    idle.wait().unwrap();
    for task in held {
        task.await.unwrap();
    }

    for (named, plan) in [("full", Plan::Full(connections)), ("resumed", Plan::Resume(connections))] {
        let mut devices = start(plan);
        let mut processor_before = Duration::ZERO;
        let mut resumed = 0;
        for round in 0..connections {
            let accepted = listener.accept().await.unwrap();
            resumed += usize::from(accepted.resumed);
            drop(hold(accepted));
            if round == 0 {
                processor_before = processor_time();
            }
        }
        let each = (processor_time() - processor_before) / u32::try_from(connections).unwrap();
        println!(
            "TLS {version}: {connections} {named} handshakes ({resumed} resumed), {each:?} of processor time each"
        );
        devices.wait().unwrap();
    }
}

/// Answers one byte and then waits for the peer to go, as idle as a connection can be.
fn hold(mut accepted: listener::Accepted) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        accepted.certificates.clear();
        let _ = accepted.stream.write_all(b"!").await;
        let _ = accepted.stream.flush().await;
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        while accepted.stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
    })
}

fn spawn_devices(
    address: SocketAddr,
    authority: &Authority,
    device: &Credentials,
    version: &str,
    plan: Plan,
) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["devices", &address.to_string(), authority.directory().to_str().unwrap()])
        .args([&device.issued.common_name, version, &plan.to_string()])
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

async fn devices(address: SocketAddr, mut client: ClientConfig, plan: &Plan) {
    if !matches!(plan, Plan::Resume(_)) {
        client.resumption = rustls::client::Resumption::disabled();
    }
    let client = Arc::new(client);
    match *plan {
        Plan::Keep(count) => keep(address, &client, count).await,
        Plan::Full(rounds) | Plan::Resume(rounds) => {
            for _ in 0..rounds {
                dial(address, &client).await.shutdown().await.unwrap();
            }
        }
    }
}

async fn keep(address: SocketAddr, client: &Arc<ClientConfig>, count: usize) {
    let mut open = Vec::with_capacity(count);
    while open.len() < count {
        let at_once = DIALS_AT_ONCE.min(count - open.len());
        let dials: Vec<_> = (0..at_once)
            .map(|_| {
                let client = Arc::clone(client);
                tokio::spawn(async move { dial(address, &client).await })
            })
            .collect();
        for dial in dials {
            open.push(dial.await.unwrap());
        }
    }
    std::future::pending::<()>().await;
}

async fn dial(address: SocketAddr, client: &Arc<ClientConfig>) -> tokio_rustls::client::TlsStream<TcpStream> {
    let socket = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let connecting = TlsConnector::from(Arc::clone(client)).connect(name, socket);
    let mut stream = tokio::time::timeout(Duration::from_secs(30), connecting).await.unwrap().unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'!');
    stream
}

fn client(directory: &str, device: &str, version: &str) -> ClientConfig {
    let authority = Authority::load(directory).unwrap();
    let (certificate, key) = authority.device_files(device).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone()).unwrap();
    let version: &'static SupportedProtocolVersion =
        if version == "1.2" { &rustls::version::TLS12 } else { &rustls::version::TLS13 };
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_file(certificate).unwrap()],
            PrivateKeyDer::from_pem_file(key).unwrap(),
        )
        .unwrap()
}

/// The second field of `statm` counts resident pages of 4,096 bytes.
fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// User and system time of this process, in clock ticks of a hundredth of a second.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
