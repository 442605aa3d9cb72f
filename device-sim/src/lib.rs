//! A fleet of simulated devices that proves by count what arrived.
//!
//! Each device has its own certificate, connection and schedule, and publishes numbered, checksummed messages with an
//! MQTT client of its own. The fleet remembers which of them the server acknowledged, reads the target back, and says
//! what was lost, repeated or damaged.
//!
//! ```text
//! command → settings → run → engine ─ scenario, generate     (what to send, and when)
//!                       │      └───── wire, transport → server
//!                       └→ read_back → truth → report
//! ```
//!
//! It must not use the gateway's own MQTT code: a mistake in that would then hide itself.

mod engine;
mod error;
mod random;
mod ranges;
mod read_back;
mod report;
mod run;
mod settings;

pub mod command;
pub mod credentials;
pub mod generate;
pub mod scenario;
pub mod transport;
pub mod truth;
pub mod wire;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

pub use error::Error;
pub use ranges::Ranges;
pub use report::{Account, Summary};
pub use truth::{Balance, Percentiles};

use command::{Arguments, Command, PlayArguments, RunArguments, ShowArguments};
use settings::Settings;

/// Exit status for wrong usage and settings.
const WRONG_SETTINGS: u8 = 2;
/// Exit status when the machine does not give what the run needs.
const NOT_PROVED: u8 = 3;

/// Does what the command line says, to its end, and prints the result. Makes its own runtime, so it must not be
/// called inside one.
pub fn run(arguments: Arguments) -> ExitCode {
    let ended = match arguments.command {
        Command::Check(arguments) => command::scenario::check(&arguments).map(|()| 0),
        Command::Scenarios(arguments) => command::scenario::scenarios(&arguments).map(|()| 0),
        Command::Run(arguments) => Settings::check(&arguments)
            .and_then(|settings| play_to_end(settings, arguments.json, &arguments.show)),
        Command::Play(arguments) => Settings::load(&arguments)
            .and_then(|settings| play_to_end(settings, arguments.json, &arguments.show)),
        Command::Report(arguments) => command::report::play(&arguments).map(|()| 0),
    };
    ExitCode::from(ended.unwrap_or_else(|error| {
        report::tell(&format!("error: {error}"));
        match error {
            Error::SetUp { .. } | Error::Subscribe { .. } | Error::Write { .. } => NOT_PROVED,
            _ => WRONG_SETTINGS,
        }
    }))
}

fn play_to_end(settings: Settings, json: bool, show: &ShowArguments) -> Result<u8, Error> {
    let runtime = runtime()?;
    let ended = runtime.block_on(Box::pin(play_settings(settings)));
    // A read of standard input cannot be cancelled and would keep the process.
    runtime.shutdown_timeout(run::SHUTDOWN);
    let summary = ended?;
    report::print(&summary, json)?;
    show.show(&summary)?;
    Ok(summary.exit_status())
}

/// Plays one run and returns its summary, printing only progress. For callers that have a runtime, with time and
/// input-output enabled.
///
/// # Errors
/// When the settings are wrong or something it needs cannot be set up; a lost message is not an error but a count.
pub async fn play(arguments: &RunArguments) -> Result<Summary, Error> {
    Box::pin(play_settings(Settings::check(arguments)?)).await
}

/// As [`play`], for a scenario.
///
/// # Errors
/// As [`play`].
pub async fn play_scenario(arguments: &PlayArguments) -> Result<Summary, Error> {
    Box::pin(play_settings(Settings::load(arguments)?)).await
}

async fn play_settings(settings: Settings) -> Result<Summary, Error> {
    // The HTTP client takes the process's provider; another one installed before is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Box::pin(run::play(settings)).await
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::SetUp { what: "the runtime", source })
}
