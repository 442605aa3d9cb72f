//! The text of patterns, Joda's and Java's alike: runs of letters for fields, text between quotes, everything else for
//! itself.

/// The longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 256;

/// A piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Text that stands for itself.
    Text(String),
    /// A letter, so many times.
    Letters(char, usize),
    /// A sign that isn't a letter, unquoted.
    Sign(char),
}

/// Takes a pattern apart.
///
/// # Errors
/// A quote that isn't closed, or a pattern that is too long.
pub(super) fn tokens(pattern: &str) -> Result<Vec<Token>, String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!("pattern is longer than {PATTERN_BYTES_MAX} bytes"));
    }
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '\'' => quoted(rest)?,
            'a'..='z' | 'A'..='Z' => {
                let count = rest.chars().take_while(|next| *next == first).count();
                (Token::Letters(first, count), count)
            }
            sign => (Token::Sign(sign), sign.len_utf8()),
        };
        tokens.push(token);
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// The text between quotes, in which two quotes stand for one, and its length with them.
fn quoted(rest: &str) -> Result<(Token, usize), String> {
    if rest.starts_with("''") {
        return Ok((Token::Text("'".to_owned()), 2));
    }
    let mut text = String::new();
    let mut at = 1;
    loop {
        let end = rest[at..].find('\'').ok_or("quote in the pattern is not closed")?;
        text.push_str(&rest[at..at + end]);
        at += end + 1;
        if !rest[at..].starts_with('\'') {
            return Ok((Token::Text(text), at));
        }
        text.push('\'');
        at += 1;
    }
}
