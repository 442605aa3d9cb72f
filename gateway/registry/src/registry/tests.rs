use super::{Registry, Settings};
use crate::{
    Affected, CertificateRecord, CertificateStatus, Operation, Refused, RegisterUnknown, RegistryError,
    RegistryLimits,
};
use access::{Certificate, DistinguishedName, Fingerprint, NameAttribute};
use journal::state::StateStore;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;

const ALLOW: &str =
    r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}}"#;
const DENY: &str =
    r#"{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "iot:*", "Resource": "*"}}"#;
/// In the validity of every certificate made here.
const NOW_MS: u64 = 1_500_000;

fn certificate(number: u32, common_name: &str) -> Arc<Certificate> {
    Arc::new(Certificate {
        fingerprint: Fingerprint::of(&number.to_be_bytes()),
        subject: DistinguishedName::new([(NameAttribute::CommonName, common_name.to_owned())]),
        issuer: DistinguishedName::default(),
        subject_alternative_names: Vec::new(),
        issuer_alternative_names: Vec::new(),
        serial_number: String::new(),
        not_before_secs: 1_000,
        not_after_secs: 2_000,
        is_authority: false,
    })
}

fn open(directory: &TempDir, settings: Settings) -> Arc<Registry> {
    let store = StateStore::open(directory.path()).expect("the directory is fresh or was closed");
    Registry::open(&store, settings).expect("the rows are whole")
}

fn fresh() -> (TempDir, Arc<Registry>) {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let registry = open(&directory, Settings::default());
    (directory, registry)
}

/// A registry with the policy `all` and the active certificate 1 that has it.
fn with_one() -> (TempDir, Arc<Registry>, Arc<Certificate>) {
    let (directory, registry) = fresh();
    let certificate = certificate(1, "kiln-1");
    registry.create_policy("all", ALLOW).expect("the policy is right");
    registry
        .register_certificate(&certificate, CertificateStatus::Active, 5)
        .expect("it is not registered yet");
    registry.attach_policy("all", certificate.fingerprint).expect("both exist");
    (directory, registry, certificate)
}

fn words(outcome: Result<(), RegistryError>) -> String {
    outcome.expect_err("it must be refused").to_string()
}

#[test]
fn only_an_active_certificate_connects() {
    let (_directory, registry, certificate) = with_one();
    assert!(registry.authenticate(&certificate, NOW_MS).is_ok());
    for status in CertificateStatus::ALL {
        registry.update_certificate_status(certificate.fingerprint, status).unwrap();
        let refused = registry.authenticate(&certificate, NOW_MS).err();
        match status {
            CertificateStatus::Active => assert_eq!(refused, None),
            _ => assert!(matches!(refused, Some(Refused::NotActive { status: told, .. }) if told == status)),
        }
    }
}

#[test]
fn a_certificate_out_of_its_time_is_refused() {
    let (_directory, registry, certificate) = with_one();
    let at =
        |now_ms| registry.authenticate(&certificate, now_ms).map(drop).map_err(|refused| refused.label());
    assert_eq!(at(999_999), Err("not_yet_valid"));
    assert_eq!(at(1_000_000), Ok(()));
    assert_eq!(at(2_000_999), Ok(()));
    assert_eq!(at(2_001_000), Err("expired"));
    assert_eq!(at(u64::MAX), Err("expired"));
}

#[test]
fn an_unregistered_certificate_is_refused_with_its_subject() {
    let (_directory, registry) = fresh();
    let refused = registry.authenticate(&certificate(9, "stranger"), NOW_MS).unwrap_err();
    assert!(refused.to_string().contains("CommonName=stranger) is not registered"), "{refused}");
}

#[test]
fn a_principal_has_what_is_attached() {
    let (_directory, registry, certificate) = with_one();
    registry
        .create_thing("kiln-1", Some("kiln"), BTreeMap::from([("line".to_owned(), "7".to_owned())]))
        .unwrap();
    registry.attach_thing_principal("kiln-1", certificate.fingerprint).unwrap();
    let principal = registry.authenticate(&certificate, NOW_MS).unwrap();
    assert_eq!(principal.policies[0].name(), "all");
    let thing = principal.connected_thing("kiln-1").unwrap();
    assert_eq!((thing.thing_type.as_deref(), thing.attributes["line"].as_str()), (Some("kiln"), "7"));
    assert_eq!(principal.connected_thing("kiln-2"), None);
    assert_eq!(registry.list_thing_principals("kiln-1"), [certificate.fingerprint]);
    assert_eq!(registry.list_targets_for_policy("all"), [certificate.fingerprint]);
}

#[test]
fn everything_is_there_after_a_restart() {
    let (directory, registry, certificate) = with_one();
    registry.create_thing("kiln-1", None, BTreeMap::new()).unwrap();
    registry.attach_thing_principal("kiln-1", certificate.fingerprint).unwrap();
    registry.update_policy("all", DENY).unwrap();
    let before = registry.certificate(&certificate.fingerprint);
    drop(registry);
    let registry = open(&directory, Settings::default());
    assert_eq!(registry.certificate(&certificate.fingerprint), before);
    assert_eq!(
        registry.policy("all").map(|policy| (policy.document, policy.version)),
        Some((DENY.to_owned(), 2))
    );
    assert_eq!(registry.list_thing_principals("kiln-1"), [certificate.fingerprint]);
    assert_eq!(registry.authenticate(&certificate, NOW_MS).unwrap().policies.len(), 1);
}

#[test]
fn a_batch_is_done_whole_or_not_at_all() {
    let (directory, registry, certificate) = with_one();
    let two = self::certificate(2, "kiln-2");
    let record = CertificateRecord::new(&two, CertificateStatus::Active, 0);
    let outcome = registry.apply([
        Operation::RegisterCertificate(record),
        Operation::UpdateCertificateStatus {
            certificate: certificate.fingerprint,
            status: CertificateStatus::Revoked,
        },
        Operation::AttachPolicy { policy: "al".to_owned(), certificate: two.fingerprint },
    ]);
    assert_eq!(words(outcome), "there is no policy `al`; did you mean `all`?");
    let unchanged = |registry: &Registry| {
        assert_eq!(registry.certificate_count(), 1);
        assert!(registry.authenticate(&certificate, NOW_MS).is_ok());
    };
    unchanged(&registry);
    drop(registry);
    unchanged(&open(&directory, Settings::default()));
}

#[test]
fn a_fleet_is_registered_in_one_batch() {
    let (directory, registry) = fresh();
    registry.create_policy("all", ALLOW).unwrap();
    let device = |number: u32| {
        let name = format!("device-{number:04}");
        let mut record = CertificateRecord::new(&certificate(number, &name), CertificateStatus::Active, 0);
        record.policies.insert("all".to_owned());
        record.things.insert(name.clone());
        [
            Operation::CreateThing { name, thing_type: None, attributes: BTreeMap::new() },
            Operation::RegisterCertificate(record),
        ]
    };
    registry.apply((0..1_000).flat_map(device)).unwrap();
    drop(registry);
    let registry = open(&directory, Settings::default());
    assert_eq!(registry.certificate_count(), 1_000);
    let seventh = certificate(7, "device-0007");
    assert!(registry.authenticate(&seventh, NOW_MS).unwrap().connected_thing("device-0007").is_some());
}

#[test]
fn lists_come_in_pages() {
    let (_directory, registry) = fresh();
    for name in ["b", "a", "c"] {
        registry.create_thing(name, None, BTreeMap::new()).unwrap();
        registry.create_policy(name, ALLOW).unwrap();
    }
    let names = |after, length| {
        let page = registry.list_things(after, length);
        (page.items.into_iter().map(|thing| thing.name).collect::<Vec<_>>().concat(), page.next_after)
    };
    assert_eq!(names(None, 2), ("ab".to_owned(), Some("b".to_owned())));
    assert_eq!(names(Some("b"), 2), ("c".to_owned(), None));
    assert_eq!(names(None, 3), ("abc".to_owned(), None));
    assert_eq!(registry.list_policies(Some("a"), 9).items.len(), 2);
    assert_eq!(registry.list_certificates(None, 9).items.len(), 0);
}

#[test]
fn refusals_name_what_to_do() {
    let (_directory, registry, certificate) = with_one();
    let fingerprint = certificate.fingerprint;
    registry.create_thing("kiln-1", None, BTreeMap::new()).unwrap();
    registry.attach_thing_principal("kiln-1", fingerprint).unwrap();
    let delete = |operation| words(registry.apply([operation]));
    assert_eq!(
        delete(Operation::DeleteThing { name: "kiln-1".to_owned() }),
        format!("the thing `kiln-1` is attached to certificate `{fingerprint}`; detach it first")
    );
    assert_eq!(
        delete(Operation::DeletePolicy { name: "all".to_owned() }),
        format!("the policy `all` is attached to certificate `{fingerprint}`; detach it first")
    );
    assert_eq!(
        delete(Operation::DeleteCertificate { certificate: fingerprint }),
        format!("certificate `{fingerprint}` is active; set it to INACTIVE or REVOKED before deleting it")
    );
    assert_eq!(words(registry.create_policy("all", ALLOW)), "the policy `all` exists already");
    assert_eq!(
        words(registry.create_policy("p", "{}")),
        "policy `p`: line 1, column 1, `document`: `Version` is missing; write `\"Version\": \"2012-10-17\"`"
    );
    assert_eq!(
        words(registry.create_thing("a/b", None, BTreeMap::new())),
        "`a/b` is not a legal thing name: 1 to 128 letters, digits and `:_-`"
    );
    let attributes = ["a", "b", "c", "d"].map(|name| (name.to_owned(), String::new())).into();
    assert_eq!(
        words(registry.create_thing("t", None, attributes)),
        "attributes of the thing would be 4, the limit is 3 (`attributes_without_type_max`)"
    );
    let update = Operation::UpdateThing {
        name: "kiln-1".to_owned(),
        thing_type: None,
        attributes: BTreeMap::new(),
        expected_version: Some(2),
    };
    assert_eq!(
        delete(update),
        "the thing `kiln-1` has version 1, not 2; read it again and repeat the change"
    );
}

#[test]
fn what_is_attached_and_deleted_in_one_batch_can_go() {
    let (_directory, registry, certificate) = with_one();
    let fingerprint = certificate.fingerprint;
    registry
        .apply([
            Operation::DetachPolicy { policy: "all".to_owned(), certificate: fingerprint },
            Operation::DeletePolicy { name: "all".to_owned() },
            Operation::UpdateCertificateStatus {
                certificate: fingerprint,
                status: CertificateStatus::Inactive,
            },
            Operation::DeleteCertificate { certificate: fingerprint },
        ])
        .unwrap();
    assert_eq!((registry.certificate_count(), registry.policy("all")), (0, None));
}

#[test]
fn a_limit_holds_and_stops_no_deletion() {
    let (directory, registry, certificate) = with_one();
    drop(registry);
    let limits = RegistryLimits { certificates_max: 0, ..RegistryLimits::default() };
    let registry = open(&directory, Settings { limits, ..Settings::default() });
    let outcome = registry.register_certificate(&self::certificate(2, "x"), CertificateStatus::Active, 0);
    assert_eq!(words(outcome), "certificates would be 2, the limit is 0 (`certificates_max`)");
    registry.update_certificate_status(certificate.fingerprint, CertificateStatus::Revoked).unwrap();
    registry.apply([Operation::DeleteCertificate { certificate: certificate.fingerprint }]).unwrap();
}

#[test]
fn a_row_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let store = StateStore::open(directory.path()).unwrap();
    let write = |table: &str, key: &str, row: &str| {
        let mut batch = store.batch();
        batch.insert(&store.table(table).unwrap(), key, row).unwrap();
        batch.commit_durable().unwrap();
    };
    let refused = || Registry::open(&store, Settings::default()).err().expect("the row is bad").to_string();
    write("registry-things", "a", r#"{"format": 2, "record": "of another kind"}"#);
    assert_eq!(
        refused(),
        "the registry row `a` in table `registry-things` cannot be read: its format is 2, this version reads format 1; use the version that wrote it"
    );
    write("registry-things", "a", r#"{"format": 1, "record": {"name": "a", "version": 1}}"#);
    write("registry-policies", "p", "\u{0}");
    assert!(
        refused().starts_with("the registry row `p` in table `registry-policies` cannot be read: "),
        "{}",
        refused()
    );
}

/// The rows of the first format, as they were written: later versions must read them.
#[test]
fn rows_of_format_1_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = StateStore::open(directory.path()).unwrap();
    let fingerprint = Fingerprint::of(b"golden");
    let mut batch = store.batch();
    let mut write =
        |table: &str, key: &[u8], row: &str| batch.insert(&store.table(table).unwrap(), key, row).unwrap();
    write(
        "registry-things",
        b"kiln-1",
        r#"{"format":1,"record":{"name":"kiln-1","thing_type":"kiln","attributes":{"line":"7"},"version":3}}"#,
    );
    let document = serde_json::to_string(ALLOW).unwrap();
    write(
        "registry-policies",
        b"all",
        &format!(r#"{{"format":1,"record":{{"name":"all","document":{document},"version":2}}}}"#),
    );
    write(
        "registry-certificates",
        fingerprint.as_bytes(),
        &format!(
            r#"{{"format":1,"record":{{"fingerprint":"{fingerprint}","status":"PENDING_ACTIVATION","registered_at_ms":9,"subject":"CN=kiln-1","not_after_secs":-1,"policies":["all"],"things":["kiln-1"]}}}}"#
        ),
    );
    batch.commit_durable().unwrap();
    let registry = Registry::open(&store, Settings::default()).unwrap();
    let record = registry.certificate(&fingerprint).unwrap();
    assert_eq!(
        (record.status, record.registered_at_ms, record.not_after_secs),
        (CertificateStatus::PendingActivation, 9, -1)
    );
    assert_eq!(registry.thing("kiln-1").unwrap().version, 3);
    assert_eq!(registry.policy("all").unwrap().version, 2);
}

#[test]
fn a_certificate_that_names_a_lost_policy_is_not_let_in_without_it() {
    let (directory, registry, certificate) = with_one();
    drop(registry);
    let store = StateStore::open(directory.path()).unwrap();
    let mut batch = store.batch();
    batch.remove(&store.table("registry-policies").unwrap(), "all").unwrap();
    batch.commit_durable().unwrap();
    let refused = Registry::open(&store, Settings::default()).err().expect("a policy is missing").to_string();
    assert!(refused.contains("it names the policy `all`, which is not there"), "{refused}");
    assert!(refused.contains(&certificate.fingerprint.to_string()));
}

fn from_trusted_authority(policy: &str) -> Settings {
    let register_unknown = RegisterUnknown::FromTrustedAuthority { default_policy: policy.to_owned() };
    Settings { register_unknown, ..Settings::default() }
}

#[tokio::test]
async fn an_unknown_certificate_is_registered_if_the_settings_say_so() {
    let (directory, registry, _) = with_one();
    let unknown = certificate(2, "kiln-2");
    assert_eq!(registry.admit(&unknown, NOW_MS).await.unwrap_err().label(), "not_registered");
    drop(registry);
    let registry = open(&directory, from_trusted_authority("all"));
    // Two connections of one device at once: one registers, both come in.
    let (first, second) = tokio::join!(registry.admit(&unknown, NOW_MS), registry.admit(&unknown, NOW_MS));
    assert!(second.is_ok());
    let principal = first.unwrap();
    assert_eq!((principal.policies.len(), principal.things.len()), (1, 1));
    assert!(principal.connected_thing("kiln-2").is_some());
    drop(registry);
    assert!(open(&directory, Settings::default()).authenticate(&unknown, NOW_MS).is_ok(), "it is on disk");
}

#[tokio::test]
async fn a_hostile_common_name_makes_no_thing() {
    let (directory, registry, _) = with_one();
    drop(registry);
    let registry = open(&directory, from_trusted_authority("all"));
    for (number, name) in [(2, "a/b"), (3, "+"), (4, ""), (5, "ä"), (6, &*"x".repeat(129))] {
        let principal = registry.admit(&certificate(number, name), NOW_MS).await.unwrap();
        assert!(principal.things.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn what_must_not_register_itself_does_not() {
    let (directory, registry, certificate) = with_one();
    registry.update_certificate_status(certificate.fingerprint, CertificateStatus::Revoked).unwrap();
    drop(registry);
    let registry = open(&directory, from_trusted_authority("missing"));
    assert_eq!(registry.admit(&certificate, NOW_MS).await.unwrap_err().label(), "not_active");
    assert_eq!(registry.admit(&self::certificate(2, "x"), 0).await.unwrap_err().label(), "not_yet_valid");
    let mut authority = (*self::certificate(3, "authority")).clone();
    authority.is_authority = true;
    assert_eq!(registry.admit(&Arc::new(authority), NOW_MS).await.unwrap_err().label(), "authority");
    let refused = registry.admit(&self::certificate(4, "x"), NOW_MS).await.unwrap_err();
    assert!(
        refused.to_string().ends_with("could not be registered: there is no policy `missing`"),
        "{refused}"
    );
    assert_eq!(registry.thing("x"), None, "the thing goes with the certificate");
}

#[tokio::test]
async fn changes_are_announced_in_order_to_those_they_concern() {
    let (_directory, registry, certificate) = with_one();
    let (one, two) = (certificate.fingerprint, self::certificate(2, "x"));
    let mut changes = registry.changes();
    registry.register_certificate(&two, CertificateStatus::Active, 0).unwrap(); // has no connection: not announced
    registry.attach_policy("all", two.fingerprint).unwrap();
    registry.attach_policy("all", two.fingerprint).unwrap(); // changes nothing: not announced
    registry.update_policy("all", DENY).unwrap();
    registry.update_certificate_status(one, CertificateStatus::Revoked).unwrap();
    registry.create_thing("t", None, BTreeMap::new()).unwrap(); // concerns nobody: not announced
    registry.attach_thing_principal("t", two.fingerprint).unwrap();
    let update = Operation::UpdateThing {
        name: "t".to_owned(),
        thing_type: Some("u".to_owned()),
        attributes: BTreeMap::new(),
        expected_version: Some(1),
    };
    registry.apply([update]).unwrap();
    let mut both = [one, two.fingerprint];
    both.sort();
    for expected in [&[two.fingerprint][..], &both, &[one], &[two.fingerprint], &[two.fingerprint]] {
        let affected = changes.next().await.unwrap();
        assert_eq!(affected, Affected::Certificates(expected.into()));
        assert!(expected.iter().all(|fingerprint| affected.contains(fingerprint)));
    }
    drop(registry);
    assert_eq!(changes.next().await, None);
}

#[tokio::test]
async fn a_reader_that_fell_behind_is_told_to_look_at_everything() {
    let (_directory, registry, certificate) = with_one();
    let mut changes = registry.changes();
    for number in 0..300 {
        let status = if number % 2 == 0 { CertificateStatus::Inactive } else { CertificateStatus::Active };
        registry.update_certificate_status(certificate.fingerprint, status).unwrap();
    }
    assert_eq!(changes.next().await, Some(Affected::All));
    assert!(Affected::All.contains(&certificate.fingerprint));
    assert!(matches!(changes.next().await, Some(Affected::Certificates(_))));
}

fn operation() -> impl Strategy<Value = Operation> {
    let name = || "[ab]".prop_map(String::from);
    let fingerprint = || (0..3_u32).prop_map(|number| certificate(number, "x").fingerprint);
    let status = prop::sample::select(&CertificateStatus::ALL[..]);
    prop_oneof![
        (0..3_u32, status.clone()).prop_map(|(number, status)| {
            Operation::RegisterCertificate(CertificateRecord::new(&certificate(number, "x"), status, 1))
        }),
        (fingerprint(), status)
            .prop_map(|(certificate, status)| Operation::UpdateCertificateStatus { certificate, status }),
        fingerprint().prop_map(|certificate| Operation::DeleteCertificate { certificate }),
        name().prop_map(|name| Operation::CreateThing {
            name,
            thing_type: None,
            attributes: BTreeMap::new()
        }),
        name().prop_map(|name| Operation::UpdateThing {
            name,
            thing_type: Some("t".to_owned()),
            attributes: BTreeMap::new(),
            expected_version: None
        }),
        name().prop_map(|name| Operation::DeleteThing { name }),
        name().prop_map(|name| Operation::CreatePolicy { name, document: ALLOW.to_owned() }),
        name().prop_map(|name| Operation::UpdatePolicy { name, document: DENY.to_owned() }),
        name().prop_map(|name| Operation::DeletePolicy { name }),
        (name(), fingerprint())
            .prop_map(|(policy, certificate)| Operation::AttachPolicy { policy, certificate }),
        (name(), fingerprint())
            .prop_map(|(policy, certificate)| Operation::DetachPolicy { policy, certificate }),
        (name(), fingerprint())
            .prop_map(|(thing, certificate)| Operation::AttachThingPrincipal { thing, certificate }),
        (name(), fingerprint())
            .prop_map(|(thing, certificate)| Operation::DetachThingPrincipal { thing, certificate }),
    ]
}

type Picture = (Vec<CertificateRecord>, Vec<String>, Vec<(String, Vec<Fingerprint>, Vec<Fingerprint>)>);

fn picture(registry: &Registry) -> Picture {
    let certificates =
        registry.list_certificates(None, 100).items.iter().map(|record| (**record).clone()).collect();
    let things = registry.list_things(None, 100).items.into_iter().map(|record| format!("{record:?}"));
    let policies = registry.list_policies(None, 100).items.into_iter().map(|record| format!("{record:?}"));
    let holders = |name: &str| {
        (name.to_owned(), registry.list_thing_principals(name), registry.list_targets_for_policy(name))
    };
    (certificates, things.chain(policies).collect(), vec![holders("a"), holders("b")])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Whatever is asked for, alone or in batches: what is in memory is what a restart finds, the ways back from policies
    /// and things agree with the certificates, and a batch with an impossible part changes nothing.
    #[test]
    fn memory_and_disk_agree(batches in proptest::collection::vec(proptest::collection::vec(operation(), 1..4), 1..12)) {
        let (directory, registry) = fresh();
        for batch in batches {
            let before = picture(&registry);
            if registry.apply(batch).is_err() {
                prop_assert_eq!(picture(&registry), before);
            }
        }
        let now = picture(&registry);
        for (name, of_thing, of_policy) in &now.2 {
            let holding = |holds: fn(&CertificateRecord, &str) -> bool| {
                now.0.iter().filter(|record| holds(record, name)).map(|record| record.fingerprint).collect::<Vec<_>>()
            };
            prop_assert_eq!(of_thing, &holding(|record, name| record.things.contains(name)));
            prop_assert_eq!(of_policy, &holding(|record, name| record.policies.contains(name)));
        }
        drop(registry);
        prop_assert_eq!(picture(&open(&directory, Settings::default())), now);
    }
}
