//! Looks for single bytes in short strings, eight at a time: every topic of every packet passes here, and most are a few words long.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
const WORD: usize = 8;

/// Whether `bytes` holds any of `wanted`.
#[inline]
pub(crate) fn holds_any<const N: usize>(bytes: &[u8], wanted: [u8; N]) -> bool {
    let Some(last) = bytes.last_chunk::<WORD>() else {
        return bytes.iter().any(|byte| wanted.contains(byte));
    };
    let patterns = wanted.map(|byte| u64::from(byte) * ONES);
    let word_holds = |word: &[u8; WORD]| {
        let word = u64::from_ne_bytes(*word);
        patterns.iter().fold(0, |found, pattern| found | zero_bytes(word ^ pattern))
    };
    // The last word overlaps the one before it, so that no byte is left over.
    let (words, _) = bytes.as_chunks::<WORD>();
    words.iter().fold(word_holds(last), |found, word| found | word_holds(word)) != 0
}

/// Not 0 exactly when a byte of `word` is 0: only subtracting from such a byte borrows into a high bit that was clear.
#[inline]
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_a_plain_search_finds(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'*'), Just(1)], 0..40)) {
            prop_assert_eq!(holds_any(&bytes, [0]), bytes.contains(&0));
            prop_assert_eq!(holds_any(&bytes, *b"+#"), bytes.iter().any(|byte| b"+#".contains(byte)));
        }
    }
}
