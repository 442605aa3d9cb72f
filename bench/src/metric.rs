//! What is measured: one list.

/// Which of two values is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Lower,
    Higher,
    /// Neither: it explains the others.
    Neither,
}

/// A column of the tables.
#[derive(Debug)]
pub(crate) struct Metric {
    /// In `results.json`.
    pub(crate) key: &'static str,
    /// In tables and plots, with its unit.
    pub(crate) title: &'static str,
    pub(crate) better: Better,
    /// Digits behind the point.
    pub(crate) digits: usize,
}

const fn metric(key: &'static str, title: &'static str, better: Better, digits: usize) -> Metric {
    Metric { key, title, better, digits }
}

/// Every metric, in the order of the tables' columns.
pub(crate) const METRICS: &[Metric] = &[
    metric("cpu_micros_per_message", "Server µs per message", Better::Lower, 2),
    metric("messages_per_second", "Messages per second", Better::Higher, 0),
    metric("server_busy", "Server busy", Better::Neither, 2),
    metric("load_busy", "Load busy", Better::Neither, 2),
    metric("cpu_micros_per_message_fixed", "Server µs per message at the fixed rate", Better::Lower, 2),
    metric("puback_p50_ms_fixed", "PUBACK p50 ms at the fixed rate", Better::Lower, 2),
    metric("puback_p99_ms_fixed", "PUBACK p99 ms at the fixed rate", Better::Lower, 2),
    metric("puback_p99_ms_half", "PUBACK p99 ms at half load", Better::Lower, 2),
    metric("delivered_share", "Delivered", Better::Neither, 3),
    metric("delivery_p99_ms", "Delivery p99 ms", Better::Lower, 2),
    metric("memory_bytes_per_connection", "Bytes per connection", Better::Lower, 0),
    metric("cpu_micros_full", "Server µs per full connect", Better::Lower, 0),
    metric("cpu_micros_again", "Server µs per reconnect", Better::Lower, 0),
    metric("resumed_share", "Reconnects resumed", Better::Neither, 2),
    metric("connect_p99_ms", "Connect p99 ms", Better::Lower, 0),
    metric("acknowledged", "Acknowledged", Better::Neither, 0),
    metric("lost", "Lost of them", Better::Lower, 0),
];

/// The metric of a key.
pub(crate) fn find(key: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.key == key)
}
