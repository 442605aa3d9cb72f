//! What people and programs are told: lines on standard error while it runs, one summary at the end.

pub(crate) mod document;
pub(crate) mod html;
mod live;
mod metrics;
mod screen;
mod summary;
mod text;

use std::io::Write;
use std::path::Path;

use serde::Serialize;

pub(crate) use live::Live;
pub use live::When;
pub(crate) use screen::About;
pub use summary::{Account, Summary};

use crate::engine::Outcome;
use crate::error::Error;

/// A line on standard error. If nobody can read it, the run goes on.
pub(crate) fn tell(line: &str) {
    if let Some(line) = screen::hold(line) {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
}

/// Prints the summary on standard output.
pub(crate) fn print(summary: &Summary, json: bool) -> Result<(), Error> {
    let text = if json {
        let mut text = serde_json::to_string(summary).expect("a summary has only texts and numbers");
        text.push('\n');
        text
    } else {
        text::of(summary)
    };
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(|source| Error::Write { path: "standard output".into(), source })
}

/// Writes which sequence numbers were acknowledged, a line for each device.
pub(crate) fn write_acknowledged(path: &Path, outcomes: &[Outcome]) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        device: &'a str,
        ranges: &'a crate::ranges::Ranges,
    }
    let mut text = String::new();
    for outcome in outcomes {
        let line = Line { device: &outcome.name, ranges: &outcome.acknowledged };
        text.push_str(&serde_json::to_string(&line).expect("a line has only texts and numbers"));
        text.push('\n');
    }
    std::fs::write(path, text).map_err(|source| Error::Write { path: path.to_owned(), source })
}
