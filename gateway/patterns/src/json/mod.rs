//! Reads JSON piece by piece, so that what nobody asks for is judged but never made into values.
//!
//! Strict: what is accepted is JSON (RFC 8259), nested at most [`DEPTH_MAX`] deep. Only [`Reader::text`] allocates, and only for texts with
//! escapes.

mod skip;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use text::escaped;

/// How deep objects and arrays may be nested: deeper than a rule can make them (256), with the event around that. A device must not be able to
/// hide what it sends by brackets.
pub(crate) const DEPTH_MAX: usize = 320;

/// What is expected where a bracket opens that is one too many.
pub(crate) const NO_DEEPER: &str = "no deeper nesting than 320";

/// Where a text stops being JSON, and what was expected there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) offset: usize,
    pub(crate) expected: &'static str,
}

/// What the next value is, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    Text,
    Number,
    True,
    False,
    Null,
}

/// A place in a JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'t> {
    text: &'t str,
    offset: usize,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, offset: 0 }
    }

    /// The byte at which it stands.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    fn fault<T>(&self, expected: &'static str) -> Result<T, Fault> {
        Err(Fault { offset: self.offset, expected })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    /// Passes white space.
    pub(crate) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.offset += 1;
        }
    }

    /// Passes `byte`, after white space, if it is next.
    pub(crate) fn pass(&mut self, byte: u8) -> bool {
        self.space();
        let is_next = self.peek() == Some(byte);
        self.offset += usize::from(is_next);
        is_next
    }

    /// Passes `byte`, after white space.
    pub(crate) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Fault> {
        if self.pass(byte) { Ok(()) } else { self.fault(expected) }
    }

    /// What comes next, after white space.
    pub(crate) fn kind(&mut self) -> Result<Kind, Fault> {
        self.space();
        match self.peek() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::Text),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't') => Ok(Kind::True),
            Some(b'f') => Ok(Kind::False),
            Some(b'n') => Ok(Kind::Null),
            _ => self.fault("a value"),
        }
    }

    /// Passes `true`, `false` or `null`.
    pub(crate) fn literal(&mut self, word: &'static str) -> Result<(), Fault> {
        if self.text[self.offset..].starts_with(word) {
            self.offset += word.len();
            return Ok(());
        }
        self.fault("`true`, `false` or `null`")
    }

    /// Passes a number and gives it as it is written.
    pub(crate) fn number(&mut self) -> Result<&'t str, Fault> {
        let start = self.offset;
        self.offset += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.offset += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return self.fault("a digit"),
        }
        if self.peek() == Some(b'.') {
            self.offset += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.offset += 1;
            self.offset += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(&self.text[start..self.offset])
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.offset;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.offset += 1;
        }
        if self.offset == start { self.fault("a digit") } else { Ok(()) }
    }

    /// Passes everything up to and with `end`, and gives what comes before it.
    pub(crate) fn until(&mut self, end: char) -> Result<&'t str, Fault> {
        match self.text[self.offset..].split_once(end) {
            Some((before, _)) => {
                self.offset += before.len() + end.len_utf8();
                Ok(before)
            }
            None => self.fault("`>`"),
        }
    }

    /// Passes the end of the text; white space may come before it.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        self.space();
        if self.offset == self.text.len() { Ok(()) } else { self.fault("the end") }
    }
}
