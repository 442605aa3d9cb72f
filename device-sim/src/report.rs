//! What people and programs are told: lines on standard error while it runs, one summary at the end.

pub(crate) mod document;
pub(crate) mod html;
mod summary;
mod text;

use std::convert::Infallible;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

pub use summary::{Account, Summary};

use crate::engine::Outcome;
use crate::error::Error;
use crate::truth::Tally;

/// A line on standard error. If nobody can read it, the run goes on.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
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

/// Prints a line every so often, until it is dropped.
pub(crate) async fn progress(tally: &Tally, every: Duration) -> Infallible {
    let mut ticks = tokio::time::interval(every);
    ticks.tick().await;
    let (mut sent, mut acknowledged) = (0, 0);
    loop {
        ticks.tick().await;
        let now = tally.snapshot().so_far;
        let rate = |now: u64, before: u64| (now - before) as f64 / every.as_secs_f64();
        tell(&format!(
            "connected {}  sent {} ({:.0}/s)  acknowledged {} ({:.0}/s)  outstanding {}  p99 {:.1} ms  \
             connect failures {}  disconnects {}  not sent {}",
            now.connected,
            now.sent,
            rate(now.sent, sent),
            now.acknowledged,
            rate(now.acknowledged, acknowledged),
            now.sent.saturating_sub(now.acknowledged),
            now.puback_micros.p99 as f64 / 1000.0,
            now.connect_failures,
            now.disconnects,
            now.not_sent,
        ));
        (sent, acknowledged) = (now.sent, now.acknowledged);
    }
}
