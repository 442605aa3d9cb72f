//! Samples of the windows of rules.

use super::exposition::Sample;
use std::collections::BTreeMap;
use windows::{Counts, Dropped, RuleFigures, Windows};

/// How the windows are.
#[derive(Default)]
pub(super) struct WindowFigures {
    rules: BTreeMap<String, RuleFigures>,
    waiting: BTreeMap<String, u64>,
    dropped: Vec<Dropped>,
}

impl WindowFigures {
    pub(super) fn of(windows: Option<&Windows>) -> Self {
        windows.map_or_else(Self::default, |windows| Self {
            rules: windows.figures(),
            waiting: windows.waiting(),
            dropped: windows.dropped(),
        })
    }

    /// One sample for each rule.
    pub(super) fn by_rule(&self, value: fn(&RuleFigures) -> u64) -> Vec<Sample> {
        let rules = self.rules.iter();
        rules.map(|(rule, figures)| Sample::labelled("rule", rule.as_str(), value(figures))).collect()
    }

    /// One sample for each rule and reason.
    pub(super) fn by_reason(&self, counts: fn(&Counts) -> &BTreeMap<String, u64>) -> Vec<Sample> {
        let of_rule = |(rule, figures): (&String, &RuleFigures)| {
            let reasons = counts(&figures.counts).iter();
            reasons.map(|(reason, count)| sample(rule, reason, *count)).collect::<Vec<_>>()
        };
        self.rules.iter().flat_map(of_rule).collect()
    }

    /// When the first of the open windows ends, by rule; none where none is open.
    pub(super) fn first_ends(&self) -> Vec<Sample> {
        let open = self.rules.iter().filter_map(|(rule, figures)| Some((rule, figures.open.first_end_ms?)));
        open.map(|(rule, end_ms)| Sample {
            suffix: "",
            labels: vec![("rule", rule.clone())],
            value: end_ms as f64 / 1e3,
        })
        .collect()
    }

    pub(super) fn results_waiting(&self) -> Vec<Sample> {
        self.waiting.iter().map(|(rule, count)| Sample::labelled("rule", rule.as_str(), *count)).collect()
    }

    pub(super) fn results_dropped(&self) -> Vec<Sample> {
        self.dropped.iter().map(|dropped| sample(&dropped.rule, dropped.reason, dropped.results)).collect()
    }
}

fn sample(rule: &str, reason: &str, count: u64) -> Sample {
    let labels = vec![("rule", rule.to_string()), ("reason", reason.to_string())];
    Sample { suffix: "", labels, value: count as f64 }
}
