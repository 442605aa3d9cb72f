//! The cases in `cases/`: policy, connection, request, and the decision with its words.

use access::{
    Certificate, ConnectAttributes, DistinguishedName, Fingerprint, Identity, NameAttribute, Policy,
    PolicyLimits, Principal, Publication, Thing, User,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    policies: BTreeMap<String, serde_json::Value>,
    #[serde(default = "client_id")]
    client_id: String,
    #[serde(default = "source_ip")]
    source_ip: IpAddr,
    #[serde(default)]
    things: Vec<DeclaredThing>,
    #[serde(default)]
    subject: Vec<(String, String)>,
    user: Option<String>,
    requests: Vec<Request>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclaredThing {
    name: String,
    #[serde(default, rename = "type")]
    thing_type: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Request {
    connect: bool,
    persistent: bool,
    will: Option<String>,
    retain: bool,
    publish: Option<String>,
    receive: Option<String>,
    subscribe: Option<String>,
    expect: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusedDocument {
    name: String,
    document: String,
    error: String,
}

fn client_id() -> String {
    "kiln-1".to_owned()
}

fn source_ip() -> IpAddr {
    [192, 0, 2, 7].into()
}

fn attribute(name: &str) -> NameAttribute {
    match name {
        "CommonName" => NameAttribute::CommonName,
        "Organization" => NameAttribute::Organization,
        "OrganizationalUnit" => NameAttribute::OrganizationalUnit,
        "Country" => NameAttribute::Country,
        other => panic!("the harness has no attribute `{other}`"),
    }
}

impl Case {
    fn identity(&self) -> Identity {
        let parse = |(name, document): (&String, &serde_json::Value)| {
            let policy = Policy::parse(name, &document.to_string(), PolicyLimits::default());
            Arc::new(policy.unwrap_or_else(|error| panic!("{}: policy `{name}`: {error}", self.name)))
        };
        let subject = self.subject.iter().map(|(name, value)| (attribute(name), value.clone()));
        let certificate = Certificate {
            fingerprint: Fingerprint::from([0xab; 32]),
            subject: DistinguishedName::new(subject),
            issuer: DistinguishedName::default(),
            subject_alternative_names: Vec::new(),
            issuer_alternative_names: Vec::new(),
            serial_number: "1f".to_owned(),
            not_before_secs: 0,
            not_after_secs: 0,
            is_authority: false,
        };
        let thing = |thing: &DeclaredThing| {
            let DeclaredThing { name, thing_type, attributes } = thing;
            Arc::new(Thing {
                name: name.clone(),
                thing_type: thing_type.clone(),
                attributes: attributes.clone(),
            })
        };
        let principal = Principal {
            certificate: Arc::new(certificate),
            user: self.user.clone().map(|name| Arc::new(User { name, salt: [0; 16] })),
            things: self.things.iter().map(thing).collect(),
            policies: self.policies.iter().map(parse).collect(),
        };
        Identity::new(&principal, &self.client_id, self.source_ip)
    }
}

struct Publish<'a>(&'a str, bool);

impl Publication for Publish<'_> {
    fn topic(&self) -> &str {
        self.0
    }

    fn retain(&self) -> bool {
        self.1
    }
}

fn answer(identity: &Identity, request: &Request) -> String {
    let outcome = if request.connect {
        let will = request.will.as_deref().map(|topic| (topic, request.retain));
        identity.authorise_connect(ConnectAttributes { persistent: request.persistent, will })
    } else if let Some(topic) = &request.publish {
        identity.authorise_publish(Publish(topic, request.retain)).map(drop)
    } else if let Some(topic) = &request.receive {
        let outcome = identity.authorise_receive(topic);
        assert_eq!(
            identity.receive(topic).is_allowed(),
            outcome.is_ok(),
            "the cheap answer differs for `{topic}`"
        );
        outcome
    } else {
        identity.authorise_subscribe(request.subscribe.as_deref().expect("a request says what it asks for"))
    };
    outcome.map_or_else(|denied| denied.to_string(), |()| "allowed".to_owned())
}

fn check(cases: &str) {
    let cases: Vec<Case> =
        serde_json::from_str(cases).expect("the file has the shape that the README states");
    assert!(!cases.is_empty());
    for case in cases {
        let identity = case.identity();
        for (number, request) in case.requests.iter().enumerate() {
            assert_eq!(answer(&identity, request), request.expect, "{}, request {number}", case.name);
        }
    }
}

#[test]
fn decisions() {
    check(include_str!("cases/decisions.json"));
}

#[test]
fn connect_attributes() {
    check(include_str!("cases/connect_attributes.json"));
}

#[test]
fn conditions() {
    check(include_str!("cases/conditions.json"));
}

#[test]
fn variables() {
    check(include_str!("cases/variables.json"));
}

#[test]
fn hostile_values() {
    check(include_str!("cases/hostile_values.json"));
}

#[test]
fn refused_documents() {
    let cases: Vec<RefusedDocument> = serde_json::from_str(include_str!("cases/refused.json")).unwrap();
    for RefusedDocument { name, document, error } in cases {
        let refused = Policy::parse("p", &document, PolicyLimits::default());
        assert_eq!(refused.expect_err(&name).to_string(), error, "{name}");
    }
}
