//! Scenarios from a file, over real sockets.

use super::broker::{Broker, Manners};
use super::play_scenario;

#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_is_played_stage_by_stage() {
    let broker = Broker::start(Manners::default(), None).await;
    let text = r#"
        version = 1
        name = "two stages"
        [server]
        address = "127.0.0.1:1"
        transport = "tcp"
        [[fleet]]
        name = "meter"
        devices = 10
        connect_per_second = 1000.0
        [[fleet.publish]]
        topic = "meters/{device}/reading"
        qos = 1
        every_ms = 20
        jitter = 0.0
        [[stage]]
        kind = "ramp"
        secs = 0.4
        from = 0.0
        to = 1.0
        [[stage]]
        kind = "hold"
        secs = 0.4
    "#;
    let address = format!("server.address=127.0.0.1:{}", broker.port);
    let summary = play_scenario(text, &[&address]).await;
    assert_eq!(summary.scenario.as_deref(), Some("two stages"));
    // Ten devices, fifty a second each, for 0.4 s at half the rate and 0.4 s at the full rate.
    assert!((270..=310).contains(&summary.due), "{} due", summary.due);
    assert_eq!((summary.sent, summary.acknowledged), (summary.due, summary.due));
    let marks: Vec<&str> = summary.timeline.marks.iter().map(|mark| mark.name.as_str()).collect();
    assert_eq!(marks, ["ramp", "hold"]);
    assert_eq!(summary.exit_status(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saturating_fleet_ends_by_count() {
    let broker = Broker::start(Manners { cut_after: Some(150), ..Manners::default() }, None).await;
    let text = r#"
        version = 1
        name = "saturation"
        [server]
        address = "127.0.0.1:1"
        [[fleet]]
        name = "pump"
        devices = 4
        inflight_max = 50
        connect_per_second = 1000.0
        [[fleet.publish]]
        topic = "pumps/{index}"
        saturate = true
        messages = 1000
        qos = { "1" = 0.7, "2" = 0.3 }
    "#;
    let address = format!("server.address=127.0.0.1:{}", broker.port);
    let summary = play_scenario(text, &[&address, "server.transport=tcp"]).await;
    assert_eq!((summary.due, summary.sent, summary.acknowledged), (4000, 4000, 4000));
    let seen = broker.seen.lock();
    assert_eq!(seen.wrong_duplicate_flags, 0);
    assert!(summary.connects > 4);
}

#[test]
fn a_scenario_that_is_wrong_ends_with_2() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wrong.toml");
    std::fs::write(&file, "version = 1\nnane = \"x\"\n").unwrap();
    let words = ["device-sim", "play", file.to_str().unwrap()];
    let status = crate::run(super::parse(words));
    assert_eq!(format!("{status:?}"), format!("{:?}", std::process::ExitCode::from(2)));
}
