//! The tokens of JSON (RFC 8259), each found with few looks at its bytes.

use super::string;

/// A place in a text, and whether what was passed so far is as it would be printed.
#[derive(Clone)]
pub(super) struct Cursor<'t> {
    bytes: &'t [u8],
    at: usize,
    is_terse: bool,
    has_escapes: bool,
}

impl<'t> Cursor<'t> {
    #[inline(always)]
    pub(super) fn new(bytes: &'t [u8], at: usize) -> Self {
        Self { bytes, at, is_terse: true, has_escapes: false }
    }

    #[inline(always)]
    pub(super) fn bytes(&self) -> &'t [u8] {
        self.bytes
    }

    #[inline(always)]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether there were no spaces, no escapes and only plain numbers.
    #[inline(always)]
    pub(super) fn is_terse(&self) -> bool {
        self.is_terse
    }

    /// Whether there were strings with escapes.
    #[inline(always)]
    pub(super) fn has_escapes(&self) -> bool {
        self.has_escapes
    }

    /// Passes a byte that was looked at.
    #[inline(always)]
    pub(super) fn pass(&mut self) {
        self.at += 1;
    }

    /// The first byte that is no space; it isn't passed.
    #[inline(always)]
    pub(super) fn after_space(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        if byte > b' ' {
            return Some(byte);
        }
        self.at = space_end(self.bytes, self.at);
        self.is_terse = false;
        self.bytes.get(self.at).copied()
    }

    /// Passes spaces up to a byte that is none, or the end.
    #[inline(always)]
    pub(super) fn end_of_space(&mut self) -> usize {
        self.after_space();
        self.at
    }

    /// Passes the name of a member and the colon after it: where its text starts and ends, and whether it has escapes.
    #[inline(always)]
    pub(super) fn name(&mut self) -> Option<(usize, usize, bool)> {
        if self.bytes.get(self.at) != Some(&b'"') && self.after_space()? != b'"' {
            return None;
        }
        let start = self.at + 1;
        let is_escaped = self.string()?;
        let end = self.at - 1;
        if self.bytes.get(self.at) != Some(&b':') && self.after_space()? != b':' {
            return None;
        }
        self.at += 1;
        Some((start, end, is_escaped))
    }

    /// Passes a value that is no container.
    #[inline(always)]
    pub(super) fn scalar(&mut self, byte: u8) -> Option<()> {
        match byte {
            b'"' => self.string()?,
            b't' => self.word(b"true")?,
            b'f' => self.word(b"false")?,
            b'n' => self.word(b"null")?,
            _ => self.number()?,
        };
        Some(())
    }

    /// Passes a string; says whether it has escapes.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Option<bool> {
        let end = plain_end(self.bytes, self.at + 1);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Some(false);
        }
        self.at = escaped_end(self.bytes, end)? + 1;
        self.is_terse = false;
        self.has_escapes = true;
        Some(true)
    }

    /// Passes `true`, `false` or `null`.
    #[inline(always)]
    pub(super) fn word(&mut self, word: &[u8]) -> Option<bool> {
        self.bytes[self.at..].starts_with(word).then_some(())?;
        self.at += word.len();
        Some(true)
    }

    /// Passes a number; says whether it is printed as it is written: few digits, no exponent, no zeros at the end of a fraction, and not so small
    /// that it is printed in scientific form.
    #[inline(always)]
    pub(super) fn number(&mut self) -> Option<bool> {
        let (bytes, start) = (self.bytes, self.at);
        let whole = start + usize::from(bytes.get(start) == Some(&b'-'));
        let mut at = digits_end(bytes, whole)?;
        let starts_with_zero = bytes[whole] == b'0';
        if starts_with_zero && at > whole + 1 {
            return None;
        }
        let mut next = bytes.get(at).copied();
        let mut is_plain = whole == start || !starts_with_zero;
        if next == Some(b'.') {
            let fraction = at + 1;
            at = digits_end(bytes, fraction)?;
            is_plain =
                bytes[at - 1] != b'0' && !(starts_with_zero && bytes[fraction..at].starts_with(b"000000"));
            next = bytes.get(at).copied();
        }
        if let Some(b'e' | b'E') = next {
            let signed = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
            at = digits_end(bytes, at + 1 + usize::from(signed))?;
            is_plain = false;
        }
        is_plain &= at - start <= PLAIN_BYTES_MAX;
        self.at = at;
        self.is_terse &= is_plain;
        Some(is_plain)
    }
}

/// Up to this many bytes all digits of a number are kept.
const PLAIN_BYTES_MAX: usize = 34;

/// Eight bytes, each of them the same.
const fn eight(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Where the first quote, backslash or control character from `at` is, or the end.
#[inline(always)]
pub(super) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    // Eight bytes at a time: subtracting borrows from the high bit of a byte that is zero (or below 0x20), and of bytes after it, which is why only
    // the first that is found counts.
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*word);
        let quotes = (word ^ eight(b'"')).wrapping_sub(eight(1));
        let backslashes = (word ^ eight(b'\\')).wrapping_sub(eight(1));
        let controls = word.wrapping_sub(eight(0x20));
        let found = (quotes | backslashes | controls) & !word & eight(0x80);
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        at += 1;
    }
    at
}

/// Where the last quote of a string is that has its first escape at `at`, if it is one.
#[cold]
fn escaped_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += string::escape_length(&bytes[at..])?,
            _ => return None,
        }
        at = plain_end(bytes, at);
    }
}

/// Where the digits at `start` end; `None` when there is not even one.
#[inline(always)]
fn digits_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    (at > start).then_some(at)
}

/// The first place from `at` that is no space.
#[cold]
fn space_end(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}
