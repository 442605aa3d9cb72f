//! Change without restart: rules, certificates and policies take effect while devices publish, and no connection is dropped for it.

use end_to_end::{Client, Connect, Fleet, Gateway, Line, OWN_TOPICS, Site, wait};
use std::time::Duration;

const V5: u8 = 5;

#[test]
fn a_rule_changed_under_load_takes_effect_and_drops_no_connection() -> anyhow::Result<()> {
    let site = Site::with_queue("[[queue]]\nname = \"versions\"\n")?;
    let sql =
        |version: u8| format!("SELECT deviceId, sequence, {version} AS version FROM 'plant/+/telemetry'");
    site.write_rule("versions", &sql(1), "queue = \"versions\"")?;
    site.register_many(20)?;
    let gateway = Gateway::start(&site)?;
    let url = gateway.consumer.queue_url("readings");
    let fleet = Fleet::start(
        &site,
        &[
            "--devices",
            "20",
            "--connect-rate",
            "200",
            "--interval-ms",
            "50",
            "--read-queue",
            &url,
            "--read-secs",
            "90",
        ],
    )?;
    let sees = |version: u8| {
        wait::for_true(&format!("events of version {version}"), Duration::from_secs(30), || {
            let events = gateway.consumer.take("versions", 1).unwrap_or_default();
            events.iter().any(|event| event.data["version"] == version)
        })
        .map_err(|error| error.context(gateway.log.end()))
    };
    sees(1)?;
    for version in 2..=4 {
        site.write_rule("versions", &sql(version), "queue = \"versions\"")?;
        sees(version)?;
    }
    let summary = fleet.stop(Duration::from_secs(150))?;
    assert_eq!(summary.number("connects")?, 20, "nobody had to connect again: {}", summary.report);
    assert_eq!(summary.number("lost")?, 0);
    assert_eq!(summary.number("delivered")?, summary.number("acknowledged")?);
    assert_eq!(summary.number("repeated")?, 0);
    assert_eq!(summary.status, 0);
    // Each message was seen by one version of the rule, and by no two.
    let metrics = gateway.consumer.metrics()?;
    let matches = |rule: &str| metrics.sum("iot_gateway_rule_matches_total", &format!("rule=\"{rule}\""));
    assert_eq!(matches("versions"), matches("readings"));
    Ok(())
}

#[test]
fn a_broken_rule_is_refused_with_its_place_and_the_old_one_goes_on() -> anyhow::Result<()> {
    let site = Site::with_queue("")?;
    let gateway = Gateway::start(&site)?;
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "kiln-1"))?;
    let mut works = |sequence: u32| -> anyhow::Result<()> {
        assert_eq!(client.publish("plant/kiln-1/telemetry", format!("{{\"sequence\": {sequence}}}"))?, 0);
        let events = gateway.consumer.take_until("readings", 1)?;
        assert_eq!(events[0].data["sequence"], sequence);
        Ok(())
    };
    works(1)?;
    let cases = [
        ("SELECT * FORM 'plant/+/telemetry'", "queue = \"readings\"", "did you mean `FROM`?", "3"),
        ("SELECT uper(a) FROM 'plant/+/telemetry'", "queue = \"readings\"", "did you mean `upper`?", "3"),
        ("SELECT * FROM 'plant/+/telemetry'", "queue = \"raedings\"", "did you mean `readings`?", "7"),
        ("SELECT * FROM 'plant/+/telemetry'", "queu = \"readings\"", "did you mean `queue`?", "7"),
    ];
    for (number, (sql, action, hint, place)) in cases.into_iter().enumerate() {
        site.write_rule("readings", sql, action)?;
        let named =
            |line: &Line| line.field("file").ends_with("rules/readings/rule.toml") && line.contains(hint);
        let line = gateway.log.wait_for_any(&format!("a refusal of {sql} / {action}"), named)?;
        assert_eq!(line.field("line"), place, "{line:?}");
        assert!(!line.field("column").is_empty(), "{line:?}");
        let refused = gateway.log.lines("rule definition refused");
        assert_eq!(
            refused.last().map(|line| line.field("in_force")).as_deref(),
            Some("true"),
            "the old one goes on"
        );
        works(u32::try_from(number)? + 10)?;
        assert_eq!(gateway.consumer.metrics()?.sum("iot_gateway_rule_definitions_refused", ""), 1.0);
    }
    // Mended, it is in force again.
    site.write_rule(
        "readings",
        "SELECT sequence, 'mended' AS state FROM 'plant/+/telemetry'",
        "queue = \"readings\"",
    )?;
    wait::for_true("the mended rule", wait::SOON, || {
        let published = client.publish("plant/kiln-1/telemetry", "{\"sequence\": 99}");
        let events = gateway.consumer.take("readings", 1).unwrap_or_default();
        published.is_ok() && events.iter().any(|event| event.data["state"] == "mended")
    })?;
    Ok(())
}

#[test]
fn rules_come_and_go_without_a_restart() -> anyhow::Result<()> {
    let site = Site::with_queue("[[queue]]\nname = \"more\"\n")?;
    let gateway = Gateway::start(&site)?;
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "kiln-1"))?;
    site.write_rule("more", "SELECT a FROM 'plant/#'", "queue = \"more\"")?;
    wait::for_true("the new rule", wait::SOON, || {
        client.publish("plant/kiln-1/telemetry", "{\"a\": 1}").is_ok()
            && gateway.consumer.take("more", 1).is_ok_and(|events| !events.is_empty())
    })?;
    std::fs::remove_dir_all(site.path("rules/more"))?;
    gateway.log.wait_for("rules in force", |line| line.field("removed").contains("more"))?;
    gateway.consumer.take_all("more")?;
    client.publish("plant/kiln-1/telemetry", "{\"a\": 2}")?;
    assert!(gateway.consumer.take("more", 1)?.is_empty());
    Ok(())
}

#[test]
fn a_new_server_certificate_is_shown_to_new_connections_and_old_ones_stay() -> anyhow::Result<()> {
    let mut site = Site::new("")?;
    site.register(&["kiln-1", "kiln-2"])?;
    let gateway = Gateway::start(&site)?;
    let connect = |site: &Site, name: &str| {
        Client::connect_tls(site.tls_address, &site.device(name)?, &Connect::clean(V5, name))
    };
    let mut old = connect(&site, "kiln-1")?;
    let before = old.server_certificate().to_vec();
    let renewed = site.authority().issue_server(&["localhost"], certs::Validity::days(1))?;
    // Without a signal: the files are looked at.
    gateway.log.wait_for("TLS files reloaded", |line| line.field("identity_changed") == "true")?;
    let new = connect(&site, "kiln-2")?;
    assert_ne!(new.server_certificate(), before);
    assert_eq!(new.server_certificate(), renewed.certificate.as_ref());
    old.ping()?;
    // Files that can't be used leave the ones in use.
    site.write("pki/server.crt", "rubbish")?;
    gateway.hang_up()?;
    let line = gateway.log.wait_for("TLS files can't be used, the old ones stay in use", |_| true)?;
    assert!(line.field("error").contains("server.crt"), "{line:?}");
    let metrics = gateway.consumer.metrics()?;
    let mqtt = "listener=\"mqtt\"";
    assert_eq!(metrics.sum("iot_gateway_tls_reloads_total", mqtt), 1.0);
    assert!(metrics.sum("iot_gateway_tls_reloads_failed_total", mqtt) >= 1.0);
    let another = connect(&site, "kiln-2")?;
    assert_eq!(another.server_certificate(), renewed.certificate.as_ref());
    old.ping()?;
    Ok(())
}

#[test]
fn a_changed_policy_takes_effect_on_live_connections() -> anyhow::Result<()> {
    let site = Site::with_queue("")?;
    site.register(&["kiln-1"])?;
    let gateway = Gateway::start(&site)?;
    let mut client =
        Client::connect_tls(site.tls_address, &site.device("kiln-1")?, &Connect::clean(V5, "kiln-1"))?;
    assert_eq!(client.publish("plant/kiln-1/telemetry", "{}")?, 0);
    assert_eq!(client.publish("plant/shared/telemetry", "{}")?, 0x87);
    site.write_policy(
        "device",
        &OWN_TOPICS.replace("topic/plant/${iot:Connection.Thing.ThingName}/*", "topic/plant/shared/*"),
    )?;
    wait::for_true("the new policy to forbid", wait::SOON, || {
        client.publish("plant/kiln-1/telemetry", "{}").is_ok_and(|code| code == 0x87)
    })?;
    assert_eq!(client.publish("plant/shared/telemetry", "{}")?, 0);
    // A policy that is wrong is refused by name; the one in force stays.
    site.write_policy(
        "device",
        "{ \"Version\": \"2012-10-17\", \"Statement\": [{ \"Effect\": \"Alow\" }] }",
    )?;
    let line = gateway.log.wait_for("policy refused", |line| line.field("file").contains("device.json"))?;
    assert!(line.field("reason").contains("Allow"), "{line:?}");
    assert_eq!(client.publish("plant/shared/telemetry", "{}")?, 0);
    // One that lets nobody connect lets nobody connect again; who is connected can do nothing that it denies.
    site.write_policy("device", &OWN_TOPICS.replace("\"Allow\"", "\"Deny\""))?;
    wait::for_true("the last policy to forbid", wait::SOON, || {
        client.publish("plant/kiln-1/telemetry", "{}").is_ok_and(|code| code == 0x87)
            && client.publish("plant/shared/telemetry", "{}").is_ok_and(|code| code == 0x87)
    })?;
    drop(client);
    let mut again = Client::tls(site.tls_address, &site.device("kiln-1")?)?;
    assert_eq!(again.connect(&Connect::clean(V5, "kiln-1"))?.reason(), 0x87);
    Ok(())
}
