//! Samples of the functions.

use super::exposition::Sample;
use std::sync::Arc;
use targets::function::{Function, Histogram};

fn sample(suffix: &'static str, name: &str, label: Option<(&'static str, String)>, value: f64) -> Sample {
    let labels = std::iter::once(("function", name.to_string())).chain(label).collect();
    Sample { suffix, labels, value }
}

/// One sample for each function.
pub(super) fn each(functions: &[Arc<Function>], value: fn(&Function) -> u64) -> Vec<Sample> {
    let samples = functions.iter().map(|function| (function, value(function)));
    samples.map(|(function, value)| Sample::labelled("function", &function.settings().name, value)).collect()
}

/// One sample for each function and code of its errors.
pub(super) fn errors(functions: &[Arc<Function>]) -> Vec<Sample> {
    let of_one = |function: &Arc<Function>| {
        let name = function.settings().name.clone();
        let errors = function.figures().errors().into_iter();
        errors.map(move |(code, count)| sample("", &name, Some(("code", code.to_string())), count as f64))
    };
    functions.iter().flat_map(of_one).collect()
}

/// A histogram in seconds for each function.
pub(super) fn histograms(functions: &[Arc<Function>], of: fn(&Function) -> &Histogram) -> Vec<Sample> {
    let mut samples = Vec::new();
    for function in functions {
        let (name, histogram) = (&function.settings().name, of(function));
        let mut count = 0;
        for (bound, below) in histogram.cumulative() {
            let bound = if bound.is_finite() { bound.to_string() } else { "+Inf".to_string() };
            samples.push(sample("_bucket", name, Some(("le", bound)), below as f64));
            count = below;
        }
        samples.push(sample("_sum", name, None, histogram.sum().as_secs_f64()));
        samples.push(sample("_count", name, None, count as f64));
    }
    samples
}
