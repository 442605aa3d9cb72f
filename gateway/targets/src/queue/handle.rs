//! Receipt handles: what a consumer shows to delete a message or to change its visibility.
//!
//! A handle says which receive of which message it belongs to and carries a keyed digest, so it can be checked without
//! being remembered, survives a restart, and can't be made by a consumer that never received the message.
//!
//! ```text
//! u8 version = 1 | u64 offset | u16 ordinal | u32 number of the receive | 8 random bytes | 16 bytes of HMAC-SHA-256
//! ```
//! The digest covers the queue's id too, so a handle is good for one queue only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bus::Position;
use hmac::{Hmac, Mac};
use journal::Offset;
use sha2::Sha256;

const VERSION: u8 = 1;
const CLAIM_BYTES: usize = 1 + 8 + 2 + 4 + 8;
const DIGEST_BYTES: usize = 16;

/// The key that handles of one gateway are made with.
pub(super) type Secret = [u8; 32];

/// Makes and reads the handles of one queue.
#[derive(Clone)]
pub(super) struct Handles {
    keyed: Hmac<Sha256>,
}

impl Handles {
    pub(super) fn new(secret: &Secret, queue_id: u64) -> Self {
        let keyed = Hmac::new_from_slice(secret).expect("HMAC takes a key of any length");
        Self { keyed: keyed.chain_update(queue_id.to_be_bytes()) }
    }

    /// A new handle for the `receives`-th receive of a message. No two are alike.
    pub(super) fn make(&self, position: Position, receives: u32) -> String {
        let mut bytes = Vec::with_capacity(CLAIM_BYTES + DIGEST_BYTES);
        bytes.push(VERSION);
        bytes.extend(position.offset.0.to_be_bytes());
        bytes.extend(position.ordinal.to_be_bytes());
        bytes.extend(receives.to_be_bytes());
        bytes.extend(rand::random::<[u8; 8]>());
        let digest = self.keyed.clone().chain_update(&bytes).finalize().into_bytes();
        bytes.extend(&digest[..DIGEST_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The message and the number of the receive that a handle was made for; `None` when this queue did not make it.
    pub(super) fn read(&self, handle: &str) -> Option<(Position, u32)> {
        let bytes = URL_SAFE_NO_PAD.decode(handle).ok()?;
        if bytes.len() != CLAIM_BYTES + DIGEST_BYTES || bytes[0] != VERSION {
            return None;
        }
        let (claim, digest) = bytes.split_at(CLAIM_BYTES);
        self.keyed.clone().chain_update(claim).verify_truncated_left(digest).ok()?;
        let (offset, rest) = claim[1..].split_first_chunk()?;
        let (ordinal, rest) = rest.split_first_chunk()?;
        let receives = rest.first_chunk()?;
        let position =
            Position { offset: Offset(u64::from_be_bytes(*offset)), ordinal: u16::from_be_bytes(*ordinal) };
        Some((position, u32::from_be_bytes(*receives)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSITION: Position = Position { offset: Offset(0x0102_0304_0506_0708), ordinal: 9 };

    #[test]
    fn a_handle_says_what_it_was_made_for() {
        let handles = Handles::new(&[7; 32], 1);
        let handle = handles.make(POSITION, 3);
        assert_eq!(handles.read(&handle), Some((POSITION, 3)));
        assert_ne!(handle, handles.make(POSITION, 3), "each receive has a handle of its own");
    }

    #[test]
    fn a_handle_of_another_queue_or_key_is_refused() {
        let handle = Handles::new(&[7; 32], 1).make(POSITION, 3);
        assert_eq!(Handles::new(&[7; 32], 2).read(&handle), None);
        assert_eq!(Handles::new(&[8; 32], 1).read(&handle), None);
    }

    #[test]
    fn a_handle_with_any_bit_turned_is_refused() {
        let handles = Handles::new(&[7; 32], 1);
        let bytes = URL_SAFE_NO_PAD.decode(handles.make(POSITION, 3)).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut bent = bytes.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(handles.read(&URL_SAFE_NO_PAD.encode(bent)), None, "bit {bit}");
        }
        for text in ["", "x", "!!!", "AAAA", &"A".repeat(1024)] {
            assert_eq!(handles.read(text), None, "{text}");
        }
    }
}
