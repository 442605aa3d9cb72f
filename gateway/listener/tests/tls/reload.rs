//! Files change while connections are open.

use std::fs;
use std::path::Path;
use std::time::Duration;

use certs::{Authority, Reason as Why, Validity};
use listener::{Listener, LoadError, Reason, Reloaded};
use rustls_pki_types::CertificateDer;

use crate::plant::{Device, Plant, TLS_13, connect, echo, until, within};

fn server_certificate(device: &Device) -> CertificateDer<'static> {
    device.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn a_new_server_certificate_leaves_connections_and_tickets_alone() {
    let mut plant = Plant::new();
    let credentials = plant.device("sensor-1");
    let mut listener = plant.listen();
    let client = plant.client(Some(&credentials), TLS_13);
    let (mut before, mut accepted_before) = connect(&mut listener, &client).await;

    let renewed = plant.authority.issue_server(&["localhost"], Validity::days(3)).unwrap();
    assert_eq!(listener.reload().unwrap(), Reloaded { identity_changed: true, trust_changed: false });
    echo(&mut before, &mut accepted_before).await;
    let (_resumed, accepted) = connect(&mut listener, &client).await;
    assert!(accepted.resumed);
    let (fresh, _accepted) = connect(&mut listener, &plant.client(Some(&credentials), TLS_13)).await;
    assert_eq!(server_certificate(&fresh), renewed.certificate);
    assert_ne!(server_certificate(&before), renewed.certificate);

    assert_eq!(listener.reload().unwrap(), Reloaded::default());
    assert_eq!(listener.stats().reloads, 1);
}

/// A file, what it is overwritten with, and whether the error is the right one.
type Damage<'a> = (&'a Path, Vec<u8>, fn(&LoadError) -> bool);

#[tokio::test]
async fn bad_files_are_named_and_the_old_ones_stay_in_use() {
    let mut plant = Plant::new();
    let credentials = plant.device("sensor-1");
    let mut listener = plant.listen();
    let client = plant.client(Some(&credentials), TLS_13);
    let other = Plant::new();
    let (certificate, key) = plant.authority.server_files();
    let damages: [Damage<'_>; 5] = [
        (&certificate, b"melted".to_vec(), |error| matches!(error, LoadError::Empty { .. })),
        (&key, fs::read(other.authority.server_files().1).unwrap(), |error| {
            matches!(error, LoadError::KeyMismatch { .. })
        }),
        (&key, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_vec(), |error| {
            matches!(error, LoadError::Damaged { what: "private key", .. })
        }),
        (&plant.authority.certificate_file(), Vec::new(), |error| matches!(error, LoadError::Empty { .. })),
        (
            &plant.authority.revocation_list_file(),
            b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n".to_vec(),
            |error| matches!(error, LoadError::Damaged { what: "revocation list", .. }),
        ),
    ];
    for (file, damage, expected) in damages {
        let good = fs::read(file).unwrap();
        fs::write(file, damage).unwrap();
        let error = listener.reload().unwrap_err();
        assert!(expected(&error), "{error:?}");
        assert_eq!(error.file(), Some(file), "{error}");
        let (_device, accepted) = connect(&mut listener, &client).await;
        assert_eq!(accepted.certificates.len(), 1);
        fs::write(file, good).unwrap();
    }
    assert_eq!((listener.stats().reloads, listener.stats().reloads_failed), (0, 5));
}

#[tokio::test]
async fn changed_files_are_found_by_themselves() {
    let mut plant = Plant::new();
    let credentials = plant.device("sensor-1");
    let settings = plant.settings_with(|tls| tls.watch_interval = Some(Duration::from_millis(10)));
    let mut listener = Listener::bind(settings).unwrap();
    let (mut device, mut accepted) = connect(&mut listener, &plant.client(Some(&credentials), TLS_13)).await;

    let key = plant.authority.server_files().1;
    let good = fs::read(&key).unwrap();
    fs::write(&key, "melted").unwrap();
    until(|| listener.stats().reloads_failed == 1).await;
    fs::write(&key, good).unwrap();

    let handle = listener.handle();
    let mut changes = handle.trust_changes();
    plant.authority.revoke("sensor-1", Why::KeyCompromise).unwrap();
    within(changes.changed()).await.unwrap();
    // The connection lives until its owner asks about it.
    echo(&mut device, &mut accepted).await;
    assert_eq!(handle.check(&accepted.certificates).unwrap_err().reason, Reason::Revoked);
    assert_eq!(listener.stats().reloads_failed, 1, "a bad file is tried once");
}

#[tokio::test]
async fn a_second_authority_joins_and_has_no_revocation_list() {
    let mut plant = Plant::new();
    let other_directory = tempfile::TempDir::new().unwrap();
    let mut other = Authority::create(other_directory.path(), "Second", Validity::days(30)).unwrap();
    let stranger = other.issue_device("sensor-9", None, Validity::days(1)).unwrap();
    let ours = plant.device("sensor-1");
    let bundle = plant.directory.path().join("bundle.pem");
    fs::copy(plant.authority.certificate_file(), &bundle).unwrap();
    let settings = plant.settings_with(|tls| tls.authorities = vec![bundle.clone()]);
    let mut listener = Listener::bind(settings).unwrap();

    let both =
        [plant.authority.certificate_file(), other.certificate_file()].map(|file| fs::read(file).unwrap());
    fs::write(&bundle, both.concat()).unwrap();
    assert!(listener.reload().unwrap().trust_changed);
    for credentials in [&stranger, &ours] {
        let (_device, accepted) = connect(&mut listener, &plant.client(Some(credentials), TLS_13)).await;
        assert_eq!(accepted.fingerprint(), Some(credentials.issued.fingerprint.0));
    }
}
