//! `device-sim play`: a scenario, to its end.

use std::path::PathBuf;

use clap::Args;

use super::{ScenarioArguments, ShowArguments};

/// Shown below the options.
pub(super) const EXAMPLES: &str = "Examples:
  device-sim play smart-meters --set server.address=broker.example:1883
  device-sim play night-shift.toml --set server.address=broker.example:8883 --set fleet.meter.devices=5000 --json
  device-sim play night-shift.toml --html night-shift.html

Exit status: 0 when every threshold holds; 1 when one does not; 2 when the scenario is wrong; 3 when no device could
connect or the target could not be read back.";

/// The options of `device-sim play`.
#[derive(Args, Clone, Debug)]
pub struct PlayArguments {
    /// What is played.
    #[command(flatten)]
    pub scenario: ScenarioArguments,

    /// Name of this run, carried by every message; default: made from the time; example: night-shift
    #[arg(long, value_name = "ID", help_heading = "Scenario")]
    pub run: Option<String>,

    /// End when standard input is closed, for a program that started this one
    #[arg(long, help_heading = "Scenario")]
    pub stop_on_stdin_eof: bool,

    /// Print the final summary as one JSON object
    #[arg(long, help_heading = "Report")]
    pub json: bool,

    /// Seconds between two progress lines on standard error; 0 for none; example: 5
    #[arg(long, value_name = "SECONDS", default_value_t = 1, help_heading = "Report")]
    pub progress_secs: u64,

    /// Write which sequence numbers were acknowledged, one JSON line for each device; example: acknowledged.jsonl
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub acknowledged_file: Option<PathBuf>,

    /// What else is shown.
    #[command(flatten)]
    pub show: ShowArguments,
}
