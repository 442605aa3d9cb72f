//! Finds the valid name that an unknown one was probably meant to be.

/// The candidate closest to `word`, if one is close enough to be a likely slip of the pen.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A hostile document must not buy quadratic work with a very long word.
    const WORD_BYTES_MAX: usize = 128;
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_a_slip_and_stays_silent_otherwise() {
        let names = ["iot:Publish", "iot:Connect"];
        assert_eq!(nearest("iot:Pubilsh", names), Some("iot:Publish"));
        assert_eq!(nearest("iot:publish", names), Some("iot:Publish"));
        assert_eq!(nearest("s3:GetObject", names), None);
        assert_eq!(nearest(&"x".repeat(10_000), names), None);
    }
}
