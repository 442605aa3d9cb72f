//! Commands that run while a scenario plays.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;
use tokio::time::{Instant, sleep_until, timeout};

use crate::report::tell;
use crate::scenario::{Hook, Scenario};
use crate::truth::{MarkKind, Tally};

/// Runs each hook at its time; never ends. What it started is killed with it.
pub(super) async fn run(scenario: &Scenario, started: Instant, tally: &Arc<Tally>) {
    let mut running = tokio::task::JoinSet::new();
    for hook in &scenario.hooks {
        sleep_until(started + hook.at).await;
        tally.mark(started.elapsed(), MarkKind::Hook, &hook.name);
        running.spawn(one(hook.clone(), started, Arc::clone(tally)));
    }
    while running.join_next().await.is_some() {}
    std::future::pending::<()>().await;
}

/// Runs a command to its end, and says so if it is no good one: at once, and in the report, where a server that was
/// not stopped would be taken for one that survived.
async fn one(hook: Hook, started: Instant, tally: Arc<Tally>) {
    if let Err(reason) = ended_well(&hook).await {
        tell(&format!("hook `{}` {reason}", hook.name));
        tally.mark(started.elapsed(), MarkKind::Hook, &format!("{}: {reason}", hook.name));
    }
}

async fn ended_well(hook: &Hook) -> Result<(), String> {
    let (program, arguments) = hook.command.split_first().ok_or("has no command")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot run `{program}`: {error}"))?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let status = match timeout(hook.longest, child.wait()).await {
        Ok(status) => status.map_err(|error| format!("cannot be waited for: {error}"))?,
        Err(_) => {
            drop(group);
            // It was killed, so this does not take long.
            let _ = timeout(Duration::from_secs(1), child.wait()).await;
            return Err(format!("ran longer than {:?} and was killed", hook.longest));
        }
    };
    // A server that it started in the background lives on: that is what hooks are for.
    group.0 = None;
    if status.success() { Ok(()) } else { Err(format!("ended with {status}")) }
}

/// A group of processes, killed with its command when the command takes too long or the run is over.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended meanwhile.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
