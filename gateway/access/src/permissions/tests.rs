use super::{Decision, Permissions};
use crate::{Cause, Certificate, DistinguishedName, Fingerprint, Identity, Policy, PolicyLimits, Principal};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn principal(fingerprint: u8, policies: &[&str]) -> Principal {
    let policy = |document: &&str| Arc::new(Policy::parse("p", document, PolicyLimits::default()).unwrap());
    let certificate = Certificate {
        fingerprint: Fingerprint::from([fingerprint; 32]),
        subject: DistinguishedName::default(),
        issuer: DistinguishedName::default(),
        subject_alternative_names: Vec::new(),
        issuer_alternative_names: Vec::new(),
        serial_number: String::new(),
        not_before_secs: 0,
        not_after_secs: 0,
        is_authority: false,
    };
    Principal {
        certificate: Arc::new(certificate),
        user: None,
        things: Arc::new([]),
        policies: policies.iter().map(policy).collect(),
    }
}

fn document(effect: &str, resource: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}", "Action": "iot:*", "Resource": "{resource}"}}}}"#
    )
}

#[test]
fn a_deny_tells_its_place() {
    let (allow, deny) = (document("Allow", "*"), document("Deny", "topic/a"));
    let permissions = Permissions::bind(&principal(1, &[&allow, &deny]), "c", ADDRESS);
    assert_eq!(permissions.publish("a", false), Decision::ExplicitlyDenied { policy: 1, statement: 0 });
    assert_eq!(permissions.publish("b", true), Decision::Allowed);
}

#[test]
fn a_refresh_reaches_every_clone_of_an_identity() {
    let (before, after) = (document("Allow", "topic/a"), document("Allow", "topic/b"));
    let identity = Identity::new(&principal(1, &[&before]), "c", ADDRESS);
    let clone = identity.clone();
    assert!(clone.receive("a").is_allowed());
    identity.refresh(&principal(1, &[&after]));
    assert!(!clone.receive("a").is_allowed());
    assert!(clone.receive("b").is_allowed());
}

#[test]
fn an_identity_never_changes_hands() {
    let (mine, other) = (document("Allow", "topic/a"), document("Allow", "*"));
    let identity = Identity::new(&principal(1, &[&mine]), "c", ADDRESS);
    identity.refresh(&principal(2, &[&other]));
    assert!(!identity.receive("b").is_allowed());
}

#[test]
fn the_device_is_told_what_but_not_by_which_policy() {
    let (allow, deny) = (document("Allow", "topic/x"), document("Deny", "topic/a"));
    let permissions = Permissions::bind(&principal(1, &[&allow, &deny]), "c", ADDRESS);
    let denied = permissions.authorise_receive("a").unwrap_err();
    assert_eq!(denied.reason_string(), "iot:Receive on topic/a is denied by a policy");
    assert_eq!((denied.label(), denied.resource()), ("explicit_deny", "topic/a"));
    let denied = permissions.authorise_receive(&"é\u{7}".repeat(60_000)).unwrap_err();
    assert_eq!(denied.label(), "not_allowed");
    assert!(denied.reason_string().chars().count() < 300 && !denied.reason_string().contains('\u{7}'));
    let denied = Permissions::bind(&principal(1, &[]), "c", ADDRESS).authorise_receive("a").unwrap_err();
    assert_eq!((denied.cause(), denied.label()), (&Cause::NoPolicy, "no_policy"));
}

#[test]
fn what_has_no_effect_is_told_to_the_author() {
    let document = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "topic/a"},
        {"Effect": "Allow", "Action": "iot:GetThingShadow", "Resource": "thing/a"}]}"#;
    let policy = Policy::parse("p", document, PolicyLimits::default()).unwrap();
    assert_eq!(
        policy.warnings(),
        [
            "statement 1 names `iot:Subscribe`, which needs a resource `topicfilter/…`, and has none",
            "statement 2 names no action of MQTT, so it has no effect here",
        ]
    );
}
