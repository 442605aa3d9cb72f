//! The proof in a JSON object.

use std::io::Write;

use super::digest::{self, Digest, PADDING, Parts};
use super::{CHECKSUM_CHARACTERS, Origin, Proof, Unsealable};

/// Gives the JSON object that `out` holds from the byte `from` its proof, and padding until it has `bytes` bytes; zero
/// for none. What is longer stays longer.
///
/// # Errors
/// When it is no object, or has members of the proof's names; `out` is then as it was.
pub fn seal_json(
    out: &mut Vec<u8>,
    from: usize,
    bytes: usize,
    origin: &Origin<'_>,
    proof: &Proof,
) -> Result<(), Unsealable> {
    let mut digest = read(&out[from..])?;
    if let Some(name) = digest.taken() {
        return Err(Unsealable::Taken(name));
    }
    digest.add_proof(origin, proof);
    let end = out.trim_ascii_end().len() - 1;
    out.truncate(end);
    let text = |out: &mut Vec<u8>, text: &str| {
        serde_json::to_writer(out, text).expect("a text can be written to memory");
    };
    let comma = if out.trim_ascii_end().ends_with(b"{") { "" } else { "," };
    out.extend_from_slice(comma.as_bytes());
    out.extend_from_slice(br#""deviceId":"#);
    text(out, origin.device_id);
    write!(
        out,
        r#","sequence":{},"sentAtMs":{},"dueMicros":{},"run":"#,
        proof.sequence,
        origin.sent_at_ms(proof),
        proof.due_micros
    )
    .expect("a number can be written to memory");
    text(out, origin.run);
    pad(out, from, bytes, &mut digest);
    out.extend_from_slice(br#","checksum":""#);
    out.extend_from_slice(&parts(&digest, origin, proof).text());
    out.extend_from_slice(br#""}"#);
    Ok(())
}

/// The checksum of an object that already has all members of the proof, for whoever writes them in an order of their
/// own. A member `checksum` is not part of it. `None` when it is no object.
pub fn checksum_json(object: &[u8], origin: &Origin<'_>, proof: &Proof) -> Option<[u8; CHECKSUM_CHARACTERS]> {
    Some(parts(&read(object).ok()?, origin, proof).text())
}

fn read(object: &[u8]) -> Result<Digest, Unsealable> {
    serde_json::from_slice(object).map_err(|error| Unsealable::Json(error.to_string()))
}

pub(super) fn parts(digest: &Digest, origin: &Origin<'_>, proof: &Proof) -> Parts {
    Parts {
        identity: digest::identity(origin.device_id, origin.run, proof.sequence),
        names: digest.names(),
        values: digest.values(),
    }
}

fn pad(out: &mut Vec<u8>, from: usize, bytes: usize, digest: &mut Digest) {
    let rest = br#","checksum":"""#.len() + CHECKSUM_CHARACTERS + 1;
    let member = br#","padding":"""#.len();
    let Some(missing) = bytes.checked_sub(out.len() - from + rest + member) else { return };
    out.extend_from_slice(br#","padding":""#);
    let start = out.len();
    out.resize(start + missing, b'x');
    let padding = std::str::from_utf8(&out[start..]).expect("padding is ASCII");
    digest.add(PADDING, digest::text(padding));
    out.push(b'"');
}
