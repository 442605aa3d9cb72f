//! A scenario in a few lines, for people.

use std::fmt::Write;
use std::time::Duration;

use super::{Fleet, Publication, Scenario, Timing, Transport};

/// What a scenario would do.
pub fn outline(scenario: &Scenario) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        writeln!(text, "{name:<14}{value}").expect("writing to a string cannot fail");
    };
    let end = scenario.end().map_or("until it is stopped".to_owned(), |end| format!("{} s", secs(end)));
    row("scenario", format!("{} (seed {}, {end})", scenario.name, scenario.seed));
    row("server", scenario.server.address.to_string());
    for fleet in &scenario.fleets {
        row("fleet", describe(fleet));
        for publication in &fleet.publications {
            row("  publishes", publishes(fleet, publication));
        }
    }
    for (begin, stage) in scenario.stages.begins() {
        let (name, lasts) = (stage.kind.name(), secs(stage.lasts));
        row(
            "stage",
            format!("at {} s: {name} for {lasts} s, from {} to {}", secs(begin), stage.from, stage.to),
        );
    }
    for fault in &scenario.faults {
        let again = fault.every.map_or(String::new(), |every| format!(" and every {} s", secs(every)));
        let whose = fault.fleet.as_deref().map_or(String::new(), |fleet| format!(" of `{fleet}`"));
        let (name, at, lasts) = (fault.kind.name(), secs(fault.first_at), secs(fault.lasts));
        let share = fault.share * 100.0;
        row("fault", format!("at {at} s{again}: {name} for {lasts} s, {share} % of the devices{whose}"));
    }
    for hook in &scenario.hooks {
        row("hook", format!("at {} s: {}", secs(hook.at), hook.name));
    }
    for threshold in scenario.thresholds.iter() {
        row("threshold", format!("{} {}", threshold.measure.name, threshold.limit));
    }
    text
}

fn describe(fleet: &Fleet) -> String {
    let transport = match fleet.transport {
        Transport::Tcp => "TCP",
        Transport::Tls => "TLS",
        Transport::WebSocket => "WebSocket",
        Transport::WebSocketTls => "WebSocket over TLS",
    };
    format!(
        "`{}`: {} devices over {transport}, {} connect each second",
        fleet.name, fleet.devices, fleet.connect_per_second
    )
}

fn publishes(fleet: &Fleet, publication: &Publication) -> String {
    let devices = f64::from(fleet.devices);
    let rate = match &publication.timing {
        Timing::Every(interval) => format!("{:.1} messages a second", devices / interval.as_secs_f64()),
        Timing::Poisson { per_second } => format!("{:.1} messages a second, at random", devices * per_second),
        Timing::Trace(trace) => format!("{} messages of a trace, each device", trace.len()),
        Timing::Saturate => "as fast as they are acknowledged".to_owned(),
    };
    let qos = publication.qos.single().map_or("mixed QoS".to_owned(), |qos| format!("QoS {}", qos.number()));
    format!("{rate}, {qos}")
}

fn secs(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Ready;

    #[test]
    fn it_says_what_will_happen() {
        let text = Ready::find("vehicles").unwrap().text;
        let none = |_: &std::path::Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
        let scenario = Scenario::read("vehicles", std::path::Path::new(""), text, &[], &none).unwrap();
        let outlined = outline(&scenario);
        for line in [
            "scenario      vehicles (seed 1, 25 s)",
            "server        localhost:1883",
            "fleet         `van`: 100 devices over TCP, 100 connect each second",
            "  publishes   100.0 messages a second, QoS 1",
            "stage         at 0 s: hold for 25 s, from 0 to 1",
            "fault         at 5 s and every 5 s: cut for 2 s, 10 % of the devices",
            "threshold     lost 0",
        ] {
            assert!(outlined.lines().any(|found| found == line), "{line}\n{outlined}");
        }
    }
}
