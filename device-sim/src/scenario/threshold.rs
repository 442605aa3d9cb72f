//! What decides the exit status of a run.

/// A number that a run ends with and that can be limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Its name in a scenario; its unit is in the name.
    pub name: &'static str,
    /// On which side the limit is.
    pub bound: Bound,
    /// What it is.
    pub description: &'static str,
}

/// On which side a limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// More is worse.
    Most,
    /// Less is worse.
    Least,
}

/// All measures.
pub const MEASURES: &[Measure] = &[
    most("lost", "acknowledged messages that did not arrive"),
    most("repeated", "arrivals beyond the first of a message"),
    most("repeated_with_other_event_id", "repeats that a receiver cannot recognise by the event id"),
    most("out_of_order", "arrivals after a later message of the same device"),
    most("corrupted", "arrivals that are not what was sent"),
    most("unchecked", "arrivals whose checksum could not be verified"),
    most("unacknowledged", "messages written and never acknowledged"),
    most("not_sent", "messages due and never written"),
    most("puback_p50_ms", "median from when a message was due to its acknowledgement"),
    most("puback_p99_ms", "the same, 99th percentile"),
    most("puback_p99_9_ms", "the same, 99.9th percentile"),
    most("delivery_p50_ms", "median from when a message was due to its arrival"),
    most("delivery_p99_ms", "the same, 99th percentile"),
    most("delivery_p99_9_ms", "the same, 99.9th percentile"),
    most("connect_p99_ms", "from the begin of an attempt to CONNACK, 99th percentile"),
    most("connect_failures", "failed attempts to connect"),
    most("disconnects", "connections lost that the scenario did not break itself"),
    least("connects_min", "successful connects"),
    least("acknowledged_min", "messages acknowledged"),
    least("received_min", "messages that arrived"),
    least("per_second_min", "messages sent in a second, on average (acknowledged ones at QoS 1 and 2)"),
];

const fn most(name: &'static str, description: &'static str) -> Measure {
    Measure { name, bound: Bound::Most, description }
}

const fn least(name: &'static str, description: &'static str) -> Measure {
    Measure { name, bound: Bound::Least, description }
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// Of what.
    pub measure: Measure,
    /// The worst value that is still good.
    pub limit: f64,
}

impl Threshold {
    /// Whether a value is good. What is not a number is not.
    pub fn holds(&self, found: f64) -> bool {
        match self.measure.bound {
            Bound::Most => found <= self.limit,
            Bound::Least => found >= self.limit,
        }
    }
}

/// All limits of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    limits: Vec<Threshold>,
}

impl Default for Thresholds {
    /// Nothing lost, nothing corrupted, and every repeat recognisable.
    fn default() -> Self {
        let names = ["lost", "corrupted", "repeated_with_other_event_id"];
        Self::new(names.iter().filter_map(|name| Some((measure(name)?, 0.0))))
    }
}

impl Thresholds {
    /// These limits.
    pub fn new(limits: impl IntoIterator<Item = (Measure, f64)>) -> Self {
        Self { limits: limits.into_iter().map(|(measure, limit)| Threshold { measure, limit }).collect() }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Threshold> {
        self.limits.iter()
    }
}

/// The measure with this name.
pub(crate) fn measure(name: &str) -> Option<Measure> {
    MEASURES.iter().copied().find(|measure| measure.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_on_the_right_side() {
        let limits = [("lost", 0.0), ("puback_p99_ms", 50.0), ("acknowledged_min", 100.0)];
        let thresholds = Thresholds::new(limits.map(|(name, limit)| (measure(name).unwrap(), limit)));
        for (found, holds) in
            [([0.0, 50.0, 100.0], [true; 3]), ([1.0, 50.1, 99.0], [false; 3]), ([f64::NAN; 3], [false; 3])]
        {
            let held: Vec<bool> =
                thresholds.iter().zip(found).map(|(threshold, found)| threshold.holds(found)).collect();
            assert_eq!(held, holds);
        }
    }

    #[test]
    fn the_default_is_that_nothing_is_wrong() {
        let named: Vec<_> = Thresholds::default().iter().map(|it| (it.measure.name, it.limit)).collect();
        assert_eq!(named, [("lost", 0.0), ("corrupted", 0.0), ("repeated_with_other_event_id", 0.0)]);
    }
}
