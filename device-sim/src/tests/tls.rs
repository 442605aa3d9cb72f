//! The bridge, against a server with mutual TLS and certificates made on the fly.

use std::path::Path;
use std::sync::Arc;

use certs::{Authority, Reason, Validity};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::broker::{Broker, Manners};
use super::play;

fn authority(directory: &Path, devices: &[&str]) -> Authority {
    let mut authority = Authority::create(directory, "test authority", Validity::days(2)).unwrap();
    authority.issue_server(&["localhost"], Validity::days(1)).unwrap();
    for device in devices {
        authority.issue_device(device, None, Validity::days(1)).unwrap();
    }
    authority
}

fn acceptor(authority: &Authority) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone()).unwrap();
    let list = CertificateRevocationListDer::from_pem_file(authority.revocation_list_file()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .with_crls([list])
        .build()
        .unwrap();
    let (certificate, key) = authority.server_files();
    let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap();
    config.session_storage = rustls::server::ServerSessionMemoryCache::new(64);
    TlsAcceptor::from(Arc::new(config))
}

fn line(directory: &Path, port: u16, rest: &str) -> String {
    format!(
        "--address 127.0.0.1:{port} --server-name localhost --authority {0}/authority.crt \
         --certificates {0}/devices --interval-ms 5 --connect-rate 1000 {rest}",
        directory.display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn each_device_speaks_with_its_own_certificate_and_resumes() {
    let directory = tempfile::tempdir().unwrap();
    let authority = authority(directory.path(), &["kiln-1", "kiln-2", "kiln-3"]);
    for (option, resumed) in [("--resume", true), ("--no-resume", false)] {
        let manners = Manners { cut_after: Some(12), ..Manners::default() };
        let broker = Broker::start(manners, Some(acceptor(&authority))).await;
        let rest = format!("--devices 3 --messages-per-device 30 {option}");
        let summary = play(&line(directory.path(), broker.port, &rest)).await;
        assert_eq!((summary.sent, summary.acknowledged), (90, 90));
        assert_eq!(summary.resumed_handshakes > 0, resumed);
        assert_eq!(summary.connects, summary.full_handshakes + summary.resumed_handshakes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_certificate_is_reported_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let mut authority = authority(directory.path(), &["kiln-1"]);
    authority.revoke("kiln-1", Reason::ALL[0].1).unwrap();
    let broker = Broker::start(Manners::default(), Some(acceptor(&authority))).await;
    let rest = "--devices 1 --messages-per-device 5 --drain-secs 0 --interval-ms 50";
    let summary = play(&line(directory.path(), broker.port, rest).replacen("--interval-ms 5 ", "", 1)).await;
    assert!(summary.connect_failures["certificate revoked"] > 0, "{:?}", summary.connect_failures);
    assert_eq!(summary.exit_status(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_another_authority_is_not_trusted() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    authority(ours.path(), &["kiln-1"]);
    let broker =
        Broker::start(Manners::default(), Some(acceptor(&authority(theirs.path(), &["kiln-1"])))).await;
    let rest = "--devices 1 --messages-per-device 5 --drain-secs 0";
    let summary = play(&line(ours.path(), broker.port, rest)).await;
    let reasons: Vec<_> = summary.connect_failures.keys().collect();
    assert!(reasons.iter().all(|reason| reason.starts_with("certificate of the gateway:")), "{reasons:?}");
    assert!(!reasons.is_empty());
}
