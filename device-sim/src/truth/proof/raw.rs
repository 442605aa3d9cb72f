//! The proof in raw bytes: a header in front, numbers with the lowest byte first.
//!
//! ```text
//!  0  "DSIM"      4  version, 1     5  zero, 3 bytes
//!  8  run         16 device         20 checksum: of everything, with zero in its own place
//! 24  sequence    32 due, in microseconds since 1970
//! ```

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{Proof, Unsealable};

/// The header's length.
pub const RAW_HEADER_BYTES: usize = 40;

const MAGIC: [u8; 8] = *b"DSIM\x01\0\0\0";
/// Payloads up to this length are hashed in one go.
const SHORT_BYTES: usize = 512;

/// Writes the header over the first [`RAW_HEADER_BYTES`] bytes of the payload that `out` holds from the byte `from`.
///
/// # Errors
/// When the payload is shorter than the header; it is then as it was.
pub fn seal_raw(out: &mut [u8], from: usize, proof: &Proof) -> Result<(), Unsealable> {
    let payload = &mut out[from..];
    if payload.len() < RAW_HEADER_BYTES {
        return Err(Unsealable::Raw { bytes: payload.len() });
    }
    payload[..8].copy_from_slice(&MAGIC);
    payload[8..16].copy_from_slice(&proof.run.to_le_bytes());
    payload[16..20].copy_from_slice(&proof.device.to_le_bytes());
    payload[24..32].copy_from_slice(&proof.sequence.to_le_bytes());
    payload[32..40].copy_from_slice(&proof.due_micros.to_le_bytes());
    let checksum = checksum(payload);
    payload[20..24].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// Reads the header of a payload, and whether the checksum is right. `None` when it does not begin with one.
pub fn open_raw(payload: &[u8]) -> Option<(Proof, bool)> {
    let header = payload.first_chunk::<RAW_HEADER_BYTES>()?;
    if header[..8] != MAGIC {
        return None;
    }
    let long =
        |at: usize| header[at..at + 8].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let short = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let proof = Proof { run: long(8), device: short(16), sequence: long(24), due_micros: long(32) };
    Some((proof, checksum(payload) == short(20)))
}

/// Of a payload that has room for a header, but for the checksum's own place.
fn checksum(payload: &[u8]) -> u32 {
    if payload.len() <= SHORT_BYTES {
        let mut copy = [0; SHORT_BYTES];
        let copy = &mut copy[..payload.len()];
        copy.copy_from_slice(payload);
        copy[20..24].fill(0);
        return xxh3_64(copy) as u32;
    }
    let mut hash = Xxh3::new();
    hash.update(&payload[..20]);
    hash.update(&[0; 4]);
    hash.update(&payload[24..]);
    hash.digest() as u32
}
