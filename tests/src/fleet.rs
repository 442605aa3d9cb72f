//! The fleet: simulated devices as a process of their own.

use crate::gateway::binary;
use crate::site::Site;
use crate::wait;
use anyhow::Context;
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A fleet that runs. Killed when it is dropped.
#[derive(Debug)]
pub struct Fleet {
    child: Child,
    report: PathBuf,
    log: PathBuf,
}

/// What the fleet says at its end.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The whole report.
    pub report: Value,
    /// How it ended; 0 is well.
    pub status: i32,
}

impl Fleet {
    /// Starts devices of the site against its gateway.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(site: &Site, options: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(binary());
        command
            .args([
                "device-sim",
                "run",
                "--address",
                &site.tls_address.to_string(),
                "--server-name",
                "localhost",
            ])
            .arg("--authority")
            .arg(site.path("pki/authority.crt"))
            .arg("--certificates")
            .arg(site.path("pki/devices"))
            .args(options);
        Self::spawn(site, command)
    }

    /// Starts a scenario, whose text has no file yet.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn play(site: &Site, scenario: &str, options: &[&str]) -> anyhow::Result<Self> {
        site.write("scenario.toml", scenario)?;
        let mut command = Command::new(binary());
        command.args(["device-sim", "play"]).arg(site.path("scenario.toml")).args(options);
        Self::spawn(site, command)
    }

    fn spawn(site: &Site, mut command: Command) -> anyhow::Result<Self> {
        let (report, log) = (site.path("fleet.json"), site.path("fleet.log"));
        let child = command
            .arg("--json")
            .arg("--stop-on-stdin-eof")
            .stdin(Stdio::piped())
            .stdout(File::create(&report)?)
            .stderr(File::create(&log)?)
            .spawn()?;
        Ok(Self { child, report, log })
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it has said so far beside its report.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How many messages were acknowledged, as of its last line of progress.
    pub fn acknowledged(&self) -> u64 {
        let said = self.said();
        let last = said.lines().rev().find_map(|line| line.split_once("  acknowledged "));
        last.and_then(|(_, rest)| rest.split(' ').next()?.parse().ok()).unwrap_or(0)
    }

    /// Tells it to stop sending and waits for its end.
    ///
    /// # Errors
    /// As [`Fleet::finish`].
    pub fn stop(mut self, bound: Duration) -> anyhow::Result<Summary> {
        drop(self.child.stdin.take());
        self.finish(bound)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time, or without a report.
    pub fn finish(mut self, bound: Duration) -> anyhow::Result<Summary> {
        let child = &mut self.child;
        let said = || std::fs::read_to_string(&self.log).unwrap_or_default();
        let status = wait::until("the fleet to end", bound, || child.try_wait().ok().flatten())
            .with_context(|| tail(&said()))?;
        let text = std::fs::read_to_string(&self.report)?;
        let report = serde_json::from_str(&text)
            .with_context(|| format!("the fleet ended with {status}: {text}{}", tail(&said())))?;
        Ok(Summary { report, status: status.code().unwrap_or(-1) })
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Summary {
    /// A number at a path such as `puback_micros.p99`.
    ///
    /// # Errors
    /// When there is none; with the whole report.
    pub fn number(&self, path: &str) -> anyhow::Result<u64> {
        let pointer = format!("/{}", path.replace('.', "/"));
        let found = self.report.pointer(&pointer).and_then(Value::as_u64);
        found.with_context(|| format!("no number `{path}` in {}", self.report))
    }
}
