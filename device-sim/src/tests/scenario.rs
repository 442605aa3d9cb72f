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
    assert_eq!(marks[..2], ["ramp", "hold"]);
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

/// Ten devices with fifty messages each, some of which meet a fault.
const TROUBLED: &str = r#"
    version = 1
    name = "trouble"
    [server]
    address = "127.0.0.1:1"
    [[fleet]]
    name = "pump"
    devices = 10
    connect_per_second = 1000.0
    [[fleet.publish]]
    topic = "pumps/{index}"
    qos = 1
    every_ms = 20
    messages = 50
"#;

#[tokio::test(flavor = "multi_thread")]
async fn faults_strike_and_nothing_is_lost() {
    for (fault, reconnects, more) in [
        ("kind = \"cut\"\nat_secs = 0.3\nfor_secs = 0.1", 10, false),
        ("kind = \"storm\"\nat_secs = 0.2\nevery_secs = 0.3\nfor_secs = 0.1\nshare = 0.5", 1, false),
        ("kind = \"half_open\"\nat_secs = 0.3\nfor_secs = 0.2", 10, false),
        ("kind = \"garbage\"\nat_secs = 0.4", 10, false),
        ("kind = \"duplicate\"\nat_secs = 0.1\nfor_secs = 0.5", 0, true),
    ] {
        let broker = Broker::start(Manners::default(), None).await;
        let address = format!("server.address=127.0.0.1:{}", broker.port);
        let summary = play_scenario(&format!("{TROUBLED}\n[[fault]]\n{fault}\n"), &[&address]).await;
        assert_eq!((summary.due, summary.acknowledged, summary.unacknowledged), (500, 500, 0), "{fault}");
        assert!(summary.connects >= 10 + reconnects, "{fault}: {} connects", summary.connects);
        assert!(summary.disconnects.is_empty(), "{fault}: {:?}", summary.disconnects);
        assert!(!summary.timeline.marks.is_empty(), "{fault}");
        assert!(!more || broker.seen.lock().duplicates > 5, "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_written_after_their_successors() {
    let broker = Broker::start(Manners::default(), None).await;
    let address = format!("server.address=127.0.0.1:{}", broker.port);
    let fault = "kind = \"reorder\"\nat_secs = 0.1\nfor_secs = 0.6\nshare = 1.0";
    let summary = play_scenario(&format!("{TROUBLED}\n[[fault]]\n{fault}\n"), &[&address]).await;
    assert_eq!((summary.due, summary.acknowledged), (500, 500));
    let out_of_order = broker.seen.lock().out_of_order;
    assert!(out_of_order > 10, "{out_of_order} out of order");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_saturates_is_reordered_and_goes_on() {
    let broker = Broker::start(Manners::default(), None).await;
    let address = format!("server.address=127.0.0.1:{}", broker.port);
    let scenario = r#"
        [server]
        address = "127.0.0.1:1"
        [[fleet]]
        name = "pump"
        devices = 2
        [[fleet.publish]]
        topic = "pumps/{index}"
        saturate = true
        messages = 500
        [[fault]]
        kind = "reorder"
        at_secs = 0.0
        for_secs = 20
        messages_share = 0.2
    "#;
    let summary = play_scenario(scenario, &[&address]).await;
    assert_eq!((summary.due, summary.sent, summary.acknowledged), (1000, 1000, 1000));
    assert!(summary.seconds < 15.0, "it took {} s", summary.seconds);
    assert!(broker.seen.lock().out_of_order > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_run_at_their_time() {
    let broker = Broker::start(Manners::default(), None).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("touched");
    let address = format!("server.address=127.0.0.1:{}", broker.port);
    let hook = format!("at_secs = 0.2\ncommand = [\"touch\", \"{}\"]\nname = \"touch\"", file.display());
    let summary = play_scenario(&format!("{TROUBLED}\n[[hook]]\n{hook}\n"), &[&address]).await;
    let mark = &summary.timeline.marks[0];
    assert!(file.exists() && mark.name == "touch" && mark.at_secs >= 0.2, "{mark:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_fails_is_marked() {
    let broker = Broker::start(Manners::default(), None).await;
    let address = format!("server.address=127.0.0.1:{}", broker.port);
    for (command, reason) in [
        ("\"false\"", "stop: ended with exit status: 1"),
        ("\"/does/not/exist\"", "stop: cannot run `/does/not/exist`"),
        ("\"sleep\", \"60\"", "stop: ran longer than 100ms and was killed"),
    ] {
        let hook =
            format!("[[hook]]\nat_secs = 0.1\ncommand = [{command}]\nname = \"stop\"\nsecs_max = 0.1\n");
        let summary = play_scenario(&format!("{TROUBLED}\n{hook}"), &[&address]).await;
        let names: Vec<&str> = summary.timeline.marks.iter().map(|mark| mark.name.as_str()).collect();
        assert!(names.iter().any(|name| name.starts_with(reason)), "{names:?}");
    }
}
