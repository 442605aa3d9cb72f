//! Every metric of a run, in one list, as Prometheus' text format 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::truth::{Percentiles, Snapshot};

/// One metric: its name below `device_sim_`, what it is and says, and how it is written.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: Value,
}

/// Where the value of a metric comes from.
enum Value {
    Number(fn(&Snapshot) -> u64),
    /// A number for each value of a label.
    Labelled(&'static str, fn(&Snapshot) -> [(&'static str, u64); 2]),
    /// How often, by the label `reason`.
    Reasons(fn(&Snapshot) -> &BTreeMap<String, u64>),
    /// In seconds, by the label `quantile`; with a count of all if it is a summary.
    Latency(fn(&Snapshot) -> &Percentiles),
}

const fn number(
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: fn(&Snapshot) -> u64,
) -> Metric {
    Metric { name, kind, help, value: Value::Number(value) }
}

const fn reasons(
    name: &'static str,
    help: &'static str,
    of: fn(&Snapshot) -> &BTreeMap<String, u64>,
) -> Metric {
    Metric { name, kind: "counter", help, value: Value::Reasons(of) }
}

const fn latency(
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    of: fn(&Snapshot) -> &Percentiles,
) -> Metric {
    Metric { name, kind, help, value: Value::Latency(of) }
}

/// The list. To add a metric, add a line.
const METRICS: &[Metric] = &[
    number("connected", "gauge", "Devices that are connected.", |now| now.so_far.connected),
    number("connects_total", "counter", "Successful connects, reconnects included.", |now| {
        now.so_far.connects
    }),
    Metric {
        name: "handshakes_total",
        kind: "counter",
        help: "TLS handshakes, full or resumed.",
        value: Value::Labelled("kind", |now| {
            [("full", now.so_far.full_handshakes), ("resumed", now.so_far.resumed_handshakes)]
        }),
    },
    number("messages_due_total", "counter", "Messages that became due.", |now| now.so_far.due),
    number("messages_sent_total", "counter", "Messages written for the first time.", |now| now.so_far.sent),
    number("messages_resent_total", "counter", "Packets written again, marked DUP.", |now| now.so_far.resent),
    number("messages_republished_total", "counter", "Messages published again in a new packet.", |now| {
        now.so_far.republished
    }),
    number("messages_acknowledged_total", "counter", "Messages acknowledged.", |now| now.so_far.acknowledged),
    number("messages_received_total", "counter", "Messages that arrived where they are looked for.", |now| {
        now.so_far.received
    }),
    number("commands_answered_total", "counter", "Commands that devices answered.", |now| {
        now.so_far.answered
    }),
    reasons("connect_failures_total", "Failed attempts to connect.", |now| &now.connect_failures),
    reasons("disconnects_total", "Connections lost.", |now| &now.disconnects),
    reasons("messages_not_sent_total", "Messages given up without having been written.", |now| &now.not_sent),
    reasons("messages_refused_total", "Publishes that the server refused.", |now| &now.refused),
    latency("puback_seconds", "summary", "From due to acknowledged, since the start.", |now| {
        &now.so_far.puback_micros
    }),
    latency("delivery_seconds", "summary", "From due to arrived, since the start.", |now| {
        &now.so_far.delivery_micros
    }),
    latency("connect_seconds", "summary", "From the start of an attempt to CONNACK.", |now| {
        &now.so_far.connect_micros
    }),
    latency("puback_latest_seconds", "gauge", "From due to acknowledged, in the last second.", |now| {
        &now.latest.puback_micros
    }),
    latency("delivery_latest_seconds", "gauge", "From due to arrived, in the last second.", |now| {
        &now.latest.delivery_micros
    }),
];

/// All metrics as text.
pub(super) fn text(now: &Snapshot) -> String {
    let mut out = String::new();
    for metric in METRICS {
        let Metric { name, kind, help, .. } = metric;
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# HELP device_sim_{name} {help}\n# TYPE device_sim_{name} {kind}");
        match &metric.value {
            Value::Number(value) => {
                let _ = writeln!(out, "device_sim_{name} {}", value(now));
            }
            Value::Labelled(label, values) => {
                for (which, value) in values(now) {
                    let _ = writeln!(out, "device_sim_{name}{{{label}=\"{which}\"}} {value}");
                }
            }
            Value::Reasons(reasons) => {
                for (reason, times) in reasons(now) {
                    let _ = writeln!(out, "device_sim_{name}{{reason=\"{}\"}} {times}", escape(reason));
                }
            }
            Value::Latency(of) => quantiles(&mut out, name, *kind == "summary", of(now)),
        }
    }
    out
}

/// Quantiles of nothing are not a number, as with any other client of Prometheus.
fn quantiles(out: &mut String, name: &str, is_summary: bool, latency: &Percentiles) {
    let Percentiles { count, p50, p90, p99, p99_9, max } = *latency;
    for (quantile, micros) in [("0.5", p50), ("0.9", p90), ("0.99", p99), ("0.999", p99_9), ("1", max)] {
        let secs = if count > 0 { (micros as f64 / 1e6).to_string() } else { "NaN".to_owned() };
        let _ = writeln!(out, "device_sim_{name}{{quantile=\"{quantile}\"}} {secs}");
    }
    if is_summary {
        let _ = writeln!(out, "device_sim_{name}_count {count}");
    }
}

fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::Sample;

    fn snapshot() -> Snapshot {
        let puback = Percentiles { count: 9, p50: 1500, p90: 2000, p99: 2500, p99_9: 3000, max: 1_200_000 };
        let so_far =
            Sample { connected: 3, sent: 10, full_handshakes: 2, puback_micros: puback, ..Sample::default() };
        let disconnects = [("closed: \"bye\"\n\\".to_owned(), 4)].into();
        Snapshot { so_far, disconnects, ..Snapshot::default() }
    }

    #[test]
    fn the_text_format_is_kept() {
        let text = text(&snapshot());
        for line in [
            "# HELP device_sim_connected Devices that are connected.",
            "# TYPE device_sim_connected gauge",
            "device_sim_connected 3",
            "device_sim_messages_sent_total 10",
            "device_sim_handshakes_total{kind=\"full\"} 2",
            "device_sim_disconnects_total{reason=\"closed: \\\"bye\\\"\\n\\\\\"} 4",
            "# TYPE device_sim_puback_seconds summary",
            "device_sim_puback_seconds{quantile=\"0.99\"} 0.0025",
            "device_sim_puback_seconds{quantile=\"1\"} 1.2",
            "device_sim_puback_seconds_count 9",
            "device_sim_delivery_latest_seconds{quantile=\"0.5\"} NaN",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(!text.contains("latest_seconds_count"));
    }

    #[test]
    fn names_follow_the_customs() {
        for Metric { name, kind, help, .. } in METRICS {
            assert_eq!(name.ends_with("_total"), *kind == "counter", "{name}");
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}");
            assert_eq!(METRICS.iter().filter(|other| other.name == *name).count(), 1, "{name}");
        }
    }
}
