//! What is shown of a run besides its summary, and `device-sim report`: a kept summary as a report.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::error::Error;
use crate::report::document::Kept;
use crate::report::{self, Live, Summary, When};

/// Shown below the options.
pub(super) const EXAMPLES: &str = "Examples:
  device-sim run --address localhost:1883 --plain --seconds 30 --json > night.json
  device-sim report night.json --html night.html";

/// The options of every command that plays a fleet, about what it shows.
#[derive(Args, Clone, Debug, Default)]
pub struct ShowArguments {
    /// At the end, write a report to look at to this file: plots, thresholds and the ledger on one page; example: night.html
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub html: Option<PathBuf>,

    /// Show the run on one screen instead of lines: `auto` does on a terminal, unless --progress-secs is 0
    #[arg(long, value_enum, default_value_t, value_name = "WHEN", help_heading = "Report")]
    pub screen: When,

    /// While it runs, answer Prometheus at http://HOST:PORT/metrics; example: 127.0.0.1:9300
    #[arg(long, value_name = "HOST:PORT", help_heading = "Report")]
    pub prometheus: Option<String>,
}

impl ShowArguments {
    /// What is shown while it goes on, with a line every so often where there is no screen; 0 is no lines.
    pub(crate) fn live(&self, progress_secs: u64) -> Live {
        Live {
            progress: (progress_secs > 0).then(|| Duration::from_secs(progress_secs)),
            screen: self.screen,
            prometheus: self.prometheus.clone(),
        }
    }

    /// Shows a summary in every way that was asked for.
    pub(crate) fn show(&self, summary: &Summary) -> Result<(), Error> {
        match &self.html {
            Some(file) => report::html::write(file, &Kept::of(summary)),
            None => Ok(()),
        }
    }
}

/// The options of `device-sim report`.
#[derive(Args, Clone, Debug)]
pub struct ReportArguments {
    /// What `--json` printed at the end of a run; example: night.json
    #[arg(value_name = "SUMMARY")]
    pub summary: PathBuf,

    /// Write the report to this file; default: the summary's name with `.html`; example: night.html
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Writes the report and says where it is.
pub(crate) fn play(arguments: &ReportArguments) -> Result<(), Error> {
    let summary = report::document::read(&arguments.summary)?;
    let file = arguments.html.clone().unwrap_or_else(|| arguments.summary.with_extension("html"));
    report::html::write(&file, &summary)?;
    report::tell(&format!("wrote {}", file.display()));
    Ok(())
}
