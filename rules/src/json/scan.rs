//! The one pass over a JSON text (RFC 8259). It doesn't recurse: open containers are linked through the tape itself, those that are folded are bits
//! of a number.
//!
//! Everything here is inlined into two loops, so that the place in the text stays in a register.

use super::tape::{ESCAPED_NAME, Entry, PLAIN_NUMBER, mark};
use super::token::Cursor;
use super::{DEPTH_MAX, Kind};

/// What the pass found.
pub(super) struct Scan {
    pub(super) entries: Vec<Entry>,
    /// Whether the text is already as it would be printed, repeated names aside: no spaces, no escapes, numbers in plain form.
    pub(super) is_terse: bool,
    pub(super) has_escapes: bool,
    /// Whether a folded array has objects inside.
    pub(super) folds_objects: bool,
}

/// Marks every value of `bytes`, which are UTF-8, from `start` to the end; `None` when that isn't JSON. With `fold` what is inside arrays is judged
/// but not marked.
pub(super) fn scan(bytes: &[u8], start: usize, fold: bool) -> Option<Scan> {
    // Positions are kept in 32 bits; MQTT payloads are far below that (256 MiB).
    u32::try_from(bytes.len()).ok()?;
    let mut cursor = Cursor::new(bytes, start);
    let mut marks = Marks::with_room_for(bytes.len() - start);
    let mut folds_objects = false;
    loop {
        let byte = cursor.after_space()?;
        let start = cursor.at();
        match byte {
            b'"' => marks.string(&mut cursor)?,
            b'[' if fold => {
                folds_objects |= folded(&mut cursor, marks.depth)?;
                marks.push(Kind::Array, false, start, cursor.at());
            }
            b'{' | b'[' => {
                cursor.pass();
                marks.open(byte == b'{', start)?;
                if cursor.after_space()? != marks.closing() {
                    marks.name_if_object(&mut cursor)?;
                    continue;
                }
            }
            byte => marks.scalar(&mut cursor, byte)?,
        }
        if !marks.goes_on(&mut cursor)? {
            break;
        }
    }
    let is_whole = cursor.end_of_space() == bytes.len();
    let (is_terse, has_escapes) = (cursor.is_terse(), cursor.has_escapes());
    is_whole.then_some(Scan { entries: marks.entries, is_terse, has_escapes, folds_objects })
}

/// No container is open.
const NONE: u32 = u32::MAX;

/// The tape in the making.
struct Marks {
    entries: Vec<Entry>,
    /// The innermost open container; its `next` holds the one around it until it is closed.
    open: u32,
    in_object: bool,
    depth: usize,
    /// The name of the member whose value comes: where it starts and ends, its mark and its flags.
    name: (u32, u32, u16, u8),
}

impl Marks {
    #[inline(always)]
    fn with_room_for(bytes: usize) -> Self {
        let entries = Vec::with_capacity((bytes / 8).clamp(8, 256));
        Self { entries, open: NONE, in_object: false, depth: 0, name: (0, 0, 0, 0) }
    }

    #[inline(always)]
    fn push(&mut self, kind: Kind, is_plain: bool, start: usize, end: usize) {
        let next = self.entries.len() as u32 + 1;
        self.entry(kind, if is_plain { PLAIN_NUMBER } else { 0 }, start, end, next);
    }

    #[inline(always)]
    fn entry(&mut self, kind: Kind, flags: u8, start: usize, end: usize, next: u32) {
        let (name_start, name_end, name_mark, name_flags) = self.name;
        let (start, end, flags) = (start as u32, end as u32, flags | name_flags);
        self.entries.push(Entry { start, end, next, name_start, name_end, name_mark, kind, flags });
    }

    #[inline(always)]
    fn open(&mut self, is_object: bool, start: usize) -> Option<()> {
        if self.depth == DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        let index = self.entries.len() as u32;
        let kind = if is_object { Kind::Object } else { Kind::Array };
        self.entry(kind, 0, start, 0, self.open);
        self.open = index;
        self.in_object = is_object;
        Some(())
    }

    #[inline(always)]
    fn close(&mut self, end: usize) {
        let next = self.entries.len() as u32;
        self.depth -= 1;
        let entry = &mut self.entries[self.open as usize];
        self.open = std::mem::replace(&mut entry.next, next);
        entry.end = end as u32;
        self.in_object = self.entries.get(self.open as usize).is_some_and(|entry| entry.kind == Kind::Object);
    }

    #[inline(always)]
    fn closing(&self) -> u8 {
        closing(self.in_object)
    }

    /// The name that a member begins with, when it is a member that comes.
    #[inline(always)]
    fn name_if_object(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        if self.in_object {
            let (start, end, is_escaped) = cursor.name()?;
            let mark = mark(&cursor.bytes()[start..end]);
            self.name = (start as u32, end as u32, mark, if is_escaped { ESCAPED_NAME } else { 0 });
        }
        Some(())
    }

    #[inline(always)]
    fn string(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let start = cursor.at() + 1;
        let kind = if cursor.string()? { Kind::Escaped } else { Kind::Plain };
        self.push(kind, false, start, cursor.at() - 1);
        Some(())
    }

    /// A number or a word.
    #[inline(always)]
    fn scalar(&mut self, cursor: &mut Cursor<'_>, byte: u8) -> Option<()> {
        let start = cursor.at();
        let (kind, is_plain) = match byte {
            b't' => (Kind::True, cursor.word(b"true")?),
            b'f' => (Kind::False, cursor.word(b"false")?),
            b'n' => (Kind::Null, cursor.word(b"null")?),
            _ => (Kind::Number, cursor.number()?),
        };
        self.push(kind, is_plain, start, cursor.at());
        Some(())
    }

    /// Goes on after a value: closes what ends there, up to the next value. Says whether there is one.
    #[inline(always)]
    fn goes_on(&mut self, cursor: &mut Cursor<'_>) -> Option<bool> {
        while self.open != NONE {
            let byte = cursor.after_space()?;
            cursor.pass();
            if byte == b',' {
                self.name_if_object(cursor)?;
                return Some(true);
            }
            if byte != self.closing() {
                return None;
            }
            self.close(cursor.at());
        }
        Some(false)
    }
}

/// Passes an array and all that is inside it; says whether there are objects.
fn folded(cursor: &mut Cursor<'_>, depth: usize) -> Option<bool> {
    let mut inner = cursor.clone();
    // The kinds of what is open, the innermost in the last bit: 1 is an object. No more than DEPTH_MAX are open, so none is pushed out.
    let (mut open, mut count, mut objects) = (0u128, 0, false);
    loop {
        let byte = inner.after_space()?;
        if matches!(byte, b'{' | b'[') {
            if depth + count == DEPTH_MAX {
                return None;
            }
            let is_object = byte == b'{';
            objects |= is_object;
            open = open << 1 | u128::from(is_object);
            count += 1;
            inner.pass();
            if inner.after_space()? != closing(is_object) {
                if is_object {
                    inner.name()?;
                }
                continue;
            }
        } else {
            inner.scalar(byte)?;
        }
        // Goes on after a value, or inside an empty container.
        loop {
            let is_object = open & 1 == 1;
            let byte = inner.after_space()?;
            inner.pass();
            if byte == b',' {
                if is_object {
                    inner.name()?;
                }
                break;
            }
            if byte != closing(is_object) {
                return None;
            }
            open >>= 1;
            count -= 1;
            if count == 0 {
                *cursor = inner;
                return Some(objects);
            }
        }
    }
}

#[inline(always)]
const fn closing(is_object: bool) -> u8 {
    if is_object { b'}' } else { b']' }
}
