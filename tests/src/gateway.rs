//! The gateway's process.

use crate::consumer::Consumer;
use crate::log::Log;
use crate::site::{Site, workspace};
use crate::wait;
use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How long a start may take, recovery included.
const START: Duration = Duration::from_secs(60);

/// The program under test: `IOT_GATEWAY_BINARY`, or the newest one built.
///
/// # Panics
/// When there is none.
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("IOT_GATEWAY_BINARY") {
        return PathBuf::from(named);
    }
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let built = ["release", "debug"].map(|profile| target.join(profile).join("iot-gateway"));
    let newest = built
        .into_iter()
        .filter(|path| path.is_file())
        .max_by_key(|path| path.metadata().and_then(|about| about.modified()).ok());
    newest.expect("build the gateway first (`cargo build --release`), or name it with IOT_GATEWAY_BINARY")
}

/// Runs the program to its end. Gives what it printed.
///
/// # Errors
/// What it printed, when it did not succeed.
pub fn run_command(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(binary()).args(arguments).stdin(Stdio::null()).output()?;
    let (printed, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    anyhow::ensure!(
        output.status.success(),
        "{arguments:?} ended with {}: {printed}{complained}",
        output.status
    );
    Ok(printed.into_owned())
}

/// A gateway that runs, or ran. Killed when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    settings: PathBuf,
    environment: Vec<(String, String)>,
    /// What it says.
    pub log: Log,
    /// Its queues, streams and metrics.
    pub consumer: Consumer,
}

impl Gateway {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it is not ready in time; with its last words.
    pub fn start(site: &Site) -> anyhow::Result<Self> {
        Self::start_with(site, Vec::new())
    }

    /// Starts it with further variables in its environment, each time, and waits until it is ready.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn start_with(site: &Site, environment: Vec<(String, String)>) -> anyhow::Result<Self> {
        let mut gateway = Self::spawn_with(site, environment)?;
        gateway.wait_until_ready()?;
        Ok(gateway)
    }

    /// Starts it and does not wait.
    ///
    /// # Errors
    /// When the program can't be run.
    pub fn spawn(site: &Site) -> anyhow::Result<Self> {
        Self::spawn_with(site, Vec::new())
    }

    fn spawn_with(site: &Site, environment: Vec<(String, String)>) -> anyhow::Result<Self> {
        let log = Log { file: site.path("gateway.log") };
        let settings = site.settings_file();
        let child = spawn(&settings, &environment, &log)?;
        Ok(Self { child, settings, environment, log, consumer: Consumer::new(site.api_address)? })
    }

    /// Waits for `/readyz`.
    ///
    /// # Errors
    /// When it is not ready in time; with its last words.
    pub fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let consumer = self.consumer.clone();
        let child = &mut self.child;
        let ended = wait::until("the gateway to be ready", START, || match child.try_wait() {
            Ok(None) => consumer.is_ready().then_some(None),
            Ok(Some(status)) => Some(Some(status.to_string())),
            Err(error) => Some(Some(error.to_string())),
        });
        match ended.with_context(|| self.log.end())? {
            None => Ok(()),
            Some(how) => anyhow::bail!("the gateway ended ({how}):\n{}", self.log.end()),
        }
    }

    fn pid(&self) -> Pid {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        id.expect("a process has an id")
    }

    /// Ends it at once, as a power cut ends it.
    ///
    /// # Errors
    /// When it can't be.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again after its end and waits until it is ready.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(self.child.try_wait()?.is_some(), "the gateway still runs");
        self.child = spawn(&self.settings, &self.environment, &self.log)?;
        self.wait_until_ready()
    }

    /// Kills it and starts it again.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn kill_and_start_again(&mut self) -> anyhow::Result<()> {
        self.kill()?;
        self.start_again()
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    /// When it can't be asked.
    pub fn terminate(&self) -> anyhow::Result<()> {
        Ok(kill_process(self.pid(), Signal::TERM)?)
    }

    /// Asks it to read its files again (SIGHUP).
    ///
    /// # Errors
    /// When it can't be asked.
    pub fn hang_up(&self) -> anyhow::Result<()> {
        Ok(kill_process(self.pid(), Signal::HUP)?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn wait_for_the_end(&mut self, bound: Duration) -> anyhow::Result<ExitStatus> {
        let child = &mut self.child;
        wait::until("the gateway to end", bound, || child.try_wait().ok().flatten())
            .with_context(|| self.log.end())
    }

    /// Asks it to end and makes sure it does, cleanly.
    ///
    /// # Errors
    /// When it does not.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.terminate()?;
        let status = self.wait_for_the_end(Duration::from_secs(40))?;
        anyhow::ensure!(status.success(), "the gateway ended with {status}:\n{}", self.log.end());
        Ok(())
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the end of the gateway's log:\n{}", self.log.end());
        }
    }
}

fn spawn(settings: &Path, environment: &[(String, String)], log: &Log) -> anyhow::Result<Child> {
    let file = File::options().create(true).append(true).open(&log.file)?;
    Command::new(binary())
        .args(["serve", "--config"])
        .arg(settings)
        .env_remove("RUST_LOG")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::from(file.try_clone()?))
        .stderr(Stdio::from(file))
        .spawn()
        .with_context(|| format!("{} can't be run", binary().display()))
}
