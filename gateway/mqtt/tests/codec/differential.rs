//! A second and third opinion: rmqtt-codec and mqtt-protocol-core on our vectors and on our random packets.
//!
//! `tests/differences.json` lists every vector they judge otherwise, each named after its clause, so that an update of either shows.

use crate::generate::versioned;
use crate::peers::{protocol_core, rmqtt};
use crate::vectors::{all, version};
use bytes::BytesMut;
use mqtt::{Packet, Properties, ReasonCode, Version, encode};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Differences {
    /// Invalid vectors it accepts.
    accepts: BTreeSet<String>,
    /// Valid vectors it refuses.
    refuses: BTreeSet<String>,
}

type Judge = fn(&[u8], Version) -> bool;

const PEERS: [(&str, Judge); 2] = [
    ("rmqtt-codec", |bytes, version| rmqtt(bytes, version).is_some()),
    ("mqtt-protocol-core", |bytes, version| protocol_core(bytes, version).is_some()),
];

fn found(judge: Judge) -> Differences {
    let mut differences = Differences::default();
    for (file, vectors) in all() {
        for vector in vectors.valid {
            let version = version(&vector.version).unwrap();
            if !judge(&vector.bytes, version) {
                differences.refuses.insert(format!("{file} {}: {}", vector.version, vector.name));
            }
        }
        for vector in vectors.invalid {
            let Some(version) = version(&vector.version) else { continue };
            if judge(&vector.bytes, version) {
                differences.accepts.insert(format!("{file} {}: {}", vector.version, vector.name));
            }
        }
    }
    differences
}

#[test]
fn other_codecs_differ_only_as_listed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/differences.json");
    let found: BTreeMap<String, Differences> =
        PEERS.iter().map(|(name, judge)| ((*name).to_owned(), found(*judge))).collect();
    if std::env::var_os("UPDATE_DIFFERENCES").is_some() {
        std::fs::write(path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
    }
    let listed: BTreeMap<String, Differences> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for (name, found) in &found {
        let listed = &listed[name];
        let changed: Vec<_> = found
            .accepts
            .symmetric_difference(&listed.accepts)
            .chain(found.refuses.symmetric_difference(&listed.refuses))
            .collect();
        assert!(
            changed.is_empty(),
            "{name} changed its mind; run with UPDATE_DIFFERENCES=1 and review: {changed:#?}"
        );
    }
}

/// Legal packets that rmqtt-codec refuses, as its list in `tests/differences.json` shows.
fn rmqtt_refuses(packet: &Packet) -> bool {
    let expires_at_once = |properties: &Properties| properties.message_expiry_secs() == Some(0);
    match packet {
        Packet::Connect(connect) => {
            let assigned = connect.client_id.is_empty() && !connect.clean_start;
            assigned || connect.will.as_ref().is_some_and(|will| expires_at_once(&will.properties))
        }
        Packet::Publish(publish) => expires_at_once(&publish.properties),
        _ => false,
    }
}

/// mqtt-protocol-core refuses a password without user name (legal in MQTT 5, section 3.1.2.9), and a DISCONNECT with reason 0x8C.
fn protocol_core_refuses(packet: &Packet) -> bool {
    match packet {
        Packet::Connect(connect) => connect.password.is_some() && connect.username.is_none(),
        Packet::Disconnect(disconnect) => disconnect.reason == ReasonCode::BadAuthenticationMethod,
        _ => false,
    }
}

proptest! {
    #[test]
    fn other_codecs_read_what_is_written((packet, version) in versioned()) {
        let mut written = BytesMut::new();
        encode(&packet, version, &mut written).unwrap();
        if !protocol_core_refuses(&packet) {
            let theirs = protocol_core(&written, version);
            prop_assert_eq!(theirs.map(hex::encode), Some(hex::encode(&written)), "mqtt-protocol-core on {:?}", packet);
        }
        if !rmqtt_refuses(&packet) {
            prop_assert!(rmqtt(&written, version).is_some(), "rmqtt-codec on {:?}", packet);
        }
    }
}
