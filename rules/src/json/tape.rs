//! What a pass over a text leaves behind: where its values lie, with the insides of arrays left out until somebody looks.

use std::cell::OnceCell;

use super::{Kind, Node, repeated, scan};

/// A value, with its name when it is a member of an object. What is no member has a name that means nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) start: u32,
    pub(super) end: u32,
    /// The entry after this one and all that is inside it.
    pub(super) next: u32,
    /// Where the name is, without its quotes.
    pub(super) name_start: u32,
    pub(super) name_end: u32,
    /// What tells the name from most others, see [`mark`].
    pub(super) name_mark: u16,
    pub(super) kind: Kind,
    /// Of these [`PLAIN_NUMBER`] and [`ESCAPED_NAME`]. In one byte, so that an entry has 24.
    pub(super) flags: u8,
}

/// A number that is printed as it is written.
pub(super) const PLAIN_NUMBER: u8 = 1;

/// A name with escapes.
pub(super) const ESCAPED_NAME: u8 = 2;

/// Length, first and last byte of a name, mixed: names that differ in them needn't be compared.
#[inline(always)]
pub(super) fn mark(name: &[u8]) -> u16 {
    let ends = match name {
        [first, .., last] => first.wrapping_mul(31) ^ last,
        [only] => *only,
        [] => 0,
    };
    (name.len() as u16) << 8 | u16::from(ends)
}

/// Where everything in a JSON text lies. Holds no text, so that it can be kept beside the bytes it was made from.
///
/// Messages have their fields in objects and their samples in arrays, which few rules look into: an array is judged when the text is read, but gets
/// a tape of its own only when it is looked into. So no byte is read more than twice.
#[derive(Debug, Clone)]
pub(crate) struct Tape {
    pub(super) entries: Vec<Entry>,
    is_terse: bool,
    has_escapes: bool,
    folds_objects: bool,
    /// The arrays that are folded, by the place of their entry; made when the first is looked into.
    folded: OnceCell<Box<[Folded]>>,
    is_as_printed: OnceCell<bool>,
}

#[derive(Debug, Clone)]
struct Folded {
    place: u32,
    tape: OnceCell<Box<Tape>>,
}

impl Tape {
    /// Reads a whole text; `None` when it isn't JSON (RFC 8259), not UTF-8, or nested too deep.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        Self::read_text(std::str::from_utf8(bytes).ok()?)
    }

    /// Reads a whole text that is known to be UTF-8.
    pub(crate) fn read_text(text: &str) -> Option<Self> {
        Self::of(text, 0, true)
    }

    fn of(text: &str, start: usize, fold: bool) -> Option<Self> {
        let scan::Scan { entries, is_terse, has_escapes, folds_objects } =
            scan::scan(text.as_bytes(), start, fold)?;
        let folded = if fold { OnceCell::new() } else { OnceCell::from(Box::default()) };
        Some(Self { entries, is_terse, has_escapes, folds_objects, folded, is_as_printed: OnceCell::new() })
    }

    /// Whether strings or names have escapes.
    pub(super) fn has_escapes(&self) -> bool {
        self.has_escapes
    }

    /// The outermost value of the text the tape was made from.
    pub(crate) fn root<'d>(&'d self, bytes: &'d [u8]) -> Node<'d> {
        // It was UTF-8 when the tape was made.
        self.root_of(std::str::from_utf8(bytes).unwrap_or_default())
    }

    /// The same, for whoever kept the text.
    pub(crate) fn root_of<'d>(&'d self, text: &'d str) -> Node<'d> {
        Node { text, tape: self, index: 0 }
    }

    /// The array whose entry is at `place` in a tape where its elements have entries.
    pub(super) fn unfolded<'d>(&'d self, text: &'d str, place: u32) -> Option<Node<'d>> {
        let folded = self.folded.get_or_init(|| {
            let places = self.entries.iter().zip(0..).filter(|(entry, _)| entry.kind == Kind::Array);
            places.map(|(_, place)| Folded { place, tape: OnceCell::new() }).collect()
        });
        let found = folded.binary_search_by_key(&place, |folded| folded.place).ok()?;
        let entry = &self.entries[place as usize];
        let (start, end) = (entry.start as usize, entry.end as usize);
        let text = text.get(..end)?;
        let cell = &folded[found].tape;
        if cell.get().is_none() {
            // The array was judged with the whole text.
            let _ = cell.set(Box::new(Self::of(text, start, false)?));
        }
        cell.get().map(|tape| tape.root_of(text))
    }

    /// Whether the text is exactly what would be printed for its outermost value.
    pub(crate) fn is_as_printed(&self, text: &str) -> bool {
        *self.is_as_printed.get_or_init(|| self.is_terse && !self.has_repeated_names(text))
    }

    /// Whether an object of a text without escapes has a name twice; also said of objects with too many members to compare.
    fn has_repeated_names(&self, text: &str) -> bool {
        if self.folds_objects {
            return repeated::has_repeated_names(text.as_bytes());
        }
        self.entries.iter().enumerate().any(|(place, entry)| {
            entry.kind == Kind::Object
                && self.repeats_name(text, &self.entries[..entry.next as usize], place + 1)
        })
    }

    /// The same of one object, whose members are `entries` from `place` on.
    fn repeats_name(&self, text: &str, entries: &[Entry], place: usize) -> bool {
        let bytes = |entry: &Entry| text.as_bytes().get(entry.name_start as usize..entry.name_end as usize);
        // Names of different marks are different, and most marks fall on different bits.
        let mut seen = 0u128;
        for (count, name) in members(entries, place).enumerate() {
            let bit = 1 << ((name.name_mark ^ name.name_mark >> 7) & 127);
            if seen & bit != 0 {
                let is_same =
                    |other: &Entry| other.name_mark == name.name_mark && bytes(other) == bytes(name);
                if count >= repeated::COMPARED_NAMES_MAX || members(entries, place).take(count).any(is_same) {
                    return true;
                }
            }
            seen |= bit;
        }
        false
    }
}

/// The members from `place` on.
fn members(entries: &[Entry], mut place: usize) -> impl Iterator<Item = &Entry> {
    std::iter::from_fn(move || {
        let entry = entries.get(place)?;
        place = entry.next as usize;
        Some(entry)
    })
}
