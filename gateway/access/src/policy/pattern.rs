//! Text with `*` and `?`, matched without allocation.

/// A step of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// This text.
    Literal(String),
    /// Any one character.
    One,
    /// Any text, also none.
    Any,
}

/// A compiled pattern: runs of steps without [`Step::Any`], with any text between two runs.
///
/// Matching takes at most the product of the lengths of text and pattern, whatever either holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    first: Vec<Piece>,
    /// Absent when the pattern has no [`Step::Any`].
    rest: Option<Rest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rest {
    middle: Vec<Vec<Piece>>,
    last: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Box<str>),
    One,
}

impl Pattern {
    /// Compiles the steps.
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let mut runs = vec![Vec::new()];
        let mut literal = String::new();
        for step in steps {
            if let Step::Literal(text) = step {
                literal.push_str(&text);
                continue;
            }
            let run = runs.last_mut().expect("there is always the first run");
            flush(&mut literal, run);
            match step {
                Step::One => run.push(Piece::One),
                _ => runs.push(Vec::new()),
            }
        }
        flush(&mut literal, runs.last_mut().expect("there is always the first run"));
        Self::of_runs(runs)
    }

    /// Compiles text in which `*` and `?` are wildcards and all else is literal.
    pub(crate) fn of_wildcards(text: &str) -> Self {
        Self::new(text.chars().map(|c| match c {
            '*' => Step::Any,
            '?' => Step::One,
            c => Step::Literal(c.to_string()),
        }))
    }

    fn of_runs(mut runs: Vec<Vec<Piece>>) -> Self {
        let last = if runs.len() > 1 { runs.pop() } else { None };
        let mut runs = runs.into_iter();
        let first = runs.next().unwrap_or_default();
        // An empty run between two `*` asks for nothing.
        let rest = last.map(|last| Rest { middle: runs.filter(|run| !run.is_empty()).collect(), last });
        Self { first, rest }
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let Some(text) = strip_start(&self.first, text) else { return false };
        let Some(rest) = &self.rest else { return text.is_empty() };
        let Some(mut text) = strip_end(&rest.last, text) else { return false };
        // The leftmost place for each run leaves the most room for the next ones, so no other place need be tried.
        for run in &rest.middle {
            match strip_leftmost(run, text) {
                Some(after) => text = after,
                None => return false,
            }
        }
        true
    }
}

fn flush(literal: &mut String, run: &mut Vec<Piece>) {
    if !literal.is_empty() {
        run.push(Piece::Literal(std::mem::take(literal).into_boxed_str()));
    }
}

fn strip_start<'a>(run: &[Piece], text: &'a str) -> Option<&'a str> {
    run.iter().try_fold(text, |text, piece| match piece {
        Piece::Literal(literal) => text.strip_prefix(&**literal),
        Piece::One => after_one(text),
    })
}

fn strip_end<'a>(run: &[Piece], text: &'a str) -> Option<&'a str> {
    run.iter().rev().try_fold(text, |text, piece| match piece {
        Piece::Literal(literal) => text.strip_suffix(&**literal),
        Piece::One => {
            let mut characters = text.chars();
            characters.next_back().map(|_| characters.as_str())
        }
    })
}

fn strip_leftmost<'a>(run: &[Piece], mut text: &'a str) -> Option<&'a str> {
    if let [Piece::Literal(literal)] = run {
        return text.find(&**literal).map(|at| &text[at + literal.len()..]);
    }
    loop {
        if let Some(after) = strip_start(run, text) {
            return Some(after);
        }
        text = after_one(text)?;
    }
}

fn after_one(text: &str) -> Option<&str> {
    let mut characters = text.chars();
    characters.next().map(|_| characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::Pattern;
    use proptest::prelude::*;

    /// The obvious matcher, exponential and plainly right.
    fn oracle(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|at| oracle(rest, &text[at..])),
            Some(('?', rest)) => !text.is_empty() && oracle(rest, &text[1..]),
            Some((c, rest)) => text.first() == Some(c) && oracle(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_obvious_matcher(pattern in "[abé*?]{0,8}", text in "[abé]{0,10}") {
            let expected = oracle(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>());
            prop_assert_eq!(Pattern::of_wildcards(&pattern).matches(&text), expected);
        }
    }

    #[test]
    fn mqtt_wildcards_are_literal() {
        assert!(Pattern::of_wildcards("a/+/#").matches("a/+/#"));
        assert!(!Pattern::of_wildcards("a/+/#").matches("a/b/c"));
    }
}
