//! What is compared: the loads, one list.

use crate::peer::{Keeping, Role, Transport};

/// One comparison.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// As it is asked for by `--only`.
    pub(crate) name: &'static str,
    /// For readers.
    pub(crate) title: &'static str,
    pub(crate) role: Role,
    pub(crate) work: Work,
    /// Played in the first round alone, because it shows the same every time.
    pub(crate) once: bool,
}

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    /// Devices publish, nobody has subscribed; as fast as it goes, and then at a rate that is the same for every server.
    FanIn(FanIn),
    /// One device publishes to many, at its pace.
    FanOut { subscribers: u32, every_ms: u64 },
    /// Senders each publish to a receiver of their own, as fast as it goes.
    Pairs { pairs: u32 },
    /// Devices connect all at once, and once more with the TLS sessions they have.
    Storm { devices: u32 },
    /// Devices connect and stay.
    Idle { devices: u32 },
    /// The server is killed while devices publish for a session that is away, and started again.
    Kill { devices: u32, per_second: f64 },
}

/// The publishes of a fan-in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FanIn {
    pub(crate) qos: u8,
    pub(crate) payload: Payload,
    /// Whether latency is measured as well: at the fixed rate, and at half of what the server itself does at most.
    pub(crate) latency: bool,
}

/// What a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// So many bytes.
    Raw(u32),
    /// A reading in JSON, padded to so many bytes; a rule can look into it.
    Json(u32),
}

impl Payload {
    /// Its size.
    pub(crate) fn bytes(self) -> u32 {
        match self {
            Self::Raw(bytes) | Self::Json(bytes) => bytes,
        }
    }
}

const PLAIN: Role = Role { transport: Transport::Plain, keeping: Keeping::Nothing };
const TLS: Role = Role { transport: Transport::MutualTls, keeping: Keeping::Nothing };
const SINK: Role = Role { transport: Transport::MutualTls, keeping: Keeping::Sink };
const SESSION: Role = Role { transport: Transport::Plain, keeping: Keeping::Session };

const fn fan_in(qos: u8, payload: Payload, latency: bool) -> Work {
    Work::FanIn(FanIn { qos, payload, latency })
}

/// The smallest reading that carries its proof, and fields for a rule, has about so many bytes.
const READING: Payload = Payload::Json(256);

/// Every comparison, in the order in which a round plays them: what the aims are about comes first, should time run out.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "fan-in-qos1-tls",
        title: "Fan-in, QoS 1, mutual TLS, 256 bytes",
        role: TLS,
        work: fan_in(1, READING, true),
        once: false,
    },
    Scenario {
        name: "durable-rule-tls",
        title: "Fan-in, QoS 1, mutual TLS, a rule and a sink on disk, 256 bytes",
        role: SINK,
        work: fan_in(1, READING, true),
        once: false,
    },
    Scenario {
        name: "fan-in-qos0-plain",
        title: "Fan-in, QoS 0, plain, 100 bytes",
        role: PLAIN,
        work: fan_in(0, Payload::Raw(100), false),
        once: false,
    },
    Scenario {
        name: "idle-tls",
        title: "Idle connections, mutual TLS",
        role: TLS,
        work: Work::Idle { devices: 2000 },
        once: false,
    },
    Scenario {
        name: "fan-in-qos1-plain",
        title: "Fan-in, QoS 1, plain, 100 bytes",
        role: PLAIN,
        work: fan_in(1, Payload::Raw(100), false),
        once: false,
    },
    Scenario {
        name: "fan-out",
        title: "Fan-out of 1 to 1,000, QoS 0, plain, 100 bytes",
        role: PLAIN,
        work: Work::FanOut { subscribers: 1000, every_ms: 50 },
        once: false,
    },
    Scenario {
        name: "pairs",
        title: "1-to-1, QoS 1 on both sides, plain, 100 bytes",
        role: PLAIN,
        work: Work::Pairs { pairs: 50 },
        once: false,
    },
    Scenario {
        name: "storm",
        title: "Connection storm, mutual TLS, full and resumed",
        role: TLS,
        work: Work::Storm { devices: 500 },
        once: false,
    },
    Scenario {
        name: "fan-in-qos0-tls",
        title: "Fan-in, QoS 0, mutual TLS, 100 bytes",
        role: TLS,
        work: fan_in(0, Payload::Raw(100), false),
        once: false,
    },
    Scenario {
        name: "fan-in-qos1-tls-1k",
        title: "Fan-in, QoS 1, mutual TLS, 1 KB",
        role: TLS,
        work: fan_in(1, Payload::Json(1024), false),
        once: false,
    },
    Scenario {
        name: "durable-rule-tls-1k",
        title: "Fan-in, QoS 1, mutual TLS, a rule and a sink on disk, 1 KB",
        role: SINK,
        work: fan_in(1, Payload::Json(1024), false),
        once: false,
    },
    Scenario {
        name: "fan-in-qos0-plain-1k",
        title: "Fan-in, QoS 0, plain, 1 KB",
        role: PLAIN,
        work: fan_in(0, Payload::Raw(1024), false),
        once: false,
    },
    Scenario {
        name: "idle-plain",
        title: "Idle connections, plain",
        role: PLAIN,
        work: Work::Idle { devices: 2000 },
        once: true,
    },
    Scenario {
        name: "kill",
        title: "Acknowledged messages after kill -9, QoS 1, for a session that is away",
        role: SESSION,
        work: Work::Kill { devices: 20, per_second: 100.0 },
        once: true,
    },
];

/// The most devices of one load that need certificates.
pub(crate) fn devices_max() -> u32 {
    let devices = |scenario: &Scenario| match scenario.work {
        Work::FanIn(_) => crate::load::FAN_IN_DEVICES,
        Work::FanOut { subscribers, .. } => subscribers + 1,
        Work::Pairs { pairs } => pairs * 2,
        Work::Storm { devices } | Work::Idle { devices } | Work::Kill { devices, .. } => devices,
    };
    SCENARIOS.iter().map(devices).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let mut names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SCENARIOS.len());
    }
}
