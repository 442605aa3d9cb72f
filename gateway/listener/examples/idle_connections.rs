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
        ["devices", address, directory, device, version, count, rounds] => {
            let client = client(directory, device, version);
            let (count, rounds) = (count.parse().unwrap(), rounds.parse().unwrap());
            runtime.block_on(devices(address.parse().unwrap(), client, count, rounds));
        }
        [count] => runtime.block_on(measure(count.parse().unwrap())),
        _ => runtime.block_on(measure(2000)),
    }
}

async fn measure(connections: usize) {
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
    for version in ["1.3", "1.2"] {
        let mut listener =
            Listener::bind(Settings::tls("measured", "127.0.0.1:0".parse().unwrap(), tls.clone())).unwrap();
        let address = listener.local_address();
        let start =
            |count: usize, rounds: usize| spawn_devices(address, &authority, &device, version, count, rounds);
        let mut idle = start(connections, 0);
        let memory_before = resident_bytes();
        let processor_before = processor_time();
        let mut held = Vec::with_capacity(connections);
        while held.len() < connections {
            held.push(hold(listener.accept().await.unwrap()));
        }
        let full = (processor_time() - processor_before) / u32::try_from(connections).unwrap();
        let each = (resident_bytes() - memory_before) / connections;
        println!("TLS {version}: {connections} idle connections, {each} bytes each, full handshake {full:?}");
        idle.kill().unwrap();
        idle.wait().unwrap();
        for task in held {
            task.await.unwrap();
        }

        let mut resuming = start(1, connections);
        let mut processor_before = processor_time();
        let mut resumed = 0;
        for round in 0..connections {
            let accepted = listener.accept().await.unwrap();
            resumed += u32::from(accepted.resumed);
            drop(hold(accepted));
            if round == 0 {
                processor_before = processor_time();
            }
        }
        let each = (processor_time() - processor_before) / resumed.max(1);
        println!("TLS {version}: {resumed} of {connections} resumed, {each:?} each");
        resuming.wait().unwrap();
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
    count: usize,
    rounds: usize,
) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["devices", &address.to_string(), authority.directory().to_str().unwrap()])
        .args([&device.issued.common_name, version, &count.to_string(), &rounds.to_string()])
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// Opens `count` connections without resumption and keeps them; with `rounds`, makes so many one after the other.
async fn devices(address: SocketAddr, client: ClientConfig, count: usize, rounds: usize) {
    let resuming = Arc::new(client.clone());
    for _ in 0..rounds {
        let mut stream = dial(address, &resuming).await;
        stream.shutdown().await.unwrap();
    }
    if rounds > 0 {
        return;
    }
    let mut fresh = client;
    fresh.resumption = rustls::client::Resumption::disabled();
    let fresh = Arc::new(fresh);
    let mut open = Vec::with_capacity(count);
    while open.len() < count {
        let at_once = DIALS_AT_ONCE.min(count - open.len());
        let dials: Vec<_> = (0..at_once)
            .map(|_| {
                let fresh = Arc::clone(&fresh);
                tokio::spawn(async move { dial(address, &fresh).await })
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
