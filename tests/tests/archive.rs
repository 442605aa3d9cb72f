//! Events are kept in an archive and sent again: under the ids they had, marked, and over a kill.

use anyhow::Context;
use end_to_end::{Client, Connect, Event, Gateway, Site, run_command, wait};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const V5: u8 = 5;
const LONG: Duration = Duration::from_secs(60);

fn site(archive: &str) -> anyhow::Result<Site> {
    let queues: String =
        ["live", "again", "named"].map(|name| format!("[[queue]]\nname = \"{name}\"\n\n")).concat();
    let site = Site::new(&format!("{queues}[[archive]]\nname = \"plant\"\n{archive}\n"))?;
    site.write_rule("kept", "SELECT sequence FROM 'plant/+/telemetry'", "queue = \"live\"")?;
    Ok(site)
}

fn publish(site: &Site, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "kiln-1"))?;
    for sequence in numbers {
        assert_eq!(client.publish("plant/kiln-1/telemetry", format!("{{\"sequence\": {sequence}}}"))?, 0);
    }
    Ok(())
}

/// Runs a command of the gateway of this site.
fn command(site: &Site, name: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let settings = site.settings_file().display().to_string();
    run_command(&[&[name, "--config", &settings], arguments].concat())
}

fn json(site: &Site, name: &str, arguments: &[&str]) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&command(site, name, arguments)?)?)
}

fn wait_for_archived(site: &Site, count: u64) -> anyhow::Result<()> {
    wait::for_true(&format!("{count} events to be archived"), LONG, || {
        json(site, "archives", &["show", "plant"]).is_ok_and(|archive| archive["events"] == count)
    })
}

fn wait_for_the_end(site: &Site, replay: &str) -> anyhow::Result<Value> {
    wait::until("the replay to be over", LONG, || {
        json(site, "replay", &["show", replay]).ok().filter(|replay| replay["state"] != "running")
    })
}

/// Sequence numbers by event id.
fn by_id(events: &[Event]) -> BTreeMap<String, u64> {
    events.iter().filter_map(|event| Some((event.id.clone(), event.data["sequence"].as_u64()?))).collect()
}

#[test]
fn events_of_a_rule_are_archived_and_replayed_under_their_ids() -> anyhow::Result<()> {
    let site = site("rules = [\"kept\"]\nretention_days = 7")?;
    site.write_rule("named", "SELECT * FROM 'plant/+/telemetry' WHERE sequence = 3", "archive = \"plant\"")?;
    let mut gateway = Gateway::start(&site)?;
    publish(&site, 0..20)?;
    wait_for_archived(&site, 21)?;
    let live = by_id(&gateway.consumer.take_until("live", 20)?);
    gateway.kill_and_start_again()?;
    assert_eq!(json(&site, "archives", &["list", "--json"])?[0]["events"], 21, "nothing is kept twice");

    let begun = json(
        &site,
        "replay",
        &[
            "start",
            "plant",
            "--from",
            "1h",
            "--rule",
            "kept",
            "--target",
            "queue/again",
            "--name",
            "r1",
            "--json",
        ],
    )?;
    assert_eq!((&begun["name"], &begun["archive"]), (&"r1".into(), &"plant".into()), "{begun}");
    let over = wait_for_the_end(&site, "r1")?;
    assert_eq!((&over["state"], &over["sent"]), (&"completed".into(), &20.into()), "{over}");
    let again = gateway.consumer.take_until("again", 20)?;
    assert_eq!(by_id(&again), live, "the same ids and data");

    command(
        &site,
        "replay",
        &["start", "plant", "--from", "1h", "--rule", "named", "--target", "queue/named"],
    )?;
    let named = gateway.consumer.take_until("named", 1)?;
    assert_eq!(named[0].data["sequence"], 3);
    let listed = command(&site, "replay", &["list"])?;
    assert!(listed.contains("r1") && listed.contains("completed"), "{listed}");

    for (arguments, expected) in [
        (&["start", "plnt", "--from", "1h", "--target", "queue/again"][..], "there is no archive `plnt`"),
        (&["start", "plant", "--from", "1h", "--target", "queue/agian"], "there is no target `queue/agian`"),
        (&["start", "plant", "--from", "soon", "--target", "queue/again"], "`soon` is no moment"),
        (&["cancel", "r2"], "there is no replay `r2`"),
    ] {
        let error = command(&site, "replay", arguments).expect_err("it makes no sense").to_string();
        assert!(error.contains(expected), "{error}");
    }
    let metrics = gateway.consumer.metrics()?;
    assert_eq!(metrics.sum("iot_gateway_events_replayed_total", "queue/again"), 20.0);
    assert_eq!(metrics.sum("iot_gateway_replay_events_total", "r1"), 20.0);
    assert!(metrics.sum("iot_gateway_archive_disk_bytes", "plant") > 0.0);
    assert_eq!(json(&site, "ledger", &["--json"])?["balanced"], Value::Bool(true));
    Ok(())
}

#[test]
fn a_replay_that_is_killed_in_the_middle_goes_on_and_misses_nothing() -> anyhow::Result<()> {
    let site = site("rules = [\"*\"]")?;
    let mut gateway = Gateway::start(&site)?;
    publish(&site, 0..150)?;
    wait_for_archived(&site, 150)?;
    let live = by_id(&gateway.consumer.take_until("live", 150)?);
    command(
        &site,
        "replay",
        &[
            "start",
            "plant",
            "--from",
            "1h",
            "--target",
            "queue/again",
            "--per-second",
            "50",
            "--name",
            "slow",
        ],
    )?;
    wait::for_true("some to be sent", LONG, || {
        json(&site, "replay", &["show", "slow"]).is_ok_and(|replay| replay["sent"].as_u64() >= Some(20))
    })?;
    gateway.kill_and_start_again()?;
    let taken_up = json(&site, "replay", &["show", "slow"])?;
    assert_eq!(taken_up["state"], "running", "{taken_up}");
    assert!(taken_up["sent"].as_u64().context("sent")? < 150, "{taken_up}");
    let over = wait_for_the_end(&site, "slow").with_context(|| gateway.log.end())?;
    assert_eq!((&over["state"], &over["lookedAt"]), (&"completed".into(), &150.into()), "{over}");
    let again = gateway.consumer.take_all("again")?;
    assert_eq!(by_id(&again), live, "each at least once, none that was not there");
    let ids: BTreeSet<&str> = again.iter().map(|event| event.id.as_str()).collect();
    assert!(again.len() - ids.len() <= 5, "a page at most came twice: {} of {}", ids.len(), again.len());
    assert_eq!(json(&site, "ledger", &["--json"])?["balanced"], Value::Bool(true));
    Ok(())
}

#[test]
fn an_archive_keeps_what_a_pattern_chooses() -> anyhow::Result<()> {
    let site = site("")?;
    site.write(
        "rules/picked/subscription.toml",
        "pattern = '{ \"rule\": [\"kept\"], \"detail\": { \"sequence\": [{ \"numeric\": [\">\", 6] }] } }'\n\n\
         [[target]]\narchive = \"plant\"\n",
    )?;
    let gateway = Gateway::start(&site)?;
    publish(&site, 0..10)?;
    wait_for_archived(&site, 3)?;
    command(&site, "replay", &["start", "plant", "--from", "1h", "--target", "queue/again"])?;
    let again = gateway.consumer.take_until("again", 3)?;
    assert_eq!(by_id(&again).into_values().collect::<BTreeSet<_>>(), BTreeSet::from([7, 8, 9]));
    Ok(())
}
