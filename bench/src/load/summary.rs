//! What `device-sim` says in the end: the keys that a comparison reads.

use anyhow::Context;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The summary of a run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Summary {
    pub(crate) seconds: f64,
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    /// Messages that devices which subscribed were sent.
    pub(crate) received: Option<u64>,
    pub(crate) connects: u64,
    pub(crate) full_handshakes: u64,
    pub(crate) resumed_handshakes: u64,
    pub(crate) connect_failures: BTreeMap<String, u64>,
    pub(crate) disconnects: BTreeMap<String, u64>,
    pub(crate) puback_micros: Option<Percentiles>,
    pub(crate) delivery_micros: Option<Percentiles>,
    pub(crate) connect_micros: Option<Percentiles>,
    pub(crate) timeline: Vec<Sample>,
    pub(crate) cpu_micros_per_message: Option<f64>,
}

/// Latencies, in microseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Percentiles {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
}

/// What happened in one second.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Sample {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    pub(crate) received: u64,
}

impl Summary {
    /// Reads what was printed: the last line that is an object, or all of it.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn parse(output: &str) -> anyhow::Result<Self> {
        let line = output.lines().rev().find(|line| line.starts_with('{') && line.ends_with('}'));
        serde_json::from_str(line.unwrap_or(output)).context("the load printed no summary")
    }

    /// Messages a second while the load was even: without the seconds in which it began and ended, if it lasted long enough to tell.
    pub(crate) fn per_second(&self, count: fn(&Sample) -> u64, total: u64) -> f64 {
        // Seconds before the first message and after the last are no part of the load.
        let busy: Vec<u64> = self.timeline.iter().map(count).filter(|count| *count > 0).collect();
        match busy.as_slice() {
            [_, inner @ .., _] if !inner.is_empty() => inner.iter().sum::<u64>() as f64 / inner.len() as f64,
            _ if self.seconds > 0.0 => total as f64 / self.seconds,
            _ => 0.0,
        }
    }

    /// Messages that devices were sent.
    pub(crate) fn received(&self) -> u64 {
        self.received.unwrap_or_else(|| self.timeline.iter().map(|sample| sample.received).sum())
    }

    /// What went wrong with connections, for a note.
    pub(crate) fn trouble(&self) -> Option<String> {
        let told = |what: &str, reasons: &BTreeMap<String, u64>| {
            let reasons: Vec<_> =
                reasons.iter().map(|(reason, count)| format!("{count} × {reason}")).collect();
            (!reasons.is_empty()).then(|| format!("{what}: {}", reasons.join(", ")))
        };
        let parts =
            [told("connects failed", &self.connect_failures), told("connections lost", &self.disconnects)];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_found_behind_other_lines_and_with_keys_nobody_asked_for() {
        let text = "warming up\n{\"seconds\":4.0,\"acknowledged\":40,\"new\":[1],\"puback_micros\":{\"p50\":5,\"p99\":9,\"max\":11,\"p90\":7}}\n";
        let summary = Summary::parse(text).unwrap();
        assert_eq!((summary.acknowledged, summary.puback_micros.unwrap().p99), (40, 9));
        assert!(Summary::parse("nothing").is_err());
    }

    #[test]
    fn the_first_and_the_last_second_do_not_count() {
        let sample = |acknowledged| Sample { acknowledged, ..Sample::default() };
        let timeline = [0, 10, 100, 110, 7, 0].map(sample).to_vec();
        let mut summary = Summary { seconds: 4.0, timeline, ..Summary::default() };
        let rate = |summary: &Summary| summary.per_second(|sample| sample.acknowledged, 227);
        assert!((rate(&summary) - 105.0).abs() < 1e-9);
        summary.timeline.truncate(3);
        assert!((rate(&summary) - 56.75).abs() < 1e-9);
    }
}
