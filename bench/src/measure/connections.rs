//! What connections cost: their memory while they are idle, and the processor time of many at once.

use super::{Bout, Findings};
use crate::load::Load;
use crate::{usage, wait};
use std::time::Duration;

/// How long devices that are to stay may take to connect.
const CONNECT: Duration = Duration::from_secs(30);

/// Waits until so many connections are open.
pub(super) fn wait_for(bout: &mut Bout<'_>, devices: u32, bound: Duration) -> anyhow::Result<()> {
    let (port, server) = (bout.place.port, &mut bout.server);
    let mut open = 0;
    wait::until("all devices to connect", bound, || {
        server.check()?;
        open = usage::connections(port);
        Ok((open >= devices as usize).then_some(()))
    })
    .map_err(|error| error.context(format!("{open} of {devices} devices are connected")))
}

/// Waits until the server has read every connection to its end.
pub(super) fn wait_for_end(bout: &mut Bout<'_>) -> anyhow::Result<()> {
    let (port, server) = (bout.place.port, &mut bout.server);
    wait::until("the server to read what was sent", CONNECT, || {
        server.check()?;
        Ok((usage::connections(port) == 0).then_some(()))
    })
}

/// Memory for each connection.
pub(super) fn idle(bout: &mut Bout<'_>, devices: u32, findings: &mut Findings) -> anyhow::Result<()> {
    /// Longer than the connecting may take; it is ended when memory was read.
    const SECS: f64 = 60.0;
    bout.settle()?;
    let before = usage::memory_bytes(bout.server.id());
    let playing = Load::Idle { devices, secs: SECS }.start(bout.stage())?;
    wait_for(bout, devices, CONNECT)?;
    bout.settle()?;
    let after = usage::memory_bytes(bout.server.id());
    let summary = playing.end()?;
    findings.trouble("idle", &summary);
    anyhow::ensure!(
        summary.connects >= u64::from(devices),
        "{} of {devices} devices connected",
        summary.connects
    );
    findings.set("memory_bytes_per_connection", after.saturating_sub(before) as f64 / f64::from(devices));
    Ok(())
}

/// All connect at once; then all are cut and connect again.
pub(super) fn storm(bout: &mut Bout<'_>, devices: u32, findings: &mut Findings) -> anyhow::Result<()> {
    /// When connections are cut, after the load began: all have to be there a while before.
    const CUT_SECS: f64 = 6.0;
    const CONNECTED: Duration = Duration::from_millis(4500);
    const SECS: f64 = 10.0;
    let before = bout.settle()?;
    let playing = Load::Storm { devices, cut_secs: CUT_SECS, secs: SECS }.start(bout.stage())?;
    wait_for(bout, devices, CONNECTED)?;
    let connected = usage::settle(bout.server.id(), Duration::from_secs(1))?;
    let mut summary = playing.finish()?;
    let after = bout.settle()?;
    // Those are what the storm is made of.
    summary.disconnects.clear();
    findings.trouble("storm", &summary);
    let micros = |span: Duration, count: f64| span.as_secs_f64() * 1e6 / count;
    findings.set("cpu_micros_full", micros(connected.saturating_sub(before), f64::from(devices)));
    if let Some(connect) = summary.connect_micros {
        findings.set("connect_p99_ms", connect.p99 as f64 / 1e3);
    }
    let again = summary.connects.saturating_sub(u64::from(devices));
    anyhow::ensure!(again > 0, "no device connected again");
    findings.set("cpu_micros_again", micros(after.saturating_sub(connected), again as f64));
    findings.set("resumed_share", summary.resumed_handshakes as f64 / again as f64);
    Ok(())
}
