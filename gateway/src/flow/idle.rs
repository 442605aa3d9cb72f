//! What the task of an idle connection consists of: its future is one piece of memory, as large as the largest of what it ever waits for.
//!
//! `cargo test -p iot-gateway idle -- --nocapture` prints the parts. What a whole connection costs is measured from outside, in
//! `tests/tests/idle.rs`.

use super::commit::{Accepted, Commits};
use super::held::Held;
use super::serve::{Connection, serve};
use crate::connection::{Arrived, Carrier, Transport};
use crate::gateway::Gateway;
use certs::{Authority, Validity};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::sync::Arc;

const TASK_BYTES_MAX: usize = 2_000;
/// rustls keeps a buffer of 4,096 bytes to read into once it has read; the rest is keys and the client's certificate.
const TLS_BYTES_MAX: i64 = 9_000;

/// The size of what an asynchronous function makes.
fn future_bytes<A, B, F>(_function: impl FnOnce(A, B) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn the_task_of_a_connection_stays_small() {
    let task = future_bytes::<Arc<Gateway>, Arrived, _>(serve);
    for (name, bytes) in [
        ("task", task),
        ("its state while it serves", size_of::<Connection>()),
        ("of that, messages that wait", size_of::<Commits>()),
        ("of that, one message that waits", size_of::<Accepted>()),
        ("of that, one message there is no room for", size_of::<Held>()),
        ("of that, bytes in and out", size_of::<Transport<Carrier>>()),
        ("on the heap, the state of TLS", size_of::<ServerConnection>()),
    ] {
        eprintln!("{bytes:>6} bytes: {name}");
    }
    assert!(task <= TASK_BYTES_MAX, "{task} bytes for the task of a connection");
}

/// What rustls keeps on the heap for a connection of a device with a certificate, handshake done and one message received.
#[test]
fn tls_keeps_one_read_buffer_and_little_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut authority = Authority::create(folder.path(), "authority", Validity::days(2)).unwrap();
    authority.issue_server(&["localhost"], Validity::days(1)).unwrap();
    let device = authority.issue_device("kiln", None, Validity::days(1)).unwrap();
    let (certificate, key) = authority.server_files();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), provider.clone());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain(&certificate), PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap();
    let (certificate, key) = authority.device_files(&device.issued.common_name).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain(&certificate), PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap();
    let mut client = ClientConnection::new(Arc::new(client), "localhost".try_into().unwrap()).unwrap();
    let server = Arc::new(server);
    let mut held = 0;
    let mut connection = None;
    held += kept(|| connection = Some(ServerConnection::new(Arc::clone(&server)).unwrap()));
    let mut connection = connection.unwrap();
    let mut wire = Vec::new();
    for _ in 0..8 {
        client.write_tls(&mut wire).unwrap();
        let mut answer = Vec::with_capacity(64 * 1024);
        held += kept(|| {
            let mut left = &wire[..];
            while !left.is_empty() {
                connection.read_tls(&mut left).unwrap();
                connection.process_new_packets().unwrap();
            }
            while connection.wants_write() {
                connection.write_tls(&mut answer).unwrap();
            }
            let mut plaintext = [0; 256];
            _ = connection.reader().read(&mut plaintext);
        });
        wire.clear();
        let mut left = &answer[..];
        while !left.is_empty() {
            client.read_tls(&mut left).unwrap();
            client.process_new_packets().unwrap();
        }
        if !client.is_handshaking() {
            client.writer().write_all(b"a message").unwrap();
        }
    }
    assert!(!connection.is_handshaking());
    eprintln!("{held:>6} bytes: on the heap, what rustls keeps beside that");
    assert!(held <= TLS_BYTES_MAX, "{held} bytes");
}

fn chain(file: &std::path::Path) -> Vec<CertificateDer<'static>> {
    vec![CertificateDer::from_pem_file(file).unwrap()]
}

/// Bytes allocated by `work` and not freed in it; less than none when it frees what came before.
fn kept(work: impl FnOnce()) -> i64 {
    allocation_counter::measure(work).bytes_current
}
