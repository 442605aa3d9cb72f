//! The Prometheus text format, version 0.0.4.

use std::fmt::Write;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets, a sum and a count; its samples carry their own suffixes.
    Histogram,
}

/// One line of a metric.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// `_bucket`, `_sum` or `_count` of a histogram; empty otherwise.
    pub(crate) suffix: &'static str,
    /// Names and values of labels.
    pub(crate) labels: Vec<(&'static str, String)>,
    /// The value.
    pub(crate) value: f64,
}

impl Sample {
    /// A value without labels.
    pub(crate) fn plain(value: u64) -> Vec<Self> {
        vec![Self { suffix: "", labels: Vec::new(), value: value as f64 }]
    }

    /// A value with one label.
    pub(crate) fn labelled(name: &'static str, label: impl Into<String>, value: u64) -> Self {
        Self { suffix: "", labels: vec![(name, label.into())], value: value as f64 }
    }
}

/// Appends one metric with its help, its kind and its samples; a metric without samples is left out.
pub(crate) fn write(text: &mut String, name: &str, help: &str, kind: Kind, samples: &[Sample]) {
    if samples.is_empty() {
        return;
    }
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for sample in samples {
        let _ = write!(text, "{name}{}", sample.suffix);
        for (index, (label, value)) in sample.labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let _ = write!(text, "{open}{label}=\"{}\"", escape(value));
        }
        let close = if sample.labels.is_empty() { "" } else { "}" };
        let _ = writeln!(text, "{close} {}", sample.value);
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_written_with_its_labels_escaped() {
        let mut text = String::new();
        let samples = [
            Sample {
                suffix: "",
                labels: vec![("rule", "a\"b\n".into()), ("target", "q".into())],
                value: 3.0,
            },
            Sample { suffix: "", labels: Vec::new(), value: 0.5 },
        ];
        write(&mut text, "x_total", "Counts x", Kind::Counter, &samples);
        write(&mut text, "empty", "Nothing", Kind::Gauge, &[]);
        assert_eq!(
            text,
            "# HELP x_total Counts x\n# TYPE x_total counter\nx_total{rule=\"a\\\"b\\n\",target=\"q\"} 3\nx_total 0.5\n"
        );
    }
}
