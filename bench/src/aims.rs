//! What we aim at, each a ratio of two values of one round.

use crate::results::Results;
use crate::statistics::{Spread, ratio};

/// Where a value stands.
#[derive(Clone, Copy, Debug)]
struct Value {
    scenario: &'static str,
    peer: &'static str,
    metric: &'static str,
}

/// An aim: one value divided by another is at least, or at most, so much.
#[derive(Debug)]
pub(crate) struct Aim {
    pub(crate) title: &'static str,
    above: Value,
    below: Value,
    /// What the ratio is to be.
    pub(crate) at_least: Option<f64>,
    pub(crate) at_most: Option<f64>,
}

const OURS: &str = "iot-gateway";

const fn value(scenario: &'static str, peer: &'static str, metric: &'static str) -> Value {
    Value { scenario, peer, metric }
}

const fn at_least(title: &'static str, above: Value, below: Value, ratio: f64) -> Aim {
    Aim { title, above, below, at_least: Some(ratio), at_most: None }
}

const fn at_most(title: &'static str, above: Value, below: Value, ratio: f64) -> Aim {
    Aim { title, above, below, at_least: None, at_most: Some(ratio) }
}

/// Every aim.
pub(crate) const AIMS: &[Aim] = &[
    at_most(
        "Processor time per QoS 1 message over mutual TLS: ours with a rule and an fsynced write ÷ Mosquitto's with neither",
        value("durable-rule-tls", OURS, "cpu_micros_per_message"),
        value("fan-in-qos1-tls", "mosquitto", "cpu_micros_per_message"),
        1.0,
    ),
    at_least(
        "Durable messages per second over mutual TLS: ours ÷ NATS JetStream's",
        value("durable-rule-tls", OURS, "messages_per_second"),
        value("durable-rule-tls", "nats", "messages_per_second"),
        5.0,
    ),
    at_least(
        "Durable messages per second over mutual TLS: ours ÷ RabbitMQ's",
        value("durable-rule-tls", OURS, "messages_per_second"),
        value("durable-rule-tls", "rabbitmq", "messages_per_second"),
        5.0,
    ),
    at_least(
        "Fan-in at QoS 0, messages per processor second: ours ÷ Mosquitto's",
        value("fan-in-qos0-plain", "mosquitto", "cpu_micros_per_message"),
        value("fan-in-qos0-plain", OURS, "cpu_micros_per_message"),
        1.5,
    ),
    at_most(
        "PUBACK p99 at half load, mutual TLS: ours ÷ Mosquitto's",
        value("fan-in-qos1-tls", OURS, "puback_p99_ms_half"),
        value("fan-in-qos1-tls", "mosquitto", "puback_p99_ms_half"),
        1.0,
    ),
    at_most(
        "PUBACK p99 at half load, durable: ours ÷ NATS JetStream's",
        value("durable-rule-tls", OURS, "puback_p99_ms_half"),
        value("durable-rule-tls", "nats", "puback_p99_ms_half"),
        1.0,
    ),
    at_most(
        "PUBACK p99 at half load, durable: ours ÷ RabbitMQ's",
        value("durable-rule-tls", OURS, "puback_p99_ms_half"),
        value("durable-rule-tls", "rabbitmq", "puback_p99_ms_half"),
        1.0,
    ),
    at_most(
        "Memory per idle mutual-TLS connection: ours ÷ Mosquitto's",
        value("idle-tls", OURS, "memory_bytes_per_connection"),
        value("idle-tls", "mosquitto", "memory_bytes_per_connection"),
        1.0,
    ),
];

impl Aim {
    /// The ratio that was found, if both were measured.
    pub(crate) fn found(&self, results: &Results) -> Option<Spread> {
        let values = |value: Value| results.values(value.scenario, value.peer, value.metric);
        ratio(&values(self.above), &values(self.below))
    }

    /// What is aimed at, in words.
    pub(crate) fn wanted(&self) -> String {
        match (self.at_least, self.at_most) {
            (Some(ratio), _) => format!("at least {ratio}"),
            (None, Some(ratio)) => format!("at most {ratio}"),
            (None, None) => String::new(),
        }
    }

    /// Whether the middle of what was found reaches it.
    pub(crate) fn is_reached(&self, found: Spread) -> bool {
        self.at_least.is_none_or(|ratio| found.median >= ratio)
            && self.at_most.is_none_or(|ratio| found.median <= ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric;
    use crate::peer::PEERS;
    use crate::scenario::SCENARIOS;

    #[test]
    fn aims_speak_of_what_is_measured() {
        for aim in AIMS {
            for value in [aim.above, aim.below] {
                assert!(SCENARIOS.iter().any(|scenario| scenario.name == value.scenario), "{value:?}");
                assert!(PEERS.iter().any(|peer| peer.name() == value.peer), "{value:?}");
                assert!(metric::find(value.metric).is_some(), "{value:?}");
            }
        }
    }
}
