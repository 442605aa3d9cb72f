//! Certificates made, kept and found.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::scenario::{Certificates, Handshake, Server};

#[test]
fn an_authority_made_once_is_used_again_and_its_keys_are_secret() {
    let directory = tempfile::tempdir().unwrap();
    let first = Authority::make(directory.path(), &["localhost"]).unwrap();
    let second = Authority::make(directory.path(), &["localhost"]).unwrap();
    assert_eq!(first.certificate(), second.certificate());
    for (file, mode) in [
        ("authority.crt", 0o644),
        ("authority.key", 0o600),
        ("server.crt", 0o644),
        ("server.key", 0o600),
        ("crl.pem", 0o644),
    ] {
        let metadata = std::fs::metadata(directory.path().join(file)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{file}");
    }
}

#[test]
fn a_name_that_cannot_stand_in_a_certificate_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::make(directory.path(), &["localhost"]).unwrap();
    for name in ["", &"x".repeat(65)] {
        let error = authority.issue(name, Standing::Valid).unwrap_err().to_string();
        assert!(error.contains("a common name has 1 to 64 characters"), "{error}");
    }
    assert!(authority.issue(&"ü".repeat(64), Standing::Valid).is_ok());
    let error = Authority::make(&directory.path().join("other"), &["not a name\u{7}é"]).unwrap_err();
    assert!(error.to_string().starts_with("cannot make a certificate for `not a name"), "{error}");
}

#[test]
fn a_folder_names_its_devices_and_says_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let mut authority =
        certs::Authority::create(directory.path(), "authority", certs::Validity::days(2)).unwrap();
    for name in ["b-2", "a-1"] {
        authority.issue_device(name, None, certs::Validity::days(1)).unwrap();
    }
    let folder = directory.path().join("devices");
    let server = Server {
        authority: Some(directory.path().join("authority.crt")),
        certificates: Certificates::Folder(folder.clone()),
        handshake: Handshake::Full,
        ..Server::default()
    };
    let credentials = Credentials::prepare(&server, 2).unwrap();
    let names: Vec<&str> = credentials.names().unwrap().map(|name| &**name).collect();
    assert_eq!(names, ["a-1", "b-2"]);
    assert!(credentials.settings(1, "b-2", Standing::Valid).is_ok());

    let error = credentials.settings(1, "b-2", Standing::Revoked).unwrap_err().to_string();
    let revoked = folder.join("revoked");
    let expected = format!(
        "no certificate that is revoked for `b-2`: put a pair NAME.crt and NAME.key into `{}`",
        revoked.display()
    );
    assert_eq!(error, expected);
    std::fs::create_dir(&revoked).unwrap();
    for end in ["crt", "key"] {
        std::fs::copy(folder.join(format!("a-1.{end}")), revoked.join(format!("any.{end}"))).unwrap();
    }
    assert!(credentials.settings(1, "b-2", Standing::Revoked).is_ok());

    let error = Credentials::prepare(&server, 3).unwrap_err().to_string();
    assert!(error.contains("has 2 pairs"), "{error}");
}

#[test]
fn files_that_do_not_belong_together_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let mut authority =
        certs::Authority::create(directory.path(), "authority", certs::Validity::days(2)).unwrap();
    for name in ["a-1", "b-2"] {
        authority.issue_device(name, None, certs::Validity::days(1)).unwrap();
    }
    let file = |name: &str| directory.path().join("devices").join(name);
    let error = Identity::load(&file("a-1.crt"), &file("b-2.key")).unwrap_err().to_string();
    assert!(error.contains("b-2.key` cannot be used: it is not the key of `"), "{error}");
    let error = Identity::load(&file("a-1.key"), &file("a-1.key")).unwrap_err().to_string();
    assert!(error.contains("it has no certificate in PEM form"), "{error}");
    let error = Authority::load(&file("a-1.crt"), &file("a-1.crt")).unwrap_err().to_string();
    assert!(error.starts_with("authority key `"), "{error}");
}
