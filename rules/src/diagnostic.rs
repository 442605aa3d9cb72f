//! What is wrong with a statement, and where: made by the lexer, parser and check, read by people.
//!
//! Knows text and positions; must not know what the SQL means.

mod excerpt;

use std::fmt;

/// A half-open range of bytes in the statement's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The range from `start` up to but not including `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Whether all of another range lies in this one.
    pub fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The smallest range that holds both.
    pub fn join(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A place in a text as an editor shows it. Both numbers start at 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
}

impl Position {
    /// The place of byte `offset` of `text`; an offset past the end is the place after the last character.
    pub fn of(text: &str, offset: usize) -> Self {
        let before = &text[..floor(text, offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

/// The nearest byte at or before `offset` at which a character of `text` starts, or its end.
fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// One thing that is wrong with (or, as a warning, odd about) a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// The piece of the text that is meant.
    pub span: Span,
    /// Line of the piece, from 1.
    pub line: usize,
    /// Column of the piece in characters, from 1.
    pub column: usize,
    /// What to write instead, where we have an idea.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A diagnostic about `span` of `text`.
    pub fn new(text: &str, span: Span, message: impl Into<String>) -> Self {
        let Position { line, column } = Position::of(text, span.start);
        Self { message: message.into(), span, line, column, hint: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The message with the line of `text` it is about, the piece underlined, and the hint.
    ///
    /// `text` must be the text the diagnostic was made from; `origin` is how the user calls it, say a file name.
    pub fn render(&self, text: &str, origin: &str) -> String {
        let start = floor(text, self.span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[line_start..].lines().next().unwrap_or("");
        let end = floor(text, self.span.end.max(start));
        let (shown, marks) = excerpt::excerpt(line, start - line_start, end - line_start);
        let gutter = " ".repeat(self.line.to_string().len());
        let mut rendered = format!(
            "{origin}:{}:{}: {}\n{gutter} |\n{} | {shown}\n{gutter} | {marks}\n",
            self.line, self.column, self.message, self.line
        );
        if let Some(hint) = &self.hint {
            rendered.push_str(&format!("{gutter} = {hint}\n"));
        }
        rendered
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}: {}", self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a statement or template. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlErrors {
    /// The diagnostics in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl SqlErrors {
    /// These diagnostics in the order of the text.
    pub(crate) fn new(mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|error| error.span.start);
        Self { diagnostics }
    }

    /// All diagnostics, each with its line of `sql` and the piece underlined.
    pub fn render(&self, sql: &str, origin: &str) -> String {
        let rendered: Vec<String> = self.diagnostics.iter().map(|item| item.render(sql, origin)).collect();
        rendered.join("\n")
    }
}

impl From<Diagnostic> for SqlErrors {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostics: vec![diagnostic] }
    }
}

impl fmt::Display for SqlErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, diagnostic) in self.diagnostics.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SqlErrors {}

/// Longer words are meant to be nothing we know; comparing takes time in proportion to their length.
const NEAREST_BYTES_MAX: usize = 64;

/// The candidate that `written` was probably meant to be, if one is near enough.
pub(crate) fn nearest<'c>(written: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if written.len() > NEAREST_BYTES_MAX {
        return None;
    }
    let written = written.to_lowercase();
    // A third of the letters may be wrong: enough for slips, too little to suggest an unrelated word.
    let distance_max = (written.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&written, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
