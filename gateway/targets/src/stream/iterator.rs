//! Shard iterators: where a consumer stands, as an opaque text.
//!
//! ```text
//! u8 version = 1 | u64 stream id | u32 shard | u64 offset | u16 ordinal | u64 not before, ms | u64 made at, ms
//! | 16 bytes of HMAC-SHA-256
//! ```
//! An iterator is not remembered here. It ages, so that a consumer that stopped can't come back into the middle of
//! something long after; the digest keeps it from being made up.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bus::Position;
use hmac::{Hmac, Mac};
use journal::Offset;
use sha2::Sha256;

use super::error::StreamError;

/// How old an iterator may grow, as with Kinesis: 5 minutes.
pub const ITERATOR_AGE_MS_MAX: u64 = 5 * 60 * 1000;

const VERSION: u8 = 1;
const CLAIM_BYTES: usize = 1 + 8 + 4 + 8 + 2 + 8 + 8;
const DIGEST_BYTES: usize = 16;

/// The key that iterators of one gateway are made with.
pub(super) type Secret = [u8; 32];

/// Where a consumer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Iterator {
    pub(super) stream_id: u64,
    pub(super) shard: u32,
    pub(super) position: Position,
    /// Records accepted before this are not wanted.
    pub(super) not_before_ms: u64,
    pub(super) made_at_ms: u64,
}

impl Iterator {
    pub(super) fn encode(self, secret: &Secret) -> String {
        let mut bytes = Vec::with_capacity(CLAIM_BYTES + DIGEST_BYTES);
        bytes.push(VERSION);
        bytes.extend(self.stream_id.to_be_bytes());
        bytes.extend(self.shard.to_be_bytes());
        bytes.extend(self.position.offset.0.to_be_bytes());
        bytes.extend(self.position.ordinal.to_be_bytes());
        bytes.extend(self.not_before_ms.to_be_bytes());
        bytes.extend(self.made_at_ms.to_be_bytes());
        let digest = keyed(secret).chain_update(&bytes).finalize().into_bytes();
        bytes.extend(&digest[..DIGEST_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads an iterator and checks that it is ours and young enough.
    pub(super) fn decode(text: &str, secret: &Secret, now_ms: u64) -> Result<Self, StreamError> {
        let read = Self::read(text, secret);
        let iterator = read.ok_or_else(|| StreamError::Argument {
            why: "the shard iterator was not made by this gateway".to_owned(),
        })?;
        let age_ms = now_ms.saturating_sub(iterator.made_at_ms);
        match age_ms > ITERATOR_AGE_MS_MAX {
            true => Err(StreamError::ExpiredIterator { age_ms }),
            false => Ok(iterator),
        }
    }

    fn read(text: &str, secret: &Secret) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        if bytes.len() != CLAIM_BYTES + DIGEST_BYTES || bytes[0] != VERSION {
            return None;
        }
        let (claim, digest) = bytes.split_at(CLAIM_BYTES);
        keyed(secret).chain_update(claim).verify_truncated_left(digest).ok()?;
        let (stream_id, rest) = claim[1..].split_first_chunk()?;
        let (shard, rest) = rest.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (ordinal, rest) = rest.split_first_chunk()?;
        let (not_before_ms, rest) = rest.split_first_chunk()?;
        let made_at_ms = rest.first_chunk()?;
        Some(Self {
            stream_id: u64::from_be_bytes(*stream_id),
            shard: u32::from_be_bytes(*shard),
            position: Position {
                offset: Offset(u64::from_be_bytes(*offset)),
                ordinal: u16::from_be_bytes(*ordinal),
            },
            not_before_ms: u64::from_be_bytes(*not_before_ms),
            made_at_ms: u64::from_be_bytes(*made_at_ms),
        })
    }
}

fn keyed(secret: &Secret) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("HMAC takes a key of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iterator_is_read_back_until_it_is_too_old_or_bent() {
        let position = Position { offset: Offset(77), ordinal: 3 };
        let iterator = Iterator { stream_id: 5, shard: 2, position, not_before_ms: 9, made_at_ms: 1_000 };
        let text = iterator.encode(&[1; 32]);
        assert_eq!(Iterator::decode(&text, &[1; 32], 301_000).unwrap(), iterator);
        let expired = Iterator::decode(&text, &[1; 32], 301_001);
        assert!(matches!(expired, Err(StreamError::ExpiredIterator { .. })), "{expired:?}");
        assert!(Iterator::decode(&text, &[2; 32], 1_000).is_err());
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            assert!(Iterator::decode(&URL_SAFE_NO_PAD.encode(bent), &[1; 32], 1_000).is_err(), "byte {at}");
        }
        for text in ["", "x", "AAAA", "§"] {
            assert!(Iterator::decode(text, &[1; 32], 1_000).is_err(), "{text}");
        }
    }
}
