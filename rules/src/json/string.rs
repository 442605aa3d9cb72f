//! JSON strings: their escapes (RFC 8259, section 7), read and written.

use super::token::plain_end;

/// How many bytes the escape at the start of `bytes` has; `None` when it is none. Surrogates must come in pairs.
pub(super) fn escape_length(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => match code_unit(bytes)? {
            0xdc00..=0xdfff => None,
            0xd800..=0xdbff => {
                let low = bytes.get(6..)?;
                let is_pair = low.starts_with(b"\\u") && matches!(code_unit(low)?, 0xdc00..=0xdfff);
                is_pair.then_some(12)
            }
            _ => Some(6),
        },
        _ => None,
    }
}

/// The four hexadecimal digits after `\u`.
fn code_unit(escape: &[u8]) -> Option<u32> {
    let digits = escape.get(2..6)?;
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}

/// Resolves the escapes of a string that was scanned before.
pub(super) fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(backslash) = rest.find('\\') {
        text.push_str(&rest[..backslash]);
        let escape = &rest[backslash..];
        // The scan has seen every escape; a text that breaks this keeps its backslash rather than panic.
        let length = escape_length(escape.as_bytes()).unwrap_or(1);
        text.push(resolve(escape.as_bytes(), length).unwrap_or('\\'));
        rest = &escape[length..];
    }
    text.push_str(rest);
    text
}

fn resolve(escape: &[u8], length: usize) -> Option<char> {
    match escape.get(1)? {
        b'b' => Some('\u{8}'),
        b'f' => Some('\u{c}'),
        b'n' => Some('\n'),
        b'r' => Some('\r'),
        b't' => Some('\t'),
        b'u' if length == 12 => {
            let (high, low) = (code_unit(escape)?, code_unit(escape.get(6..)?)?);
            char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
        }
        b'u' => char::from_u32(code_unit(escape)?),
        other => Some(char::from(*other)),
    }
}

/// Appends `text` as a JSON string with its quotes; only what must be escaped is.
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    loop {
        let (plain, after) = rest.split_at(plain_end(rest.as_bytes(), 0));
        out.push_str(plain);
        let mut characters = after.chars();
        let Some(character) = characters.next() else { break };
        write_escape(character, out);
        rest = characters.as_str();
    }
    out.push('"');
}

/// Appends the escape of a quote, a backslash or a control character.
fn write_escape(character: char, out: &mut String) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        control => {
            let code = u32::from(control);
            out.push_str(if code < 16 { "\\u000" } else { "\\u001" });
            out.push(char::from_digit(code & 15, 16).unwrap_or('0'));
        }
    }
}
