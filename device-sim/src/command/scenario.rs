//! `device-sim check` and `device-sim scenarios`: scenarios without playing them.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::error::Error;
use crate::scenario::{READY, Ready, Scenario, outline};

/// Shown below the options.
pub(super) const CHECK_EXAMPLES: &str = "Examples:
  device-sim check night.toml
  device-sim check smart-meters --set fleet.meter.devices=5000";

/// Shown below the options.
pub(super) const SCENARIOS_EXAMPLES: &str = "Examples:
  device-sim scenarios
  device-sim scenarios vehicles > my-vehicles.toml";

/// Which scenario, and what replaces parts of it.
#[derive(Args, Clone, Debug)]
pub struct ScenarioArguments {
    /// A scenario's file, or the name of a ready one; example: smart-meters
    #[arg(value_name = "SCENARIO")]
    pub scenario: PathBuf,

    /// Replace what the scenario says; may be given several times; example: fleet.meter.devices=500
    ///
    /// Keys are joined by points. In a list stands the number of an element from 0, its name, or * for all of them,
    /// which may be left out if there is only one. The value is written as in TOML, or as bare text.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
}

impl ScenarioArguments {
    /// Reads the scenario.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(&self) -> Result<Scenario, Error> {
        Scenario::open(&self.scenario, &self.settings).map_err(Error::Scenario)
    }
}

/// The options of `device-sim scenarios`.
#[derive(Args, Clone, Debug)]
pub struct ScenariosArguments {
    /// Print this one's text; example: smart-meters
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// Reads a scenario and says what it would do.
pub(crate) fn check(arguments: &ScenarioArguments) -> Result<(), Error> {
    print(&outline(&arguments.read()?))
}

/// Lists the ready scenarios, or prints one.
pub(crate) fn scenarios(arguments: &ScenariosArguments) -> Result<(), Error> {
    match &arguments.name {
        None => print(&list()),
        Some(name) => match Ready::find(name) {
            Some(ready) => print(ready.text),
            None => Err(Error::Scenario(Ready::unknown(name))),
        },
    }
}

fn list() -> String {
    let line = |ready: &Ready| format!("{:<18}{}\n", ready.name, ready.description());
    READY.iter().map(line).collect()
}

fn print(text: &str) -> Result<(), Error> {
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(|source| Error::Write { path: "standard output".into(), source })
}
