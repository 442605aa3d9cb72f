//! Following the file of a function: what is new is compiled beside what runs and takes its place at once. A file that
//! can't be called does not.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use super::failure::Failure;
use super::function::{State, WebAssembly};
use super::program::Program;

/// Bytes of the largest file that is compiled.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// How a change of a file is seen; `None` when it can't be read.
type Stamp = Option<(u64, u64, Option<SystemTime>)>;

fn stamp(path: &Path) -> Stamp {
    let of = |known: Metadata| (known.ino(), known.len(), known.modified().ok());
    std::fs::metadata(path).ok().map(of)
}

/// What was seen of a file so far.
#[derive(Clone, Default)]
pub(super) struct Seen {
    /// What was compiled, or found not to be usable.
    loaded: Option<Stamp>,
    /// What stood there at the last look: a file that is still being written is not loaded yet.
    last: Option<Stamp>,
}

/// Loads the file and loads it again when it has changed, until the function is dropped.
pub(super) async fn follow(function: Weak<WebAssembly>, look_every: Duration) {
    let mut seen = Seen::default();
    loop {
        let Some(following) = function.upgrade() else { return };
        let before = seen.clone();
        let Ok(after) = tokio::task::spawn_blocking(move || look(&following, before)).await else { return };
        seen = after;
        tokio::time::sleep(look_every).await;
    }
}

pub(super) fn look(function: &Arc<WebAssembly>, mut seen: Seen) -> Seen {
    let now = stamp(&function.limits.file);
    let is_first = seen.loaded.is_none();
    let is_still = seen.last == Some(now);
    seen.last = Some(now);
    if seen.loaded != Some(now) && (is_first || is_still) {
        seen.loaded = Some(now);
        let started = Instant::now();
        let loaded = load(function);
        take(function, loaded, started.elapsed());
    }
    seen
}

fn load(function: &WebAssembly) -> Result<Program, Failure> {
    let file = read(&function.limits.file).map_err(|why| function.not_usable(why))?;
    Program::compile(&function.engine, &file).map_err(|why| function.not_usable(why))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error: io::Error| format!("it can't be read: {error}");
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!("it has {bytes} bytes, the limit is {FILE_BYTES_MAX}"));
    }
    std::fs::read(path).map_err(unreadable)
}

fn take(function: &WebAssembly, loaded: Result<Program, Failure>, after: Duration) {
    let is_ready = matches!(&*function.state.borrow(), State::Ready(_));
    let path = function.limits.file.display();
    match loaded {
        Ok(program) => {
            tracing::info!(%path, compile_ms = after.as_millis() as u64, "WebAssembly function loaded");
            function.state.send_replace(State::Ready(Arc::new(program)));
        }
        Err(error) if is_ready => {
            tracing::error!(%path, %error, "the changed function can't be called; it goes on as it was");
        }
        Err(error) => {
            tracing::error!(%path, %error, "the function can't be called until its file is mended");
            function.state.send_replace(State::Unusable(error));
        }
    }
}
