//! Processes that this program starts, and that never outlive it.

use crate::{usage, wait};
use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How long an end may take that was asked for kindly.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is kept of a process's last words, in bytes.
const LAST_WORDS_BYTES_MAX: usize = 600;

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// Its working directory; all paths in its configuration are relative to it.
    pub(crate) directory: PathBuf,
    /// The processors it may use, as `taskset` takes them.
    pub(crate) cores: String,
}

/// A process that runs, or ran. Killed with all its descendants when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Child,
    output: PathBuf,
    errors: PathBuf,
}

impl Running {
    /// Starts it. What it prints goes to files in its directory.
    ///
    /// # Errors
    /// When the program can't be run.
    pub(crate) fn start(start: &Start) -> anyhow::Result<Self> {
        let output = start.directory.join(format!("{}.out", start.name));
        let errors = start.directory.join(format!("{}.err", start.name));
        // The kernel ends it should this program be killed; `Drop` does in every other case.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "taskset", "-c", &start.cores])
            .arg(&start.program)
            .args(&start.arguments)
            .envs(start.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&start.directory)
            .stdin(Stdio::null())
            .stdout(File::create(&output)?)
            .stderr(File::create(&errors)?)
            .spawn()
            .with_context(|| format!("cannot start {}", start.name))?;
        Ok(Self { name: start.name.clone(), child, output, errors })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    ///
    /// # Errors
    /// When the system does not say.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its own end and gives what it printed on standard output.
    ///
    /// # Errors
    /// When it does not end within `bound`; it is killed then.
    pub(crate) fn finish(&mut self, bound: Duration) -> anyhow::Result<(ExitStatus, String)> {
        let child = &mut self.child;
        let what = format!("{} to end", self.name);
        let ended = wait::until(&what, bound, || Ok(child.try_wait()?));
        if ended.is_err() {
            self.kill();
        }
        let status = ended.with_context(|| self.last_words())?;
        Ok((status, std::fs::read_to_string(&self.output)?))
    }

    /// Asks it to end, and does not wait.
    pub(crate) fn ask_to_end(&self) {
        signal(self.id(), Signal::TERM);
    }

    /// Asks it to end, and kills what is still there after a while.
    pub(crate) fn stop(&mut self) {
        let tree = usage::tree(self.id());
        if let Ok(None) = self.child.try_wait() {
            signal(self.id(), Signal::TERM);
            let child = &mut self.child;
            // Whether it ended in time or not, nothing of it stays.
            let _ = wait::until("the end", PATIENCE, || Ok(child.try_wait()?));
        }
        self.kill_all(&tree);
    }

    /// Ends it and all its descendants at once, as a power cut ends them.
    pub(crate) fn kill(&mut self) {
        let tree = usage::tree(self.id());
        self.kill_all(&tree);
    }

    fn kill_all(&mut self, tree: &BTreeMap<u32, u64>) {
        for (id, started) in tree {
            if usage::runs(*id, *started) {
                signal(*id, Signal::KILL);
            }
        }
        // Reaps it; it was killed or had ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let gone = || Ok(tree.iter().all(|(id, started)| !usage::runs(*id, *started)).then_some(()));
        let _ = wait::until("descendants to be gone", PATIENCE, gone);
    }

    /// The end of what it printed, for an error.
    pub(crate) fn last_words(&self) -> String {
        let end = |path: &Path| {
            let text = std::fs::read(path).unwrap_or_default();
            let from = text.len().saturating_sub(LAST_WORDS_BYTES_MAX);
            String::from_utf8_lossy(&text[from..]).trim().replace('\n', "; ")
        };
        let (errors, output) = (end(&self.errors), end(&self.output));
        let words = if errors.is_empty() { output } else { errors };
        format!("{} said: {}", self.name, if words.is_empty() { "nothing" } else { &words })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn signal(id: u32, signal: Signal) {
    // A process that has just ended needs no signal.
    if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        let _ = kill_process(id, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(directory: &Path, line: &str) -> Start {
        Start {
            name: "shell".into(),
            program: "sh".into(),
            arguments: vec!["-c".into(), line.into()],
            environment: Vec::new(),
            directory: directory.to_path_buf(),
            cores: "0".into(),
        }
    }

    #[test]
    fn a_process_ends_with_its_descendants() {
        let folder = tempfile::tempdir().unwrap();
        let mut running = Running::start(&shell(folder.path(), "sleep 60 & sleep 61; true")).unwrap();
        let id = running.id();
        wait::until("three processes", Duration::from_secs(10), || {
            Ok((usage::tree(id).len() >= 3).then_some(()))
        })
        .unwrap();
        let tree = usage::tree(id);
        running.kill();
        assert!(tree.iter().all(|(id, started)| !usage::runs(*id, *started)));
    }

    #[test]
    fn what_it_printed_and_how_it_ended_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut running = Running::start(&shell(folder.path(), "echo out; echo wrong >&2; exit 3")).unwrap();
        let (status, output) = running.finish(Duration::from_secs(10)).unwrap();
        assert_eq!((status.code(), output.as_str()), (Some(3), "out\n"));
        assert_eq!(running.last_words(), "shell said: wrong");
    }

    #[test]
    fn what_does_not_end_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let mut running = Running::start(&shell(folder.path(), "exec sleep 60")).unwrap();
        let tree = usage::tree(running.id());
        assert!(running.finish(Duration::from_millis(50)).is_err());
        assert!(tree.iter().all(|(id, started)| !usage::runs(*id, *started)));
    }
}
