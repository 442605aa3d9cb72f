//! Subscriptions: targets choose events by a pattern, so that rules need name none. They change while devices publish, nothing is lost over
//! kills, ids stay, and the books balance.

use anyhow::Context;
use end_to_end::{Client, Connect, Event, Gateway, Site, python, run_command, wait};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const V5: u8 = 5;

fn hot(above: u32) -> String {
    format!(
        "description = \"hot kilns\"\nrules = [\"readings\"]\n\
         pattern = '{{\"detail\":{{\"t\":[{{\"numeric\":[\">\",{above}]}}]}}}}'\n[[target]]\nqueue = \"alerts\"\n"
    )
}

const NOTIFIED: &str = r#"
[pattern]
resources = [{ wildcard = "plant/*/telemetry" }]
detail.deviceId = [{ prefix = "kiln-" }]
[[target]]
function = "notify"
[target.input_transformer]
input_paths = { n = "$.detail.n", device = "$.detail.deviceId" }
input_template = '{"sequence": <n>, "text": "<device> by <aws.events.rule-name>", "event": <aws.events.event>}'
"#;

const EVERYTHING: &str = r#"
rules = ["readings", "states"]
[[target]]
stream = "telemetry"
partition_key_path = "$.detail.deviceId"
[[target]]
queue = "shaped"
input_path = "$.detail.n"
[[target]]
queue = "shaped"
input_transformer = { input_paths = { n = "$.detail.n" }, input_template = '{"n": <n>, "of": <aws.events.rule-name>}' }
"#;

fn ground() -> anyhow::Result<(Site, Gateway)> {
    let functions = concat!(env!("CARGO_MANIFEST_DIR"), "/python");
    let site = Site::new(&format!(
        "[[queue]]\nname = \"alerts\"\n[[queue]]\nname = \"shaped\"\n[[stream]]\nname = \"telemetry\"\nshards = 2\n\n\
         [[function]]\nname = \"notify\"\ncommand = [{:?}, \"-m\", \"awslambdaric\", \"handler.handle\"]\n\
         handler = \"handler.handle\"\ndirectory = {functions:?}\nconcurrency = 1\nmemory_mib = 512\n\n\
         [function.environment]\nRECEIPTS = \"receipts.jsonl\"\n",
        python(),
    ))?;
    site.change_settings("\"receipts.jsonl\"", &format!("{:?}", site.path("receipts.jsonl")))?;
    // No rule has an action.
    site.write(
        "rules/readings/rule.toml",
        "sql = \"SELECT *, topic(2) AS deviceId FROM 'plant/+/telemetry'\"\n",
    )?;
    site.write("rules/states.toml", "sql = \"SELECT * FROM 'plant/+/state'\"\n")?;
    site.write("rules/hot.subscription.toml", &hot(80))?;
    site.write("rules/notified/subscription.toml", NOTIFIED)?;
    site.write("rules/everything.subscription.toml", EVERYTHING)?;
    let gateway = Gateway::start(&site)?;
    Ok((site, gateway))
}

fn publish(site: &Site, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "kiln-1"))?;
    for n in numbers {
        assert_eq!(client.publish("plant/kiln-1/telemetry", json!({ "n": n, "t": n }).to_string())?, 0);
        assert_eq!(client.publish("plant/kiln-1/state", json!({ "n": n }).to_string())?, 0);
    }
    Ok(())
}

/// By rule and target.
fn ledger(site: &Site) -> anyhow::Result<BTreeMap<(String, String), Value>> {
    let settings = site.settings_file().display().to_string();
    let ledger: Value = serde_json::from_str(&run_command(&["ledger", "--json", "--config", &settings])?)?;
    assert_eq!(ledger["balanced"], Value::Bool(true), "{ledger}");
    let rows = ledger["rows"].as_array().context("rows")?;
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    Ok(rows.iter().map(|row| ((text(row, "rule"), text(row, "target")), row.clone())).collect())
}

fn ids(events: &[Event]) -> BTreeSet<&str> {
    events.iter().map(|event| event.id.as_str()).collect()
}

/// What the function noted: what it was given, by sequence.
fn receipts(site: &Site) -> BTreeMap<u64, Value> {
    let text = std::fs::read_to_string(site.path("receipts.jsonl")).unwrap_or_default();
    let noted = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    noted.filter_map(|event| Some((event["sequence"].as_u64()?, event))).collect()
}

#[test]
fn subscriptions_choose_shape_and_change_and_nothing_is_lost_over_a_kill() -> anyhow::Result<()> {
    let (site, mut gateway) = ground()?;
    publish(&site, 0..100)?;
    site.write("rules/hot.subscription.toml", &hot(150))?;
    gateway.log.wait_for("subscriptions in force", |line| line.field("changed").contains("hot"))?;
    // A broken one is named, and the one before stays.
    site.write("rules/hot.subscription.toml", &hot(170).replace("numeric", "numerik"))?;
    gateway.log.wait_for_any("a refusal", |line| line.contains("did you mean `numeric`?"))?;
    publish(&site, 100..160)?;
    gateway.kill_and_start_again().context("with the broken one on disk")?;
    let refused = |gateway: &Gateway| {
        gateway
            .consumer
            .metrics()
            .is_ok_and(|metrics| metrics.sum("iot_gateway_subscription_definitions_refused", "") == 1.0)
    };
    assert!(refused(&gateway), "the broken one");
    site.write("rules/hot.subscription.toml", &hot(150))?;
    wait::for_true("the mended one", wait::SOON, || !refused(&gateway))?;
    publish(&site, 160..200)?;

    let alerts = gateway.consumer.take_all("alerts")?;
    let hot: Vec<u64> = alerts.iter().filter_map(|event| event.data["n"].as_u64()).collect();
    assert_eq!(hot, (81..100).chain(151..200).collect::<Vec<_>>(), "in order, each once");
    assert!(alerts.iter().all(|event| event.id.ends_with(":readings")), "as the rule made it: {alerts:?}");

    let shaped = gateway.consumer.take_all("shaped")?;
    assert_eq!((shaped.len(), ids(&shaped).len()), (800, 800), "two of each event, each under its own id");
    let of = |rule: &str| {
        shaped.iter().filter(|event| event.id.contains(&format!(":subscription:everything:{rule}"))).count()
    };
    assert_eq!((of("readings"), of("states")), (400, 400));
    assert_eq!(shaped.iter().filter(|event| event.data == json!({"n": 7, "of": "everything"})).count(), 2);
    assert_eq!(shaped.iter().filter(|event| event.data == 7).count(), 2);

    let stream = gateway.consumer.read_stream("telemetry")?;
    assert_eq!(stream.len(), 400);
    let keys: BTreeSet<&str> = stream.iter().map(|event| event.partition_key.as_str()).collect();
    assert_eq!(keys, BTreeSet::from(["kiln-1"]), "without the field, the client's id");

    wait::for_true("the function to get every reading", Duration::from_secs(60), || {
        receipts(&site).len() == 200
    })?;
    let receipt = &receipts(&site)[&7];
    assert_eq!(receipt["text"], "kiln-1 by notified");
    assert_eq!((&receipt["event"]["rule"], &receipt["event"]["detail"]), (&json!("readings"), &Value::Null));
    wait::for_true("the ledger to say so", wait::SOON, || {
        let row = ledger(&site).ok().and_then(|rows| rows.get(&row_of_notified()).cloned());
        row.is_some_and(|row| row["delivered"] == 200 && row["waiting"] == 0)
    })?;
    let rows = ledger(&site)?;
    let accepted = |rule: &str, target: &str| rows[&(rule.to_owned(), target.to_owned())]["accepted"].clone();
    assert_eq!(accepted("readings", "queue/alerts"), 68);
    assert_eq!(accepted("states", "stream/telemetry"), 200);
    assert_eq!(accepted("subscription:everything:readings", "queue/shaped"), 400);
    assert!(gateway.log.panics().is_empty(), "{:?}", gateway.log.panics());
    shown(&site, &gateway)
}

fn row_of_notified() -> (String, String) {
    ("subscription:notified:readings".to_owned(), "function/notify".to_owned())
}

/// What the command line and the metrics say.
fn shown(site: &Site, gateway: &Gateway) -> anyhow::Result<()> {
    let metrics = gateway.consumer.metrics()?;
    let matches = |name: &str| {
        metrics.sum("iot_gateway_subscription_matches_total", &format!("subscription=\"{name}\""))
    };
    assert_eq!(
        (matches("hot"), matches("notified"), matches("everything")),
        (40.0, 40.0, 80.0),
        "since the kill"
    );
    let settings = site.settings_file().display().to_string();
    let listed = run_command(&["rules", "list", "--config", &settings])?;
    assert!(listed.contains("readings") && listed.contains("function/notify"), "{listed}");
    let listed: Value = serde_json::from_str(&run_command(&[
        "rules",
        "list",
        "--subscriptions",
        "--json",
        "--config",
        &settings,
    ])?)?;
    assert_eq!((&listed[1]["subscription"], &listed[1]["state"]), (&json!("hot"), &json!("in force")));
    let checked = run_command(&["check", "--config", &settings])?;
    assert!(checked.contains("2 rules, 3 subscriptions"), "{checked}");
    Ok(())
}

/// The id of what a subscription shapes names the message, the subscription and the rule, so a publish that is sent again has it again.
#[test]
fn ids_are_the_same_when_a_device_sends_again() -> anyhow::Result<()> {
    let (site, mut gateway) = ground()?;
    let connect = Connect::durable(V5, "kiln-1");
    let mut client = Client::connect_plain(site.plain_address, &connect)?;
    let publish =
        end_to_end::Publish { qos: 1, id: 7, ..end_to_end::Publish::new("plant/kiln-1/state", "{\"n\":1}") };
    let bytes = client.publish_bytes(&publish);
    client.send(&bytes)?;
    client.expect(end_to_end::kind::PUBACK)?;
    gateway.kill_and_start_again()?;
    // A rule that came meanwhile, and sees the message first, changes nothing.
    site.write("rules/early.toml", "sql = \"SELECT * FROM 'plant/+/state'\"\n")?;
    site.write(
        "rules/everything.subscription.toml",
        &EVERYTHING.replace("\"readings\"", "\"early\", \"readings\""),
    )?;
    gateway.log.wait_for("subscriptions in force", |line| line.field("changed").contains("everything"))?;
    let mut client = Client::connect_plain(site.plain_address, &connect)?;
    let again = client.publish_bytes(&end_to_end::Publish { dup: true, ..publish });
    client.send(&again)?;
    client.expect(end_to_end::kind::PUBACK)?;
    let shaped = gateway.consumer.take_until("shaped", 6)?;
    let of = |rule: &str| {
        let some = shaped.iter().filter(|event| event.id.contains(&format!(":everything:{rule}")));
        let all: Vec<&str> = some.map(|event| event.id.as_str()).collect();
        (all.len(), all.into_iter().collect::<BTreeSet<_>>().len())
    };
    assert_eq!(of("states"), (4, 2), "each of the two twice, under its id: {shaped:?}");
    assert_eq!(of("early"), (2, 2));
    Ok(())
}

/// What windows make is an event of its rule like any other, also for a rule without actions.
#[test]
fn results_of_windows_reach_subscriptions() -> anyhow::Result<()> {
    let site = Site::new("[[queue]]\nname = \"counts\"\n")?;
    let sql = "SELECT count(*) AS count FROM 'plant/+/telemetry' GROUP BY TUMBLINGWINDOW(ss, 1)";
    site.write("rules/counts.toml", &format!("sql = \"{sql}\"\n"))?;
    let subscription = "pattern = '{\"rule\":[\"counts\"],\"detail\":{\"count\":[{\"numeric\":[\">\",0]}]}}'\n\
        [[target]]\nqueue = \"counts\"\ninput_transformer = { input_paths = { n = \"$.detail.count\" }, input_template = '{\"n\":<n>}' }\n";
    site.write("rules/counts.subscription.toml", subscription)?;
    let gateway = Gateway::start(&site)?;
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "kiln-1"))?;
    for _ in 0..20 {
        client.publish("plant/kiln-1/telemetry", "{}")?;
    }
    let mut counted = 0;
    wait::for_true("every message to be counted", Duration::from_secs(30), || {
        let events = gateway.consumer.take("counts", 1).unwrap_or_default();
        assert!(events.iter().all(|event| event.id.contains(":subscription:counts:counts")), "{events:?}");
        counted += events.iter().filter_map(|event| event.data["n"].as_u64()).sum::<u64>();
        counted >= 20
    })?;
    assert_eq!(counted, 20);
    Ok(())
}
