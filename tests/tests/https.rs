//! Publishing by HTTPS request, as devices publish to AWS IoT Core without MQTT.

use end_to_end::{Client, Connect, Gateway, Response, Site, Web, base64, run_command, trust, wait};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

const V5: u8 = 5;
const HOST: &str = "Host: localhost\r\n";

/// A gateway whose rule notes who published, and how, in the queue `readings`.
fn ground(more: &str) -> anyhow::Result<(Site, Gateway)> {
    let site = Site::new(&format!("[[queue]]\nname = \"readings\"\n{more}"))?;
    site.write_rule(
        "readings",
        "SELECT *, clientid() AS client, get_mqtt_property('content_type') AS kind FROM 'plant/+/telemetry'",
        "queue = \"readings\"",
    )?;
    site.register(&["kiln-1"])?;
    let gateway = Gateway::start(&site)?;
    Ok((site, gateway))
}

fn post(site: &Site, path: &str, headers: &str, body: &[u8]) -> anyhow::Result<Response> {
    let mut web = Web::tls(site.https_address, &site.device("kiln-1")?)?;
    web.request(&format!("POST {path}"), &format!("{HOST}{headers}"), body)
}

fn said(response: &Response) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&response.body)?)
}

#[test]
fn curl_publishes_with_a_certificate() -> anyhow::Result<()> {
    let (site, gateway) = ground("")?;
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("SKIPPED: curl is not installed (Debian package curl); `tests/run python` installs it");
        return Ok(());
    }
    let (certificate, key) = site.device_files("kiln-1");
    let mut sequences = Vec::new();
    for sequence in 0..6 {
        let qos = sequence % 2;
        let url = format!(
            "https://localhost:{}/topics/plant%2Fkiln-1/telemetry?qos={qos}&contentType=application%2Fjson",
            site.https_address.port()
        );
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail-with-body", "--max-time", "20", "--data-binary"])
            .arg(format!("{{\"sequence\": {sequence}}}"))
            .arg("--cacert")
            .arg(site.path("pki/authority.crt"))
            .arg("--cert")
            .arg(&certificate)
            .arg("--key")
            .arg(&key)
            .arg(&url)
            .output()?;
        anyhow::ensure!(output.status.success(), "{output:?}\n{}", gateway.log.end());
        let answer: Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!(answer["message"], "OK", "{answer}");
        assert_eq!(answer["traceId"].as_str().map(str::len), Some(36), "{answer}");
        sequences.push(sequence);
    }
    let events = gateway.consumer.take_until("readings", 6)?;
    let mut arrived: Vec<u64> = events.iter().filter_map(|event| event.data["sequence"].as_u64()).collect();
    arrived.sort_unstable();
    assert_eq!(arrived, sequences);
    for event in &events {
        assert_eq!(event.data["client"], "n/a", "no client id, as on AWS IoT: {:?}", event.data);
        assert_eq!(event.data["kind"], "application/json");
    }
    Ok(())
}

#[test]
fn subscribers_get_what_the_request_says() -> anyhow::Result<()> {
    let (site, gateway) = ground("")?;
    let mut subscriber = Client::connect_plain(site.plain_address, &Connect::clean(V5, "subscriber"))?;
    assert_eq!(subscriber.subscribe("plant/#", 2)?, 2);
    let user = base64(r#"[{"line": "a"}]"#);
    let headers = format!(
        "x-amz-mqtt5-user-properties: {user}\r\nx-amz-mqtt5-payload-format-indicator: UTF8_DATA\r\n\
         x-amz-mqtt5-correlation-data: {}\r\n",
        base64("seven")
    );
    let path = "/topics/plant%2Fkiln-1%2Fstate?qos=1&retain=true&responseTopic=answers&messageExpiry=600";
    assert_eq!(post(&site, path, &headers, b"warm")?.status, 200);
    let received = subscriber.receive()?;
    assert_eq!((received.topic.as_str(), received.qos), ("plant/kiln-1/state", 1));
    assert_eq!(received.payload, b"warm");
    for part in [&b"\x26\x00\x04line\x00\x01a"[..], b"\x01\x01", b"\x08\x00\x07answers", b"\x09\x00\x05seven"]
    {
        let found = received.properties.windows(part.len()).any(|some| some == part);
        assert!(found, "{part:?} is not in {:?}", received.properties);
    }
    // It is retained, and an empty body clears it.
    let mut late = Client::connect_plain(site.plain_address, &Connect::clean(V5, "late"))?;
    late.subscribe("plant/kiln-1/state", 0)?;
    assert_eq!(late.receive()?.payload, b"warm");
    assert_eq!(post(&site, "/topics/plant/kiln-1/state?qos=1&retain=true", "", b"")?.status, 200);
    let mut later = Client::connect_plain(site.plain_address, &Connect::clean(V5, "later"))?;
    later.subscribe("plant/kiln-1/state", 0)?;
    later.ping()?;
    assert!(later.read_within(Duration::from_millis(200)).is_err(), "nothing is retained any more");
    let metrics = gateway.consumer.metrics()?;
    assert_eq!(metrics.sum("iot_gateway_http_requests_total", "status=\"200\""), 2.0);
    assert_eq!(metrics.sum("iot_gateway_publishes_total", "qos=\"1\""), 2.0);
    Ok(())
}

#[test]
fn what_was_answered_with_ok_survives_a_kill() -> anyhow::Result<()> {
    let (site, mut gateway) = ground("")?;
    let mut absent = Client::connect_plain(site.plain_address, &Connect::durable(V5, "absent"))?;
    assert_eq!(absent.subscribe("plant/kiln-1/telemetry", 1)?, 1);
    absent.disconnect()?;
    let mut web = Web::tls(site.https_address, &site.device("kiln-1")?)?;
    for sequence in 0..20 {
        let body = format!("{{\"sequence\": {sequence}}}");
        let response = web.request("POST /topics/plant/kiln-1/telemetry?qos=1", HOST, body.as_bytes())?;
        assert_eq!(response.status, 200, "{response:?}");
    }
    gateway.kill_and_start_again()?;
    assert_eq!(gateway.consumer.take_until("readings", 20)?.len(), 20);
    let mut back = Client::connect_plain(site.plain_address, &Connect::durable(V5, "absent"))?;
    for sequence in 0..20 {
        assert_eq!(back.receive()?.payload, format!("{{\"sequence\": {sequence}}}").as_bytes());
    }
    Ok(())
}

#[test]
fn what_no_policy_allows_is_forbidden_and_says_why() -> anyhow::Result<()> {
    let (mut site, gateway) = ground("")?;
    let forbidden = |response: &Response, why: &str| -> anyhow::Result<()> {
        assert_eq!(response.status, 403, "{response:?}");
        assert_eq!(response.header("x-amzn-errortype"), "ForbiddenException");
        let message = said(response)?["message"].as_str().unwrap_or_default().to_string();
        assert!(message.contains(why), "{message}");
        Ok(())
    };
    forbidden(&post(&site, "/topics/plant/kiln-2/telemetry", "", b"forged")?, "plant/kiln-2/telemetry")?;
    let line = gateway.log.wait_for("publish denied", |_| true)?;
    assert_eq!(line.field("thing"), "kiln-1");
    site.issue(&["kiln-3"])?;
    let mut unknown = Web::tls(site.https_address, &site.device("kiln-3")?)?;
    let response = unknown.request("POST /topics/plant/kiln-3/telemetry", HOST, b"x")?;
    forbidden(&response, "this certificate may not publish")?;
    gateway.log.wait_for("HTTP request refused", |line| line.field("reason").contains("not registered"))?;
    // A retained publish needs a permission of its own.
    let without = end_to_end::OWN_TOPICS.replace("\"iot:RetainPublish\", ", "");
    site.write_policy("device", &without)?;
    let path = "/topics/plant/kiln-1/state?retain=true";
    wait::until("the policy to be read", wait::SOON, || {
        post(&site, path, "", b"x").ok().filter(|response| response.status == 403)
    })
    .and_then(|response| forbidden(&response, "iot:RetainPublish"))?;
    assert_eq!(post(&site, "/topics/plant/kiln-1/state", "", b"x")?.status, 200);
    // Without a certificate there is not even TLS.
    let anonymous = trust(&site.path("pki/authority.crt"))?;
    let refused = Web::tls(site.https_address, &anonymous)
        .map_err(anyhow::Error::from)
        .and_then(|mut web| web.request("POST /topics/plant/kiln-1/telemetry", HOST, b"x"));
    assert!(refused.is_err(), "{refused:?}");
    // A page of somebody else, in a browser that holds a certificate.
    let response = post(&site, "/topics/plant/kiln-1/state", "Origin: https://evil.example\r\n", b"x")?;
    forbidden(&response, "https://evil.example")
}

#[test]
fn a_connection_that_stays_open_is_looked_up_for_every_request() -> anyhow::Result<()> {
    let (site, gateway) = ground("")?;
    let mut web = Web::tls(site.https_address, &site.device("kiln-1")?)?;
    let publish =
        |web: &mut Web| web.request("POST /topics/plant/kiln-1/state", HOST, b"x").map(|it| it.status);
    assert_eq!(publish(&mut web)?, 200);
    let (fingerprint, settings) = (site.fingerprint("kiln-1")?, site.settings_file().display().to_string());
    let set = |status: &str| run_command(&["things", "--config", &settings, "status", &fingerprint, status]);
    set("inactive")?;
    assert_eq!(publish(&mut web)?, 403);
    set("active")?;
    assert_eq!(publish(&mut web)?, 200);
    // A revocation list alone, which the registry knows nothing of.
    certs::Authority::load(site.path("pki"))?.revoke("kiln-1", certs::Reason::KeyCompromise)?;
    gateway.hang_up()?;
    gateway.log.wait_for("TLS files reloaded", |line| line.field("listener") == "https")?;
    assert_eq!(publish(&mut web)?, 403);
    Ok(())
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for_and_holds_up_nobody() -> anyhow::Result<()> {
    let (site, _gateway) = ground("")?;
    let mut slow: Vec<Web> =
        (0..50).map(|_| Web::plain(site.plain_websocket_address)).collect::<Result<_, _>>()?;
    for web in &mut slow {
        web.send(
            format!("POST /topics/slow?qos=1 HTTP/1.1\r\n{HOST}Content-Length: 100\r\n\r\nx").as_bytes(),
        )?;
    }
    for _ in 0..20 {
        assert_eq!(post(&site, "/topics/plant/kiln-1/state?qos=1", "", b"x")?.status, 200);
    }
    for web in &mut slow {
        let response = web.response()?;
        assert_eq!((response.status, response.header("connection")), (408, "close"), "{response:?}");
        web.wait_for_the_end()?;
    }
    Ok(())
}

#[test]
fn where_denials_are_hidden_none_says_why() -> anyhow::Result<()> {
    let (mut site, gateway) = ground("\n[access]\npolicies = \"policies\"\nreveal_denials = false\n")?;
    site.issue(&["kiln-3"])?;
    let mut unknown = Web::tls(site.https_address, &site.device("kiln-3")?)?;
    let responses = [
        post(&site, "/topics/plant/kiln-2/telemetry", "", b"forged")?,
        post(&site, "/topics/$SYS/broker", "", b"forged")?,
        post(&site, "/topics/plant/kiln-1/state", "Origin: https://evil.example\r\n", b"x")?,
        unknown.request("POST /topics/plant/kiln-3/telemetry", HOST, b"x")?,
    ];
    for response in &responses {
        assert_eq!((response.status, said(response)?["message"].as_str()), (403, Some("Forbidden")));
    }
    gateway.log.wait_for("HTTP request refused", |line| line.field("reason").contains("plant/kiln-2"))?;
    Ok(())
}

#[test]
fn rate_and_properties_have_the_limits_of_packets() -> anyhow::Result<()> {
    let (site, gateway) = ground("\n[mqtt]\npublishes_per_sec_max = 1\nuser_properties_max = 1\n")?;
    let mut web = Web::tls(site.https_address, &site.device("kiln-1")?)?;
    let mut statuses = Vec::new();
    for _ in 0..50 {
        let response = web.request("POST /topics/plant/kiln-1/state", HOST, b"x")?;
        statuses.push((response.status, response.header("x-amzn-errortype").to_string()));
    }
    assert_eq!(statuses[0].0, 200);
    assert!(statuses.contains(&(429, "ThrottlingException".to_string())), "{statuses:?}");
    // Another connection has a rate of its own.
    assert_eq!(post(&site, "/topics/plant/kiln-1/state", "", b"x")?.status, 200);
    let user = base64(r#"[{"line": "a"}, {"shift": "b"}]"#);
    let headers = format!("x-amz-mqtt5-user-properties: {user}\r\n");
    let response = post(&site, "/topics/plant/kiln-1/state", &headers, b"x")?;
    assert!(response.body.contains("user properties"), "{response:?}");
    let metrics = gateway.consumer.metrics()?;
    assert_eq!(metrics.sum("iot_gateway_publishes_refused_total", "reason=\"properties\""), 1.0);
    assert!(metrics.sum("iot_gateway_publishes_refused_total", "reason=\"rate\"") > 0.0);
    Ok(())
}

#[test]
fn nobody_unknown_is_waited_for() -> anyhow::Result<()> {
    let (mut site, _gateway) = ground("")?;
    site.issue(&["kiln-3"])?;
    // Within the limit of a payload, but not sent: whoever keeps what comes waits ten seconds for the rest, and answers 408.
    for announced in ["Content-Length: 100000", "Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let mut web = Web::tls(site.https_address, &site.device("kiln-3")?)?;
        web.send(
            format!("POST /topics/plant/kiln-3/state HTTP/1.1\r\n{HOST}{announced}\r\n\r\n").as_bytes(),
        )?;
        let response = web.response()?;
        assert_eq!(
            (response.status, response.header("connection")),
            (403, "close"),
            "{announced}: {response:?}"
        );
    }
    Ok(())
}

#[test]
fn what_is_beyond_a_limit_is_refused_and_bounded() -> anyhow::Result<()> {
    let (site, gateway) = ground("[mqtt]\npayload_bytes_max = 1000\n\n[journal]\nsegment_bytes = 65536\n")?;
    let long = "a/".repeat(700);
    let cases = [
        (format!("/topics/{long}"), vec![b'x'], 400, "InvalidRequestException"),
        ("/topics/plant/kiln-1/%2B".to_string(), vec![b'x'], 400, "InvalidRequestException"),
        ("/topics/plant/kiln-1/state?qos=2".to_string(), vec![b'x'], 400, "InvalidRequestException"),
        ("/topics/plant/kiln-1/state".to_string(), vec![b'x'; 1001], 413, "RequestEntityTooLargeException"),
        ("/topics/plant/kiln-1/state".to_string(), vec![b'x'; 1000], 200, ""),
        ("/nothing/here".to_string(), vec![b'x'], 404, "ResourceNotFoundException"),
    ];
    for (path, body, status, name) in cases {
        let response = post(&site, &path, "", &body)?;
        assert_eq!((response.status, response.header("x-amzn-errortype")), (status, name), "{response:?}");
    }
    // More than it said it would be, in pieces that have no length.
    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    let mut web = Web::plain(site.plain_websocket_address)?;
    web.send(
        format!("POST /topics/a HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}")
            .as_bytes(),
    )?;
    assert_eq!(web.response()?.status, 413);
    let response = Web::plain(site.plain_websocket_address)?.request("GET /topics/a", HOST, b"")?;
    assert_eq!((response.status, response.header("allow")), (405, "POST"));
    // A head that is too long, or has too many fields.
    for headers in [format!("x: {}\r\n", "y".repeat(60_000)), "x: y\r\n".repeat(200)] {
        let mut web = Web::plain(site.plain_websocket_address)?;
        let response = web.request("POST /topics/a", &format!("{HOST}{headers}"), b"");
        assert!(response.as_ref().map_or(true, |response| response.status == 431), "{response:?}");
    }
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    Ok(())
}
