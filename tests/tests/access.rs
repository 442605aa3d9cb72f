//! Nobody in who does not belong. Each refusal is told in the log by its reason, to whoever has to mend it.

use certs::{Authority, DeviceRequest, Reason, Validity};
use end_to_end::{
    ALLOW_ALL, Client, Connect, Gateway, Gone, OWN_TOPICS, Site, TlsOptions, kind, run_command, trust,
};
use std::path::Path;
use time::{Duration, OffsetDateTime};

const V3: u8 = 4;
const V5: u8 = 5;

/// A gateway with two registered devices.
fn ground() -> anyhow::Result<(Site, Gateway)> {
    let site = Site::new("")?;
    site.register(&["kiln-1", "kiln-2"])?;
    let gateway = Gateway::start(&site)?;
    Ok((site, gateway))
}

/// Tries to connect, as far as it gets.
fn try_connect(site: &Site, options: &TlsOptions, client_id: &str) -> Result<u8, Gone> {
    let closed = |error: std::io::Error| Gone::Closed(error.to_string());
    let mut client = Client::tls(site.tls_address, options).map_err(closed)?;
    client.connect(&Connect::clean(V5, client_id)).map(|answer| answer.reason())
}

/// TLS itself refuses, and the log names the reason.
fn refused_by_tls(site: &Site, gateway: &Gateway, options: &TlsOptions, reason: &str) -> anyhow::Result<()> {
    let outcome = try_connect(site, options, "kiln-1");
    assert!(matches!(outcome, Err(Gone::Closed(_))), "{outcome:?}");
    let line = gateway.log.wait_for("connection refused", |line| line.field("reason") == reason)?;
    assert!(!line.field("why").is_empty() && !line.field("peer").is_empty(), "{line:?}");
    let metric = format!("reason=\"{reason}\"");
    assert!(gateway.consumer.metrics()?.sum("iot_gateway_tls_refused_total", &metric) >= 1.0, "{metric}");
    Ok(())
}

/// TLS lets it in, the gateway answers CONNECT with Not authorized, and the log names the reason.
fn refused_by_gateway(
    site: &Site,
    gateway: &Gateway,
    options: &TlsOptions,
    reason: &str,
) -> anyhow::Result<()> {
    assert_eq!(try_connect(site, options, "kiln-1")?, 0x87);
    gateway.log.wait_for("connection refused", |line| line.field("reason").contains(reason))?;
    Ok(())
}

fn files(authority: &Authority, name: &str) -> anyhow::Result<(std::path::PathBuf, std::path::PathBuf)> {
    Ok(authority.device_files(name)?)
}

fn options(
    site: &Site,
    (certificate, key): (impl AsRef<Path>, impl AsRef<Path>),
) -> anyhow::Result<TlsOptions> {
    TlsOptions::with_files(&site.path("pki/authority.crt"), (certificate.as_ref(), key.as_ref()))
}

#[test]
fn a_registered_device_is_let_in() -> anyhow::Result<()> {
    let (site, _gateway) = ground()?;
    assert_eq!(try_connect(&site, &site.device("kiln-1")?, "kiln-1")?, 0);
    Ok(())
}

#[test]
fn a_client_without_a_certificate_is_refused() -> anyhow::Result<()> {
    let (site, gateway) = ground()?;
    let options = trust(&site.path("pki/authority.crt"))?;
    refused_by_tls(&site, &gateway, &options, "no_certificate")
}

#[test]
fn a_certificate_of_another_authority_is_refused() -> anyhow::Result<()> {
    let (site, gateway) = ground()?;
    // The same name of authority and device, another key.
    let mut other = Authority::create(site.path("other"), "authority of a test", Validity::days(30))?;
    other.issue_device("kiln-1", None, Validity::days(1))?;
    refused_by_tls(&site, &gateway, &options(&site, files(&other, "kiln-1")?)?, "unknown_authority")
}

#[test]
fn an_expired_certificate_is_refused() -> anyhow::Result<()> {
    let (mut site, gateway) = ground()?;
    let now = OffsetDateTime::now_utc();
    let validity = Validity::between(now - Duration::days(2), now - Duration::hours(1))?;
    let request = DeviceRequest::new("kiln-3", validity);
    site.authority().issue_devices(&[request], |_| ())?;
    refused_by_tls(&site, &gateway, &site.device("kiln-3")?, "expired")
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_refused() -> anyhow::Result<()> {
    let (mut site, gateway) = ground()?;
    let now = OffsetDateTime::now_utc();
    let validity = Validity::between(now + Duration::days(1), now + Duration::days(2))?;
    site.authority().issue_devices(&[DeviceRequest::new("kiln-3", validity)], |_| ())?;
    refused_by_tls(&site, &gateway, &site.device("kiln-3")?, "not_yet_valid")
}

#[test]
fn an_unregistered_certificate_is_refused() -> anyhow::Result<()> {
    let (mut site, gateway) = ground()?;
    site.issue(&["kiln-3"])?;
    refused_by_gateway(&site, &gateway, &site.device("kiln-3")?, "is not registered")
}

#[test]
fn an_inactive_certificate_is_refused_and_cut_off_and_let_in_again_when_active() -> anyhow::Result<()> {
    let (site, gateway) = ground()?;
    let options = site.device("kiln-1")?;
    let mut connected = Client::connect_tls(site.tls_address, &options, &Connect::clean(V5, "kiln-1"))?;
    let fingerprint = site.fingerprint("kiln-1")?;
    let settings = site.settings_file().display().to_string();
    let set = |status: &str| run_command(&["things", "--config", &settings, "status", &fingerprint, status]);
    set("inactive")?;
    let last = connected.wait_for_the_end()?.pop();
    assert_eq!(last.map(|packet| (packet.kind, packet.reason())), Some((kind::DISCONNECT, 0x87)));
    refused_by_gateway(&site, &gateway, &options, "INACTIVE")?;
    set("active")?;
    assert_eq!(try_connect(&site, &options, "kiln-1")?, 0);
    Ok(())
}

#[test]
fn a_device_on_another_devices_topic_is_refused_and_told_why() -> anyhow::Result<()> {
    let (site, gateway) = ground()?;
    let mut victim =
        Client::connect_tls(site.tls_address, &site.device("kiln-2")?, &Connect::clean(V5, "kiln-2"))?;
    assert_eq!(victim.subscribe("plant/kiln-2/#", 1)?, 1);
    let mut client =
        Client::connect_tls(site.tls_address, &site.device("kiln-1")?, &Connect::clean(V5, "kiln-1"))?;
    let id = client.send_publish("plant/kiln-2/telemetry", "forged", 1)?;
    let answer = client.expect_answer(kind::PUBACK, id)?;
    assert_eq!(answer.reason(), 0x87);
    assert!(
        String::from_utf8_lossy(&answer.body).contains("plant/kiln-2/telemetry"),
        "the reason string names the topic"
    );
    assert_eq!(client.subscribe("plant/kiln-2/#", 1)?, 0x87);
    assert_eq!(client.subscribe("#", 1)?, 0x87);
    assert_eq!(client.subscribe("plant/+/telemetry", 1)?, 0x87);
    let line = gateway.log.wait_for("publish denied", |line| line.field("client_id") == "kiln-1")?;
    assert!(line.contains("plant/kiln-2/telemetry"), "{line:?}");
    assert_eq!(line.field("thing"), "kiln-1");
    gateway.log.wait_for("subscribe denied", |line| line.field("filter") == "plant/kiln-2/#")?;
    // Its own topics still work, and nothing of the forgery arrived.
    assert!(client.publish("plant/kiln-1/telemetry", "own")? < 0x80);
    assert_eq!(victim.publish("plant/kiln-2/telemetry", "genuine")?, 0);
    assert_eq!(victim.receive()?.payload, b"genuine");
    // MQTT 3.1.1 has no code for it: the connection is closed [MQTT-3.3.5-2].
    let mut older =
        Client::connect_tls(site.tls_address, &site.device("kiln-1")?, &Connect::clean(V3, "kiln-1"))?;
    older.send_publish("plant/kiln-2/telemetry", "forged", 1)?;
    let answers = older.wait_for_the_end()?;
    assert!(answers.iter().all(|packet| packet.kind != kind::PUBACK), "{answers:?}");
    Ok(())
}

#[test]
fn a_device_under_another_devices_client_id_is_refused() -> anyhow::Result<()> {
    let (site, gateway) = ground()?;
    assert_eq!(try_connect(&site, &site.device("kiln-1")?, "kiln-2")?, 0x87);
    let line = gateway.log.wait_for("connection refused", |line| line.field("client_id") == "kiln-2")?;
    assert!(line.field("reason").contains("client/kiln-2"), "{line:?}");
    Ok(())
}

#[test]
fn a_client_id_with_wildcards_in_it_widens_nothing() -> anyhow::Result<()> {
    let policy = OWN_TOPICS
        .replace("client/${iot:Connection.Thing.ThingName}", "client/*")
        .replace("${iot:Connection.Thing.ThingName}", "${iot:ClientId}");
    let site = Site::new("")?;
    site.write_policy("device", &policy)?;
    site.register(&["kiln-1"])?;
    let _gateway = Gateway::start(&site)?;
    let options = site.device("kiln-1")?;
    let mut plain = Client::connect_tls(site.tls_address, &options, &Connect::clean(V5, "kiln-1"))?;
    assert_eq!(
        plain.subscribe("plant/kiln-1/x", 0)?,
        0,
        "the policy allows a plain client id its own topics"
    );
    for client_id in ["+", "#", "*", "?", "kiln-2/telemetry", "k*", "a/#", "kiln-+", "${iot:ClientId}"] {
        let mut client = Client::tls(site.tls_address, &options)?;
        if client.connect(&Connect::clean(V5, client_id))?.reason() != 0 {
            continue;
        }
        for filter in ["plant/kiln-2/x", "plant/+/x", "plant/#", "plant/kiln-2/telemetry/x", "#", "+/+/x"] {
            assert_eq!(client.subscribe(filter, 0)?, 0x87, "client id {client_id}, filter {filter}");
        }
        assert_eq!(client.publish("plant/kiln-2/telemetry", "forged")?, 0x87, "client id {client_id}");
        assert_eq!(client.publish("plant/kiln-2/telemetry/x", "forged")?, 0x87, "client id {client_id}");
    }
    Ok(())
}

#[test]
fn a_certificate_name_with_wildcards_in_it_widens_nothing() -> anyhow::Result<()> {
    let policy = ALLOW_ALL.replace(
        "\"iot:*\", \"Resource\": \"*\"",
        "[\"iot:Connect\", \"iot:Subscribe\", \"iot:Publish\"], \"Resource\": [\"arn:aws:iot:*:*:client/*\", \
         \"arn:aws:iot:*:*:topicfilter/plant/${iot:Certificate.Subject.Organization}/*\", \
         \"arn:aws:iot:*:*:topic/plant/${iot:Certificate.Subject.Organization}/*\"]",
    );
    let site = Site::new("")?;
    site.write_policy("device", &policy)?;
    site.register(&["kiln-1"])?;
    let gateway = Gateway::start(&site)?;
    let (pki, settings) =
        (site.path("pki").display().to_string(), site.settings_file().display().to_string());
    for (number, organization) in ["*", "+", "#", "a/b", "acme*"].into_iter().enumerate() {
        let name = format!("odd-{number}");
        let made = run_command(&[
            "certs",
            "device",
            "--directory",
            &pki,
            "--config",
            &settings,
            "--policy",
            "device",
            "--name",
            &name,
            "--organization",
            organization,
        ]);
        // Our own authority may refuse to issue such a certificate; that is as good.
        if made.is_err() {
            continue;
        }
        let mut client =
            Client::connect_tls(site.tls_address, &site.device(&name)?, &Connect::clean(V5, "any"))?;
        for filter in ["plant/acme/x", "plant/+/x", "plant/#", "#"] {
            assert_eq!(client.subscribe(filter, 0)?, 0x87, "organization {organization}, filter {filter}");
        }
        assert_eq!(client.publish("plant/acme/x", "forged")?, 0x87, "organization {organization}");
    }
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    Ok(())
}

#[test]
fn a_device_that_is_revoked_is_cut_off_at_once_and_others_are_not() -> anyhow::Result<()> {
    let (site, gateway) = ground()?;
    let options = site.device("kiln-1")?;
    let mut revoked = Client::connect_tls(site.tls_address, &options, &Connect::clean(V5, "kiln-1"))?;
    let mut other =
        Client::connect_tls(site.tls_address, &site.device("kiln-2")?, &Connect::clean(V5, "kiln-2"))?;
    let (pki, settings) =
        (site.path("pki").display().to_string(), site.settings_file().display().to_string());
    run_command(&["certs", "revoke", "--directory", &pki, "--config", &settings, "kiln-1"])?;
    let before = std::time::Instant::now();
    let last = revoked.wait_for_the_end()?.pop();
    assert!(
        before.elapsed() < std::time::Duration::from_secs(2),
        "at once, not after {:?}",
        before.elapsed()
    );
    assert_eq!(last.map(|packet| (packet.kind, packet.reason())), Some((kind::DISCONNECT, 0x87)));
    let line = gateway.log.wait_for("connection cut off", |line| line.field("client_id") == "kiln-1")?;
    assert!(line.field("reason").to_lowercase().contains("revoked"), "{line:?}");
    other.ping()?;
    assert!(!matches!(try_connect(&site, &options, "kiln-1"), Ok(0)));
    gateway
        .log
        .wait_for("connection refused", |line| line.0.to_string().to_lowercase().contains("revoked"))?;
    Ok(())
}

#[test]
fn a_revocation_list_on_disk_cuts_off_whoever_it_names() -> anyhow::Result<()> {
    let (mut site, gateway) = ground()?;
    let options = site.device("kiln-1")?;
    let mut revoked = Client::connect_tls(site.tls_address, &options, &Connect::clean(V5, "kiln-1"))?;
    let mut other =
        Client::connect_tls(site.tls_address, &site.device("kiln-2")?, &Connect::clean(V5, "kiln-2"))?;
    // The gateway is told by the file alone.
    site.authority().revoke("kiln-1", Reason::KeyCompromise)?;
    gateway.hang_up()?;
    revoked.wait_for_the_end()?;
    let line = gateway.log.wait_for("connection cut off", |line| line.field("client_id") == "kiln-1")?;
    assert!(line.field("reason").to_lowercase().contains("revo"), "{line:?}");
    other.ping()?;
    refused_by_tls(&site, &gateway, &options, "revoked")
}

#[test]
fn after_a_revocation_others_are_let_in_and_the_will_of_the_revoked_is_not_published() -> anyhow::Result<()> {
    let (mut site, gateway) = ground()?;
    let mut witness = Client::connect_plain(site.plain_address, &Connect::clean(V5, "witness"))?;
    assert_eq!(witness.subscribe("plant/#", 1)?, 1);
    let mut connect = Connect::clean(V5, "kiln-1");
    let topic = "plant/kiln-1/telemetry".to_string();
    connect.will = Some(end_to_end::Will { topic, payload: b"a last word".to_vec() });
    let mut revoked = Client::connect_tls(site.tls_address, &site.device("kiln-1")?, &connect)?;
    site.authority().revoke("kiln-1", Reason::KeyCompromise)?;
    gateway.hang_up()?;
    revoked.wait_for_the_end()?;
    gateway.log.wait_for("connection cut off", |line| line.field("client_id") == "kiln-1")?;
    let mut other =
        Client::connect_tls(site.tls_address, &site.device("kiln-2")?, &Connect::clean(V5, "kiln-2"))?;
    assert!(other.publish("plant/kiln-2/telemetry", "still here")? < 0x80);
    assert_eq!(witness.receive()?.payload, b"still here", "the will of a revoked device is not published");
    Ok(())
}

#[test]
fn a_tls_session_is_not_resumed_past_a_revocation() -> anyhow::Result<()> {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let (site, gateway) = ground()?;
        let (certificate, key) = site.device_files("kiln-1");
        let authority = site.path("pki/authority.crt");
        let options = TlsOptions::with_version(&authority, (&certificate, &key), version)?;
        let connect = Connect::clean(V5, "kiln-1");
        // One full handshake, then one that is resumed: the certificate verifier is not asked again.
        Client::connect_tls(site.tls_address, &options, &connect)?.disconnect()?;
        let resumed = Client::connect_tls(site.tls_address, &options, &connect)?;
        assert!(resumed.is_resumed(), "{version:?}: the test would prove nothing");
        resumed.disconnect()?;
        // Inactive in the registry alone: the authority and its list know nothing of it, so tickets live on.
        let fingerprint = site.fingerprint("kiln-1")?;
        let settings = site.settings_file().display().to_string();
        run_command(&["things", "--config", &settings, "status", &fingerprint, "revoked"])?;
        let mut client = Client::tls(site.tls_address, &options)?;
        assert!(client.is_resumed(), "{version:?}: the test would prove nothing");
        assert_eq!(client.connect(&connect)?.reason(), 0x87);
        gateway.log.wait_for("connection refused", |line| line.field("reason").contains("REVOKED"))?;
    }
    Ok(())
}

#[test]
fn a_tls_session_is_not_resumed_past_a_revocation_list() -> anyhow::Result<()> {
    let (mut site, gateway) = ground()?;
    let options = site.device("kiln-1")?;
    Client::connect_tls(site.tls_address, &options, &Connect::clean(V5, "kiln-1"))?.disconnect()?;
    site.authority().revoke("kiln-1", Reason::KeyCompromise)?;
    gateway.hang_up()?;
    gateway.log.wait_for("TLS files reloaded", |_| true)?;
    refused_by_tls(&site, &gateway, &options, "revoked")
}

#[test]
fn a_plain_client_has_the_policy_of_the_settings_and_no_more() -> anyhow::Result<()> {
    let site = Site::new("")?;
    site.write_policy("anyone", &ALLOW_ALL.replace("\"iot:*\"", "\"iot:Connect\""))?;
    let _gateway = Gateway::start(&site)?;
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "plain"))?;
    assert_eq!(client.publish("plant/kiln-1/telemetry", "x")?, 0x87);
    assert_eq!(client.subscribe("#", 0)?, 0x87);
    Ok(())
}
