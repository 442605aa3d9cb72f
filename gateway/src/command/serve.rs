//! `iot-gateway serve`: runs the gateway until it is told to end.

use super::ConfigArguments;
use crate::logging;
use crate::running::Running;
use clap::Args;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  iot-gateway serve --config gateway.toml\n\n\
    SIGHUP reads certificates and rules again; they are also read when they change. SIGTERM and Ctrl-C finish what is under way and end.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let settings = arguments.config.load()?;
    logging::start(&settings.raw)?;
    raise_open_files();
    if !settings.overridden_by.is_empty() {
        tracing::info!(
            variables = settings.overridden_by.join(", "),
            "settings overridden by the environment"
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        // Before anything is served: a signal that comes while the gateway starts must end it in order, too.
        let signals = Signals::listen()?;
        let running = Running::start(settings).await?;
        let is_ruined = signals.wait_for_the_end(&running).await;
        running.stop().await;
        anyhow::ensure!(!is_ruined, "a write to the state store failed; start the gateway again");
        anyhow::Ok(())
    });
    // A blocking call that hangs on a bad disk must not hold the end of the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    outcome.inspect_err(|error| tracing::error!(reason = format!("{error:#}"), "the gateway can't run"))?;
    Ok(ExitCode::SUCCESS)
}

/// What the outside world can tell a process.
struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// True when it ends because of what is wrong with it, and not because it was told to.
    async fn wait_for_the_end(mut self, running: &Running) -> bool {
        tracing::info!("ready");
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return false,
                _ = self.terminate.recv() => return false,
                () = running.ruined() => return true,
                _ = self.hangup.recv() => running.reload().await,
            }
        }
    }
}

/// Every connection is a file; what the system allows this process is often far more than it starts with.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files can't be raised");
    }
}
