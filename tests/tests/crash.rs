//! A PUBACK means it is on disk: `kill -9` at any moment loses nothing that was acknowledged, and what is sent again keeps its id.

use anyhow::Context;
use end_to_end::{
    Client, Connect, Fleet, Gateway, Publish, Site, TELEMETRY_STREAM, Will, kind, run_command, wait,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const V3: u8 = 4;
const V5: u8 = 5;
const KILLS: u32 = 20;
const DEVICES: u32 = 20;

fn site_with_queue_and_stream(devices: u32) -> anyhow::Result<Site> {
    let site = Site::with_queue(TELEMETRY_STREAM)?;
    let action = "stream = { name = \"telemetry\", partition_key = \"${deviceId}\" }";
    site.write_rule("telemetry", "SELECT deviceId, sequence FROM 'plant/+/telemetry'", action)?;
    site.register_many(devices)?;
    Ok(site)
}

/// What the fleet noted as acknowledged: device and sequence number.
fn acknowledged(site: &Site) -> anyhow::Result<BTreeSet<(String, u64)>> {
    let text = std::fs::read_to_string(site.path("acknowledged.jsonl"))?;
    let mut all = BTreeSet::new();
    for line in text.lines() {
        let entry: Value = serde_json::from_str(line)?;
        let device = entry["device"].as_str().context("device")?;
        for range in entry["ranges"].as_array().context("ranges")? {
            let (first, last) = (range[0].as_u64().context("first")?, range[1].as_u64().context("last")?);
            all.extend((first..=last).map(|sequence| (device.to_string(), sequence)));
        }
    }
    Ok(all)
}

fn device_and_sequence(data: &Value) -> Option<(String, u64)> {
    Some((data["deviceId"].as_str()?.to_string(), data["sequence"].as_u64()?))
}

/// Kills the gateway at moments that the seed chooses, each time while devices publish.
fn kill_again_and_again(gateway: &mut Gateway, fleet: &mut Fleet, random: &mut StdRng) -> anyhow::Result<()> {
    for number in 1..=KILLS {
        // Somebody publishes again before the next blow, so that each one strikes under load.
        let consumer = gateway.consumer.clone();
        wait::for_true("devices to publish", Duration::from_secs(30), || {
            consumer
                .metrics()
                .is_ok_and(|metrics| metrics.sum("iot_gateway_journal_records_total", "") > 100.0)
        })
        .with_context(|| format!("before kill {number}"))?;
        wait::let_pass(Duration::from_millis(random.random_range(0..1_000)));
        gateway.kill_and_start_again().with_context(|| format!("kill {number}"))?;
        assert!(fleet.is_running(), "the fleet ended early");
    }
    Ok(())
}

#[test]
fn killed_twenty_times_under_load_nothing_acknowledged_is_lost() -> anyhow::Result<()> {
    let seed = std::env::var("CRASH_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(7);
    eprintln!("CRASH_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let site = site_with_queue_and_stream(DEVICES)?;
    let mut gateway = Gateway::start(&site)?;
    let (devices, url) = (DEVICES.to_string(), gateway.consumer.queue_url("readings"));
    let noted = site.path("acknowledged.jsonl").display().to_string();
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
            "--acknowledged-file",
            &noted,
            "--waiting-messages-max",
            "100000",
        ],
    )?;
    kill_again_and_again(&mut gateway, &mut fleet, &mut random)?;
    let summary = fleet.stop(Duration::from_secs(300))?;
    eprintln!("{}", summary.report);
    assert!(summary.number("acknowledged")? > 1_000, "too little load to prove anything");
    assert!(summary.number("connects")? >= u64::from(DEVICES * KILLS / 2), "the devices did not reconnect");
    assert_eq!(summary.number("lost")?, 0, "acknowledged and lost");
    assert_eq!(summary.number("repeated_with_other_event_id")?, 0, "repeats that a consumer can't drop");
    assert_eq!(summary.number("corrupted")?, 0);
    assert_eq!(summary.status, 0);
    let arrived: BTreeSet<_> = gateway
        .consumer
        .read_stream("telemetry")?
        .iter()
        .filter_map(|event| device_and_sequence(&event.data))
        .collect();
    let missing: Vec<_> = acknowledged(&site)?.difference(&arrived).cloned().collect();
    assert_eq!(missing, [], "acknowledged, but not in the stream");
    let damage = gateway.log.lines("journal opened with damage");
    assert!(damage.is_empty(), "a torn tail is no damage: {damage:?}");
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    let settings = site.settings_file().display().to_string();
    run_command(&["ledger", "--config", &settings]).context("a row of the ledger does not balance")?;
    // What was delivered before a kill is not counted again after it: the books balance.
    let metrics = gateway.consumer.metrics()?;
    let count = |name: &str| metrics.sum(name, "");
    assert_eq!(
        count("iot_gateway_events_accepted_total"),
        count("iot_gateway_events_delivered_total")
            + count("iot_gateway_events_waiting")
            + count("iot_gateway_events_dead_lettered_total")
            + count("iot_gateway_events_dropped_total"),
    );
    Ok(())
}

#[test]
fn a_publish_that_is_sent_again_after_a_kill_keeps_its_event_id() -> anyhow::Result<()> {
    let site = Site::with_queue("")?;
    let mut gateway = Gateway::start(&site)?;
    let connect = Connect::durable(V3, "kiln-1");
    let mut client = Client::connect_plain(site.plain_address, &connect)?;
    let publish = Publish { qos: 1, id: 11, ..Publish::new("plant/kiln-1/telemetry", "{\"sequence\": 1}") };
    let bytes = client.publish_bytes(&publish);
    client.send(&bytes)?;
    client.expect_answer(kind::PUBACK, 11)?;
    gateway.kill_and_start_again()?;
    // The device behaves as if it never got the PUBACK.
    let mut client = Client::connect_plain(site.plain_address, &connect)?;
    let bytes = client.publish_bytes(&Publish { dup: true, ..publish.clone() });
    client.send(&bytes)?;
    client.expect_answer(kind::PUBACK, 11)?;
    // Another message that happens to have the same packet identifier is another message.
    let other = Publish { payload: b"{\"sequence\": 2}".to_vec(), ..publish };
    let bytes = client.publish_bytes(&other);
    client.send(&bytes)?;
    client.expect_answer(kind::PUBACK, 11)?;
    let events = gateway.consumer.take_until("readings", 3)?;
    let mut ids: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    for event in &events {
        assert!(!event.id.is_empty(), "{event:?}");
        ids.entry(event.data["sequence"].as_u64().context("sequence")?).or_default().insert(&event.id);
    }
    assert_eq!(ids.keys().collect::<Vec<_>>(), [&1, &2]);
    assert!(ids.values().all(|ids| ids.len() == 1), "{ids:?}");
    assert_ne!(ids[&1], ids[&2]);
    Ok(())
}

#[test]
fn messages_owed_to_an_offline_session_survive_a_kill() -> anyhow::Result<()> {
    for version in [V3, V5] {
        let site = Site::new("")?;
        let mut gateway = Gateway::start(&site)?;
        let durable = Connect::durable(version, "listener");
        let mut listener = Client::connect_plain(site.plain_address, &durable)?;
        assert_eq!(listener.subscribe("news/+", 1)?, 1);
        assert_eq!(listener.subscribe("exact/+", 2)?, 2);
        listener.disconnect()?;
        let mut publisher = Client::connect_plain(site.plain_address, &Connect::clean(version, "publisher"))?;
        for number in 0..100 {
            assert_eq!(publisher.publish("news/a", number.to_string())?, 0);
        }
        let id = publisher.send_publish("exact/a", "once", 2)?;
        publisher.expect_answer(kind::PUBREC, id)?;
        publisher.answer(kind::PUBREL, id)?;
        publisher.expect_answer(kind::PUBCOMP, id)?;
        gateway.kill_and_start_again()?;
        let mut listener = Client::plain(site.plain_address)?;
        let answer = listener.connect(&durable)?;
        assert_eq!(answer.body[..2], [1, 0], "the session is present");
        let received = (0..101).map(|_| listener.receive()).collect::<anyhow::Result<Vec<_>>>()?;
        let payloads: Vec<String> =
            received.iter().map(|message| String::from_utf8_lossy(&message.payload).into_owned()).collect();
        let sent: Vec<String> =
            (0..100).map(|number| number.to_string()).chain(["once".to_string()]).collect();
        assert_eq!(payloads, sent, "version {version}");
        // What it acknowledged does not come again, nor does it after another kill.
        listener.ping()?;
        gateway.kill_and_start_again()?;
        let mut listener = Client::connect_plain(site.plain_address, &durable)?;
        let mut publisher = Client::connect_plain(site.plain_address, &Connect::clean(version, "publisher"))?;
        publisher.publish("news/a", "after")?;
        let mut repeats = 0;
        // Acknowledgements of a subscriber are not worth an fsync each; the few of the last moment may repeat, marked so.
        while let message = listener.receive()?
            && message.payload != b"after"
        {
            assert!(message.dup, "{message:?} came again and is not marked");
            repeats += 1;
        }
        eprintln!("version {version}: {repeats} repeated, marked DUP");
    }
    Ok(())
}

#[test]
fn subscriptions_of_a_persistent_session_survive_a_kill() -> anyhow::Result<()> {
    for version in [V3, V5] {
        let site = Site::new("")?;
        let mut gateway = Gateway::start(&site)?;
        let durable = Connect::durable(version, "listener");
        let mut listener = Client::connect_plain(site.plain_address, &durable)?;
        listener.subscribe("kept/#", 1)?;
        listener.subscribe("given-up/#", 1)?;
        listener.unsubscribe(&["given-up/#"])?;
        let mut fleeting = Client::connect_plain(site.plain_address, &Connect::clean(version, "fleeting"))?;
        fleeting.subscribe("kept/#", 1)?;
        gateway.kill_and_start_again()?;
        // Published before it is back: the subscription alone makes the gateway owe it.
        let mut publisher = Client::connect_plain(site.plain_address, &Connect::clean(version, "publisher"))?;
        assert_eq!(publisher.publish("given-up/a", "no")? & 0x80, 0);
        assert_eq!(publisher.publish("kept/a", "yes")?, 0);
        let mut listener = Client::connect_plain(site.plain_address, &durable)?;
        assert_eq!(listener.receive()?.payload, b"yes");
        let mut fleeting = Client::plain(site.plain_address)?;
        let answer = fleeting.connect(&Connect { clean: false, ..Connect::clean(version, "fleeting") })?;
        assert_eq!(answer.body[0], 0, "a clean session is gone");
    }
    Ok(())
}

#[test]
fn retained_messages_survive_a_kill() -> anyhow::Result<()> {
    let site = Site::new("")?;
    let mut gateway = Gateway::start(&site)?;
    let mut publisher = Client::connect_plain(site.plain_address, &Connect::clean(V5, "publisher"))?;
    for number in 0..200 {
        assert_eq!(publisher.retain(&format!("kept/{number}"), "old")? & 0x80, 0);
    }
    for number in 0..100 {
        publisher.retain(&format!("kept/{number}"), format!("new {number}"))?;
    }
    for number in 150..200 {
        publisher.retain(&format!("kept/{number}"), "")?;
    }
    for _ in 0..2 {
        gateway.kill_and_start_again()?;
        let mut late = Client::connect_plain(site.plain_address, &Connect::clean(V3, "late"))?;
        late.subscribe("kept/+", 1)?;
        late.subscribe("end", 1)?;
        let mut publisher = Client::connect_plain(site.plain_address, &Connect::clean(V5, "publisher"))?;
        publisher.publish("end", "end")?;
        let mut found = BTreeMap::new();
        while found.len() < 150 {
            let message = late.receive()?;
            if message.topic != "end" {
                found.insert(message.topic, String::from_utf8_lossy(&message.payload).into_owned());
            }
        }
        late.ping()?;
        let expected: BTreeMap<String, String> = (0..150)
            .map(|number| {
                (format!("kept/{number}"), if number < 100 { format!("new {number}") } else { "old".into() })
            })
            .collect();
        assert_eq!(found, expected);
    }
    Ok(())
}

#[test]
fn half_of_a_qos_2_exchange_survives_a_kill_and_the_message_arrives_once() -> anyhow::Result<()> {
    for version in [V3, V5] {
        let site = Site::with_queue("")?;
        let mut gateway = Gateway::start(&site)?;
        let durable = Connect::durable(version, "kiln-1");
        let mut client = Client::connect_plain(site.plain_address, &durable)?;
        let publish =
            Publish { qos: 2, id: 5, ..Publish::new("plant/kiln-1/telemetry", "{\"sequence\": 1}") };
        let bytes = client.publish_bytes(&publish);
        client.send(&bytes)?;
        client.expect_answer(kind::PUBREC, 5)?;
        gateway.kill_and_start_again()?;
        let mut client = Client::connect_plain(site.plain_address, &durable)?;
        let bytes = client.publish_bytes(&Publish { dup: true, ..publish });
        client.send(&bytes)?;
        client.expect_answer(kind::PUBREC, 5)?;
        client.answer(kind::PUBREL, 5)?;
        assert_eq!(client.expect_answer(kind::PUBCOMP, 5)?.reason(), 0, "version {version}");
        let events = gateway.consumer.take_all("readings")?;
        let ids: BTreeSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(ids.len(), 1, "once, or repeated under one id: {events:?}");
    }
    Ok(())
}

#[test]
fn a_will_is_published_when_its_client_is_lost() -> anyhow::Result<()> {
    let site = Site::with_queue("")?;
    let gateway = Gateway::start(&site)?;
    let will = Will { topic: "plant/kiln-1/telemetry".to_string(), payload: b"{\"lost\": true}".to_vec() };
    let connect = Connect { will: Some(will), ..Connect::clean(V5, "kiln-1") };
    drop(Client::connect_plain(site.plain_address, &connect)?);
    let events = gateway.consumer.take_until("readings", 1)?;
    assert_eq!(events[0].data["lost"], Value::Bool(true));
    // One that says goodbye has no will published.
    Client::connect_plain(site.plain_address, &connect)?.disconnect()?;
    assert!(gateway.consumer.take("readings", 1)?.is_empty());
    Ok(())
}
