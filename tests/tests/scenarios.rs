//! The ready scenarios of device-sim, played against the gateway for some seconds each: they do what they say, and nothing is lost.

use device_sim::scenario::Ready;
use end_to_end::{Fleet, Gateway, Site, Summary};
use std::time::Duration;

/// How long a run may take, reading back included.
const RUN: Duration = Duration::from_secs(120);

/// A ready scenario, what makes it short, and what must come out of it.
struct Case {
    name: &'static str,
    settings: &'static [&'static str],
    /// Devices that must have connected.
    connects_min: u64,
    acknowledged_min: u64,
    /// Whether everything that was sent is read back.
    is_read_back: bool,
}

const CASES: &[Case] = &[
    Case {
        name: "smart-meters",
        settings: &["fleet.meter.publish.0.every_ms=1000", "stage.0.secs=3", "stage.1.secs=3"],
        connects_min: 200,
        acknowledged_min: 500,
        is_read_back: true,
    },
    Case {
        name: "factory-line",
        settings: &["stage.0.secs=2", "stage.1.secs=3", "stage.2.secs=1"],
        connects_min: 34,
        acknowledged_min: 20,
        is_read_back: true,
    },
    Case {
        name: "vehicles",
        settings: &["stage.secs=6", "fault.at_secs=2", "fault.every_secs=3", "fault.for_secs=1"],
        connects_min: 100,
        acknowledged_min: 300,
        is_read_back: true,
    },
    Case {
        name: "cold-chain",
        settings: &[
            "stage.secs=6",
            "fleet.logger.publish.every_ms=1000",
            "fault.at_secs=2",
            "fault.for_secs=2",
        ],
        connects_min: 160,
        acknowledged_min: 300,
        is_read_back: true,
    },
    Case {
        name: "saturation",
        settings: &["secs=2", "fleet.devices=4"],
        connects_min: 4,
        acknowledged_min: 1000,
        is_read_back: false,
    },
];

fn play(site: &Site, case: &Case) -> anyhow::Result<Summary> {
    let text = Ready::find(case.name).expect("the case names a ready scenario").text;
    let address = format!("server.address={}", site.plain_address);
    let settings = [address.as_str()].into_iter().chain(case.settings.iter().copied());
    let options: Vec<&str> = settings.flat_map(|setting| ["--set", setting]).collect();
    Fleet::play(site, text, &options)?.finish(RUN)
}

fn check(summary: &Summary, case: &Case) -> anyhow::Result<()> {
    let all = format!("{}: {}", case.name, summary.report);
    assert_eq!(summary.status, 0, "{all}");
    assert_eq!(summary.report["scenario"], case.name, "{all}");
    assert!(summary.number("connects")? >= case.connects_min, "{all}");
    assert!(summary.number("acknowledged")? >= case.acknowledged_min, "{all}");
    assert!(summary.report["thresholds"].as_array().is_some_and(|verdicts| !verdicts.is_empty()), "{all}");
    if case.is_read_back {
        assert_eq!(summary.number("lost")?, 0, "{all}");
        assert!(summary.number("delivered")? >= summary.number("acknowledged")?, "{all}");
    }
    Ok(())
}

#[test]
fn ready_scenarios_are_played_against_the_gateway_and_lose_nothing() -> anyhow::Result<()> {
    let site = Site::new("")?;
    let mut gateway = Gateway::start(&site)?;
    for case in CASES {
        let summary = play(&site, case)?;
        check(&summary, case)?;
    }
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    gateway.stop()
}

#[test]
fn the_same_seed_publishes_the_same() -> anyhow::Result<()> {
    let site = Site::new("")?;
    let mut gateway = Gateway::start(&site)?;
    let case = CASES.iter().find(|case| case.name == "cold-chain").expect("it is a case");
    let (first, second) = (play(&site, case)?, play(&site, case)?);
    for number in ["due", "sent", "acknowledged", "delivered"] {
        assert_eq!(first.number(number)?, second.number(number)?, "{number}");
    }
    gateway.stop()
}
