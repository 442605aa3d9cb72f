//! What actions do with a message beyond a plain target: what is published again, names made from the message, and what becomes of what
//! fails.

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use end_to_end::{Client, Connect, Gateway, Site, wait};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const V5: u8 = 5;
const AGAIN: &str = "republish = { topic = \"again/${topic(2)}\", qos = 1, headers = { content_type = \"text/x-${n}\", user_properties = { line = \"${topic(2)}\" } } }";

fn client(site: &Site, name: &str) -> anyhow::Result<Client> {
    Client::connect_plain(site.plain_address, &Connect::clean(V5, name))
}

fn queues(names: &[&str]) -> String {
    names.iter().map(|name| format!("[[queue]]\nname = \"{name}\"\n")).collect()
}

/// Receives until the payloads of `count` different messages are there; a kill may repeat some.
fn receive(subscriber: &mut Client, count: usize) -> anyhow::Result<BTreeSet<u64>> {
    let mut seen = BTreeSet::new();
    while seen.len() < count {
        let publish = subscriber.receive().with_context(|| format!("{} of {count} came", seen.len()))?;
        assert_eq!(publish.topic, "again/kiln-1");
        let payload: Value = serde_json::from_slice(&publish.payload)?;
        let n = payload["n"].as_u64().context("n")?;
        let properties = String::from_utf8_lossy(&publish.properties).into_owned();
        assert!(properties.contains(&format!("text/x-{n}")) && properties.contains("line"), "{properties}");
        seen.insert(n);
    }
    Ok(seen)
}

#[test]
fn what_a_rule_publishes_again_reaches_subscribers_and_rules_over_kills() -> anyhow::Result<()> {
    let site = Site::new(&queues(&["readings"]))?;
    site.write_rule("again", "SELECT n FROM 'plant/+/telemetry'", AGAIN)?;
    site.write_rule(
        "second",
        "SELECT *, topic() AS topic, clientid() AS client FROM 'again/#'",
        "queue = \"readings\"",
    )?;
    let mut gateway = Gateway::start(&site)?;
    let durable = Connect::durable(V5, "panel");
    let mut subscriber = Client::connect_plain(site.plain_address, &durable)?;
    assert_eq!(subscriber.subscribe("again/+", 1)?, 1);
    let mut expected = BTreeSet::new();
    for round in 0..3u64 {
        let mut publisher = client(&site, "kiln-1")?;
        for n in round * 20..round * 20 + 20 {
            assert_eq!(publisher.publish("plant/kiln-1/telemetry", json!({ "n": n }).to_string())?, 0);
            expected.insert(n);
        }
        // Some are on their way now.
        gateway.kill_and_start_again()?;
        subscriber = Client::connect_plain(site.plain_address, &durable)?;
    }
    // All sixty, or those of them that did not come before a kill: the session keeps what it was not acknowledged.
    let mut seen = BTreeSet::new();
    let acknowledged = wait::until("every message that was published again", wait::SOON * 4, || {
        seen.extend(receive(&mut subscriber, 1).ok()?);
        (seen.len() == expected.len()).then_some(())
    });
    let events = gateway.consumer.take_all("readings")?;
    let of_rule: BTreeSet<u64> = events.iter().filter_map(|event| event.data["n"].as_u64()).collect();
    assert_eq!(of_rule, expected, "of the rule that sees what was published again");
    let ids: BTreeSet<(u64, &str)> =
        events.iter().filter_map(|event| Some((event.data["n"].as_u64()?, event.id.as_str()))).collect();
    assert_eq!(ids.len(), expected.len(), "an event keeps its id, however often it is published");
    assert_eq!(events[0].data["topic"], "again/kiln-1");
    assert_eq!(events[0].data["client"], "n/a");
    acknowledged.with_context(|| format!("{} of {}\n{}", seen.len(), expected.len(), gateway.log.end()))?;
    assert!(gateway.log.panics().is_empty(), "{:?}", gateway.log.panics());
    Ok(())
}

#[test]
fn rules_that_go_round_in_circles_come_to_an_end() -> anyhow::Result<()> {
    let site = Site::new(&format!(
        "{}[rules]\ndefinitions = \"rules\"\nrepublished_max = 3\n",
        queues(&["seen", "errors"])
    ))?;
    site.write_rule(
        "circle",
        "SELECT * FROM 'circle/a'",
        "republish = \"circle/a\"\n[[action]]\nqueue = \"seen\"\n[error_action]\nqueue = \"errors\"",
    )?;
    let gateway = Gateway::start(&site)?;
    client(&site, "kiln-1")?.publish("circle/a", "{}")?;
    assert_eq!(
        gateway.consumer.take_until("seen", 4)?.len(),
        4,
        "once by the device, three times by the rule"
    );
    let errors = gateway.consumer.take_until("errors", 1)?;
    let failure = &errors[0].data["failures"][0];
    assert_eq!(failure["failedAction"], "RepublishAction", "{failure}");
    assert_eq!(failure["errorCode"], "REPUBLISHED_TOO_OFTEN", "{failure}");
    assert!(gateway.consumer.take("seen", 1)?.is_empty());
    Ok(())
}

#[test]
fn topics_of_the_server_are_not_published_to() -> anyhow::Result<()> {
    let site = Site::new(&queues(&["errors", "direct"]))?;
    site.write_rule(
        "hostile",
        "SELECT * FROM 'to/#'",
        "republish = \"${to}\"\n[error_action]\nqueue = \"errors\"",
    )?;
    site.write_rule(
        "literal",
        "SELECT * FROM 'literal/#'",
        "republish = \"$$aws/rules/ingest/plant/a\"\n[error_action]\nqueue = \"errors\"",
    )?;
    site.write_rule("ingest", "SELECT topic() AS topic FROM 'nobody'", "queue = \"direct\"")?;
    let gateway = Gateway::start(&site)?;
    let mut publisher = client(&site, "kiln-1")?;
    let chosen = "$aws/rules/ingest/plant/a";
    for to in ["$SYS/broker/x", "$aws/events/presence/connected/x", chosen, "a/+/b", "", "a\u{0}b"] {
        publisher.publish("to/x", json!({ "to": to }).to_string())?;
        let errors = gateway.consumer.take_until("errors", 1)?;
        assert_eq!(errors.len(), 1, "{to}: {}", gateway.log.end());
        assert_eq!(errors[0].data["failures"][0]["failedAction"], "RepublishAction", "{to}");
        assert_eq!(errors[0].data["ruleName"], "hostile");
    }
    publisher.publish("literal/x", "{}")?;
    let direct = gateway.consumer.take_until("direct", 1)?;
    assert_eq!(direct[0].data["topic"], "plant/a", "Basic Ingest by a rule");
    Ok(())
}

#[test]
fn what_fails_in_a_rule_is_counted_and_reaches_its_error_action_over_a_kill() -> anyhow::Result<()> {
    let site = Site::new(&queues(&["alerts-a", "errors", "plain"]))?;
    let to_errors = "[error_action]\nqueue = \"errors\"\non_fault = true";
    site.write_rule(
        "named",
        "SELECT line, temperature - 1 AS t FROM 'plant/+/telemetry'",
        &format!("queue = \"alerts-${{line}}\"\n[[action]]\nqueue = \"plain\"\n{to_errors}"),
    )?;
    site.write_rule("silent", "SELECT temperature - 1 AS t FROM 'plant/+/telemetry'", "queue = \"plain\"")?;
    let mut gateway = Gateway::start(&site)?;
    let mut publisher = client(&site, "kiln-1")?;
    let topic = "plant/kiln-1/telemetry";
    assert_eq!(publisher.publish(topic, r#"{"line":"a","temperature":80}"#)?, 0);
    assert_eq!(gateway.consumer.take_until("alerts-a", 1)?[0].data, json!({ "line": "a", "t": 79 }));
    let payload = r#"{"line":"z","temperature":"hot"}"#;
    assert_eq!(publisher.publish(topic, payload)?, 0);
    // It was acknowledged, so nothing of it may be lost.
    gateway.kill_and_start_again()?;
    let errors = gateway.consumer.take_until("errors", 1)?;
    assert_eq!(errors.len(), 1, "{}", gateway.log.end());
    assert!(errors[0].id.ends_with(":named:fault"), "{}", errors[0].id);
    let document = &errors[0].data;
    assert_eq!(
        (&document["ruleName"], &document["topic"], &document["clientId"]),
        (&json!("named"), &json!(topic), &json!("kiln-1"))
    );
    let original = STANDARD.decode(document["base64OriginalPayload"].as_str().context("payload")?)?;
    assert_eq!(original, payload.as_bytes());
    assert!(errors[0].id.starts_with(document["cloudwatchTraceId"].as_str().context("trace")?));
    let failures = document["failures"].as_array().context("failures")?;
    assert_eq!(failures[0]["failedAction"], "SqlStatement");
    assert_eq!(failures[0]["failedResource"], "temperature - 1");
    assert!(
        failures[0]["errorMessage"].as_str().is_some_and(|text| text.contains("line 1, column 14")),
        "{failures:?}"
    );
    assert_eq!(failures[1]["failedAction"], "QueueAction");
    assert!(
        failures[1]["errorMessage"]
            .as_str()
            .is_some_and(|text| text.contains("there is no queue `alerts-z`")),
        "{failures:?}"
    );
    // The other action of the rule went on, as did the other rule.
    assert_eq!(gateway.consumer.take_until("plain", 4)?.len(), 4);
    assert!(gateway.consumer.take("errors", 1)?.is_empty());
    publisher = client(&site, "kiln-1")?;
    publisher.publish(topic, payload)?;
    let metrics = gateway.consumer.metrics()?;
    for (rule, kind) in [("named", "conversion"), ("named", "action"), ("silent", "conversion")] {
        let labels = format!("rule=\"{rule}\",kind=\"{kind}\"");
        assert_eq!(metrics.sum("iot_gateway_rule_faults_total", &labels), 1.0, "{labels}\n{}", metrics.0);
    }
    Ok(())
}
