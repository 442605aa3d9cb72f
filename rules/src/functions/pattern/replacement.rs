//! Replacements as Java writes them: `$1` and `${name}` are groups, a backslash takes its meaning from what follows.

use super::engine::{Account, Exceeded, Expression, Groups};

/// A replacement, taken apart for one pattern.
pub(super) struct Replacement {
    pieces: Vec<Piece>,
}

enum Piece {
    Text(String),
    Group(usize),
}

impl Replacement {
    /// Takes a replacement apart; `None` when it is none: a group that isn't there, a `$` without one, or a backslash
    /// at the end.
    pub(super) fn parse(text: &str, expression: &Expression) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['$', '\\']) {
            literal.push_str(&rest[..at]);
            let sign = &rest[at..];
            let after = &sign[1..];
            rest = if sign.starts_with('\\') {
                let escaped = after.chars().next()?;
                literal.push(escaped);
                &after[escaped.len_utf8()..]
            } else {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
                let (group, rest) = group(after, expression)?;
                pieces.push(Piece::Group(group));
                rest
            };
        }
        literal.push_str(rest);
        pieces.push(Piece::Text(literal));
        Some(Self { pieces })
    }

    /// The text with every match replaced; `None` when it grows beyond `bytes_max`.
    pub(super) fn apply(
        &self,
        expression: &Expression,
        text: &str,
        bytes_max: usize,
        account: Account<'_>,
    ) -> Result<Option<String>, Exceeded> {
        let mut result = String::with_capacity(text.len());
        let (mut copied, mut from) = (0, 0);
        while from <= text.len() {
            let Some(groups) = expression.groups_from(text, from, account)? else { break };
            let Some(whole) = groups.first().cloned().flatten() else { break };
            result.push_str(&text[copied..whole.start]);
            self.append(&groups, text, &mut result);
            if result.len() > bytes_max {
                return Ok(None);
            }
            copied = whole.end;
            // After an empty match the search goes on behind the next character.
            from = match text[whole.end..].chars().next() {
                Some(next) if whole.is_empty() => whole.end + next.len_utf8(),
                None if whole.is_empty() => break,
                _ => whole.end,
            };
        }
        result.push_str(&text[copied..]);
        Ok((result.len() <= bytes_max).then_some(result))
    }

    fn append(&self, groups: &Groups, text: &str, result: &mut String) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => result.push_str(literal),
                Piece::Group(number) => {
                    if let Some(Some(range)) = groups.get(*number) {
                        result.push_str(&text[range.clone()]);
                    }
                }
            }
        }
    }
}

/// The group after a `$` and what follows: as many digits as make a group that is there.
fn group<'t>(after: &'t str, expression: &Expression) -> Option<(usize, &'t str)> {
    if let Some(name) = after.strip_prefix('{') {
        let (name, rest) = name.split_once('}')?;
        return Some((expression.group_named(name)?, rest));
    }
    let available = after.bytes().take_while(u8::is_ascii_digit).count().min(3);
    let count = expression.group_count();
    (1..=available).rev().find_map(|length| {
        let number: usize = after[..length].parse().ok()?;
        (number < count).then(|| (number, &after[length..]))
    })
}
