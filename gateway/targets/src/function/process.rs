//! Starting a program, and ending it with everything it started.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::config::Settings;
use super::environment::{Initialization, variables};

/// A program that runs, and the group it leads.
pub(super) struct Process {
    pub(super) child: Child,
    pub(super) group: Group,
}

impl Process {
    /// Waits until the program has ended: by itself, within `stop_time_max` of being asked to, or killed.
    pub(super) async fn ended(
        &mut self,
        terminate: &CancellationToken,
        kill: &CancellationToken,
        stop_time_max: Duration,
    ) -> std::io::Result<ExitStatus> {
        tokio::select! {
            status = self.child.wait() => return status,
            () = kill.cancelled() => {}
            () = terminate.cancelled() => {
                self.group.terminate();
                if let Ok(status) = timeout(stop_time_max, self.child.wait()).await {
                    return status;
                }
            }
        }
        self.group.kill();
        self.child.wait().await
    }
}

/// The process group of an instance. Whatever is left of it is killed when this is dropped.
pub(super) struct Group {
    leader: Pid,
}

impl Group {
    /// Asks every process of the group to end.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends every process of the group.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // The only failure is that nothing of the group is left, which is what is wanted.
        let _ = kill_process_group(self.leader, signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts the program of `settings` as the instance `name`, whose Runtime API is at `api`.
///
/// The error says what to mend.
pub(super) fn start(
    settings: &Settings,
    api: SocketAddr,
    name: &str,
    initialization: Initialization,
) -> Result<Process, String> {
    let program = program(settings);
    let mut command = Command::new(&program);
    command
        .args(&settings.command[1..])
        .env_clear()
        .envs(variables(settings, api, name, initialization))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(directory) = &settings.directory {
        command.current_dir(directory);
    }
    let child = command.spawn().map_err(|error| explain(settings, &program, &error))?;
    let leader = child
        .id()
        .and_then(|id| Pid::from_raw(id.cast_signed()))
        .expect("a child that nobody has waited for has a process id");
    let process = Process { child, group: Group { leader } };
    limit_memory(leader, settings.memory_mib)?;
    Ok(process)
}

/// The program as it is executed: with a slash it starts from the function's directory, without it is in `PATH`.
fn program(settings: &Settings) -> PathBuf {
    let written = Path::new(&settings.command[0]);
    match &settings.directory {
        Some(directory) if written.components().count() > 1 => directory.join(written),
        _ => written.to_path_buf(),
    }
}

/// The limit comes microseconds after the start, when no program has allocated anything of weight yet.
///
/// It is on data rather than on address space, since language runtimes reserve far more addresses than they use.
fn limit_memory(process: Pid, memory_mib: u64) -> Result<(), String> {
    let bytes = Some(memory_mib.saturating_mul(1 << 20));
    match prlimit(Some(process), Resource::Data, Rlimit { current: bytes, maximum: bytes }) {
        // It has ended already, which its exit will tell.
        Ok(_) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(format!("can't limit the program's memory to {memory_mib} MiB: {error}")),
    }
}

fn explain(settings: &Settings, program: &Path, error: &std::io::Error) -> String {
    if let Some(directory) = settings.directory.as_ref().filter(|directory| !directory.is_dir()) {
        return format!("the function's directory `{}` is not there; check `directory`", directory.display());
    }
    let shown = program.display();
    let searched = program.components().count() == 1;
    match error.kind() {
        ErrorKind::NotFound if searched => {
            format!("there is no program `{shown}` in `PATH`; check `command`, or write its whole path")
        }
        ErrorKind::NotFound if program.exists() => {
            format!("the interpreter that the first line of `{shown}` names is not there; install it")
        }
        ErrorKind::NotFound => format!("there is no program `{shown}`; check `command`"),
        ErrorKind::PermissionDenied => {
            format!("`{shown}` can't be executed; it must be a file that this user may execute (chmod +x)")
        }
        ErrorKind::ExecutableFileBusy => format!("`{shown}` is being written; it is tried again"),
        _ => format!("can't start `{shown}`: {error}"),
    }
}
