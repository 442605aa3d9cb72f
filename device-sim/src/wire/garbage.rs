//! Packets that no server may accept, for scenarios that try what it does then: it must close the connection
//! [MQTT-4.8.0-1, MQTT-4.13.1-1].

use super::{Version, encode};
use crate::random::Random;

/// How much noise follows where noise follows.
const NOISE_BYTES_MAX: u64 = 200;

/// A kind of packet that is wrong in one way.
struct Garbage {
    name: &'static str,
    write: fn(&mut Vec<u8>, Version, &mut Random),
}

/// All kinds.
const ALL: &[Garbage] = &[
    Garbage { name: "a packet type that does not exist", write: unknown_type },
    Garbage { name: "a length of five bytes", write: long_length },
    Garbage { name: "a PUBLISH with QoS 3", write: qos_3 },
    Garbage { name: "a topic that is not UTF-8", write: not_utf_8 },
    Garbage { name: "a topic with wildcards", write: wildcard },
    Garbage { name: "a PUBLISH with packet id 0", write: packet_id_0 },
    Garbage { name: "a topic longer than its packet", write: long_topic },
    Garbage { name: "a second CONNECT", write: second_connect },
    Garbage { name: "a SUBSCRIBE with wrong flags", write: wrong_flags },
    Garbage { name: "a SUBSCRIBE without filters", write: no_filters },
    Garbage { name: "a PUBREL with wrong flags", write: pubrel_flags },
    Garbage { name: "properties longer than their packet", write: long_properties },
];

/// How many kinds there are.
pub const KINDS: usize = ALL.len();

/// Appends one malformed packet to `out` and says what is wrong with it. The seed and the number of the occurrence
/// decide which; one occurrence after the other, all kinds come in turn.
pub fn write(out: &mut Vec<u8>, version: Version, seed: u64, occurrence: u64) -> &'static str {
    let mut random = Random::new(seed, occurrence);
    // Where the turns begin depends on the seed alone.
    let first = Random::new(seed, u64::MAX).next() % KINDS as u64;
    let garbage = &ALL[((first + occurrence % KINDS as u64) % KINDS as u64) as usize];
    (garbage.write)(out, version, &mut random);
    garbage.name
}

fn unknown_type(out: &mut Vec<u8>, _: Version, random: &mut Random) {
    let length = random.next() % NOISE_BYTES_MAX;
    out.push((random.next() & 0x0F) as u8);
    // Less than 0x80 in all but the longest, so that the length itself is in order.
    out.push((length & 0x7F) as u8);
    out.extend((0..length & 0x7F).map(|_| random.next() as u8));
}

fn long_length(out: &mut Vec<u8>, _: Version, _: &mut Random) {
    out.extend_from_slice(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]);
}

fn qos_3(out: &mut Vec<u8>, version: Version, _: &mut Random) {
    body(out, 0x36, &[0, 1, b't', 0, 1], version, b"x");
}

fn not_utf_8(out: &mut Vec<u8>, version: Version, random: &mut Random) {
    // Continuation bytes without a beginning.
    let wrong = 0x80 | (random.next() & 0x3F) as u8;
    body(out, 0x30, &[0, 3, b't', wrong, wrong], version, b"x");
}

fn wildcard(out: &mut Vec<u8>, version: Version, random: &mut Random) {
    let wildcard = if random.next() & 1 == 0 { b'+' } else { b'#' };
    body(out, 0x30, &[0, 3, b't', b'/', wildcard], version, b"x");
}

fn packet_id_0(out: &mut Vec<u8>, version: Version, _: &mut Random) {
    body(out, 0x32, &[0, 1, b't', 0, 0], version, b"x");
}

fn long_topic(out: &mut Vec<u8>, _: Version, random: &mut Random) {
    out.extend_from_slice(&[0x30, 5, 0xFF, (random.next() & 0xFF) as u8, b't', b't', b't']);
}

fn second_connect(out: &mut Vec<u8>, version: Version, _: &mut Random) {
    let connect = super::Connect::new(version, "again");
    encode::connect(out, &connect).expect("a short client id has a form in bytes");
}

fn wrong_flags(out: &mut Vec<u8>, version: Version, _: &mut Random) {
    body(out, 0x80, &[0, 1], version, &[0, 1, b't', 0]);
}

fn no_filters(out: &mut Vec<u8>, version: Version, _: &mut Random) {
    body(out, 0x82, &[0, 1], version, &[]);
}

fn pubrel_flags(out: &mut Vec<u8>, _: Version, _: &mut Random) {
    out.extend_from_slice(&[0x60, 2, 0, 1]);
}

/// MQTT 3.1.1 has none, so that there it is a filter.
fn long_properties(out: &mut Vec<u8>, _: Version, _: &mut Random) {
    out.extend_from_slice(&[0x82, 6, 0, 1, 0x7F, 0x7F, b't', 0]);
}

/// A packet of less than 128 bytes, with no properties between its beginning and its end.
fn body(out: &mut Vec<u8>, first: u8, beginning: &[u8], version: Version, end: &[u8]) {
    let properties: &[u8] = if version == Version::V5 { &[0] } else { &[] };
    out.push(first);
    out.push((beginning.len() + properties.len() + end.len()) as u8);
    for part in [beginning, properties, end] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::BytesMut;

    use super::*;

    #[test]
    fn every_kind_has_its_turn_and_a_seed_decides_the_bytes() {
        for version in [Version::V3, Version::V5] {
            let play = |seed| {
                let mut bytes = Vec::new();
                let names: Vec<_> =
                    (0..KINDS as u64).map(|turn| write(&mut bytes, version, seed, turn)).collect();
                (names, bytes)
            };
            let (names, bytes) = play(7);
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), KINDS);
            assert_eq!(play(7), (names, bytes.clone()));
            assert_ne!(play(8).1, bytes);
        }
    }

    /// Servers of all kinds are met in the end-to-end tests.
    #[test]
    fn a_codec_that_is_lax_refuses_most_of_it() {
        let refused = (0..KINDS as u64).filter(|turn| {
            let mut bytes = Vec::new();
            write(&mut bytes, Version::V3, 7, *turn);
            rumqttc::mqttbytes::v4::Packet::read(&mut BytesMut::from(&bytes[..]), 1 << 20).is_err()
        });
        // It takes a second CONNECT, and it does not look at wildcards and the flags of SUBSCRIBE and PUBREL.
        assert!(refused.count() >= KINDS - 5);
    }
}
