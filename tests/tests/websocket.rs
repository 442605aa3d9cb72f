//! MQTT through a WebSocket, and what a client may choose in the TLS handshake.

use end_to_end::{Client, Connect, Gateway, Site, UPGRADE, Web, Will, kind, run_command, wait};
use std::time::{Duration, Instant};

const V3: u8 = 4;
const V5: u8 = 5;

fn ground(more: &str) -> anyhow::Result<(Site, Gateway)> {
    let site = Site::new(more)?;
    site.register(&["kiln-1"])?;
    let gateway = Gateway::start(&site)?;
    Ok((site, gateway))
}

#[test]
fn frames_and_packets_need_not_begin_together_mqtt_6_0_0_2() -> anyhow::Result<()> {
    let (site, _gateway) = ground("")?;
    let mut web = Web::plain(site.plain_websocket_address)?;
    web.upgrade("/mqtt")?;
    // A packet in many frames of one byte each, one of them empty.
    web.send_frame(0x82, b"")?;
    for byte in Connect::clean(V3, "scattered").bytes() {
        web.send_frame(0x82, &[byte])?;
    }
    assert_eq!(web.frame()?, (0x82, vec![0x20, 2, 0, 0]));
    // Many packets in one message of three fragments, cut in the middle of a packet, with a ping between them.
    let subscribe = [0x82, 6, 0, 1, 0, 1, b'a', 1];
    let publish = [0x32, 6, 0, 1, b'a', 0, 7, b'x'];
    let all = [&subscribe[..], &publish, &[0xC0, 0]].concat();
    web.send_frame(0x02, &all[..5])?;
    web.send_frame(0x89, b"still there?")?;
    web.send_frame(0x00, &all[5..11])?;
    web.send_frame(0x80, &all[11..])?;
    let (mut answers, mut pongs) = (Vec::new(), Vec::new());
    while answers.len() < 5 + 8 + 4 + 2 {
        match web.frame()? {
            (0x82, payload) => answers.extend(payload),
            other => pongs.push(other),
        }
    }
    assert!(answers.windows(5).any(|some| some == [0x90, 3, 0, 1, 1]), "SUBACK: {answers:x?}");
    assert!(answers.windows(4).any(|some| some == [0x40, 2, 0, 7]), "PUBACK: {answers:x?}");
    assert!(answers.windows(2).any(|some| some == [0xD0, 0]), "PINGRESP: {answers:x?}");
    assert_eq!(pongs, [(0x8A, b"still there?".to_vec())]);
    Ok(())
}

#[test]
fn a_text_frame_closes_the_connection_mqtt_6_0_0_1() -> anyhow::Result<()> {
    let (site, gateway) = ground("")?;
    let mut witness = Client::connect_plain(site.plain_address, &Connect::clean(V5, "witness"))?;
    assert_eq!(witness.subscribe("wills", 1)?, 1);
    let mut web = Web::plain(site.plain_websocket_address)?;
    web.upgrade("/")?;
    let will = Will { topic: "wills".to_string(), payload: b"gone".to_vec() };
    web.send_frame(0x82, &Connect { will: Some(will), ..Connect::clean(V3, "writer") }.bytes())?;
    assert_eq!(web.frame()?, (0x82, vec![0x20, 2, 0, 0]));
    web.send_frame(0x81, &[0xC0, 0])?;
    assert_eq!(web.frame()?, (0x88, 1003_u16.to_be_bytes().to_vec()));
    web.wait_for_the_end()?;
    assert_eq!(witness.receive()?.payload, b"gone", "it ended without DISCONNECT");
    gateway.log.wait_for("disconnected", |line| line.field("reason").contains("text frame"))?;
    Ok(())
}

#[test]
fn a_close_frame_is_answered_and_is_no_disconnect() -> anyhow::Result<()> {
    let (site, _gateway) = ground("")?;
    let mut witness = Client::connect_plain(site.plain_address, &Connect::clean(V5, "witness"))?;
    assert_eq!(witness.subscribe("wills", 1)?, 1);
    let mut web = Web::plain(site.plain_websocket_address)?;
    web.upgrade("/mqtt")?;
    let will = Will { topic: "wills".to_string(), payload: b"closed".to_vec() };
    web.send_frame(0x82, &Connect { will: Some(will), ..Connect::clean(V3, "closer") }.bytes())?;
    assert_eq!(web.frame()?.0, 0x82);
    web.send_frame(0x88, &1001_u16.to_be_bytes())?;
    assert_eq!(web.frame()?, (0x88, 1001_u16.to_be_bytes().to_vec()));
    assert_eq!(witness.receive()?.payload, b"closed");
    // After a DISCONNECT there is no will, and the gateway says goodbye first.
    let mut web = Web::plain(site.plain_websocket_address)?;
    web.upgrade("/mqtt")?;
    let will = Will { topic: "wills".to_string(), payload: b"never".to_vec() };
    web.send_frame(0x82, &Connect { will: Some(will), ..Connect::clean(V3, "leaver") }.bytes())?;
    assert_eq!(web.frame()?.0, 0x82);
    web.send_frame(0x82, &[0xE0, 0])?;
    assert_eq!(web.frame()?, (0x88, 1000_u16.to_be_bytes().to_vec()));
    witness.ping()?;
    assert!(witness.read_within(Duration::from_millis(300)).is_err(), "no will after DISCONNECT");
    Ok(())
}

#[test]
fn a_large_message_goes_both_ways_at_every_quality_of_service() -> anyhow::Result<()> {
    let (site, gateway) = ground("")?;
    let mut client = Client::websocket(site.https_address, Some(&site.device("kiln-1")?))?;
    assert_eq!(client.connect(&Connect::clean(V5, "kiln-1"))?.reason(), 0);
    assert_eq!(client.subscribe("plant/kiln-1/#", 2)?, 2);
    let large: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
    for qos in [0, 1, 2] {
        let id = client.send_publish("plant/kiln-1/picture", &large, qos)?;
        if qos == 2 {
            client.expect_answer(kind::PUBREC, id)?;
            client.answer(kind::PUBREL, id)?;
        }
        let received = client.receive()?;
        assert_eq!(received.qos, qos);
        assert!(received.payload == large, "QoS {qos}");
    }
    let metrics = gateway.consumer.metrics()?;
    assert_eq!(metrics.sum("iot_gateway_websockets_total", ""), 1.0);
    assert_eq!(metrics.sum("iot_gateway_sockets", "listener=\"https\""), 1.0);
    Ok(())
}

#[test]
fn what_asks_badly_for_a_websocket_is_told_why() -> anyhow::Result<()> {
    let (site, _gateway) = ground("[listener]\norigins = [\"https://console.example.com\"]\n")?;
    let mqtt = "Sec-WebSocket-Protocol: mqtt\r\n";
    let cases: &[(&str, String, u16, &str)] = &[
        ("GET /mqtt", UPGRADE.to_string(), 400, "does not offer `mqtt`"),
        ("GET /mqtt", format!("{UPGRADE}Sec-WebSocket-Protocol: mqttv3.1\r\n"), 400, "does not offer `mqtt`"),
        ("GET /elsewhere", format!("{UPGRADE}{mqtt}"), 404, "nothing is at `/elsewhere`"),
        ("POST /mqtt", format!("{UPGRADE}{mqtt}"), 405, "`GET`"),
        ("GET /mqtt", format!("{}{mqtt}", UPGRADE.replace("13", "8")), 426, "`13`"),
        ("GET /mqtt", "Host: localhost\r\n".to_string(), 404, "nothing is at `/mqtt`"),
        (
            "GET /mqtt",
            format!("{UPGRADE}{mqtt}Origin: https://evil.example\r\n"),
            403,
            "`https://evil.example`",
        ),
        ("GET /mqtt", format!("{UPGRADE}{mqtt}Origin: https://console.example.com\r\n"), 101, ""),
        ("GET /mqtt", format!("{UPGRADE}{mqtt}Origin: http://localhost\r\n"), 101, ""),
        ("GET /mqtt", format!("{UPGRADE}{mqtt}Origin: https://localhost\r\n"), 403, "`https://localhost`"),
        (
            "GET /mqtt",
            format!(
                "{}{mqtt}Origin: http://rebound.example\r\n",
                UPGRADE.replace("Host: localhost", "Host: rebound.example")
            ),
            403,
            "`http://rebound.example`",
        ),
    ];
    for (line, headers, status, said) in cases {
        let response = Web::plain(site.plain_websocket_address)?.request(line, headers, b"")?;
        assert_eq!(response.status, *status, "{line} {headers}: {response:?}");
        assert!(response.body.contains(said), "{line} {headers}: {response:?}");
    }
    Ok(())
}

#[test]
fn the_handshake_chooses_what_is_spoken() -> anyhow::Result<()> {
    let (site, gateway) = ground("")?;
    let options = site.device("kiln-1")?;
    let connect = Connect::clean(V5, "kiln-1");
    for (address, names) in [
        (site.tls_address, [].as_slice()),
        (site.tls_address, &["mqtt"]),
        (site.tls_address, &["x-amzn-mqtt-ca"]),
        (site.https_address, &["x-amzn-mqtt-ca"]),
        (site.https_address, &["http/1.1", "mqtt"]),
    ] {
        let client = Client::connect_tls(address, &options.offering(names), &connect);
        client.unwrap_or_else(|error| panic!("{names:?}: {error}")).disconnect()?;
    }
    for names in [[].as_slice(), &["http/1.1"], &["x-amzn-http-ca"], &["h2", "http/1.1"]] {
        let mut client = Client::websocket(site.https_address, Some(&options.offering(names)))?;
        assert_eq!(client.connect(&connect)?.reason(), 0, "{names:?}");
        client.disconnect()?;
    }
    for (address, names) in [(site.tls_address, ["http/1.1"]), (site.https_address, ["h2"])] {
        let refused = Client::connect_tls(address, &options.offering(&names), &connect);
        assert!(refused.is_err(), "{names:?}");
    }
    let refused = || {
        gateway
            .consumer
            .metrics()
            .map(|all| all.sum("iot_gateway_tls_refused_total", "reason=\"incompatible\""))
    };
    wait::for_true("both to be counted", wait::SOON, || refused().is_ok_and(|count| count == 2.0))
}

#[test]
fn a_websocket_is_cut_off_when_its_certificate_is_deactivated_resumed_or_not() -> anyhow::Result<()> {
    let (site, _gateway) = ground("")?;
    let options = site.device("kiln-1")?;
    let connect = Connect::clean(V5, "kiln-1");
    let mut client = Client::websocket(site.https_address, Some(&options))?;
    assert_eq!(client.connect(&connect)?.reason(), 0);
    let fingerprint = site.fingerprint("kiln-1")?;
    let settings = site.settings_file().display().to_string();
    run_command(&["things", "--config", &settings, "status", &fingerprint, "inactive"])?;
    let last = client.wait_for_the_end()?.pop();
    assert_eq!(last.map(|packet| (packet.kind, packet.reason())), Some((kind::DISCONNECT, 0x87)));
    // The session is resumed, and the registry is asked all the same.
    let mut resumed = Client::websocket(site.https_address, Some(&options))?;
    assert_eq!(resumed.connect(&connect)?.reason(), 0x87);
    Ok(())
}

#[test]
fn whoever_is_slow_with_a_request_is_cut() -> anyhow::Result<()> {
    let (site, gateway) = ground("[listener]\nconnect_secs_max = 1\n")?;
    let begun = Instant::now();
    // Silent; a header that never ends; nothing after a first request; no CONNECT after the upgrade.
    let mut silent = Web::plain(site.plain_websocket_address)?;
    let mut endless = Web::plain(site.plain_websocket_address)?;
    endless.send(b"GET /mqtt HTTP/1.1\r\n")?;
    let mut idle = Web::plain(site.plain_websocket_address)?;
    assert_eq!(idle.request("GET /nothing", "Host: localhost\r\n", b"")?.status, 404);
    let mut mute = Web::plain(site.plain_websocket_address)?;
    mute.upgrade("/mqtt")?;
    let dribble = std::thread::spawn(move || {
        // A byte now and then does not help.
        while endless.send(b"x").is_ok() && begun.elapsed() < wait::SOON {
            wait::let_pass(Duration::from_millis(50));
        }
        begun.elapsed()
    });
    silent.wait_for_the_end()?;
    idle.wait_for_the_end()?;
    mute.wait_for_the_end()?;
    assert!(dribble.join().is_ok_and(|lasted| lasted < wait::SOON), "a header that never ends is cut");
    let sockets =
        || gateway.consumer.metrics().map(|all| all.sum("iot_gateway_sockets", "listener=\"http-plain\""));
    wait::for_true("all to be closed", wait::SOON, || sockets().is_ok_and(|open| open == 0.0))
}

#[test]
fn a_shutdown_ends_websockets_and_requests_in_order() -> anyhow::Result<()> {
    let (site, mut gateway) = ground("")?;
    let mut client = Client::websocket(site.plain_websocket_address, None)?;
    assert_eq!(client.connect(&Connect::clean(V5, "newer"))?.reason(), 0);
    let mut idle = Web::plain(site.plain_websocket_address)?;
    assert_eq!(idle.request("GET /nothing", "Host: localhost\r\n", b"")?.status, 404);
    let begun = Instant::now();
    gateway.stop()?;
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let last = client.wait_for_the_end()?.pop();
    assert_eq!(last.map(|packet| (packet.kind, packet.reason())), Some((kind::DISCONNECT, 0x8B)));
    idle.wait_for_the_end()
}
