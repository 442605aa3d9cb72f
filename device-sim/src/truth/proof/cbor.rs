//! The proof in a CBOR map, as RFC 8949 writes them.

use super::digest::{self, CHECKSUM, Digest, MEMBERS, PADDING};
use super::json::parts;
use super::{CHECKSUM_CHARACTERS, Origin, Proof, Unsealable};

const UNSIGNED: u8 = 0 << 5;
const TEXT: u8 = 3 << 5;
const MAP: u8 = 5 << 5;
/// The first byte of a map that ends with a break.
const MAP_UNTIL_BREAK: u8 = MAP | 31;
const BREAK: u8 = 0xFF;

/// Gives the CBOR map that `out` holds from the byte `from` its proof, and padding until it has `bytes` bytes, or a
/// few less where the length of the padding does not allow for it; zero for none. What is longer stays longer.
///
/// # Errors
/// When it is no map, or has members of the proof's names; `out` is then as it was.
pub fn seal_cbor(
    out: &mut Vec<u8>,
    from: usize,
    bytes: usize,
    origin: &Origin<'_>,
    proof: &Proof,
) -> Result<(), Unsealable> {
    let mut digest: Digest = ciborium::from_reader(&out[from..]).map_err(|error| match error {
        ciborium::de::Error::Semantic(_, reason) => Unsealable::Cbor(reason),
        other => Unsealable::Cbor(other.to_string()),
    })?;
    if let Some(name) = digest.taken() {
        return Err(Unsealable::Taken(name));
    }
    digest.add_proof(origin, proof);
    let added = MEMBERS.len() as u64 + 1;
    let members = grow(out, from, added)?;
    text(out, "deviceId");
    text(out, origin.device_id);
    for (name, number) in [
        ("sequence", proof.sequence),
        ("sentAtMs", origin.sent_at_ms(proof)),
        ("dueMicros", proof.due_micros),
    ] {
        text(out, name);
        head(out, UNSIGNED, number);
    }
    text(out, "run");
    text(out, origin.run);
    // The break takes a byte; so does a number of members that grows out of its byte.
    let around = members.map_or(1, |members| usize::from([23, 255, 65_535].contains(&members)));
    if pad(out, bytes.saturating_sub(out.len() - from + around), &mut digest)
        && let Some(members) = members
    {
        put_members(out, from, members, members + 1);
    }
    text(out, CHECKSUM);
    head(out, TEXT, CHECKSUM_CHARACTERS as u64);
    out.extend_from_slice(&parts(&digest, origin, proof).text());
    if members.is_none() {
        out.push(BREAK);
    }
    Ok(())
}

/// Makes room for members. The result is how many there will be; `None` when the map ends with a break, which is
/// taken off.
fn grow(out: &mut Vec<u8>, from: usize, added: u64) -> Result<Option<u64>, Unsealable> {
    if out[from] == MAP_UNTIL_BREAK {
        out.pop();
        return Ok(None);
    }
    let count = members(&out[from..]).ok_or_else(|| Unsealable::Cbor("the map is tagged".to_owned()))?;
    put_members(out, from, count, count + added);
    Ok(Some(count + added))
}

/// How many members a map says that it has.
fn members(map: &[u8]) -> Option<u64> {
    let (first, rest) = map.split_first()?;
    let length = first.checked_sub(MAP)?;
    let bytes = match length {
        0..24 => return Some(u64::from(length)),
        24..=27 => 1 << (length - 24),
        _ => return None,
    };
    Some(rest.get(..bytes)?.iter().fold(0, |count, byte| count << 8 | u64::from(*byte)))
}

fn put_members(out: &mut Vec<u8>, from: usize, before: u64, after: u64) {
    let (mut old, mut new) = (Vec::new(), Vec::new());
    head(&mut old, MAP, before);
    head(&mut new, MAP, after);
    // Whoever wrote it may have used more bytes for the number than it needs.
    let old = match out[from] - MAP {
        length @ 24..=27 => 1 + (1 << (length - 24)),
        _ => old.len(),
    };
    out.splice(from..from + old, new);
}

/// Adds the member that fills up, if `room` bytes are enough for it and the checksum.
fn pad(out: &mut Vec<u8>, room: usize, digest: &mut Digest) -> bool {
    let checksum = 1 + CHECKSUM.len() + 2 + CHECKSUM_CHARACTERS;
    let length = |missing: usize| match missing {
        0..24 => 1,
        24..256 => 2,
        256..65_536 => 3,
        _ => 5,
    };
    let Some(room) = room.checked_sub(checksum + 1 + PADDING.len() + 1) else { return false };
    // The longest padding that fits together with its own length.
    let missing =
        (room.saturating_sub(4)..=room).rev().find(|missing| missing + length(*missing) <= room + 1);
    let padding = "x".repeat(missing.unwrap_or(0));
    text(out, PADDING);
    text(out, &padding);
    digest.add(PADDING, digest::text(&padding));
    true
}

fn text(out: &mut Vec<u8>, text: &str) {
    head(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// A major type with its number, as short as it can be.
fn head(out: &mut Vec<u8>, major: u8, number: u64) {
    let bytes = number.to_be_bytes();
    match number {
        0..24 => out.push(major | bytes[7]),
        24..0x100 => out.extend_from_slice(&[major | 24, bytes[7]]),
        0x100..0x1_0000 => {
            out.push(major | 25);
            out.extend_from_slice(&bytes[6..]);
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(major | 26);
            out.extend_from_slice(&bytes[4..]);
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&bytes);
        }
    }
}
