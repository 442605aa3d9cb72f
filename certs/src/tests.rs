//! What an authority does in its directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use proptest::prelude::*;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::*;

fn authority() -> (TempDir, Authority) {
    let directory = TempDir::new().unwrap();
    let authority = Authority::create(directory.path(), "Test Authority", Validity::days(30)).unwrap();
    (directory, authority)
}

fn issue(authority: &mut Authority, name: &str) -> Credentials {
    authority.issue_device(name, None, Validity::days(7)).unwrap()
}

/// The number of the list in `crl.pem` and the serial numbers on it.
fn revocation_list(authority: &Authority) -> (u64, Vec<String>) {
    let text = fs::read(authority.revocation_list_file()).unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(&text).unwrap();
    let (_, list) = CertificateRevocationList::from_der(&pem.contents).unwrap();
    let number = list.crl_number().unwrap().to_u64_digits()[0];
    (number, list.iter_revoked_certificates().map(|revoked| hex::encode(revoked.raw_serial())).collect())
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn device_names_that_mean_something_elsewhere_are_refused() {
    let cases = [
        ("", "is empty"),
        ("a/b", "holds `/`"),
        ("a\\b", "holds `\\`"),
        ("a+b", "holds `+`"),
        ("a#b", "holds `#`"),
        ("a*b", "holds `*`"),
        ("a?b", "holds `?`"),
        ("a${iot:ClientId}", "holds `$`"),
        ("a\nb", "control character"),
        ("a\0b", "control character"),
        ("a..b", "holds `..`"),
        (".hidden", "begins with"),
        ("-rf", "begins with"),
        (" a", "space"),
        (&"a".repeat(65), "65 characters"),
        (&"\u{10000}".repeat(64), "256 bytes"),
    ];
    let (directory, mut authority) = authority();
    let before = files_below(directory.path());
    for (name, said) in cases {
        let error = authority.issue_device(name, None, Validity::days(1)).unwrap_err();
        assert!(matches!(error, Error::DeviceName { .. }), "{name:?}: {error}");
        assert!(error.to_string().contains(said), "{name:?}: {error}");
        assert!(authority.device_files(name).is_err(), "{name:?}");
    }
    assert_eq!(files_below(directory.path()), before);
    for name in ["sensor-17", "plant:4_a.b", "Fühler 9", "a"] {
        check_device_name(name).unwrap();
    }
}

#[test]
fn what_is_issued_is_listed_again_after_loading() {
    let (directory, mut authority) = authority();
    let server = authority.issue_server(&["localhost", "*.plant.example", "::1"], Validity::days(7)).unwrap();
    let device = authority.issue_device("sensor-1", Some("Plant 4"), Validity::days(7)).unwrap();
    let loaded = Authority::load(directory.path()).unwrap();
    assert_eq!(loaded.list(), [server.issued.clone(), device.issued.clone()]);
    assert_eq!(loaded.fingerprint(), authority.fingerprint());
    assert_eq!(device.issued.fingerprint, Fingerprint::of(&device.certificate));
    assert_eq!(loaded.valid(Kind::Device, "sensor-1"), Some(&device.issued));
    assert_eq!(loaded.valid(Kind::Server, "localhost"), Some(&server.issued));

    let (_, parsed) = x509_parser::parse_x509_certificate(&device.certificate).unwrap();
    assert_eq!(parsed.subject().to_string(), "O=Plant 4, CN=sensor-1");
    assert_eq!(hex::encode(parsed.raw_serial()), device.issued.serial);
    assert!(!parsed.is_ca());
}

#[test]
fn private_keys_are_for_the_owner_alone() {
    let (directory, mut authority) = authority();
    authority.issue_server(&["localhost"], Validity::days(7)).unwrap();
    issue(&mut authority, "sensor-1");
    let keys: Vec<PathBuf> = files_below(directory.path())
        .into_iter()
        .filter(|file| file.extension().is_some_and(|e| e == "key"))
        .collect();
    assert_eq!(keys.len(), 3);
    for key in keys {
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600, "{}", key.display());
    }
}

#[test]
fn nothing_temporary_is_left_behind() {
    let (directory, mut authority) = authority();
    issue(&mut authority, "sensor-1");
    authority.revoke("sensor-1", Reason::Superseded).unwrap();
    let left =
        files_below(directory.path()).into_iter().find(|file| file.to_string_lossy().ends_with(".new"));
    assert_eq!(left, None);
}

#[test]
fn a_second_authority_in_the_same_directory_is_refused() {
    let (directory, _authority) = authority();
    let error = Authority::create(directory.path(), "Other", Validity::days(1)).unwrap_err();
    assert!(matches!(error, Error::AuthorityExists { .. }), "{error}");
    Authority::load_or_create(directory.path(), "Other", Validity::days(1)).unwrap();
}

#[test]
fn an_interrupted_creation_can_be_repeated() {
    let (directory, authority) = authority();
    fs::remove_file(authority.certificate_file()).unwrap();
    drop(authority);
    let error = Authority::load(directory.path()).unwrap_err();
    assert!(matches!(error, Error::NoAuthority { missing: "authority.crt", .. }), "{error}");
    let again = Authority::load_or_create(directory.path(), "Again", Validity::days(1)).unwrap();
    assert_eq!(revocation_list(&again).0, 2);
}

#[test]
fn errors_name_the_file() {
    let (directory, mut authority) = authority();
    let (_other_directory, other) = self::authority();
    issue(&mut authority, "sensor-1");

    let index = directory.path().join("issued.jsonl");
    let good_index = fs::read(&index).unwrap();
    fs::write(&index, [good_index.as_slice(), b"{\"event\":\"melted\"}\n"].concat()).unwrap();
    let error = Authority::load(directory.path()).unwrap_err().to_string();
    assert!(error.contains("issued.jsonl`, line 4:") && error.contains("melted"), "{error}");

    fs::write(&index, "{\"format\":\"iot-gateway issued certificates\",\"version\":2}\n").unwrap();
    let error = Authority::load(directory.path()).unwrap_err();
    assert!(matches!(error, Error::NewerIndex { found: 2, known: 1, .. }), "{error}");
    fs::write(&index, good_index).unwrap();

    fs::copy(other.directory().join("authority.key"), directory.path().join("authority.key")).unwrap();
    let error = Authority::load(directory.path()).unwrap_err();
    assert!(matches!(error, Error::KeyMismatch { .. }), "{error}");

    fs::write(directory.path().join("authority.key"), "no key").unwrap();
    let error = Authority::load(directory.path()).unwrap_err().to_string();
    assert!(error.contains("authority.key` is damaged"), "{error}");
}

#[test]
fn a_device_has_one_valid_certificate_with_files() {
    let (_directory, mut authority) = authority();
    let first = issue(&mut authority, "sensor-1");
    let error = authority.issue_device("sensor-1", None, Validity::days(1)).unwrap_err();
    assert!(matches!(error, Error::AlreadyIssued { .. }), "{error}");
    fs::remove_file(&first.key_file).unwrap();
    let second = issue(&mut authority, "sensor-1");
    assert_ne!(first.issued.fingerprint, second.issued.fingerprint);
    let revoked = authority.revoke("sensor-1", Reason::KeyCompromise).unwrap();
    assert_eq!(revoked.certificates.len(), 2);
    issue(&mut authority, "sensor-1");

    let twice = vec![DeviceRequest::new("twin", Validity::days(1)); 2];
    assert!(matches!(authority.issue_devices(&twice, |_| ()), Err(Error::AlreadyIssued { .. })));
}

#[test]
fn validity_is_what_was_asked_for() {
    let (_directory, mut authority) = authority();
    let now = OffsetDateTime::now_utc();
    let past = Validity::between(now - Duration::days(2), now - Duration::days(1)).unwrap();
    let expired = authority.issue_device("late", None, past).unwrap().issued;
    assert_eq!(expired.status(now), Status::Expired);
    assert_eq!(expired.not_after_secs, past.not_after().unix_timestamp());
    let future = Validity::between(now + Duration::days(1), now + Duration::days(2)).unwrap();
    let early = authority.issue_device("early", None, future).unwrap().issued;
    assert_eq!(early.status(now), Status::NotYetValid);
    assert!(matches!(Validity::between(now, now - Duration::days(1)), Err(Error::Validity { .. })));
    let error = authority.issue_device("long", None, Validity::days(31)).unwrap_err();
    assert!(matches!(error, Error::OutlivesAuthority { .. }), "{error}");
    authority.issue_device("late", None, Validity::days(1)).unwrap();
}

#[test]
fn server_names_are_dns_names_or_addresses() {
    let (_directory, mut authority) = authority();
    for name in ["", "a b", "-a", "a..b", "*", "a.*", "plant/4", "fühler"] {
        let error = authority.issue_server(&[name], Validity::days(1)).unwrap_err();
        assert!(matches!(error, Error::ServerName { .. }), "{name:?}: {error}");
    }
    let none: [&str; 0] = [];
    assert!(matches!(authority.issue_server(&none, Validity::days(1)), Err(Error::NoServerName)));
}

#[test]
fn revoked_by_name_serial_number_or_fingerprint() {
    let (directory, mut authority) = authority();
    let by_name = issue(&mut authority, "sensor-1").issued;
    let by_serial = issue(&mut authority, "sensor-2").issued;
    let by_fingerprint = issue(&mut authority, "sensor-3").issued;
    issue(&mut authority, "sensor-4");
    assert_eq!(revocation_list(&authority), (1, vec![]));

    let fingerprint = by_fingerprint.fingerprint.to_string().to_uppercase();
    let colons: Vec<&str> = (0..32).map(|byte| &fingerprint[byte * 2..byte * 2 + 2]).collect();
    authority.revoke("sensor-1", Reason::KeyCompromise).unwrap();
    authority.revoke(&by_serial.serial.to_uppercase(), Reason::Unspecified).unwrap();
    let revoked = authority.revoke(&colons.join(":"), Reason::CessationOfOperation).unwrap();
    assert_eq!((revoked.list.number, revoked.list.revoked), (4, 3));

    let serials = vec![by_name.serial, by_serial.serial, by_fingerprint.serial];
    assert_eq!(revocation_list(&authority), (4, serials));
    let loaded = Authority::load(directory.path()).unwrap();
    let states: Vec<Status> =
        loaded.list().iter().map(|issued| issued.status(OffsetDateTime::now_utc())).collect();
    assert_eq!(states, [Status::Revoked, Status::Revoked, Status::Revoked, Status::Valid]);

    let again = authority.revoke("sensor-1", Reason::Unspecified).unwrap();
    assert_eq!(again.certificates[0].revocation.unwrap().reason, Reason::KeyCompromise);
    let error = authority.revoke("sensr-4", Reason::Unspecified).unwrap_err().to_string();
    assert!(error.ends_with("did you mean `sensor-4`?"), "{error}");
}

#[test]
fn a_revocation_whose_list_was_not_written_is_completed_at_loading() {
    let (directory, mut authority) = authority();
    let device = issue(&mut authority, "sensor-1").issued;
    let old_list = fs::read(authority.revocation_list_file()).unwrap();
    authority.revoke("sensor-1", Reason::Unspecified).unwrap();
    for left_by_crash in [Some(old_list), Some(b"-----BEGIN X509".to_vec()), None] {
        match left_by_crash {
            Some(bytes) => fs::write(authority.revocation_list_file(), bytes).unwrap(),
            None => fs::remove_file(authority.revocation_list_file()).unwrap(),
        }
        let loaded = Authority::load(directory.path()).unwrap();
        assert_eq!(revocation_list(&loaded).1, [device.serial.as_str()]);
    }
    assert_eq!(revocation_list(&authority).0, 5);
}

#[test]
fn two_processes_share_one_directory() {
    let (directory, mut one) = authority();
    let mut other = Authority::load(directory.path()).unwrap();
    issue(&mut one, "sensor-1");
    issue(&mut other, "sensor-2");
    assert!(matches!(
        other.issue_device("sensor-1", None, Validity::days(1)),
        Err(Error::AlreadyIssued { .. })
    ));
    other.revoke("sensor-1", Reason::Unspecified).unwrap();
    one.refresh().unwrap();
    assert_eq!(one.list(), other.list());
    assert_eq!(one.renew_revocation_list(1).unwrap().number, 3);
}

#[test]
fn a_thousand_devices() {
    let (directory, mut authority) = authority();
    let requests: Vec<DeviceRequest> =
        (0..1000).map(|number| DeviceRequest::new(format!("sensor-{number}"), Validity::days(7))).collect();
    let begin = Instant::now();
    let mut reports = Vec::new();
    let issued = authority.issue_devices(&requests, |done| reports.push(done)).unwrap();
    println!("1000 device certificates in {:?}", begin.elapsed());
    assert_eq!(reports.last(), Some(&1000));
    assert_eq!(issued.len(), 1000);
    assert_eq!(fs::read_dir(directory.path().join("devices")).unwrap().count(), 2000);
    assert_eq!(Authority::load(directory.path()).unwrap().list().len(), 1000);
}

#[test]
fn fingerprints_are_read_as_they_are_shown() {
    let fingerprint = Fingerprint([0xab; 32]);
    assert_eq!(fingerprint.to_string(), "ab".repeat(32));
    assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    for wrong in ["", "ab", &"g".repeat(64), &"ä".repeat(32)] {
        assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
    }
}

/// The index of three devices of which one was revoked, and its lines.
fn index_of_three() -> (TempDir, Vec<u8>) {
    let (directory, mut authority) = authority();
    for name in ["sensor-1", "sensor-2", "sensor-3"] {
        issue(&mut authority, name);
    }
    authority.revoke("sensor-2", Reason::Superseded).unwrap();
    let bytes = fs::read(directory.path().join("issued.jsonl")).unwrap();
    (directory, bytes)
}

#[test]
fn an_index_torn_at_any_byte_holds_every_whole_line() {
    let (directory, bytes) = index_of_three();
    let index = directory.path().join("issued.jsonl");
    let whole_lines = |length: usize| bytes[..length].iter().filter(|byte| **byte == b'\n').count();
    for length in 0..bytes.len() {
        fs::write(&index, &bytes[..length]).unwrap();
        let opened = crate::index::Index::open(&index).unwrap().unwrap();
        // The header and the first revocation list come before the three devices.
        let expected = whole_lines(length).saturating_sub(2).min(3);
        assert_eq!(opened.entries().len(), expected, "torn at byte {length}");
        let kept = fs::read(&index).unwrap();
        assert_eq!(kept.last(), Some(&b'\n'), "torn at byte {length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_index_never_panics(position in 0usize..4096, byte in any::<u8>()) {
        let (directory, mut bytes) = index_of_three();
        let position = position % bytes.len();
        bytes[position] = byte;
        let index = directory.path().join("issued.jsonl");
        fs::write(&index, &bytes).unwrap();
        if let Ok(Some(mut opened)) = crate::index::Index::open(&index) {
            opened.lock().unwrap();
        }
    }

    #[test]
    fn no_device_name_leads_out_of_the_directory(name in ".{0,80}") {
        if check_device_name(&name).is_ok() {
            let path = Path::new("devices").join(format!("{name}.crt"));
            prop_assert_eq!(path.components().count(), 2);
            prop_assert!(path.file_name().unwrap().len() <= 255);
        }
    }
}
