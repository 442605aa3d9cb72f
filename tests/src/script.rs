//! Programs in other languages that report in JSON.

use crate::wait;
use anyhow::Context;
use serde_json::Value;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A script that runs. Killed when it is dropped.
#[derive(Debug)]
pub struct Script {
    name: String,
    child: Child,
}

impl Script {
    /// Starts the command that runs a script; `advice` says how to get the interpreter.
    pub(crate) fn start(name: &str, mut command: Command, advice: &str) -> anyhow::Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} can't be run; {advice}", command.get_program().display()))?;
        Ok(Self { name: name.to_string(), child })
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

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
