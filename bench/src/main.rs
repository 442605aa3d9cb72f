//! `compare`: the same loads against other brokers and against ours, in turns, and what each cost.
//!
//! ```text
//! command → settings ─► turns ─► measure ─► peer (starts a server), load (device-sim), usage (/proc)
//!                          └──► results ─► table, plot
//! ```
//!
//! It must not use any crate of the gateway but `certs`: a server is what listens on a port. It may not measure with anything but `/proc` and
//! what `device-sim` reports, so that every server is measured alike.

mod aims;
mod command;
mod interrupt;
mod load;
mod machine;
mod measure;
mod metric;
mod peer;
mod plot;
mod process;
mod results;
mod scenario;
mod session;
mod site;
mod statistics;
mod table;
mod turns;
mod usage;
mod wait;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = command::Arguments::parse();
    interrupt::listen();
    match turns::play(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
