//! Clients in Python: what users have.

use crate::script::Script;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The interpreter with the clients installed: `PYTHON`, or the one that `tests/run python` makes.
pub fn python() -> PathBuf {
    std::env::var_os("PYTHON").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.venv/bin/python")),
        PathBuf::from,
    )
}

/// Scripts of `tests/python`.
#[derive(Debug)]
pub struct Python;

impl Python {
    /// Starts a script.
    ///
    /// # Errors
    /// When the interpreter can't be run.
    pub fn start(script: &str, arguments: &[String]) -> anyhow::Result<Script> {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("python").join(script);
        let mut command = Command::new(python());
        command.arg(file).args(arguments);
        Script::start(script, command, "`tests/run python` makes it")
    }

    /// Runs a script to its end. Gives the JSON it printed.
    ///
    /// # Errors
    /// What it said, when it fails or takes too long.
    pub fn run(script: &str, arguments: &[String]) -> anyhow::Result<Value> {
        Self::start(script, arguments)?.finish(Duration::from_secs(60))
    }
}
