//! Texts: passed, or decoded.

use std::borrow::Cow;

use super::{Fault, Reader};

impl<'t> Reader<'t> {
    /// Passes a text, which is next, and gives what stands between its quotes, escapes and all.
    pub(crate) fn raw_text(&mut self) -> Result<&'t str, Fault> {
        self.expect(b'"', "a text in double quotes")?;
        let start = self.offset;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(0..=0x1f) => return self.fault("no control character; write `\\n`, `\\t` or `\\u00…`"),
                Some(_) => self.offset += 1,
                None => return self.fault("the closing quote"),
            }
        }
        let raw = &self.text[start..self.offset];
        self.offset += 1;
        Ok(raw)
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.offset += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.offset += 1,
            Some(b'u') => {
                self.offset += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return self.fault("four hexadecimal digits");
                    }
                    self.offset += 1;
                }
            }
            _ => {
                return self.fault("one of `\"`, `\\`, `/`, `b`, `f`, `n`, `r`, `t`, `u` behind a backslash");
            }
        }
        Ok(())
    }

    /// Passes a text and gives what it means.
    pub(crate) fn text(&mut self) -> Result<Cow<'t, str>, Fault> {
        self.raw_text().map(decoded)
    }
}

/// What a text between its quotes means. A half of a surrogate pair without the other becomes U+FFFD.
pub(crate) fn decoded(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let escape = rest[at + 1..].chars().next().unwrap_or('\\');
        rest = &rest[at + 1 + escape.len_utf8()..];
        match escape {
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'u' => rest = unicode(rest, &mut text),
            other => text.push(other),
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// Adds the character whose digits are next, and gives what comes behind them.
fn unicode<'r>(rest: &'r str, text: &mut String) -> &'r str {
    let Some((first, after)) = unit(rest) else { return rest };
    if (0xd800..0xdc00).contains(&first)
        && let Some((second, behind)) = after.strip_prefix("\\u").and_then(unit)
        && (0xdc00..0xe000).contains(&second)
    {
        let point = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        text.push(char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER));
        return behind;
    }
    text.push(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
    after
}

fn unit(digits: &str) -> Option<(u32, &str)> {
    let unit = u32::from_str_radix(digits.get(..4)?, 16).ok()?;
    Some((unit, &digits[4..]))
}

/// `text` as it stands between the quotes of a JSON text.
pub(crate) fn escaped(text: &str) -> String {
    let mut raw = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => raw.push_str("\\\""),
            '\\' => raw.push_str("\\\\"),
            '\n' => raw.push_str("\\n"),
            '\r' => raw.push_str("\\r"),
            '\t' => raw.push_str("\\t"),
            control if control < ' ' => raw.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => raw.push(other),
        }
    }
    raw
}
