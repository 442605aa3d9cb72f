//! The digest of a map's members: the same for the same names and values, in any order and any way of writing a number.
//!
//! One visitor makes it of JSON text, of CBOR and of trees already read, so that sending and receiving can't differ.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{CHECKSUM_CHARACTERS, Origin, Proof};

/// The members that a proof adds, but for the checksum, in the order in which they are written.
pub(super) const MEMBERS: [&str; 5] = ["deviceId", "sequence", "sentAtMs", "dueMicros", "run"];
/// The member that is never part of a digest.
pub(super) const CHECKSUM: &str = "checksum";
/// The member that fills a payload up to its size. It is checked like any other.
pub(super) const PADDING: &str = "padding";

/// As many members as may have been added to a map, and its values can still be checked.
const ADDED_MAX: usize = 2;

/// The members of a map.
#[derive(Clone, Debug, Default)]
pub(super) struct Digest {
    members: Vec<Member>,
    /// Which names of the proof's the map has: a bit for each of `MEMBERS`, then one for the checksum.
    present: u8,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    name: u32,
    /// Of name and value.
    value: u32,
}

/// The parts of a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) identity: u32,
    pub(super) names: u32,
    pub(super) values: u32,
}

impl Parts {
    /// As it stands in a payload.
    pub(super) fn text(self) -> [u8; CHECKSUM_CHARACTERS] {
        let mut text = [b'-'; CHECKSUM_CHARACTERS];
        for (part, place) in [self.identity, self.names, self.values].into_iter().zip([0, 9, 18]) {
            for (position, character) in text[place..place + 8].iter_mut().enumerate() {
                let nibble = (part >> (28 - 4 * position)) & 0xF;
                *character = b"0123456789abcdef"[nibble as usize];
            }
        }
        text
    }

    /// `None` when it isn't one of our checksums.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-').map(|part| {
            let hexadecimal = part.len() == 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
            if hexadecimal { u32::from_str_radix(part, 16).ok() } else { None }
        });
        let parsed = Self { identity: parts.next()??, names: parts.next()??, values: parts.next()?? };
        parts.next().is_none().then_some(parsed)
    }
}

/// Who, which run, which message.
pub(super) fn identity(device_id: &str, run: &str, sequence: u64) -> u32 {
    let device = xxh3_64(device_id.as_bytes());
    let run = xxh3_64_with_seed(run.as_bytes(), device);
    xxh3_64_with_seed(&sequence.to_le_bytes(), run) as u32
}

impl Digest {
    /// Adds the members of a proof that the map does not have.
    pub(super) fn add_proof(&mut self, origin: &Origin<'_>, proof: &Proof) {
        self.add("deviceId", text(origin.device_id));
        self.add("sequence", number(proof.sequence as f64));
        self.add("sentAtMs", number(origin.sent_at_ms(proof) as f64));
        self.add("dueMicros", number(proof.due_micros as f64));
        self.add("run", text(origin.run));
    }

    pub(super) fn add(&mut self, name: &str, value: u64) {
        self.push(text(name), value);
    }

    fn push(&mut self, name: u64, value: u64) {
        self.members.push(Member { name: name as u32, value: mix(name, value) as u32 });
    }

    /// A name of the proof's that the map has already.
    pub(super) fn taken(&self) -> Option<&'static str> {
        let names = MEMBERS.iter().chain([&CHECKSUM]);
        names.enumerate().find(|(bit, _)| self.present & (1 << bit) != 0).map(|(_, name)| *name)
    }

    pub(super) fn names(&self) -> u32 {
        self.members.iter().fold(0, |sum, member| sum.wrapping_add(member.name))
    }

    pub(super) fn values(&self) -> u32 {
        self.members.iter().fold(0, |sum, member| sum.wrapping_add(member.value))
    }

    /// Whether the values are those of these parts; `None` when the map has other members, and that can't be known.
    pub(super) fn agrees(&self, parts: Parts) -> Option<bool> {
        let (names, values) =
            (self.names().wrapping_sub(parts.names), self.values().wrapping_sub(parts.values));
        self.without(names, values, 0, ADDED_MAX)
    }

    /// Looks for added members whose names make up what there is too much of names.
    fn without(&self, names: u32, values: u32, from: usize, at_most: usize) -> Option<bool> {
        if names == 0 {
            return Some(values == 0);
        }
        if at_most == 0 {
            return None;
        }
        let rest = self.members.get(from..)?;
        rest.iter().enumerate().find_map(|(index, member)| {
            let (names, values) = (names.wrapping_sub(member.name), values.wrapping_sub(member.value));
            self.without(names, values, from + index + 1, at_most - 1)
        })
    }
}

/// A text's digest, as name or value.
pub(super) fn text(text: &str) -> u64 {
    xxh3_64_with_seed(text.as_bytes(), 1)
}

/// A number's. Two numbers are the same if they are the same as doubles: 7 is 7.0.
pub(super) fn number(number: f64) -> u64 {
    // There are two zeros, and they are equal.
    let number = if number == 0.0 { 0.0 } else { number };
    mix(number.to_bits(), 2)
}

fn mix(left: u64, right: u64) -> u64 {
    let product = u128::from(left ^ 0x9E37_79B9_7F4A_7C15) * u128::from(right ^ 0xD6E8_FEB8_6659_FD93);
    let folded = (product as u64) ^ ((product >> 64) as u64);
    (folded ^ (folded >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ left.rotate_left(32)
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Digest;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Digest, A::Error> {
                let mut digest = Digest::default();
                while let Some(key) = map.next_key::<Key>()? {
                    let Value(value) = map.next_value()?;
                    digest.present |= key.bit;
                    if key.bit != 1 << MEMBERS.len() {
                        digest.push(key.digest, value);
                    }
                }
                Ok(digest)
            }
        }
        deserializer.deserialize_map(Map)
    }
}

/// The name of a member of the outermost map.
struct Key {
    digest: u64,
    bit: u8,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Key;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text as a member's name")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Key, E> {
                let known = MEMBERS.iter().chain([&CHECKSUM]).position(|known| *known == name);
                Ok(Key { digest: text(name), bit: known.map_or(0, |bit| 1 << bit) })
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// Any value, as its digest.
struct Value(u64);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Value)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = u64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value that JSON or CBOR without tags has")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<u64, E> {
        Ok(mix(u64::from(value), 3))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<u64, E> {
        Ok(number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
        Ok(number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<u64, E> {
        Ok(number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<u64, E> {
        Ok(text(value))
    }

    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<u64, E> {
        Ok(xxh3_64_with_seed(value, 4))
    }

    fn visit_unit<E: Error>(self) -> Result<u64, E> {
        Ok(5)
    }

    fn visit_none<E: Error>(self) -> Result<u64, E> {
        Ok(5)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<u64, A::Error> {
        let mut digest = 6;
        while let Some(Value(element)) = sequence.next_element()? {
            digest = mix(element, digest);
        }
        Ok(digest)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u64, A::Error> {
        let mut digest = 7_u64;
        while let Some((Value(name), Value(value))) = map.next_entry()? {
            digest = digest.wrapping_add(mix(name, value));
        }
        Ok(mix(digest, 7))
    }
}
