//! `$SYS`: the state of the gateway as topics, as users of Mosquitto know them.

use end_to_end::{Client, Connect, Gateway, Site, wait};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

const V4: u8 = 4;
const V5: u8 = 5;

/// A gateway that looks at its numbers every second.
fn site() -> anyhow::Result<Site> {
    Site::new("[mqtt]\nsys_interval_secs = 1\n\n[[queue]]\nname = \"states\"\n")
}

fn clean(site: &Site, version: u8, client_id: &str) -> anyhow::Result<Client> {
    Client::connect_plain(site.plain_address, &Connect::clean(version, client_id))
}

/// What `mosquitto_sub` prints for a filter until `count` retained messages came, or none did for a while.
fn mosquitto_sub(site: &Site, filter: &str, count: usize) -> anyhow::Result<BTreeMap<String, String>> {
    let (address, count) = (site.plain_address, count.to_string());
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let output = Command::new("mosquitto_sub")
        .args(["-h", &host, "-p", &port, "-t", filter, "-C", &count, "-W", "5", "-F", "%t=%p"])
        .arg("--retained-only")
        .output()?;
    let lines = String::from_utf8(output.stdout)?;
    Ok(lines.lines().filter_map(|line| line.split_once('=')).map(|(t, p)| (t.into(), p.into())).collect())
}

/// Topics there are.
const TOPICS: usize = 79;

/// Topics that dashboards for Mosquitto ask for.
const EXPECTED: &[&str] = &[
    "version",
    "uptime",
    "clients/total",
    "clients/connected",
    "clients/disconnected",
    "clients/maximum",
    "clients/expired",
    "bytes/received",
    "bytes/sent",
    "messages/received",
    "messages/sent",
    "messages/stored",
    "store/messages/count",
    "store/messages/bytes",
    "publish/messages/received",
    "publish/messages/sent",
    "publish/messages/dropped",
    "publish/bytes/received",
    "publish/bytes/sent",
    "subscriptions/count",
    "shared_subscriptions/count",
    "retained messages/count",
    "heap/current",
    "heap/maximum",
    "mqtt/connect/received",
    "mqtt/connack/sent",
    "load/connections/1min",
    "load/sockets/5min",
    "load/bytes/received/15min",
    "load/publish/dropped/1min",
];

#[test]
fn mosquitto_sub_finds_the_tree_it_knows_at_once() -> anyhow::Result<()> {
    let site = site()?;
    let gateway = Gateway::start(&site)?;
    if Command::new("mosquitto_sub").arg("--version").output().is_err() {
        eprintln!("SKIPPED: mosquitto_sub is not installed (Debian package mosquitto-clients)");
        return Ok(());
    }
    let tree = mosquitto_sub(&site, "$SYS/#", TOPICS)?;
    assert_eq!(tree.len(), TOPICS, "{:?}", tree.keys());
    for topic in EXPECTED {
        assert!(tree.contains_key(&format!("$SYS/broker/{topic}")), "{topic} is not among {:?}", tree.keys());
    }
    assert!(tree["$SYS/broker/version"].starts_with("iot-gateway version "));
    assert!(tree["$SYS/broker/uptime"].ends_with(" seconds"));
    assert_ne!(tree["$SYS/broker/heap/current"], "0");
    // [MQTT-4.7.2-1]
    assert!(mosquitto_sub(&site, "#", 1)?.is_empty());
    assert!(mosquitto_sub(&site, "+/broker/#", 1)?.is_empty());
    // None of it is the clients', and none of it is on disk.
    let metrics = gateway.consumer.metrics()?;
    assert_eq!(metrics.sum("iot_gateway_retained_messages", ""), 0.0);
    assert_eq!(metrics.sum("iot_gateway_journal_records_total", ""), 0.0);
    Ok(())
}

#[test]
fn values_follow_what_happens_and_only_changes_are_told() -> anyhow::Result<()> {
    let site = site()?;
    let gateway = Gateway::start(&site)?;
    let mut watcher = clean(&site, V4, "watcher")?;
    watcher.subscribe("$SYS/broker/version", 0)?;
    assert!(watcher.receive()?.retain);
    watcher.subscribe("$SYS/broker/publish/bytes/received", 2)?;
    let first = watcher.receive()?;
    assert_eq!((first.payload.as_slice(), first.retain, first.qos), (&b"0"[..], true, 0));
    let mut talker = clean(&site, V5, "talker")?;
    for _ in 0..10 {
        assert_eq!(talker.publish("plant/kiln", "0123456789")?, 0);
    }
    // The version is told no more; the bytes are, as they grow, and as news.
    let mut last = watcher.receive()?;
    while last.payload != b"100" {
        assert_eq!((last.topic.as_str(), last.retain), ("$SYS/broker/publish/bytes/received", false));
        last = watcher.receive()?;
    }
    let metrics = gateway.consumer.metrics()?;
    assert_eq!(metrics.sum("iot_gateway_packets_received_total", "PUBLISH"), 10.0);
    assert_eq!(metrics.sum("iot_gateway_packets_sent_total", "PUBACK"), 10.0);
    assert_eq!(metrics.sum("iot_gateway_connections_by_version", "3.1.1"), 1.0);
    assert_eq!(metrics.sum("iot_gateway_connections_by_version", "\"5\""), 1.0);
    assert!(metrics.sum("iot_gateway_received_bytes_total", "") > 100.0);
    Ok(())
}

#[test]
fn a_connection_that_was_refused_came_all_the_same() -> anyhow::Result<()> {
    let site = site()?;
    let gateway = Gateway::start(&site)?;
    let mut stranger = TcpStream::connect(site.tls_address)?;
    stranger.write_all(b"this is no TLS at all\r\n\r\n")?;
    // Closed or reset: it is refused either way.
    let _ = stranger.read_to_end(&mut Vec::new());
    let mut watcher = clean(&site, V5, "watcher")?;
    watcher.subscribe("$SYS/broker/connections/socket/count", 0)?;
    while watcher.receive()?.payload != b"2" {}
    let metrics = gateway.consumer.metrics()?;
    assert_eq!(metrics.sum("iot_gateway_tls_refused_total", "not_tls"), 1.0);
    assert_eq!(metrics.sum("iot_gateway_tls_accepted_total", ""), 0.0, "the watcher came without TLS");
    Ok(())
}

#[test]
fn a_rule_selects_from_the_tree() -> anyhow::Result<()> {
    let site = site()?;
    let sql = "SELECT VALUE * FROM '$SYS/broker/clients/maximum'";
    site.write_rule("states", sql, "queue = \"states\"")?;
    let gateway = Gateway::start(&site)?;
    let _one = clean(&site, V5, "one")?;
    let all = wait::until("both values", Duration::from_secs(20), || {
        let some = gateway.consumer.take_until("states", 2).ok()?;
        (some.len() == 2).then_some(some)
    })?;
    let counts: Vec<_> = all.iter().map(|event| event.data.to_string()).collect();
    assert_eq!(counts, ["0", "1"]);
    Ok(())
}

#[test]
fn an_interval_of_zero_is_off() -> anyhow::Result<()> {
    let site = Site::new("[mqtt]\nsys_interval_secs = 0\n")?;
    let gateway = Gateway::start(&site)?;
    let mut watcher = clean(&site, V5, "watcher")?;
    watcher.subscribe("$SYS/#", 0)?;
    assert!(watcher.read_within(Duration::from_millis(1500)).is_err());
    assert_eq!(gateway.consumer.metrics()?.sum("iot_gateway_own_messages_total", ""), 0.0);
    Ok(())
}
