//! Which shard a record belongs to, and the numbers by which records are known.
//!
//! Pure functions of keys and positions; must not know the journal or time.

use bus::{Offset, Position};
use md5::{Digest, Md5};

/// Most shards of a stream.
pub const SHARDS_MAX: u32 = 256;

/// The range of hash keys that one shard owns, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashRange {
    /// The first key.
    pub first: u128,
    /// The last key.
    pub last: u128,
}

/// The range of shard `number` of `count`: equal parts of the 128-bit range, the last takes what is left over.
pub fn hash_range(number: u32, count: u32) -> HashRange {
    let width = u128::MAX / u128::from(count);
    let first = width * u128::from(number);
    let last = if number + 1 == count { u128::MAX } else { first + (width - 1) };
    HashRange { first, last }
}

/// The shard that owns a hash key.
pub fn shard_of(hash_key: u128, count: u32) -> u32 {
    let width = u128::MAX / u128::from(count);
    u32::try_from(hash_key / width).unwrap_or(u32::MAX).min(count - 1)
}

/// The hash key of a partition key: its MD5 as a number.
pub fn hash_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into())
}

/// How a shard is named.
pub fn shard_id(number: u32) -> String {
    format!("shardId-{number:012}")
}

/// The number in a shard's name.
pub fn shard_number(id: &str) -> Option<u32> {
    let digits = id.strip_prefix("shardId-")?;
    digits.parse().ok().filter(|number| shard_id(*number) == id)
}

/// Numbers begin here, so that all have 38 digits and sort the same as text and as numbers.
const SEQUENCE_BASE: u128 = 10_u128.pow(37);

/// The sequence number of the record at a position.
pub(super) fn sequence_number(position: Position) -> String {
    (SEQUENCE_BASE + (u128::from(position.offset.0) << 16) + u128::from(position.ordinal)).to_string()
}

/// The position that a sequence number stands for.
pub(super) fn position_of(sequence_number: &str) -> Option<Position> {
    let number: u128 = sequence_number.parse().ok()?;
    let number = number.checked_sub(SEQUENCE_BASE).filter(|number| number >> 80 == 0)?;
    let offset = Offset(u64::try_from(number >> 16).ok()?);
    let ordinal = u16::try_from(number & 0xffff).ok()?;
    Some(Position { offset, ordinal })
}

/// The position right after another.
pub(super) fn after(position: Position) -> Position {
    match position.ordinal.checked_add(1) {
        Some(ordinal) => Position { ordinal, ..position },
        None => Position { offset: position.offset.next(), ordinal: 0 },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_cover_every_key_once() {
        for count in [1, 2, 3, 7, 16, 255, SHARDS_MAX] {
            let ranges: Vec<_> = (0..count).map(|number| hash_range(number, count)).collect();
            assert_eq!(ranges[0].first, 0);
            assert_eq!(ranges[ranges.len() - 1].last, u128::MAX);
            for pair in ranges.windows(2) {
                assert_eq!(pair[0].last + 1, pair[1].first, "{count} shards");
            }
            for (number, range) in (0..count).zip(ranges) {
                assert_eq!(shard_of(range.first, count), number);
                assert_eq!(shard_of(range.last, count), number);
            }
        }
    }

    /// MD5 of `a` is 0cc175b9c0f1b6a831c399e269772661 (RFC 1321, A.5).
    #[test]
    fn the_hash_key_is_the_md5_of_the_partition_key() {
        assert_eq!(hash_key("a"), 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661);
    }

    #[test]
    fn shard_names_are_read_back_and_others_are_not() {
        assert_eq!(shard_number(&shard_id(7)), Some(7));
        for text in
            ["shardId-7", "shardId-", "shard-000000000007", "shardId-+00000000007", "", "shardId-99999999999"]
        {
            assert_eq!(shard_number(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn numbers_keep_the_order_of_positions(a: u64, b: u64, x: u16, y: u16) {
            let one = Position { offset: Offset(a), ordinal: x };
            let two = Position { offset: Offset(b), ordinal: y };
            prop_assert_eq!(position_of(&sequence_number(one)), Some(one));
            prop_assert_eq!(one.cmp(&two), sequence_number(one).cmp(&sequence_number(two)));
            prop_assert!(after(one) > one);
        }

        #[test]
        fn no_sequence_number_panics(text in "[0-9-]{0,60}") {
            let _ = position_of(&text);
        }
    }
}
