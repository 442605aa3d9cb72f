//! JSON as the rules read it: one pass marks where everything lies, values are made only when asked for.
//!
//! Why not a general JSON library: numbers must keep all their digits, a payload must be read once for all rules, and
//! deep nesting must cost no stack. A property test holds the reader to `serde_json`, which accepts and refuses the same.
//! Knows JSON text; must not know values, SQL or messages.

mod glance;
mod repeated;
mod scan;
mod string;
mod tape;
#[cfg(test)]
mod tests;
mod token;

use std::borrow::Cow;

pub(crate) use glance::Sought;
pub(crate) use string::write_string;
pub(crate) use tape::Tape;
use tape::{ESCAPED_NAME, Entry, PLAIN_NUMBER, mark};

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

/// A value that holds no others, apart from the text around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalar<'d> {
    pub(crate) kind: Kind,
    /// The text of a number, or of a string without its quotes.
    pub(crate) raw: &'d str,
}

/// One value of a JSON text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'d> {
    text: &'d str,
    tape: &'d Tape,
    index: u32,
}

impl<'d> Node<'d> {
    fn entry(self) -> Entry {
        self.tape.entries[self.index as usize]
    }

    pub(crate) fn kind(self) -> Kind {
        self.entry().kind
    }

    /// The text of a number, or of a string without its quotes and with its escapes.
    pub(crate) fn raw(self) -> &'d str {
        let entry = self.entry();
        self.text.get(entry.start as usize..entry.end as usize).unwrap_or_default()
    }

    /// The text of a string with its quotes and escapes.
    pub(crate) fn quoted(self) -> &'d str {
        let entry = self.entry();
        self.text.get(entry.start as usize - 1..entry.end as usize + 1).unwrap_or_default()
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

    /// Whether the text of an outermost value is exactly what would be printed for it.
    pub(crate) fn is_as_printed(self) -> bool {
        self.index == 0 && self.tape.is_as_printed(self.text)
    }

    /// Whether this is a number that is printed as it is written.
    pub(crate) fn is_plain_number(self) -> bool {
        let entry = self.entry();
        entry.kind == Kind::Number && entry.flags & PLAIN_NUMBER != 0
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
        let object = self.entry();
        if object.kind != Kind::Object {
            return None;
        }
        let entries = &self.tape.entries[..object.next as usize];
        let wanted = mark(name.as_bytes());
        let has_escapes = self.tape.has_escapes();
        let mut found = None;
        let mut place = self.index as usize + 1;
        while let Some(entry) = entries.get(place) {
            // Most names are told apart by their marks; only those with escapes aren't.
            if entry.name_mark == wanted || has_escapes {
                let index = place as u32;
                let raw = self.text.as_bytes().get(entry.name_start as usize..entry.name_end as usize);
                let is_found = match entry.flags & ESCAPED_NAME {
                    0 => raw == Some(name.as_bytes()),
                    _ => Node { index, ..self }.name().is(name),
                };
                if is_found {
                    found = Some(index);
                }
            }
            place = entry.next as usize;
        }
        found.map(|index| Node { index, ..self })
    }

    /// The name it has as a member.
    fn name(self) -> MemberName<'d> {
        let entry = self.entry();
        let raw = self.text.get(entry.name_start as usize..entry.name_end as usize).unwrap_or_default();
        MemberName { raw, is_escaped: entry.flags & ESCAPED_NAME != 0 }
    }

    fn inside(self, container: Kind) -> Inside<'d> {
        let entry = self.entry();
        if entry.kind != container {
            return Inside { next: self, end: 0 };
        }
        // Only a folded array has nothing between itself and what follows, or an empty one.
        let is_bare = container == Kind::Array && entry.next == self.index + 1;
        let unfolded = if is_bare { self.tape.unfolded(self.text, self.index) } else { None };
        let node = unfolded.unwrap_or(self);
        Inside { next: Node { index: node.index + 1, ..node }, end: node.entry().next }
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
    type Item = (MemberName<'d>, Node<'d>);

    fn next(&mut self) -> Option<Self::Item> {
        let node = self.0.next()?;
        Some((node.name(), node))
    }
}

/// The name of a member of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MemberName<'d> {
    raw: &'d str,
    is_escaped: bool,
}

impl<'d> MemberName<'d> {
    /// The name with escapes resolved.
    pub(crate) fn string(self) -> Cow<'d, str> {
        if self.is_escaped { Cow::Owned(string::unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }

    fn is(self, name: &str) -> bool {
        if self.is_escaped { string::unescape(self.raw) == name } else { self.raw == name }
    }

    /// Whether two names are the same once their escapes are resolved.
    pub(crate) fn is_same(self, other: Self) -> bool {
        if other.is_escaped { self.is(&other.string()) } else { self.is(other.raw) }
    }

    /// Appends the name as a JSON string.
    pub(crate) fn write(self, out: &mut String) {
        if self.is_escaped {
            write_string(&self.string(), out);
            return;
        }
        out.push('"');
        out.push_str(self.raw);
        out.push('"');
    }
}
