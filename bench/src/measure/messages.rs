//! What messages cost: as fast as they go, at a fixed rate, and to subscribers.

use super::{Bout, Findings, connections};
use crate::load::{FAN_IN_DEVICES, Load, Pace, REST_SECS, Summary};
use crate::scenario::FanIn;
use crate::usage;
use std::time::{Duration, Instant};

/// Time for subscribers to connect and subscribe before the first publish, in seconds.
const WAIT_SECS: f64 = 3.0;

/// At QoS 0 nothing tells a device to wait: as fast as it goes, millions of messages would stand in the system's buffers. So they come at a
/// rate that every server is to reach, and what counts is what each costs.
const QOS_0_PER_SECOND: f64 = 50_000.0;

/// At QoS 0 publishes at a rate. At QoS 1 as fast as they are acknowledged; then, if latency is asked for, at two rates.
pub(super) fn fan_in(bout: &mut Bout<'_>, publish: FanIn, findings: &mut Findings) -> anyhow::Result<()> {
    let secs = bout.setting.secs;
    if publish.qos == 0 {
        let (summary, cpu) = paced(bout, publish, QOS_0_PER_SECOND)?;
        findings.trouble("at QoS 0", &summary);
        reached(summary.sent, QOS_0_PER_SECOND * secs, "the rate", findings);
        anyhow::ensure!(summary.sent > 0, "no message was sent");
        let micros = cpu.as_secs_f64() * 1e6 / summary.sent as f64;
        findings.set("cpu_micros_per_message", micros);
        busy(&summary, micros, summary.sent as f64 / secs, findings);
        return Ok(());
    }
    let (summary, cost) = bout.play(&Load::FanIn { publish, pace: Pace::Saturate, secs })?;
    findings.trouble("at saturation", &summary);
    let count = summary.acknowledged;
    let rate = summary.per_second(|sample| sample.acknowledged, count);
    anyhow::ensure!(count > 0, "no message was accepted");
    let micros = cost.as_secs_f64() * 1e6 / count as f64;
    findings.set("cpu_micros_per_message", micros);
    findings.set("messages_per_second", rate);
    busy(&summary, micros, rate, findings);
    if !publish.latency {
        return Ok(());
    }
    let fixed = bout.setting.fixed_per_second;
    let (summary, cpu) = paced(bout, publish, fixed)?;
    findings.trouble("at the fixed rate", &summary);
    reached(summary.acknowledged, fixed * secs, "the fixed rate", findings);
    if let Some(puback) = summary.puback_micros.filter(|_| summary.acknowledged > 0) {
        findings.set("puback_p50_ms_fixed", puback.p50 as f64 / 1e3);
        findings.set("puback_p99_ms_fixed", puback.p99 as f64 / 1e3);
        let micros = cpu.as_secs_f64() * 1e6 / summary.acknowledged as f64;
        findings.set("cpu_micros_per_message_fixed", micros);
    }
    let (summary, _) = paced(bout, publish, rate / 2.0)?;
    findings.trouble("at half load", &summary);
    reached(summary.acknowledged, rate / 2.0 * secs, "half load", findings);
    if let Some(puback) = summary.puback_micros.filter(|_| summary.acknowledged > 0) {
        findings.set("puback_p99_ms_half", puback.p99 as f64 / 1e3);
    }
    Ok(())
}

/// Publishes at a rate, and gives what the messages cost, without the handshakes.
fn paced(bout: &mut Bout<'_>, publish: FanIn, per_second: f64) -> anyhow::Result<(Summary, Duration)> {
    let load = Load::FanIn { publish, pace: Pace::PerSecond(per_second), secs: bout.setting.secs };
    let playing = load.start(bout.stage())?;
    connections::wait_for(bout, FAN_IN_DEVICES, Duration::from_secs_f64(REST_SECS))?;
    // The rest has begun when the load was ready, which is later than now.
    let before = usage::settle(bout.server.id(), Duration::from_secs_f64(REST_SECS / 2.0))?;
    let summary = playing.finish()?;
    connections::wait_for_end(bout)?;
    let after = bout.settle()?;
    bout.server.check()?;
    Ok((summary, after.saturating_sub(before)))
}

/// One publishes to many.
pub(super) fn fan_out(
    bout: &mut Bout<'_>,
    subscribers: u32,
    every_ms: u64,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    /// The load's own start, in seconds.
    const START_SECS: f64 = 0.5;
    let secs = bout.setting.secs;
    let load = Load::FanOut { subscribers, every_ms, wait_secs: WAIT_SECS, secs: WAIT_SECS + secs };
    let playing = load.start(bout.stage())?;
    let over = Instant::now() + Duration::from_secs_f64(WAIT_SECS + secs + START_SECS);
    connections::wait_for(bout, subscribers, Duration::from_secs_f64(WAIT_SECS))?;
    let before = usage::settle(bout.server.id(), Duration::from_secs_f64(WAIT_SECS / 3.0))?;
    crate::wait::let_pass(over.saturating_duration_since(Instant::now()))?;
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
    delivered(&summary, cost, summary.sent, findings)
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
fn reached(count: u64, wanted: f64, what: &str, findings: &mut Findings) {
    let share = count as f64 / wanted.max(1.0);
    if share < 0.9 {
        let devices = FAN_IN_DEVICES;
        findings
            .notes
            .push(format!("{what} was not reached: {:.0} % of it, with {devices} devices", share * 100.0));
    }
}
