//! Test cases of rules: one JSON object per line, a message and what the statement must make of it.
//!
//! The same format serves the cases beside a definition and files of vectors for the SQL itself. Text in, report out;
//! payloads reach the statement byte for byte as they stand in the line.

mod actions;
mod compare;
mod expectation;
mod failure;
mod fields;
mod fixtures;
mod format;
mod properties;
mod run;
#[cfg(test)]
mod tests;
mod trial;
mod window;

use crate::definition::Definition;
use format::Case;

pub use failure::{Differing, Failure};
pub use fixtures::Fixtures;
pub use trial::{Trial, Tried};

/// The longest line that is read, in bytes. Whoever reads a file may stop there.
pub const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The case's own name; its line where it has none.
    pub id: String,
    /// Why it didn't pass; `None` when it did.
    pub failure: Option<Failure>,
    /// What is odd about the case and changes nothing, such as a field that nobody knows.
    pub remarks: Vec<String>,
}

impl Verdict {
    /// The verdict on a line that is longer than [`LINE_BYTES_MAX`] and was not read.
    pub fn too_long(line: usize) -> Self {
        Self::unread(line, format!("not a case: the line has more than {LINE_BYTES_MAX} bytes"))
    }

    fn unread(line: usize, reason: String) -> Self {
        let failure = Failure { line, ..Failure::because(reason) };
        Self { id: String::new(), failure: Some(failure), remarks: Vec::new() }
    }
}

/// What came of a file of cases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many cases gave what they should.
    pub passed: usize,
    /// The others.
    pub failures: Vec<Failure>,
    /// What is odd, with the line it is about.
    pub remarks: Vec<(usize, String)>,
}

impl Report {
    /// Counts the verdict on the case of a line.
    pub fn add(&mut self, line: usize, verdict: Verdict) {
        self.remarks.extend(verdict.remarks.into_iter().map(|remark| (line, remark)));
        match verdict.failure {
            None => self.passed += 1,
            Some(failure) => self.failures.push(failure),
        }
    }
}

/// Which cases are run, and what about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Suite<'s> {
    /// Whose statement cases use that bring none of their own.
    pub definition: Option<&'s Definition>,
    /// A text the id must contain.
    pub filter: Option<&'s str>,
}

impl Suite<'_> {
    /// Runs the case of one line, counted from 1; `None` when there is none, or not one that is wanted.
    ///
    /// A line that can't be read is a case that failed.
    pub fn run_line(&self, line: usize, bytes: &[u8]) -> Option<Verdict> {
        let bytes = if line == 1 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) } else { bytes };
        if bytes.trim_ascii().is_empty() {
            return None;
        }
        let read = std::str::from_utf8(bytes)
            .map_err(|error| format!("not a case: no UTF-8 after byte {}", error.valid_up_to()))
            .and_then(|text| Case::read(text, line));
        let case = match read {
            Ok(case) => case,
            Err(_) if self.filter.is_some() => return None,
            Err(reason) => return Some(Verdict::unread(line, reason)),
        };
        if self.filter.is_some_and(|filter| !case.id.contains(filter)) {
            return None;
        }
        let failure = case.run(self.definition).err().map(|failure| Failure {
            line,
            id: case.id.clone(),
            sql: case.sql_of(self.definition),
            topic: Some(case.sent.topic.clone()),
            ..*failure
        });
        Some(Verdict { id: case.id, failure, remarks: case.remarks })
    }

    /// Runs every case of a text.
    pub fn run(&self, text: &[u8]) -> Report {
        let mut report = Report::default();
        for (at, bytes) in text.split(|byte| *byte == b'\n').enumerate() {
            if let Some(verdict) = self.run_line(at + 1, bytes) {
                report.add(at + 1, verdict);
            }
        }
        report
    }
}

/// Runs every case of `text`. Cases that bring no statement of their own use the definition's.
pub fn run(text: &str, definition: Option<&Definition>) -> Report {
    Suite { definition, filter: None }.run(text.as_bytes())
}
