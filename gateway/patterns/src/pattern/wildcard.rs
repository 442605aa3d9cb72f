//! Texts with `*` for any characters.

/// A text with one `*` at least.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Wildcard {
    /// What stands between the stars; the first and the last may be empty. Two at least.
    pub(crate) pieces: Box<[Box<str>]>,
}

impl Wildcard {
    /// Reads a wildcard; without a `*` it gives the one piece.
    ///
    /// # Errors
    /// Says what is wrong and what to write.
    pub(crate) fn parse(text: &str) -> Result<Self, (String, String)> {
        let (mut pieces, mut piece) = (Vec::new(), String::new());
        let mut characters = text.chars();
        let mut is_behind_star = false;
        while let Some(character) = characters.next() {
            let is_star = character == '*';
            match character {
                '*' if is_behind_star => {
                    let hint = "write one `*`, or `\\*` (in JSON `\\\\*`) for the character itself";
                    return Err(("two `*` stand side by side".to_owned(), hint.to_owned()));
                }
                '*' => pieces.push(std::mem::take(&mut piece).into_boxed_str()),
                '\\' => match characters.next() {
                    Some(escaped @ ('*' | '\\')) => piece.push(escaped),
                    other => {
                        let what = other.map_or("nothing".to_owned(), |other| format!("`{other}`"));
                        let hint = "write `\\*` or `\\\\`, each backslash doubled in JSON";
                        return Err((format!("a backslash is followed by {what}"), hint.to_owned()));
                    }
                },
                other => piece.push(other),
            }
            is_behind_star = is_star;
        }
        pieces.push(piece.into_boxed_str());
        Ok(Self { pieces: pieces.into() })
    }

    pub(crate) fn stars(&self) -> usize {
        self.pieces.len() - 1
    }

    /// Takes time in proportion to the value and the pieces, whatever they are: each piece is best where it comes first.
    pub(crate) fn matches(&self, value: &str) -> bool {
        let [first, middle @ .., last] = &*self.pieces else {
            return self.pieces.first().is_some_and(|only| **only == *value);
        };
        let Some(mut rest) = value.strip_prefix(&**first).and_then(|rest| rest.strip_suffix(&**last)) else {
            return false;
        };
        for piece in middle {
            match rest.find(&**piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        true
    }
}
