//! What a server had acknowledged and no longer has after it was killed.

use super::{Bout, Findings};
use crate::{load, session, wait};
use std::time::Duration;

/// Devices publish; the server is killed between two of its acknowledgements and started again; a session that was away collects.
pub(super) fn kill(
    bout: &mut Bout<'_>,
    devices: u32,
    per_second: f64,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    /// Devices go on publishing for a while after the end of the server.
    const AFTER_SECS: u64 = 2;
    let port = bout.place.port;
    session::establish(port)?;
    let secs = bout.setting.secs as u64;
    let playing = load::start_publishing(bout.stage(), devices, per_second, secs + AFTER_SECS)?;
    wait::let_pass(Duration::from_secs(secs))?;
    bout.server.check()?;
    bout.server.kill();
    bout.server.start_again().map_err(|error| error.context("it did not come back after the kill"))?;
    // Its exit status speaks of what could not be sent while the server was away; only what was acknowledged counts here.
    playing.finish()?;
    let file = bout.place.folder().join("acknowledged.jsonl");
    let acknowledged = session::acknowledged(&std::fs::read_to_string(file)?)?;
    let seen = session::collect(port)?;
    let (all, lost) = session::balance(&acknowledged, &seen);
    anyhow::ensure!(all > 0, "nothing was acknowledged");
    findings.set("acknowledged", all as f64);
    findings.set("lost", lost as f64);
    Ok(())
}
