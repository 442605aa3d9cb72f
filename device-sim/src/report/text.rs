//! The summary for people.

use std::fmt::Write;

use super::Summary;
use crate::truth::{Lost, Percentiles, Verdict};

/// Devices of which it is said what they lost; the JSON has more.
const LOST_LINES_MAX: usize = 5;
/// Ranges of each of them.
const LOST_RANGES_MAX: usize = 5;

/// Some lines of text, with a line end each.
pub(super) fn of(summary: &Summary) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        writeln!(text, "{name:<28}{value}").expect("writing to a string cannot fail");
    };
    if let Some(scenario) = &summary.scenario {
        row("scenario", scenario.clone());
    }
    let Summary { run, devices, seconds, seed, .. } = summary;
    row("run", format!("{run} ({devices} devices, {seconds:.1} s, seed {seed})"));
    row("sent", format!("{} of {} due", summary.sent, summary.due));
    row("acknowledged", summary.acknowledged.to_string());
    row("unacknowledged", summary.unacknowledged.to_string());
    row("sent again", format!("{} as duplicates, {} as new packets", summary.resent, summary.republished));
    for (name, value) in [("received", summary.received), ("commands answered", summary.answered)] {
        if value > 0 {
            row(name, value.to_string());
        }
    }
    for (name, value) in summary.balance.rows() {
        row(name, value.to_string());
    }
    summary.lost_messages.iter().take(LOST_LINES_MAX).for_each(|lost| row("lost messages", ranges(lost)));
    row("PUBACK latency", percentiles(&summary.puback_micros));
    if summary.delivery_micros.count > 0 {
        row("delivery latency", percentiles(&summary.delivery_micros));
    }
    row("connect latency", percentiles(&summary.connect_micros));
    let Summary { connects, full_handshakes: full, resumed_handshakes: resumed, .. } = summary;
    row("connects", format!("{connects} ({full} full, {resumed} resumed handshakes)"));
    for (name, reasons) in [
        ("not sent", &summary.not_sent),
        ("refused", &summary.refused),
        ("connect failed", &summary.connect_failures),
        ("disconnected", &summary.disconnects),
    ] {
        for (reason, count) in reasons {
            row(name, format!("{count} × {reason}"));
        }
    }
    if let Some(micros) = summary.cpu_micros_per_message {
        row("processor, each message", format!("{micros:.1} µs (of this program)"));
    }
    if let Some(bytes) = summary.memory_bytes_per_device {
        row("memory, each device", format!("{:.1} kB (of this program)", bytes as f64 / 1000.0));
    }
    summary.thresholds.iter().for_each(|it| row(if it.passed { "held" } else { "NOT HELD" }, verdict(it)));
    if let Some(error) = &summary.read_back_error {
        row("not read back", error.clone());
    }
    text
}

fn verdict(verdict: &Verdict) -> String {
    let found = verdict.found.map_or("nothing that can be measured".to_owned(), |found| found.to_string());
    format!("{} {}: found {found}", verdict.name, verdict.limit)
}

fn ranges(lost: &Lost) -> String {
    let mut text = format!("{}:", lost.device);
    for (first, last) in lost.ranges.iter().take(LOST_RANGES_MAX) {
        let range = if first == last { format!(" {first}") } else { format!(" {first} to {last}") };
        text.push_str(&range);
    }
    if lost.ranges.iter().count() > LOST_RANGES_MAX {
        text.push_str(" and more");
    }
    text
}

fn percentiles(micros: &Percentiles) -> String {
    let millis = |micros: u64| micros as f64 / 1000.0;
    format!(
        "p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, max {:.1} ms",
        millis(micros.p50),
        millis(micros.p90),
        millis(micros.p99),
        millis(micros.p99_9),
        millis(micros.max)
    )
}
