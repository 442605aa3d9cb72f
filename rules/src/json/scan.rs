//! The one pass over a JSON text (RFC 8259). It doesn't recurse: open containers are linked through the tape itself.

use super::{DEPTH_MAX, Entry, Kind, string};

/// Marks every value of `text`; `None` when it isn't JSON.
pub(super) fn scan(text: &str) -> Option<Vec<Entry>> {
    // Positions are kept in 32 bits; MQTT payloads are far below that (256 MiB).
    u32::try_from(text.len()).ok()?;
    let entries = Vec::with_capacity((text.len() / 8).clamp(8, 4096));
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0, entries, open: NONE, depth: 0 };
    scanner.run()?;
    Some(scanner.entries)
}

/// No container is open.
const NONE: u32 = u32::MAX;

struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
    entries: Vec<Entry>,
    /// The innermost open container; its `next` holds the one around it until it is closed.
    open: u32,
    depth: usize,
}

impl Scanner<'_> {
    fn run(&mut self) -> Option<()> {
        self.value()?;
        while self.open != NONE {
            self.step()?;
        }
        self.skip_space();
        (self.at == self.bytes.len()).then_some(())
    }

    /// Goes on inside the innermost open container, just after one of its values or its opening bracket.
    fn step(&mut self) -> Option<()> {
        let container = self.entries[self.open as usize].kind;
        let is_first = self.entries.len() == self.open as usize + 1;
        let closing = if container == Kind::Object { b'}' } else { b']' };
        self.skip_space();
        let byte = self.peek()?;
        if byte == closing {
            self.at += 1;
            self.close();
            return Some(());
        }
        if !is_first {
            if byte != b',' {
                return None;
            }
            self.at += 1;
            self.skip_space();
        }
        if container == Kind::Object {
            self.key()?;
        }
        self.value()
    }

    fn key(&mut self) -> Option<()> {
        if self.peek()? != b'"' {
            return None;
        }
        self.string()?;
        self.skip_space();
        if self.peek()? != b':' {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// A scalar, or the opening bracket of a container.
    fn value(&mut self) -> Option<()> {
        self.skip_space();
        match self.peek()? {
            b'{' => self.open(Kind::Object),
            b'[' => self.open(Kind::Array),
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true", Kind::True),
            b'f' => self.word(b"false", Kind::False),
            b'n' => self.word(b"null", Kind::Null),
            _ => None,
        }
    }

    fn open(&mut self, kind: Kind) -> Option<()> {
        if self.depth == DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        let index = self.entries.len() as u32;
        self.entries.push(Entry { kind, start: self.at as u32, end: 0, next: self.open });
        self.open = index;
        self.at += 1;
        Some(())
    }

    fn close(&mut self) {
        self.depth -= 1;
        let next = self.entries.len() as u32;
        let end = self.at as u32;
        let entry = &mut self.entries[self.open as usize];
        self.open = entry.next;
        entry.end = end;
        entry.next = next;
    }

    fn scalar(&mut self, kind: Kind, start: usize, end: usize) {
        let next = self.entries.len() as u32 + 1;
        self.entries.push(Entry { kind, start: start as u32, end: end as u32, next });
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Option<()> {
        let start = self.at;
        self.bytes[start..].starts_with(word).then_some(())?;
        self.at += word.len();
        self.scalar(kind, start, self.at);
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        let start = self.at + 1;
        let mut at = start;
        let mut kind = Kind::Plain;
        loop {
            match *self.bytes.get(at)? {
                b'"' => break,
                b'\\' => {
                    kind = Kind::Escaped;
                    at += string::escape_length(&self.bytes[at..])?;
                }
                0..=0x1f => return None,
                _ => at += 1,
            }
        }
        self.scalar(kind, start, at);
        self.at = at + 1;
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let whole = self.at;
        self.digits()?;
        if self.bytes[whole] == b'0' && self.at > whole + 1 {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.scalar(Kind::Number, start, self.at);
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }
}
