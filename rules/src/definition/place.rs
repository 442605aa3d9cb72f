//! From a place inside a TOML string's value to the place in the file, where the author looks.

use crate::diagnostic::{Diagnostic, Position, Span};

/// A string value and the piece of the file it was read from, quotes included.
pub(super) struct Embedded<'t> {
    pub(super) file: &'t str,
    pub(super) span: Span,
    pub(super) value: &'t str,
}

impl Embedded<'_> {
    /// The same diagnostic with its place in the file.
    pub(super) fn relocate(&self, diagnostic: Diagnostic) -> Diagnostic {
        let span = Span::new(self.file_offset(diagnostic.span.start), self.file_offset(diagnostic.span.end));
        let Position { line, column } = Position::of(self.file, span.start);
        Diagnostic { span, line, column, ..diagnostic }
    }

    /// Walks value and source side by side: they differ by escapes, line ends and the opening quotes.
    fn file_offset(&self, wanted: usize) -> usize {
        let source = &self.file[self.span.start..self.span.end];
        let quotes = opening_quotes(source);
        let mut at = quotes;
        if quotes == 3 {
            at += line_end(&source[at..]);
        }
        let has_escapes = source.starts_with('"');
        let mut reached = 0;
        let mut characters = self.value.char_indices();
        while reached < wanted && at + quotes < source.len() {
            let rest = &source[at..];
            let length = match rest.chars().next() {
                Some('\\') if has_escapes => match folded_lines(rest) {
                    // A backslash at the end of a line swallows white space and stands for nothing.
                    Some(length) => {
                        at += length;
                        continue;
                    }
                    None => escape_length(rest),
                },
                Some('\r') if rest.starts_with("\r\n") && !self.value[reached..].starts_with('\r') => 2,
                Some(character) => character.len_utf8(),
                None => break,
            };
            at += length;
            characters.next();
            reached = self.value.len() - characters.as_str().len();
        }
        while has_escapes && let Some(length) = source.get(at..).and_then(folded_lines) {
            at += length;
        }
        self.span.start + at.min(source.len())
    }
}

fn opening_quotes(source: &str) -> usize {
    if source.starts_with("\"\"\"") || source.starts_with("'''") { 3 } else { 1 }
}

fn line_end(text: &str) -> usize {
    if text.starts_with("\r\n") { 2 } else { usize::from(text.starts_with('\n')) }
}

/// How long an escape is that stands for a character.
fn escape_length(escape: &str) -> usize {
    let length = match escape.as_bytes().get(1) {
        Some(b'u') => 6,
        Some(b'U') => 10,
        Some(b'x') => 4,
        _ => 2,
    };
    (length..=escape.len()).find(|length| escape.is_char_boundary(*length)).unwrap_or(escape.len())
}

/// How long a backslash is that folds the line end after it, with all the white space it swallows.
fn folded_lines(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('\\')?.trim_start_matches([' ', '\t']);
    if line_end(after) == 0 {
        return None;
    }
    Some(rest.len() - after.trim_start_matches([' ', '\t', '\r', '\n']).len())
}
