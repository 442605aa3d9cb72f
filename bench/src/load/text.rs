//! The scenario files, filled in. The files in the repository, `bench/scenarios`, are what is read by people.

use super::{FAN_IN_DEVICES, FAN_IN_INFLIGHT, Load, Pace, REST_SECS, SMALL};
use crate::peer::Transport;
use crate::scenario::Payload;
use crate::site::fill;

/// The files, by name.
const FILES: [(&str, &str); 7] = [
    ("fan-in", include_str!("../../scenarios/fan-in.toml")),
    ("fan-out", include_str!("../../scenarios/fan-out.toml")),
    ("pairs", include_str!("../../scenarios/pairs.toml")),
    ("storm", include_str!("../../scenarios/storm.toml")),
    ("idle", include_str!("../../scenarios/idle.toml")),
    ("hello", include_str!("../../scenarios/hello.toml")),
    ("subscribe", include_str!("../../scenarios/subscribe.toml")),
];

/// The files as they stand in the repository, by name.
pub(crate) fn files() -> &'static [(&'static str, &'static str)] {
    &FILES
}

/// The name of the file that a load fills in.
pub(super) fn name(load: &Load) -> &'static str {
    match load {
        Load::FanIn { .. } => "fan-in",
        Load::FanOut { .. } => "fan-out",
        Load::Pairs { .. } => "pairs",
        Load::Storm { .. } => "storm",
        Load::Idle { .. } => "idle",
        Load::Subscribe => "subscribe",
        Load::Hello => "hello",
    }
}

/// The whole file of a load.
pub(super) fn text(load: &Load, port: u16, transport: Transport) -> String {
    let name = name(load);
    let file = FILES.iter().find(|(file, _)| *file == name).expect("every load has a file").1;
    let resumed = matches!(load, Load::Storm { .. });
    let server = server(transport, if resumed { "resumed" } else { "full" });
    let mut filled = vec![("port", port.to_string()), ("server", server)];
    match *load {
        Load::FanIn { publish, pace, secs } => filled.extend([
            ("devices", FAN_IN_DEVICES.to_string()),
            ("inflight", FAN_IN_INFLIGHT.to_string()),
            ("qos", publish.qos.to_string()),
            ("timing", timing(pace, FAN_IN_DEVICES)),
            ("payload", payload(publish.payload)),
            ("rest", rest(pace)),
            ("secs", seconds(secs)),
        ]),
        Load::FanOut { subscribers, every_ms, wait_secs, secs } => filled.extend([
            ("devices", subscribers.to_string()),
            ("timing", format!("every_ms = {every_ms}")),
            ("payload", payload(SMALL)),
            ("wait", seconds(wait_secs)),
            ("secs", seconds(secs)),
        ]),
        Load::Pairs { pairs, wait_secs, secs } => filled.extend([
            ("devices", pairs.to_string()),
            ("timing", timing(Pace::Saturate, pairs)),
            ("payload", payload(SMALL)),
            ("wait", seconds(wait_secs)),
            ("secs", seconds(secs)),
        ]),
        Load::Storm { devices, cut_secs, secs } => filled.extend([
            ("devices", devices.to_string()),
            ("cut", seconds(cut_secs)),
            ("secs", seconds(secs)),
        ]),
        Load::Idle { devices, secs } => {
            filled.extend([("devices", devices.to_string()), ("secs", seconds(secs))]);
        }
        Load::Subscribe | Load::Hello => {}
    }
    fill(file, &filled)
}

fn server(transport: Transport, handshake: &str) -> String {
    match transport {
        Transport::Plain => "transport = \"tcp\"".to_owned(),
        Transport::MutualTls => format!(
            "transport = \"tls\"\nserver_name = \"localhost\"\nauthority = \"pki/authority.crt\"\n\
             handshake = \"{handshake}\"\ncertificates = {{ folder = \"pki/devices\" }}"
        ),
    }
}

/// A stage in which nothing is said.
fn rest(pace: Pace) -> String {
    match pace {
        Pace::Saturate => String::new(),
        Pace::PerSecond(_) => {
            format!("[[stage]]\nkind = \"hold\"\nfrom = 0.0\nto = 0.0\nsecs = {}\n", seconds(REST_SECS))
        }
    }
}

fn timing(pace: Pace, devices: u32) -> String {
    match pace {
        Pace::Saturate => "saturate = true".to_owned(),
        Pace::PerSecond(rate) => format!("poisson_per_second = {}", seconds(rate / f64::from(devices))),
    }
}

fn payload(payload: Payload) -> String {
    let bytes = payload.bytes();
    match payload {
        Payload::Raw(_) => format!("format = \"raw\"\npayload_bytes = {bytes}"),
        Payload::Json(_) => format!(
            "format = \"json\"\npayload_bytes = {bytes}\nvalues = {{ temperature = {{ walk = {{ from = 20.0, step = \
             0.1, min = -10.0, max = 50.0, decimals = 1 }} }} }}"
        ),
    }
}

/// A number as TOML writes one that is no integer.
fn seconds(value: f64) -> String {
    format!("{value:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::FanIn;
    use device_sim::scenario::Scenario;
    use std::path::Path;

    #[test]
    fn every_load_is_a_scenario_that_the_fleet_can_play() {
        let publish = FanIn { qos: 1, payload: Payload::Json(1024), latency: true };
        let loads = [
            Load::FanIn { publish, pace: Pace::Saturate, secs: 4.0 },
            Load::FanIn { publish, pace: Pace::PerSecond(4000.0), secs: 4.0 },
            Load::FanOut { subscribers: 1000, every_ms: 50, wait_secs: 3.0, secs: 7.0 },
            Load::Pairs { pairs: 50, wait_secs: 1.0, secs: 5.0 },
            Load::Storm { devices: 500, cut_secs: 4.0, secs: 8.0 },
            Load::Idle { devices: 2000, secs: 30.0 },
            Load::Subscribe,
            Load::Hello,
        ];
        for load in loads {
            for transport in [Transport::Plain, Transport::MutualTls] {
                let text = text(&load, 1883, transport);
                assert!(!text.contains('$'), "{text}");
                let read = Scenario::read("load.toml", Path::new(""), &text, &[], &|_| Ok(Vec::new()));
                let scenario = read.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
                assert_eq!((&*scenario.name, scenario.server.address.port), (name(&load), 1883));
            }
        }
    }

    #[test]
    fn a_rate_is_shared_by_the_devices() {
        assert_eq!(timing(Pace::PerSecond(4000.0), 50), "poisson_per_second = 80.000");
    }
}
