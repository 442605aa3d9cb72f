//! `iot-gateway rules`: rules tested before they run and watched while they do. One file for each subcommand, one list of them.

mod eval;
mod functions;
mod list;
mod test;
mod trace;

use super::output;
use clap::{Args, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  iot-gateway rules test rules/definitions\n  \
    iot-gateway rules eval --sql \"SELECT temperature FROM 'plant/+/telemetry' WHERE temperature > 80\" \\\n    \
    --topic plant/kiln-7/telemetry --payload '{\"temperature\": 81.5}'")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run the cases of definitions, or of a .jsonl file of vectors
    Test(test::Arguments),
    /// Show what a statement makes of one message, and why
    Eval(Box<eval::Arguments>),
    /// List the rules of the running gateway with their states and counts
    List(list::Arguments),
    /// Follow live messages through a rule of the running gateway
    Trace(trace::Arguments),
    /// List the functions of the SQL, or show one with examples
    Functions(functions::Arguments),
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Test(arguments) => test::run(arguments),
        Action::Eval(arguments) => eval::run(arguments),
        Action::List(arguments) => list::run(arguments),
        Action::Trace(arguments) => trace::run(arguments),
        Action::Functions(arguments) => functions::run(arguments),
    }
}

/// A piece of a path or query of the control socket.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
