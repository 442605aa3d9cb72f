//! Compiled regular expressions, all of them bounded.
//!
//! A pattern without look-around and back-references is matched in linear time. One with them is matched by
//! backtracking, which is bounded three times: by the size of the program, by the steps, and by the length of the text.
//! That holds for one search. How many searches a message may cause is counted on the account of whoever calls.

use std::ops::Range;

use super::java::{self, Translated};

/// The most memory a compiled pattern of a statement takes, in bytes (each part of it, when it backtracks).
const COMPILED_BYTES_MAX: usize = 256 * 1024;

/// The most memory a compiled pattern that came with a message takes, in bytes.
const FOREIGN_COMPILED_BYTES_MAX: usize = 32 * 1024;

/// The longest pattern that comes with a message, in bytes.
const FOREIGN_BYTES_MAX: usize = 1024;

/// The most instructions of a pattern that backtracks.
const INSTRUCTIONS_MAX: usize = 4096;

/// How often a match may go back and try something else.
const STEPS_MAX: usize = 10_000;

/// The longest text, in bytes, that a pattern that backtracks is tried on: each step may cost a walk to its end.
pub(super) const BACKTRACKED_BYTES_MAX: usize = 1024;

/// What a search of a pattern that backtracks counts, in bytes: as much time as looking at them, for ordinary ones.
const BACKTRACKING_BYTES: usize = 16 * 1024;

/// What such a search counts when it has made all its steps in vain.
const EXCEEDED_BYTES: usize = 256 * 1024;

/// What every further search of a text counts beside the bytes that it looks at.
const SEARCH_BYTES: usize = 16;

/// How many bytes a linear search looks at in the time in which one is copied, compared or hashed elsewhere.
const SEARCHED_PER_BYTE: usize = 4;

/// Counts work in bytes; false when it is too much.
pub(super) type Account<'a> = &'a dyn Fn(usize) -> bool;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    engine: Engine,
    /// Whether a search may read far beyond the match that it finds, so that many matches read the same text many times.
    reads_ahead: bool,
}

#[derive(Debug, Clone)]
enum Engine {
    Linear(regex::Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

/// Where a match and its groups are; the match itself is group 0.
pub(super) type Groups = Vec<Option<Range<usize>>>;

/// The text or pattern needs more than the bounds allow.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exceeded;

impl Expression {
    /// Compiles a pattern that stands in a statement.
    ///
    /// # Errors
    /// What is wrong with it, on one line.
    pub(crate) fn compile(pattern: &str) -> Result<Self, String> {
        let translated = java::translate(pattern)?;
        if !translated.backtracks {
            return linear(&translated, COMPILED_BYTES_MAX);
        }
        fancy_regex::RegexBuilder::new(&translated.text)
            .backtrack_limit(STEPS_MAX)
            .max_prog_size(INSTRUCTIONS_MAX)
            .delegate_size_limit(COMPILED_BYTES_MAX)
            .delegate_dfa_size_limit(COMPILED_BYTES_MAX)
            .build()
            .map(|regex| Self { engine: Engine::Backtracking(Box::new(regex)), reads_ahead: false })
            .map_err(|error| last_line(&error.to_string()))
    }

    /// Compiles a pattern that came with a message: only what is linear, and small.
    pub(super) fn compile_foreign(pattern: &str) -> Option<Self> {
        if pattern.len() > FOREIGN_BYTES_MAX {
            return None;
        }
        let translated = java::translate(pattern).ok().filter(|translated| !translated.backtracks)?;
        linear(&translated, FOREIGN_COMPILED_BYTES_MAX).ok()
    }

    /// Whether it matches somewhere.
    pub(super) fn is_match(&self, text: &str, account: Account<'_>) -> Result<bool, Exceeded> {
        match &self.engine {
            Engine::Linear(regex) => Ok(regex.is_match(text)),
            Engine::Backtracking(regex) => backtracking(account, text, |text| regex.is_match(text)),
        }
    }

    /// The first match.
    pub(super) fn find<'t>(&self, text: &'t str, account: Account<'_>) -> Result<Option<&'t str>, Exceeded> {
        match &self.engine {
            Engine::Linear(regex) => Ok(regex.find(text).map(|found| found.as_str())),
            Engine::Backtracking(regex) => {
                let found = backtracking(account, text, |text| regex.find(text))?;
                Ok(found.map(|found| found.as_str()))
            }
        }
    }

    /// The first match that starts at byte `from` or later, with its groups.
    pub(super) fn groups_from(
        &self,
        text: &str,
        from: usize,
        account: Account<'_>,
    ) -> Result<Option<Groups>, Exceeded> {
        match &self.engine {
            Engine::Linear(regex) => {
                let ahead = if self.reads_ahead { text.len() - from } else { 0 };
                if !account(SEARCH_BYTES + ahead / SEARCHED_PER_BYTE) {
                    return Err(Exceeded);
                }
                Ok(regex
                    .captures_at(text, from)
                    .map(|found| found.iter().map(|group| group.map(|group| group.range())).collect()))
            }
            Engine::Backtracking(regex) => {
                let found = backtracking(account, text, |text| regex.captures_from_pos(text, from))?;
                Ok(found.map(|found| found.iter().map(|group| group.map(|group| group.range())).collect()))
            }
        }
    }

    /// How many groups it has, the whole match counted.
    pub(super) fn group_count(&self) -> usize {
        match &self.engine {
            Engine::Linear(regex) => regex.captures_len(),
            Engine::Backtracking(regex) => regex.captures_len(),
        }
    }

    /// The number of the group called `name`.
    pub(super) fn group_named(&self, name: &str) -> Option<usize> {
        match &self.engine {
            Engine::Linear(regex) => regex.capture_names().position(|known| known == Some(name)),
            Engine::Backtracking(regex) => regex.capture_names().position(|known| known == Some(name)),
        }
    }
}

/// A search that backtracks, counted before and, when it was in vain, after it.
fn backtracking<'t, T>(
    account: Account<'_>,
    text: &'t str,
    search: impl FnOnce(&'t str) -> Result<T, fancy_regex::Error>,
) -> Result<T, Exceeded> {
    if text.len() > BACKTRACKED_BYTES_MAX || !account(BACKTRACKING_BYTES) {
        return Err(Exceeded);
    }
    search(text).map_err(|_| {
        account(EXCEEDED_BYTES);
        Exceeded
    })
}

fn linear(translated: &Translated, bytes_max: usize) -> Result<Expression, String> {
    regex::RegexBuilder::new(&translated.text)
        .size_limit(bytes_max)
        .dfa_size_limit(bytes_max)
        .build()
        .map(|regex| Expression { engine: Engine::Linear(regex), reads_ahead: translated.reads_ahead() })
        .map_err(|error| last_line(&error.to_string()))
}

/// What an engine's message says at its end; before that it shows the rewritten pattern, which the author doesn't know.
fn last_line(message: &str) -> String {
    let last = message.lines().last().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}
