use super::{Certificate, CertificateError, Fingerprint};
use crate::{AlternativeName, NameAttribute};
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, SanType, SerialNumber};
use std::sync::OnceLock;

fn device() -> &'static [u8] {
    static DEVICE: OnceLock<Vec<u8>> = OnceLock::new();
    DEVICE.get_or_init(|| {
        let mut parameters = CertificateParams::new(vec!["kiln-1.example".to_owned()]).unwrap();
        parameters.subject_alt_names.push(SanType::IpAddress([192, 0, 2, 1].into()));
        parameters.subject_alt_names.push(SanType::URI("urn:kiln:1".try_into().unwrap()));
        parameters.distinguished_name.push(DnType::CommonName, "kiln-1");
        parameters.distinguished_name.push(DnType::OrganizationName, "Exämple\nCorp");
        parameters.serial_number = Some(SerialNumber::from_slice(&[0x01, 0xab]));
        der(&parameters)
    })
}

fn der(parameters: &CertificateParams) -> Vec<u8> {
    parameters.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

#[test]
fn the_facts_are_read() {
    let certificate = Certificate::from_der(device()).unwrap();
    assert_eq!(certificate.fingerprint, Fingerprint::of(device()));
    assert_eq!(certificate.subject.common_name(), Some("kiln-1"));
    assert_eq!(certificate.subject.value(NameAttribute::Organization, 0), Some("Exämple\nCorp"));
    assert_eq!(certificate.subject.value(NameAttribute::Organization, 1), None);
    assert!(!certificate.subject.as_text().contains('\n'), "{}", certificate.subject.as_text());
    assert_eq!(certificate.serial_number, "01ab");
    assert!(certificate.subject_alternative_names.contains(&AlternativeName::Ip([192, 0, 2, 1].into())));
    assert!(
        certificate.subject_alternative_names.contains(&AlternativeName::Dns("kiln-1.example".to_owned()))
    );
    assert!(certificate.subject_alternative_names.contains(&AlternativeName::Uri("urn:kiln:1".to_owned())));
    assert!(
        certificate.is_valid_at(certificate.not_before_secs)
            && certificate.is_valid_at(certificate.not_after_secs)
    );
    assert!(!certificate.is_valid_at(certificate.not_after_secs + 1));
    assert!(!certificate.is_authority);
}

#[test]
fn an_authority_is_told() {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert!(Certificate::from_der(&der(&parameters)).unwrap().is_authority);
}

#[test]
fn trailing_bytes_and_size_are_refused() {
    let mut longer = device().to_vec();
    longer.push(0);
    assert_eq!(Certificate::from_der(&longer), Err(CertificateError::Trailing { bytes: 1 }));
    assert!(matches!(Certificate::from_der(&vec![0x30; 1 << 20]), Err(CertificateError::TooLong { .. })));
}

#[test]
fn a_fingerprint_is_64_hexadecimal_digits() {
    let text = Fingerprint::of(b"").to_string();
    assert_eq!(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(text.parse(), Ok(Fingerprint::of(b"")));
    assert_eq!(
        serde_json::from_str::<Fingerprint>(&serde_json::to_string(&Fingerprint::of(b"")).unwrap()).unwrap(),
        Fingerprint::of(b"")
    );
    assert!("e3b0".parse::<Fingerprint>().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// A certificate with bytes changed, cut short or doubled never panics, and is never taken for the original.
    #[test]
    fn a_damaged_certificate_is_another_or_none(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>(), shorten: bool,
    ) {
        let mut damaged = device().to_vec();
        for (at, byte) in changes {
            let at = at.index(damaged.len());
            damaged[at] = byte;
        }
        if shorten {
            damaged.truncate(cut.index(damaged.len()));
        }
        if let Ok(certificate) = Certificate::from_der(&damaged) {
            prop_assert_eq!(certificate.fingerprint == Fingerprint::of(device()), damaged == device());
        }
    }
}
