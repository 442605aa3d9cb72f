//! What messages cost: as fast as they go, at a fixed rate, and to subscribers.

use super::{Bout, Findings, connections};
use crate::load::{FAN_IN_DEVICES, Load, Pace, Summary};
use crate::scenario::FanIn;
use std::time::Duration;

/// Time for subscribers to connect and subscribe before the first publish, in seconds.
const WAIT_SECS: f64 = 3.0;

/// Publishes as fast as they are acknowledged; then, if latency is asked for, at two rates.
pub(super) fn fan_in(bout: &mut Bout<'_>, publish: FanIn, findings: &mut Findings) -> anyhow::Result<()> {
    let secs = bout.setting.secs;
    let (summary, cost) = bout.play(&Load::FanIn { publish, pace: Pace::Saturate, secs })?;
    findings.trouble("at saturation", &summary);
    let (count, rate) = if publish.qos == 0 {
        // Much of what was sent is still in the system's buffers when the load ends: it counts when the server has read it.
        (summary.sent, summary.sent as f64 / cost.took.as_secs_f64())
    } else {
        (summary.acknowledged, summary.per_second(|sample| sample.acknowledged, summary.acknowledged))
    };
    anyhow::ensure!(count > 0, "no message was accepted");
    let micros = cost.cpu.as_secs_f64() * 1e6 / count as f64;
    findings.set("cpu_micros_per_message", micros);
    findings.set("messages_per_second", rate);
    busy(&summary, micros, rate, findings);
    if !publish.latency {
        return Ok(());
    }
    let fixed = bout.setting.fixed_per_second;
    let (summary, cost) = bout.play(&Load::FanIn { publish, pace: Pace::PerSecond(fixed), secs })?;
    findings.trouble("at the fixed rate", &summary);
    reached(&summary, fixed * secs, "the fixed rate", findings);
    if let Some(puback) = summary.puback_micros.filter(|_| summary.acknowledged > 0) {
        findings.set("puback_p50_ms_fixed", puback.p50 as f64 / 1e3);
        findings.set("puback_p99_ms_fixed", puback.p99 as f64 / 1e3);
        let micros = cost.cpu.as_secs_f64() * 1e6 / summary.acknowledged as f64;
        findings.set("cpu_micros_per_message_fixed", micros);
    }
    let (summary, _) = bout.play(&Load::FanIn { publish, pace: Pace::PerSecond(rate / 2.0), secs })?;
    findings.trouble("at half load", &summary);
    reached(&summary, rate / 2.0 * secs, "half load", findings);
    if let Some(puback) = summary.puback_micros.filter(|_| summary.acknowledged > 0) {
        findings.set("puback_p99_ms_half", puback.p99 as f64 / 1e3);
    }
    Ok(())
}

/// One publishes to many.
pub(super) fn fan_out(
    bout: &mut Bout<'_>,
    subscribers: u32,
    every_ms: u64,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let secs = bout.setting.secs;
    let load = Load::FanOut { subscribers, every_ms, wait_secs: WAIT_SECS, secs: WAIT_SECS + secs };
    let playing = load.start(bout.stage())?;
    connections::wait_for(bout, subscribers, Duration::from_secs_f64(WAIT_SECS))?;
    let before = bout.settle()?;
    crate::wait::let_pass(Duration::from_secs_f64(secs))?;
    let after = bout.settle()?;
    let summary = playing.finish()?;
    findings.trouble("fan-out", &summary);
    delivered(&summary, after.saturating_sub(before), summary.sent * u64::from(subscribers), findings)
}

/// Each publishes to one.
pub(super) fn pairs(bout: &mut Bout<'_>, pairs: u32, findings: &mut Findings) -> anyhow::Result<()> {
    const WAIT_SECS: f64 = 1.0;
    let secs = bout.setting.secs;
    let load = Load::Pairs { pairs, wait_secs: WAIT_SECS, secs: WAIT_SECS + secs };
    let (summary, cost) = bout.play(&load)?;
    findings.trouble("pairs", &summary);
    delivered(&summary, cost.cpu, summary.sent, findings)
}

fn delivered(summary: &Summary, cpu: Duration, wanted: u64, findings: &mut Findings) -> anyhow::Result<()> {
    let received = summary.received();
    anyhow::ensure!(received > 0, "no message was delivered");
    let cost = cpu.as_secs_f64() * 1e6 / received as f64;
    let rate = summary.per_second(|sample| sample.received, received);
    findings.set("cpu_micros_per_message", cost);
    findings.set("messages_per_second", rate);
    findings.set("delivered_share", received as f64 / wanted.max(1) as f64);
    if let Some(delivery) = summary.delivery_micros {
        findings.set("delivery_p99_ms", delivery.p99 as f64 / 1e3);
    }
    busy(summary, cost, rate, findings);
    Ok(())
}

/// How much of a processor server and load had to do: whichever is near 1 is what a rate shows.
fn busy(summary: &Summary, cost: f64, rate: f64, findings: &mut Findings) {
    findings.set("server_busy", cost * rate / 1e6);
    if let Some(load) = summary.cpu_micros_per_message {
        findings.set("load_busy", load * rate / 1e6);
    }
}

/// Says so when a rate was asked for that was not reached: its latency is then that of a queue.
fn reached(summary: &Summary, wanted: f64, what: &str, findings: &mut Findings) {
    let share = summary.acknowledged as f64 / wanted.max(1.0);
    if share < 0.9 {
        let devices = FAN_IN_DEVICES;
        findings
            .notes
            .push(format!("{what} was not reached: {:.0} % of it, with {devices} devices", share * 100.0));
    }
}
