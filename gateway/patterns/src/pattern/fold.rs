//! Upper and lower case taken for one, character by character, so that prefixes stay prefixes.

use std::borrow::Cow;

/// `text` with every character that has one lower-case character replaced by it. Final sigma is a sigma.
pub(crate) fn fold(text: &str) -> Cow<'_, str> {
    let is_folded = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    if text.bytes().all(is_folded) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(fold_character).collect())
}

fn fold_character(character: char) -> char {
    let mut lower = character.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some('ς'), None) => 'σ',
        (Some(lower), None) => lower,
        // `İ` alone becomes two; it stays itself.
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn case_is_folded_character_by_character() {
        for (left, right) in
            [("ABC", "abc"), ("Ärger", "äRGER"), ("ΣΑΣ", "σας"), ("é", "É"), ("\u{212a}", "k")]
        {
            assert_eq!(fold(left), fold(right), "`{left}` and `{right}`");
        }
        for (left, right) in [("İ", "i"), ("ß", "ss"), ("a", "b")] {
            assert_ne!(fold(left), fold(right), "`{left}` and `{right}`");
        }
    }
}
