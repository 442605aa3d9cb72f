//! TLS against a server of the same library in its other form, with buffers and threads. Real servers of others are
//! met in the end-to-end tests.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName};

use super::*;
use crate::credentials::{Authority, Credentials, Standing, Trust};
use crate::scenario::{Certificates, Server};

/// Says everything back, to one client after the other, until the test ends.
fn echo(directory: &Path, versions: &[&'static rustls::SupportedProtocolVersion]) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(directory.join("authority.crt")).unwrap()).unwrap();
    let list = CertificateRevocationListDer::from_pem_file(directory.join("crl.pem")).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .with_crls([list])
        .build()
        .unwrap();
    let chain = vec![CertificateDer::from_pem_file(directory.join("server.crt")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(directory.join("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((socket, _)) = listener.accept() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, socket);
            let mut buffer = vec![0; 70_000];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    address
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::new(address, Transport::Tls, ServerName::try_from("localhost").unwrap())
}

fn made(directory: &Path) -> Credentials {
    let certificates = Certificates::Made(directory.to_owned());
    Credentials::prepare(&Server { certificates, ..Server::default() }, 1).unwrap()
}

fn open(address: SocketAddr, settings: &Arc<ClientConfig>) -> Result<Driven, Failure> {
    let mut driven = Driven::of(Link::open(&endpoint(address), None, Some(settings))?)?;
    driven.until(|driven| driven.link.is_open())?;
    Ok(driven)
}

#[test]
fn bytes_come_back_over_both_versions_and_sessions_are_resumed() {
    let directory = tempfile::tempdir().unwrap();
    let credentials = made(directory.path());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let address = echo(directory.path(), &[version]);
        let settings = credentials.settings(0, "kiln-1", Standing::Valid).unwrap();
        for (round, expected) in [Handshake::Full, Handshake::Resumed, Handshake::Resumed].iter().enumerate()
        {
            let mut driven = open(address, &settings).unwrap();
            for size in [1, 100, 16_384, 200_000] {
                let sent: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
                driven.received.clear();
                driven.send(&sent).unwrap();
                driven.until(|driven| driven.received.len() >= size).unwrap();
                assert!(driven.received == sent, "{size} bytes, {version:?}");
            }
            assert_eq!(driven.link.handshake(), Some(*expected), "{version:?}, round {round}");
            driven.link.close(&mut driven.buffers);
            let ended = driven.until(|_| false).unwrap_err();
            assert_eq!(ended.to_string(), "closed by the gateway");
        }
    }
}

#[test]
fn a_certificate_that_is_not_in_order_is_refused_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let credentials = made(directory.path());
    let address = echo(directory.path(), &[&rustls::version::TLS13]);
    for (standing, expected) in [
        (Standing::Expired, "certificate expired"),
        (Standing::Revoked, "certificate revoked"),
        (Standing::NotYetValid, "certificate expired"),
    ] {
        let settings = credentials.settings(0, "kiln-1", standing).unwrap();
        // With TLS 1.3 the refusal comes when the client believes that all is well.
        let refused = open(address, &settings).and_then(|mut driven| {
            driven.send(b"hello")?;
            driven.until(|_| false)
        });
        let reason = refused.unwrap_err().to_string();
        assert_eq!(reason, expected, "{standing:?}");
    }
}

#[test]
fn a_server_of_another_authority_is_not_trusted() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let credentials = made(ours.path());
    made(theirs.path());
    let address = echo(theirs.path(), &[&rustls::version::TLS13]);
    let settings = credentials.settings(0, "kiln-1", Standing::Valid).unwrap();
    let reason = open(address, &settings).unwrap_err().to_string();
    assert!(reason.starts_with("certificate of the gateway: "), "{reason}");
}

#[test]
fn tls_needs_an_authority() {
    let refused = Link::open(&endpoint(([127, 0, 0, 1], 9).into()), None, None).unwrap_err();
    assert!(matches!(refused, Failure::NoAuthority), "{refused}");
}

#[test]
fn an_idle_link_holds_no_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let credentials = made(directory.path());
    let address = echo(directory.path(), &[&rustls::version::TLS13]);
    let settings = credentials.settings(0, "kiln-1", Standing::Valid).unwrap();
    let mut driven = open(address, &settings).unwrap();
    driven.send(&[7; 5000]).unwrap();
    driven.until(|driven| driven.received.len() == 5000).unwrap();
    assert_eq!(driven.link.held_bytes(), 0);
}

/// Devices without certificates still check the server's.
#[test]
fn a_client_without_certificate_is_told_that_it_needs_one() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::make(directory.path(), &["localhost"]).unwrap();
    let trust = Trust::of(vec![authority.certificate().clone()], true).unwrap();
    let address = echo(directory.path(), &[&rustls::version::TLS13]);
    let refused = open(address, &trust.settings(None).unwrap()).and_then(|mut driven| {
        driven.send(b"hello")?;
        driven.until(|_| false)
    });
    assert_eq!(refused.unwrap_err().to_string(), "certificate required");
}
