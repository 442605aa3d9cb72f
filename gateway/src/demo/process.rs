//! The two processes that the demo starts: the gateway, which is started again when somebody kills it, and the fleet.

use super::prepare::Prepared;
use anyhow::Context;
use parking_lot::Mutex;
use serde::Deserialize;
use std::collections::VecDeque;
use std::fs::File;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How long the gateway may take to be ready, recovery of a large journal included.
const READY: Duration = Duration::from_secs(60);
/// How long the fleet may take to get its last acknowledgements.
const FLEET_END: Duration = Duration::from_secs(60);
/// How long the gateway may take to drain.
const GATEWAY_END: Duration = Duration::from_secs(30);
/// Restarts in a row, without becoming ready, after which the demo gives up.
const RESTARTS_MAX: u32 = 100;

/// The gateway's process.
#[derive(Debug)]
pub(super) struct Supervised<'a> {
    prepared: &'a Prepared,
    child: Child,
    restarts: u32,
}

impl<'a> Supervised<'a> {
    pub(super) fn start(prepared: &'a Prepared) -> anyhow::Result<Self> {
        Ok(Self { prepared, child: spawn_gateway(prepared)?, restarts: 0 })
    }

    /// The process id, for whoever wants to kill it.
    pub(super) fn process_id(&self) -> Option<u32> {
        self.child.id()
    }

    /// How often it had to be started again.
    pub(super) fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Waits for `/readyz`.
    pub(super) async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
        let url = format!("{}/readyz", self.prepared.api_url());
        let deadline = Instant::now() + READY;
        loop {
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("the gateway ended at once ({status}): {}", self.last_words());
            }
            if client.get(&url).send().await.is_ok_and(|response| response.status().is_success()) {
                return Ok(());
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "the gateway did not become ready: {}",
                self.last_words()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Starts it again if it is gone: what a service manager does.
    pub(super) fn restart_if_gone(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_none() {
            return Ok(());
        }
        self.restarts += 1;
        anyhow::ensure!(self.restarts <= RESTARTS_MAX, "the gateway keeps ending: {}", self.last_words());
        self.child = spawn_gateway(self.prepared)?;
        Ok(())
    }

    /// Asks it to drain and end.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(id) =
            self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw)
        else {
            return Ok(());
        };
        rustix::process::kill_process(id, rustix::process::Signal::TERM).context("stopping the gateway")?;
        if tokio::time::timeout(GATEWAY_END, self.child.wait()).await.is_err() {
            self.child.kill().await.context("ending the gateway")?;
            anyhow::bail!("the gateway did not drain in {} s: {}", GATEWAY_END.as_secs(), self.last_words());
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let path = self.prepared.gateway_log();
        let log = std::fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&log[log.len().saturating_sub(2000)..]).into_owned();
        let lines: VecDeque<&str> = text.lines().rev().take(5).collect();
        let lines: Vec<&str> = lines.into_iter().rev().collect();
        format!("the end of {} says:\n{}", path.display(), lines.join("\n"))
    }
}

fn spawn_gateway(prepared: &Prepared) -> anyhow::Result<Child> {
    let log = append(&prepared.gateway_log())?;
    Command::new(&prepared.program)
        .arg("serve")
        .arg("--config")
        .arg(prepared.settings_file())
        .stdin(Stdio::null())
        .stdout(Stdio::from(log.try_clone()?))
        .stderr(Stdio::from(log))
        .kill_on_drop(true)
        // Ctrl-C is for the demo alone, which then ends the others in order.
        .process_group(0)
        .spawn()
        .context("starting the gateway")
}

fn append(path: &std::path::Path) -> anyhow::Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("{} can't be written", path.display()))
}

/// What the fleet says at its end.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Report {
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
}

/// The fleet's process.
#[derive(Debug)]
pub(super) struct Fleet {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    progress: Arc<Mutex<String>>,
}

impl Fleet {
    pub(super) fn start(prepared: &Prepared) -> anyhow::Result<Self> {
        let mut child = Command::new(&prepared.program)
            .arg("device-sim")
            .args(prepared.fleet_arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .process_group(0)
            .spawn()
            .context("starting the fleet")?;
        let progress = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(follow(
                BufReader::new(stderr),
                append(&prepared.fleet_log())?,
                Arc::clone(&progress),
            ));
        }
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        Ok(Self { child, stdin, stdout, progress })
    }

    /// The fleet's latest line about itself.
    pub(super) fn progress(&self) -> String {
        self.progress.lock().clone()
    }

    pub(super) fn is_gone(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Asks the fleet to stop sending (its standard input ends), waits for its last acknowledgements and reads its report.
    pub(super) async fn stop(&mut self, gateway: &mut Supervised<'_>) -> anyhow::Result<Report> {
        drop(self.stdin.take());
        let mut stdout = self.stdout.take().context("the fleet's report was read already")?;
        let mut text = String::new();
        let deadline = Instant::now() + FLEET_END;
        let status = loop {
            tokio::select! {
                read = tokio::time::timeout_at(deadline.into(), stdout.read_to_string(&mut text)) => {
                    read.context("the fleet did not end")??;
                    break self.end().await?;
                }
                () = tokio::time::sleep(Duration::from_millis(250)) => gateway.restart_if_gone()?,
            }
        };
        serde_json::from_str(&text)
            .with_context(|| format!("the fleet ended ({status}) without a report: {text}"))
    }

    async fn end(&mut self) -> anyhow::Result<ExitStatus> {
        Ok(tokio::time::timeout(FLEET_END, self.child.wait()).await.context("the fleet did not end")??)
    }
}

/// Keeps the fleet's log, and its last line for the display.
async fn follow(
    mut lines: BufReader<tokio::process::ChildStderr>,
    mut log: File,
    progress: Arc<Mutex<String>>,
) -> std::io::Result<()> {
    use std::io::Write;
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        log.write_all(line.as_bytes())?;
        let text = line.trim();
        if !text.is_empty() {
            text.clone_into(&mut progress.lock());
        }
    }
}
