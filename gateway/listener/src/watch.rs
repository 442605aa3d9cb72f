//! Looks at the TLS files now and then and reloads them when they are others.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{Handle, Tls};

/// What tells one state of a file from another; `None` while the file is missing.
pub(crate) type Stamp = Option<(i64, i64, u64, u64)>;

/// The stamps of all files of a listener, links followed.
pub(crate) fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    files
        .iter()
        .map(|file| {
            let metadata = std::fs::metadata(file).ok()?;
            Some((metadata.mtime(), metadata.mtime_nsec(), metadata.size(), metadata.ino()))
        })
        .collect()
}

/// The files of a listener.
pub(crate) fn files_of(tls: &Tls) -> Vec<PathBuf> {
    let mut files = vec![tls.certificate.clone(), tls.key.clone()];
    files.extend(tls.authorities.iter().cloned());
    files.extend(tls.revocation_lists.iter().cloned());
    files
}

/// Runs until `stop`. `seen` must have been taken before the files were loaded, so that a change in between is found.
pub(crate) async fn run(
    handle: Handle,
    files: Vec<PathBuf>,
    mut seen: Vec<Stamp>,
    interval: Duration,
    stop: CancellationToken,
) {
    let files: Arc<[PathBuf]> = files.into();
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let (handle, files, before) = (handle.clone(), Arc::clone(&files), seen.clone());
        // Files may lie on a network that hangs; that must not hold up connections.
        let looked = tokio::task::spawn_blocking(move || {
            let now = stamps(&files);
            if now != before {
                // The outcome is logged and counted by the reload; a bad file is tried again when it changes again.
                let _ = handle.reload();
            }
            now
        });
        match looked.await {
            Ok(now) => seen = now,
            Err(error) => tracing::error!(%error, "looking at the TLS files failed"),
        }
    }
}
