//! What must hold for every policy, every client id and every certificate.

use access::{
    Certificate, ConnectAttributes, DistinguishedName, Fingerprint, Identity, NameAttribute, Permissions,
    Policy, PolicyLimits, Principal,
};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

fn certificate(common_name: &str) -> Arc<Certificate> {
    Arc::new(Certificate {
        fingerprint: Fingerprint::from([7; 32]),
        subject: DistinguishedName::new([(NameAttribute::CommonName, common_name.to_owned())]),
        issuer: DistinguishedName::default(),
        subject_alternative_names: Vec::new(),
        issuer_alternative_names: Vec::new(),
        serial_number: String::new(),
        not_before_secs: 0,
        not_after_secs: 0,
        is_authority: false,
    })
}

fn permissions(policy: &str, client_id: &str, common_name: &str) -> Permissions {
    let policy = Policy::parse("p", policy, PolicyLimits::default()).expect("the policy is well-formed");
    let principal = Principal {
        certificate: certificate(common_name),
        user: None,
        things: Arc::new([]),
        policies: Arc::new([Arc::new(policy)]),
    };
    Permissions::bind(&principal, client_id, IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn policy(statements: &[(&str, &str)]) -> String {
    let statement = |(effect, resource): &(&str, &str)| {
        serde_json::json!({ "Effect": effect, "Action": ["iot:Publish", "iot:Subscribe", "iot:Receive"],
            "Resource": [format!("topic/{resource}"), format!("topicfilter/{resource}")] })
    };
    let statements: Vec<_> = statements.iter().map(statement).collect();
    serde_json::json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

/// The obvious matcher of `*` and `?`.
fn glob(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    let mut characters = text.chars();
    match first {
        '*' => text.char_indices().any(|(at, _)| glob(rest, &text[at..])) || glob(rest, ""),
        '?' => characters.next().is_some() && glob(rest, characters.as_str()),
        _ => characters.next() == Some(first) && glob(rest, characters.as_str()),
    }
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && !value.chars().any(|c| "+#*?/$".contains(c) || c.is_control())
}

/// Whether the text is what the pattern's two halves match with exactly `value` between them.
fn holds_value(before: &str, value: &str, after: &str, text: &str) -> bool {
    let holds_at = |at: usize| {
        let rest = text[at..].strip_prefix(value);
        rest.is_some_and(|rest| glob(before, &text[..at]) && glob(after, rest))
    };
    text.char_indices().any(|(at, _)| holds_at(at))
}

/// Values that an attacker would try, and plain ones.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab+#*?/$]{0,4}",
        "[ab]{1,3}",
        Just("${iot:ClientId}".to_owned()),
        Just("a}/*".to_owned()),
        Just("a\u{0}".to_owned()),
        any::<String>(),
    ]
}

const VARIABLES: [&str; 2] = ["${iot:ClientId}", "${iot:Certificate.Subject.CommonName}"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn substitution_never_widens_an_allow(
        value in value(), before in "[ab/*?]{0,4}", after in "[ab/*?]{0,4}", text in "[ab+#*?/$]{0,8}", which in 0..2_usize,
    ) {
        let document = policy(&[("Allow", &format!("{before}{}{after}", VARIABLES[which]))]);
        let permissions = permissions(&document, &value, &value);
        // The text as drawn, and the ones an attacker would aim at.
        for text in [text.clone(), format!("{before}{value}{after}"), format!("{before}{text}{after}")] {
            let expected = is_plain(&value) && holds_value(&before, &value, &after, &text);
            prop_assert_eq!(permissions.publish(&text, false).is_allowed(), expected, "publish `{}`", &text);
            prop_assert_eq!(permissions.receive(&text).is_allowed(), expected, "receive `{}`", &text);
            if !text.starts_with("$share/") {
                prop_assert_eq!(permissions.subscribe(&text).is_allowed(), expected, "subscribe `{}`", &text);
            }
        }
    }

    #[test]
    fn substitution_never_narrows_a_deny(
        value in value(), before in "[ab/*?]{0,4}", after in "[ab/*?]{0,4}", text in "[ab+#*?/$]{0,8}", which in 0..2_usize,
    ) {
        let document = policy(&[("Allow", "*"), ("Deny", &format!("{before}{}{after}", VARIABLES[which]))]);
        let permissions = permissions(&document, &value, &value);
        for text in [text.clone(), format!("{before}{value}{after}"), format!("{before}{text}{after}")] {
            let literally = is_plain(&value) && holds_value(&before, &value, &after, &text);
            let widest = !is_plain(&value) && glob(&format!("{before}*{after}"), &text);
            prop_assert_eq!(permissions.publish(&text, false).is_allowed(), !(literally || widest), "publish `{}`", &text);
        }
    }

    #[test]
    fn more_denies_never_allow_more(allow in "[ab*?]{1,4}", deny in "[ab*?]{1,4}", text in "[ab]{0,4}") {
        let (without, with) = (policy(&[("Allow", &allow)]), policy(&[("Deny", &deny), ("Allow", &allow)]));
        let allowed = |document: &str| permissions(document, "c", "c").publish(&text, false).is_allowed();
        prop_assert_eq!(allowed(&with), allowed(&without) && !glob(&deny, &text));
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in any::<String>()) {
        let _ = Policy::parse("p", &text, PolicyLimits::default());
    }

    #[test]
    fn any_json_is_parsed_or_refused(document in document()) {
        // With white space, so that places are computed over lines.
        let text = serde_json::to_string_pretty(&document).unwrap();
        match Policy::parse("p", &text, PolicyLimits { document_characters_max: usize::MAX }) {
            Ok(policy) => exercise(policy),
            Err(error) => {
                let lines: Vec<&str> = text.lines().collect();
                prop_assert!((1..=lines.len()).contains(&error.line), "{}", error);
                prop_assert!((1..=lines[error.line - 1].chars().count() + 1).contains(&error.column), "{}", error);
            }
        }
    }

    #[test]
    fn any_bytes_are_a_certificate_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Certificate::from_der(&bytes);
    }
}

fn exercise(policy: Policy) {
    let principal = Principal {
        certificate: certificate("*"),
        user: None,
        things: Arc::new([]),
        policies: Arc::new([Arc::new(policy)]),
    };
    let identity = Identity::new(&principal, "a/+", IpAddr::V4(Ipv4Addr::LOCALHOST));
    let _ = identity.authorise_connect(ConnectAttributes { persistent: true, will: Some(("w", true)) });
    let _ = identity.authorise_subscribe("$share/");
    let _ = identity.authorise_receive("");
}

/// JSON made of the words of the language, mostly in the wrong places.
fn document() -> impl Strategy<Value = serde_json::Value> {
    let word = prop_oneof![
        Just("2012-10-17"),
        Just("Allow"),
        Just("Deny"),
        Just("iot:*"),
        Just("*"),
        Just("topic/${iot:ClientId}"),
        Just("${"),
        Just("arn:aws:iot:::client/?"),
        Just("true"),
        Just("10.0.0.0/0"),
        Just("::/0"),
        Just("PersistentConnect"),
        Just("\u{e9}\n"),
    ];
    let leaf = prop_oneof![
        word.prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    let any_value = leaf.prop_recursive(4, 32, 4, |inner| {
        let key = prop_oneof![
            Just("Sid"),
            Just("Effect"),
            Just("Action"),
            Just("Resource"),
            Just("Condition"),
            Just("Bool"),
            Just("IpAddress"),
            Just("ForAllValues:StringLike"),
            Just("ArnLike"),
            Just("Null"),
            Just("iot:ClientId"),
            Just("aws:SourceIp"),
            Just("iot:ConnectAttributes"),
            Just("iot:LastWillTopic"),
            Just("iot:Connection.Thing.IsAttached"),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(key.prop_map(str::to_owned), inner, 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    });
    let statement = (any_value.clone(), any_value.clone(), any_value.clone(), any_value.clone()).prop_map(
        |(effect, action, resource, condition)| {
            let effect = if effect.is_string() { effect } else { "Deny".into() };
            let action = if action.is_string() || action.is_array() { action } else { "iot:*".into() };
            serde_json::json!({ "Effect": effect, "Action": action, "Resource": resource, "Condition": condition })
        },
    );
    prop_oneof![
        any_value,
        statement
            .prop_map(|statement| serde_json::json!({ "Version": "2012-10-17", "Statement": statement }))
    ]
}
