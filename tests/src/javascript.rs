//! Clients in JavaScript: what users have.

use crate::script::Script;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The interpreter: `NODE`, or the system's.
fn node() -> PathBuf {
    std::env::var_os("NODE").map_or_else(|| PathBuf::from("node"), PathBuf::from)
}

/// Runs a script of `tests/javascript` to its end. Gives the JSON it printed.
///
/// # Errors
/// What it said, when it fails or takes too long.
pub fn run(script: &str, arguments: &[String]) -> anyhow::Result<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("javascript").join(script);
    let mut command = Command::new(node());
    command.arg(file).args(arguments);
    Script::start(script, command, "`tests/run javascript` installs it")?.finish(Duration::from_secs(120))
}
