//! The lines of a file, each in bounded memory.

use std::io::{BufRead, Read};

/// A line and where it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: usize,
    /// Without the end of the line; `None` when it was too long to keep.
    pub(super) text: Option<Vec<u8>>,
    /// The bytes of the file up to here.
    pub(super) end: u64,
}

/// Reads line by line; of a line longer than `bytes_max` nothing is kept.
pub(super) fn lines(
    mut reader: impl BufRead,
    bytes_max: usize,
) -> impl Iterator<Item = std::io::Result<Line>> {
    let (mut number, mut end) = (0, 0);
    std::iter::from_fn(move || {
        let mut text = Vec::new();
        // One more for the end of the line.
        let mut bounded = reader.by_ref().take(bytes_max as u64 + 1);
        let read = bounded.read_until(b'\n', &mut text);
        number += 1;
        match read {
            Ok(0) => return None,
            Ok(bytes) => end += bytes as u64,
            Err(error) => return Some(Err(error)),
        }
        let text = match text.pop_if(|last| *last == b'\n') {
            None if text.len() > bytes_max => {
                drop(text);
                match reader.skip_until(b'\n') {
                    Ok(bytes) => end += bytes as u64,
                    Err(error) => return Some(Err(error)),
                }
                None
            }
            _ => Some(text),
        };
        Some(Ok(Line { number, text, end }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_or_not_at_all() {
        let read = |text: &'static str| -> Vec<(usize, Option<String>, u64)> {
            lines(text.as_bytes(), 4)
                .map(Result::unwrap)
                .map(|line| (line.number, line.text.map(|text| String::from_utf8(text).unwrap()), line.end))
                .collect()
        };
        let some = |text: &str| Some(text.to_string());
        assert_eq!(read(""), []);
        assert_eq!(read("a\n\nabcd\n"), [(1, some("a"), 2), (2, some(""), 3), (3, some("abcd"), 8)]);
        assert_eq!(read("abcde\nb"), [(1, None, 6), (2, some("b"), 7)]);
        assert_eq!(read("a\nabcdefghijk"), [(1, some("a"), 2), (2, None, 13)]);
    }
}
