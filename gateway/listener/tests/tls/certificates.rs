//! Who gets in, and what those hear who do not.

use std::sync::Arc;

use certs::{Credentials, Reason as Why, Validity};
use listener::{ClientCertificate, Listener, Reason, TlsVersion, Versions};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use time::{Duration, OffsetDateTime};

use crate::plant::{
    BOTH_VERSIONS, Plant, TLS_12, TLS_13, Version, client_config, connect, refusal, until_refused,
};

#[tokio::test]
async fn a_device_of_our_authority_gets_in_over_both_versions() {
    let mut plant = Plant::new();
    let device = plant.device("sensor-1");
    let mut listener = plant.listen();
    for (version, named) in [(TLS_12, TlsVersion::V1_2), (TLS_13, TlsVersion::V1_3)] {
        let (_device, accepted) = connect(&mut listener, &plant.client(Some(&device), version)).await;
        assert_eq!(accepted.version, Some(named));
        assert_eq!(accepted.certificates, std::slice::from_ref(&device.certificate));
        assert_eq!(accepted.fingerprint(), Some(device.issued.fingerprint.0));
        assert_eq!(accepted.server_name.as_deref(), Some("localhost"));
        assert_eq!(accepted.local, listener.local_address());
        assert!(!accepted.resumed && accepted.stream.is_tls());
    }
    assert_eq!(listener.stats().accepted, 2);
}

/// One way of not being let in.
struct Case {
    name: &'static str,
    credentials: fn(&mut Plant) -> Option<Credentials>,
    reason: Reason,
    alert: &'static str,
}

const CASES: &[Case] = &[
    Case {
        name: "no certificate",
        credentials: |_| None,
        reason: Reason::NoCertificate,
        alert: "CertificateRequired|HandshakeFailure",
    },
    Case {
        name: "another authority",
        credentials: |_| Some(Plant::new().device("sensor-1")),
        // It has the same name, so what gives it away is the signature.
        reason: Reason::UnknownAuthority,
        alert: "UnknownCA|DecryptError",
    },
    Case {
        name: "expired",
        credentials: |plant| {
            let now = OffsetDateTime::now_utc();
            let past = Validity::between(now - Duration::days(2), now - Duration::days(1)).unwrap();
            Some(plant.authority.issue_device("sensor-1", None, past).unwrap())
        },
        reason: Reason::Expired,
        alert: "CertificateExpired",
    },
    Case {
        name: "not yet valid",
        credentials: |plant| {
            let now = OffsetDateTime::now_utc();
            let future = Validity::between(now + Duration::days(1), now + Duration::days(2)).unwrap();
            Some(plant.authority.issue_device("sensor-1", None, future).unwrap())
        },
        reason: Reason::NotYetValid,
        alert: "CertificateExpired|BadCertificate",
    },
    Case {
        name: "revoked",
        credentials: |plant| {
            let device = plant.device("sensor-1");
            plant.authority.revoke("sensor-1", Why::KeyCompromise).unwrap();
            Some(device)
        },
        reason: Reason::Revoked,
        alert: "CertificateRevoked",
    },
    Case {
        name: "a server's certificate",
        credentials: |plant| Some(plant.authority.issue_server(&["localhost"], Validity::days(1)).unwrap()),
        reason: Reason::BadCertificate,
        alert: "UnsupportedCertificate|BadCertificate",
    },
];

async fn check_refused(case: &Case, version: Version) {
    let mut plant = Plant::new();
    let credentials = (case.credentials)(&mut plant);
    let listener = plant.listen();
    let heard = refusal(listener.local_address(), &plant.client(credentials.as_ref(), version)).await;
    until_refused(&listener, case.reason, 1).await;
    let expected = case.alert.split('|').any(|alert| heard.contains(alert));
    assert!(expected, "{}, {version:?}: the client heard {heard}", case.name);
    assert_eq!(listener.stats().accepted, 0);
}

#[tokio::test]
async fn who_does_not_belong_is_refused_over_both_versions() {
    for case in CASES {
        for version in BOTH_VERSIONS {
            check_refused(case, version).await;
        }
    }
}

#[tokio::test]
async fn an_optional_certificate_may_be_missing_but_not_bad() {
    let mut plant = Plant::new();
    let device = plant.device("sensor-1");
    let stranger = Plant::new().device("sensor-1");
    let settings = plant.settings_with(|tls| tls.client_certificate = ClientCertificate::Optional);
    let mut listener = Listener::bind(settings).unwrap();
    let (_device, without) = connect(&mut listener, &plant.client(None, TLS_13)).await;
    assert!(without.certificates.is_empty());
    let (_device, with) = connect(&mut listener, &plant.client(Some(&device), TLS_13)).await;
    assert_eq!(with.certificates.len(), 1);
    refusal(listener.local_address(), &plant.client(Some(&stranger), TLS_13)).await;
    until_refused(&listener, Reason::UnknownAuthority, 1).await;
}

#[tokio::test]
async fn without_client_certificates_no_authority_is_needed() {
    let plant = Plant::new();
    let settings = plant.settings_with(|tls| {
        tls.client_certificate = ClientCertificate::None;
        tls.authorities.clear();
    });
    let mut listener = Listener::bind(settings).unwrap();
    let client = plant.client(None, TLS_13);
    let (_device, first) = connect(&mut listener, &client).await;
    let (_device, second) = connect(&mut listener, &client).await;
    assert!(first.certificates.is_empty() && second.resumed);
}

#[tokio::test]
async fn versions_and_protocols_not_spoken_here_are_refused() {
    let mut plant = Plant::new();
    let device = plant.device("sensor-1");
    let settings = plant.settings_with(|tls| {
        tls.versions = Versions::Tls13;
        tls.alpn = vec!["mqtt".to_owned(), "x-amzn-mqtt-ca".to_owned()];
    });
    let mut listener = Listener::bind(settings).unwrap();
    refusal(listener.local_address(), &plant.client(Some(&device), TLS_12)).await;
    until_refused(&listener, Reason::Incompatible, 1).await;

    let offering = |names: &[&str]| {
        let mut client = client_config(plant.authority.certificate(), Some(&device), TLS_13);
        client.alpn_protocols = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(client)
    };
    for (offered, chosen) in [(&[][..], None), (&["h2", "x-amzn-mqtt-ca"], Some("x-amzn-mqtt-ca"))] {
        let (_device, accepted) = connect(&mut listener, &offering(offered)).await;
        assert_eq!(accepted.alpn.as_deref(), chosen);
    }
    refusal(listener.local_address(), &offering(&["h2"])).await;
    until_refused(&listener, Reason::Incompatible, 2).await;
}

#[tokio::test]
async fn a_client_that_does_not_trust_us_is_named_as_the_one_who_refuses() {
    let mut plant = Plant::new();
    let device = plant.device("sensor-1");
    let other = Plant::new();
    let listener = plant.listen();
    refusal(listener.local_address(), &other.client(Some(&device), TLS_13)).await;
    until_refused(&listener, Reason::RefusedByClient, 1).await;
}

#[tokio::test]
async fn a_certificate_without_its_key_is_no_use() {
    let mut plant = Plant::new();
    let (victim, thief) = (plant.device("victim"), plant.device("thief"));
    let listener = plant.listen();
    for version in BOTH_VERSIONS {
        let mut client = client_config(plant.authority.certificate(), Some(&thief), version);
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&thief.key()).unwrap();
        let pair = CertifiedKey::new(vec![victim.certificate.clone()], key);
        client.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(pair));
        refusal(listener.local_address(), &Arc::new(client)).await;
    }
    until_refused(&listener, Reason::BadCertificate, 2).await;
}
