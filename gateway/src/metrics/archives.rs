//! Samples of archives and replays.

use super::exposition::Sample;
use crate::gateway::Gateway;
use targets::archive::Counts;
use targets::archive::replay::{State, Status};

/// One sample for each archive.
pub(super) fn of_each(gateway: &Gateway, value: fn(&Counts) -> u64) -> Vec<Sample> {
    let Some((archives, _)) = gateway.archives.get() else { return Vec::new() };
    archives
        .iter()
        .map(|archive| Sample::labelled("archive", archive.name(), value(&archive.counts())))
        .collect()
}

/// Replays that run.
pub(super) fn running(gateway: &Gateway) -> Vec<Sample> {
    let running = replays(gateway).iter().filter(|replay| replay.state == State::Running).count();
    Sample::plain(running as u64)
}

/// Events sent by each replay that is known.
pub(super) fn sent(gateway: &Gateway) -> Vec<Sample> {
    let sample =
        |replay: &Status| Sample::labelled("replay", replay.definition.name.as_str(), replay.progress.sent);
    replays(gateway).iter().map(sample).collect()
}

fn replays(gateway: &Gateway) -> Vec<Status> {
    gateway.archives.get().map(|(_, replays)| replays.list()).unwrap_or_default()
}
