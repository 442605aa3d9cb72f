//! `device-sim`, the fleet as a program of its own.

use std::process::ExitCode;

use clap::Parser;

/// A fleet of simulated devices that proves by count what arrived.
#[derive(Parser)]
#[command(name = "device-sim", version)]
struct CommandLine {
    #[command(flatten)]
    arguments: device_sim::command::Arguments,
}

fn main() -> ExitCode {
    device_sim::run(CommandLine::parse().arguments)
}
