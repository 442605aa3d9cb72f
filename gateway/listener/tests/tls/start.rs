//! A listener that can't start says what to do.

use std::fs;
use std::path::PathBuf;

use listener::{BindError, Listener, LoadError, Settings, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plant::{Plant, loopback, within};

#[tokio::test]
async fn a_used_port_is_named() {
    let plant = Plant::new();
    let first = plant.listen();
    let mut settings = plant.settings();
    settings.address = first.local_address();
    let error = Listener::bind(settings).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.contains(&first.local_address().to_string()) && said.contains("set another port"), "{said}");
}

#[tokio::test]
async fn an_address_of_another_machine_is_named() {
    let settings = Settings::plain("test", "192.0.2.1:0".parse().unwrap());
    let error = Listener::bind(settings).unwrap_err();
    assert!(matches!(error, BindError::NoSuchAddress { .. }), "{error:?}");
}

#[tokio::test]
async fn a_plain_listener_hands_over_bytes() {
    let mut listener = Listener::bind(Settings::plain("test", loopback())).unwrap();
    let mut socket = TcpStream::connect(listener.local_address()).await.unwrap();
    socket.write_all(b"?").await.unwrap();
    let mut accepted = within(listener.accept()).await.unwrap();
    assert_eq!(accepted.peer, socket.local_addr().unwrap());
    assert!(accepted.certificates.is_empty() && accepted.version.is_none() && !accepted.stream.is_tls());
    assert_eq!(within(accepted.stream.read_u8()).await.unwrap(), b'?');
    assert!(!listener.reload().unwrap().anything());
}

/// What is wrong with the files, and what the error says.
type Case = (&'static str, fn(&Plant, &mut Tls), &'static [&'static str]);

const CASES: &[Case] = &[
    (
        "missing certificate",
        |_, tls| tls.certificate = PathBuf::from("/missing.crt"),
        &["/missing.crt", "check the path"],
    ),
    ("a directory as key", |plant, tls| tls.key = plant.directory.path().to_owned(), &["private key"]),
    (
        "certificate as key",
        |_, tls| tls.key = tls.certificate.clone(),
        &["server.crt", "this is a certificate"],
    ),
    (
        "key as certificate",
        |_, tls| tls.certificate = tls.key.clone(),
        &["server.key", "this is a private key"],
    ),
    (
        "encrypted key",
        |plant, tls| {
            tls.key = plant.directory.path().join("locked.key");
            let text = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
            fs::write(&tls.key, text).unwrap();
        },
        &["locked.key", "encrypted", "openssl pkey"],
    ),
    (
        "key of another certificate",
        |plant, tls| tls.key = plant.directory.path().join("authority.key"),
        &["authority.key", "is not the key of", "server.crt", "replace both"],
    ),
    ("no authority", |_, tls| tls.authorities.clear(), &["no authority is given"]),
    (
        "certificate as revocation list",
        |_, tls| tls.revocation_lists = tls.authorities.clone(),
        &["authority.crt", "holds no revocation list", "X509 CRL"],
    ),
];

#[tokio::test]
async fn bad_files_are_named() {
    for (name, change, said) in CASES {
        let plant = Plant::new();
        let settings = plant.settings_with(|tls| change(&plant, tls));
        let error = Listener::bind(settings).unwrap_err();
        assert!(matches!(error, BindError::Tls { .. }), "{name}: {error:?}");
        let error = error.to_string();
        for part in *said {
            assert!(error.contains(part), "{name}: `{part}` is missing in: {error}");
        }
    }
}

#[test]
fn an_unreadable_key_says_who_must_be_able_to_read_it() {
    // As root every file can be read, so the refusal is made by hand.
    let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let error =
        LoadError::Read { what: "private key", file: PathBuf::from("/etc/gateway/server.key"), source };
    let said = error.to_string();
    assert!(
        said.contains("/etc/gateway/server.key") && said.contains("let the user the gateway runs as"),
        "{said}"
    );
}
