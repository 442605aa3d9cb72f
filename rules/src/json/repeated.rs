//! Whether objects repeat names, in a text that is known to be JSON and to have no spaces and no escapes.

use super::token::Cursor;

/// Up to this many members, comparing each name with the earlier ones beats hashing; whoever has more is said to repeat one.
pub(super) const COMPARED_NAMES_MAX: usize = 32;

/// Whether any object has a name twice, or too many names to compare.
pub(super) fn has_repeated_names(bytes: &[u8]) -> bool {
    // The names of all open objects, and where in them those of each begin.
    let (mut names, mut begins): (Vec<&[u8]>, Vec<usize>) = (Vec::with_capacity(64), Vec::with_capacity(8));
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' => begins.push(names.len()),
            b'}' => names.truncate(begins.pop().unwrap_or(0)),
            b'"' => {
                let mut cursor = Cursor::new(bytes, at - 1);
                if cursor.string().is_none() {
                    return true;
                }
                let end = cursor.at() - 1;
                let name = &bytes[at..end];
                at = end + 1;
                if bytes.get(at) == Some(&b':') {
                    let earlier = &names[begins.last().copied().unwrap_or(0)..];
                    if earlier.len() >= COMPARED_NAMES_MAX || earlier.contains(&name) {
                        return true;
                    }
                    names.push(name);
                    at += 1;
                }
            }
            _ => {}
        }
    }
    false
}
