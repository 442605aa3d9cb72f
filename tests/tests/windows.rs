//! Windows over time count every acknowledged message exactly once, whatever happens to the gateway meanwhile.

use anyhow::Context;
use end_to_end::{
    Client, Connect, Event, Fleet, Gateway, Publish, Site, TELEMETRY_STREAM, kind, run_command, wait,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const V5: u8 = 5;
const KILLS: u32 = 20;
const DEVICES: u32 = 20;
const COUNTS_QUEUE: &str = "[[queue]]\nname = \"counts\"\n";

/// Writes the rule `counts`, whose results go to the queue of that name.
fn write_counts(site: &Site, select: &str, group_by: &str, window: &str) -> anyhow::Result<()> {
    let text = format!(
        "sql = \"\"\"\nSELECT {select}, count(*) AS count, window_end() AS until\nFROM 'plant/+/telemetry' {group_by}\n\"\"\"\n\
         {window}\n[[action]]\nqueue = \"counts\"\n"
    );
    site.write("rules/counts/rule.toml", &text)
}

/// Waits until nothing is open and everything was sent on; then gives the results, each event id once, with those that were `taken` before.
fn results(gateway: &Gateway, taken: Vec<Event>) -> anyhow::Result<Vec<Event>> {
    let consumer = &gateway.consumer;
    wait::for_true("the windows to close", Duration::from_secs(60), || {
        consumer.metrics().is_ok_and(|metrics| {
            let sum = |name: &str| metrics.sum(name, "counts");
            metrics.sum("iot_gateway_events_waiting", "window/rules") == 0.0
                && sum("iot_gateway_window_groups_open") == 0.0
                && sum("iot_gateway_window_results_waiting") == 0.0
        })
    })
    .with_context(|| gateway.log.end())?;
    let made = consumer.metrics()?.sum("iot_gateway_window_results_total", "counts") as usize;
    let mut by_id: BTreeMap<String, Event> = BTreeMap::new();
    let mut events = taken;
    loop {
        by_id.extend(events.into_iter().map(|event| (event.id.clone(), event)));
        if by_id.len() >= made {
            break;
        }
        events = consumer.take("counts", 10)?;
        anyhow::ensure!(!events.is_empty(), "{} of {made} results came", by_id.len());
    }
    Ok(by_id.into_values().collect())
}

fn count(event: &Event) -> u64 {
    event.data["count"].as_u64().unwrap_or_default()
}

/// Every durable message counts once, for its device and in all; gives how many were counted.
fn assert_counted_once(results: &[Event], distinct: &BTreeSet<(String, u64)>) -> u64 {
    let by_device = |device: &str| -> u64 {
        results.iter().filter(|event| event.data["deviceId"] == device).map(count).sum()
    };
    let mut sent: BTreeMap<&str, u64> = BTreeMap::new();
    distinct.iter().for_each(|(device, _)| *sent.entry(device).or_default() += 1);
    for (device, sent) in &sent {
        assert_eq!(by_device(device), *sent, "{device}");
    }
    let counted: u64 = results.iter().map(count).sum();
    assert_eq!(counted, distinct.len() as u64, "each message that is durable, once");
    counted
}

/// Each row that was accepted became one of what a row can become.
fn assert_rows_balance(gateway: &Gateway) -> anyhow::Result<()> {
    let metrics = gateway.consumer.metrics()?;
    let rows = |what: &str| metrics.sum(&format!("iot_gateway_window_rows_{what}_total"), "counts");
    assert_eq!(
        metrics.sum("iot_gateway_events_accepted_total", "window/rules"),
        rows("folded") + rows("late") + rows("refused") + rows("repeated"),
    );
    Ok(())
}

#[test]
fn killed_twenty_times_under_load_every_acknowledged_message_counts_once() -> anyhow::Result<()> {
    let seed = std::env::var("CRASH_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(11);
    eprintln!("CRASH_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let site = Site::with_queue(&format!("{COUNTS_QUEUE}{TELEMETRY_STREAM}"))?;
    let action = "stream = { name = \"telemetry\", partition_key = \"${deviceId}\" }";
    site.write_rule("telemetry", "SELECT deviceId, sequence FROM 'plant/+/telemetry'", action)?;
    write_counts(&site, "deviceId", "GROUP BY deviceId, TUMBLINGWINDOW(ss, 2)", "")?;
    site.register_many(DEVICES)?;
    let mut gateway = Gateway::start(&site)?;
    let (devices, url) = (DEVICES.to_string(), gateway.consumer.queue_url("readings"));
    let mut fleet = Fleet::start(
        &site,
        &[
            "--devices",
            &devices,
            "--connect-rate",
            "200",
            "--interval-ms",
            "10",
            "--qos",
            "1",
            "--drain-secs",
            "60",
            "--read-queue",
            &url,
            "--read-secs",
            "180",
            "--waiting-messages-max",
            "100000",
        ],
    )?;
    for number in 1..=KILLS {
        let consumer = gateway.consumer.clone();
        wait::for_true("devices to publish", Duration::from_secs(30), || {
            consumer
                .metrics()
                .is_ok_and(|metrics| metrics.sum("iot_gateway_window_rows_folded_total", "") > 100.0)
        })
        .with_context(|| format!("before kill {number}"))?;
        wait::let_pass(Duration::from_millis(random.random_range(0..1_500)));
        gateway.kill_and_start_again().with_context(|| format!("kill {number}"))?;
        assert!(fleet.is_running(), "the fleet ended early");
    }
    let summary = fleet.stop(Duration::from_secs(300))?;
    eprintln!("{}", summary.report);
    assert_eq!(summary.number("lost")?, 0);
    assert_eq!(summary.number("repeated_with_other_event_id")?, 0);
    let acknowledged = summary.number("acknowledged")?;
    assert!(acknowledged > 1_000, "too little load to prove anything");
    let results = results(&gateway, Vec::new())?;
    let distinct: BTreeSet<(String, u64)> = gateway
        .consumer
        .read_stream("telemetry")?
        .iter()
        .filter_map(|event| {
            Some((event.data["deviceId"].as_str()?.to_string(), event.data["sequence"].as_u64()?))
        })
        .collect();
    let counted = assert_counted_once(&results, &distinct);
    // Some may be durable whose acknowledgement was lost at the end.
    assert!(counted >= acknowledged, "{acknowledged} were acknowledged, {counted} counted");
    assert_eq!(counted, summary.number("delivered")?, "what another rule delivered, each once");
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    let settings = site.settings_file().display().to_string();
    run_command(&["ledger", "--config", &settings]).context("a row of the ledger does not balance")?;
    assert_rows_balance(&gateway)?;
    Ok(())
}

fn publish(client: &mut Client, payload: &Value) -> anyhow::Result<()> {
    anyhow::ensure!(client.publish("plant/kiln-1/telemetry", payload.to_string())? == 0, "refused");
    Ok(())
}

#[test]
fn events_count_where_their_own_time_puts_them_and_late_ones_are_counted_apart() -> anyhow::Result<()> {
    let site = Site::with_queue(COUNTS_QUEUE)?;
    let window = "[window]\nlateness_secs = 5\nidle_secs = 1\n";
    write_counts(&site, "deviceId", "TIMESTAMP BY at GROUP BY deviceId, TUMBLINGWINDOW(ss, 10)", window)?;
    let mut gateway = Gateway::start(&site)?;
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "kiln-1"))?;
    let event = |seconds: u64| serde_json::json!({ "deviceId": "kiln-1", "at": 1_700_000_000_000_u64 + seconds * 1000 });
    for seconds in [1, 2, 12, 9] {
        publish(&mut client, &event(seconds))?;
    }
    // Windows that are open survive; one that was closed stays closed.
    publish(&mut client, &event(16))?;
    let closed = gateway.consumer.take_until("counts", 1)?;
    gateway.kill_and_start_again()?;
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "kiln-1"))?;
    publish(&mut client, &event(3))?;
    publish(&mut client, &event(18))?;
    let all = results(&gateway, closed)?;
    let counts: BTreeMap<u64, u64> = all
        .iter()
        .map(|event| (event.data["until"].as_u64().unwrap_or_default() - 1_700_000_000_000, count(event)))
        .collect();
    assert_eq!(counts, BTreeMap::from([(10_000, 3), (20_000, 3)]));
    let metrics = gateway.consumer.metrics()?;
    assert_eq!(
        metrics.sum("iot_gateway_window_rows_late_total", "rule=\"counts\",reason=\"window_closed\""),
        1.0
    );
    gateway.log.wait_for("rows are in no window", |line| line.field("what") == "late")?;
    Ok(())
}

#[test]
fn a_rule_that_is_changed_while_windows_are_open_counts_each_message_once() -> anyhow::Result<()> {
    let site = Site::with_queue(COUNTS_QUEUE)?;
    let counts = |version: u32| {
        write_counts(&site, &format!("{version} AS version"), "GROUP BY deviceId, TUMBLINGWINDOW(ss, 3)", "")
    };
    counts(1)?;
    let mut gateway = Gateway::start(&site)?;
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "kiln-1"))?;
    let mut sent = 0;
    for version in 2..=4 {
        for _ in 0..50 {
            publish(&mut client, &serde_json::json!({ "deviceId": "kiln-1" }))?;
            sent += 1;
        }
        counts(version)?;
        let generation = version.to_string();
        gateway.log.wait_for("rules in force", |line| line.field("generation") == generation)?;
    }
    gateway.kill_and_start_again()?;
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "kiln-1"))?;
    publish(&mut client, &serde_json::json!({ "deviceId": "kiln-1" }))?;
    sent += 1;
    let results = results(&gateway, Vec::new())?;
    assert_eq!(results.iter().map(count).sum::<u64>(), sent);
    let versions: BTreeSet<u64> = results.iter().filter_map(|event| event.data["version"].as_u64()).collect();
    assert_eq!(versions, BTreeSet::from([1, 2, 3, 4]), "each statement finished what it began");
    Ok(())
}

#[test]
fn a_publish_sent_again_after_a_kill_counts_once() -> anyhow::Result<()> {
    let site = Site::with_queue(COUNTS_QUEUE)?;
    write_counts(&site, "deviceId", "GROUP BY deviceId, TUMBLINGWINDOW(ss, 1)", "")?;
    let mut gateway = Gateway::start(&site)?;
    let connect = Connect::durable(V5, "kiln-1");
    let publish =
        Publish { qos: 1, id: 11, ..Publish::new("plant/kiln-1/telemetry", "{\"deviceId\": \"kiln-1\"}") };
    let mut client = Client::connect_plain(site.plain_address, &connect)?;
    let bytes = client.publish_bytes(&publish);
    client.send(&bytes)?;
    client.expect_answer(kind::PUBACK, 11)?;
    for _ in 0..3 {
        gateway.kill_and_start_again()?;
        // The device behaves as if it never got the PUBACK.
        let mut client = Client::connect_plain(site.plain_address, &connect)?;
        let bytes = client.publish_bytes(&Publish { dup: true, ..publish.clone() });
        client.send(&bytes)?;
        client.expect_answer(kind::PUBACK, 11)?;
    }
    let results = results(&gateway, Vec::new())?;
    assert_eq!(results.iter().map(count).collect::<Vec<_>>(), [1]);
    Ok(())
}
