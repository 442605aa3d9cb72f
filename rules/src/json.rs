//! JSON as the rules read it: one pass marks where everything lies, values are made only when asked for.
//!
//! Why not a general JSON library: numbers must keep all their digits, a payload must be read once for all rules, and
//! deep nesting must cost no stack. A property test holds the reader to `serde_json`, which accepts and refuses the same.
//! Knows JSON text; must not know values, SQL or messages.

mod scan;
mod string;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub(crate) use string::write_string;

/// The deepest nesting of arrays and objects that is read; anything deeper isn't JSON to us.
pub const DEPTH_MAX: usize = 127;

/// What a node of the tape is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    False,
    True,
    Number,
    /// A string without escapes; the range excludes the quotes.
    Plain,
    /// A string with escapes; the range excludes the quotes.
    Escaped,
    Array,
    Object,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    kind: Kind,
    start: u32,
    end: u32,
    /// The entry after this one and all that is inside it.
    next: u32,
}

/// Where everything in a JSON text lies. Holds no text, so that it can be kept beside the bytes it was made from.
#[derive(Debug, Clone)]
pub(crate) struct Tape {
    entries: Vec<Entry>,
}

impl Tape {
    /// Reads a whole text; `None` when it isn't JSON (RFC 8259), not UTF-8, or nested too deep.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        Some(Self { entries: scan::scan(text)? })
    }

    /// The outermost value of the text the tape was made from.
    pub(crate) fn root<'d>(&'d self, bytes: &'d [u8]) -> Node<'d> {
        Node { bytes, entries: &self.entries, index: 0 }
    }
}

/// One value of a JSON text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'d> {
    bytes: &'d [u8],
    entries: &'d [Entry],
    index: u32,
}

impl<'d> Node<'d> {
    fn entry(self) -> Entry {
        self.entries[self.index as usize]
    }

    pub(crate) fn kind(self) -> Kind {
        self.entry().kind
    }

    /// The text of a number, or of a string without its quotes and with its escapes.
    pub(crate) fn raw(self) -> &'d str {
        std::str::from_utf8(self.raw_bytes()).unwrap_or_default()
    }

    fn raw_bytes(self) -> &'d [u8] {
        let entry = self.entry();
        self.bytes.get(entry.start as usize..entry.end as usize).unwrap_or_default()
    }

    /// How long the text of the value is, without the quotes of a string.
    pub(crate) fn bytes_len(self) -> usize {
        let entry = self.entry();
        (entry.end - entry.start) as usize
    }

    /// The text of a string with escapes resolved.
    pub(crate) fn string(self) -> Cow<'d, str> {
        match self.kind() {
            Kind::Escaped => Cow::Owned(string::unescape(self.raw())),
            _ => Cow::Borrowed(self.raw()),
        }
    }

    fn string_is(self, text: &str) -> bool {
        match self.kind() {
            Kind::Escaped => string::unescape(self.raw()) == text,
            _ => self.raw_bytes() == text.as_bytes(),
        }
    }

    /// Whether two strings are the same once their escapes are resolved.
    pub(crate) fn is_same_string(self, other: Self) -> bool {
        match (self.kind(), other.kind()) {
            (Kind::Plain, Kind::Plain) => self.raw_bytes() == other.raw_bytes(),
            _ => self.string() == other.string(),
        }
    }

    /// The elements of an array; nothing for other kinds.
    pub(crate) fn elements(self) -> Inside<'d> {
        self.inside(Kind::Array)
    }

    /// The members of an object in the order of the text; a name that is repeated comes more than once.
    pub(crate) fn members(self) -> Members<'d> {
        Members(self.inside(Kind::Object))
    }

    /// The member called `name` of an object; of repeated names the last.
    pub(crate) fn member(self, name: &str) -> Option<Node<'d>> {
        let mut found = None;
        for (key, value) in self.members() {
            if key.string_is(name) {
                found = Some(value);
            }
        }
        found
    }

    fn inside(self, container: Kind) -> Inside<'d> {
        let entry = self.entry();
        let end = if entry.kind == container { entry.next } else { 0 };
        Inside { next: Node { index: self.index + 1, ..self }, end }
    }
}

/// The nodes directly inside a container.
#[derive(Clone)]
pub(crate) struct Inside<'d> {
    next: Node<'d>,
    end: u32,
}

impl<'d> Iterator for Inside<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Node<'d>> {
        if self.next.index >= self.end {
            return None;
        }
        let node = self.next;
        self.next.index = node.entry().next;
        Some(node)
    }
}

/// The names and values of an object.
#[derive(Clone)]
pub(crate) struct Members<'d>(Inside<'d>);

impl<'d> Iterator for Members<'d> {
    type Item = (Node<'d>, Node<'d>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
    }
}
