//! Clients in Python: what users have.

use crate::wait;
use anyhow::Context;
use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The interpreter with the clients installed: `PYTHON`, or the one that `tests/run python` makes.
pub fn python() -> PathBuf {
    std::env::var_os("PYTHON").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.venv/bin/python")),
        PathBuf::from,
    )
}

/// A script of `tests/python` that runs. Killed when it is dropped.
#[derive(Debug)]
pub struct Python {
    name: String,
    child: Child,
}

impl Python {
    /// Starts a script.
    ///
    /// # Errors
    /// When the interpreter can't be run.
    pub fn start(script: &str, arguments: &[String]) -> anyhow::Result<Self> {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("python").join(script);
        let child = Command::new(python())
            .arg(file)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} can't be run; `tests/run python` makes it", python().display()))?;
        Ok(Self { name: script.to_string(), child })
    }

    /// Runs a script to its end. Gives the JSON it printed.
    ///
    /// # Errors
    /// What it said, when it fails or takes too long.
    pub fn run(script: &str, arguments: &[String]) -> anyhow::Result<Value> {
        Self::start(script, arguments)?.finish(Duration::from_secs(60))
    }

    /// Waits for its end. Gives the JSON it printed, which is less than a pipe holds.
    ///
    /// # Errors
    /// What it said, when it fails or takes too long.
    pub fn finish(mut self, bound: Duration) -> anyhow::Result<Value> {
        let child = &mut self.child;
        let ended = wait::until(&format!("{} to end", self.name), bound, || child.try_wait().ok().flatten());
        if ended.is_err() {
            child.kill()?;
        }
        let (mut printed, mut said) = (String::new(), String::new());
        child.stdout.take().context("its output")?.read_to_string(&mut printed)?;
        child.stderr.take().context("its errors")?.read_to_string(&mut said)?;
        let status = ended.with_context(|| format!("{printed}{said}"))?;
        anyhow::ensure!(status.success(), "{} ended with {status}:\n{printed}{said}", self.name);
        serde_json::from_str(&printed).with_context(|| format!("{} printed: {printed}", self.name))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
