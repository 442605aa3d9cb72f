//! Inputs that ended, stalled or confused a broker that was measured before this one was written. The gateway survives each, answers as MQTT
//! says, and serves others meanwhile.

use end_to_end::{Client, Connect, Gateway, Publish, Site, kind, trust, wait};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const V3: u8 = 4;
const V5: u8 = 5;

/// A gateway on which any client may do anything.
struct Ground {
    site: Site,
    gateway: Gateway,
}

impl Ground {
    fn new(settings: &str) -> anyhow::Result<Self> {
        let site = Site::new(settings)?;
        let gateway = Gateway::start(&site)?;
        Ok(Self { site, gateway })
    }

    fn connect(&self, connect: &Connect) -> anyhow::Result<Client> {
        Client::connect_plain(self.site.plain_address, connect)
    }

    fn clean(&self, version: u8, client_id: &str) -> anyhow::Result<Client> {
        self.connect(&Connect::clean(version, client_id))
    }

    /// Others are served: a message goes from one new client to another, in both versions.
    fn serves(&mut self) -> anyhow::Result<()> {
        for version in [V3, V5] {
            let mut subscriber = self.clean(version, "witness")?;
            subscriber.subscribe("witness/#", 1)?;
            let mut publisher = self.clean(version, "bystander")?;
            assert_eq!(publisher.publish("witness/x", "still here")?, 0);
            assert_eq!(subscriber.receive()?.payload, b"still here");
        }
        assert!(self.gateway.is_running());
        assert_eq!(self.gateway.log.panics(), Vec::<String>::new());
        Ok(())
    }
}

fn payloads(messages: &[Publish]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8_lossy(&message.payload).into_owned()).collect()
}

#[test]
fn a_topic_that_starts_with_a_non_ascii_character_ends_nothing() -> anyhow::Result<()> {
    let mut ground = Ground::new("")?;
    let topics = ["öfen/7", "é", "日本/温度", "\u{1F525}/a", "/ü"];
    for version in [V3, V5] {
        let mut subscriber = ground.clean(version, "subscriber")?;
        subscriber.subscribe("#", 1)?;
        let mut publisher = ground.clean(version, "publisher")?;
        for topic in topics {
            assert_eq!(publisher.publish(topic, "hot")?, 0, "{topic}");
            assert_eq!(subscriber.receive()?.topic, topic);
        }
    }
    ground.serves()
}

#[test]
fn the_only_member_of_a_shared_group_leaves_with_a_message_unacknowledged() -> anyhow::Result<()> {
    let mut ground = Ground::new("")?;
    for version in [V3, V5] {
        let durable = Connect::durable(version, format!("member-{version}"));
        let topic = format!("jobs/{version}");
        let mut member = ground.connect(&durable)?;
        assert_eq!(member.subscribe(&format!("$share/workers/{topic}"), 1)?, 1);
        let mut publisher = ground.clean(version, "publisher")?;
        assert_eq!(publisher.publish(&topic, "job")?, 0);
        let first = member.expect(kind::PUBLISH)?.publish(version)?;
        member.disconnect()?;
        ground.serves()?;
        assert_eq!(publisher.publish(&topic, "next job")?, 0);
        let mut member = ground.connect(&durable)?;
        let again = member.receive()?;
        assert_eq!((again.payload, again.id, again.dup), (first.payload, first.id, true));
        assert_eq!(member.receive()?.payload, b"next job");
    }
    ground.serves()
}

#[test]
fn packets_that_only_a_server_sends_cost_their_sender_its_connection_and_nothing_more() -> anyhow::Result<()>
{
    let mut ground = Ground::new("")?;
    let frames: [&[u8]; 5] = [
        &[0x20, 3, 0, 0, 0],    // CONNACK
        &[0xb0, 4, 0, 1, 0, 0], // UNSUBACK
        &[0x90, 4, 0, 1, 0, 0], // SUBACK
        &[0xd0, 0],             // PINGRESP
        &[0x20, 0],             // CONNACK without a body
    ];
    for version in [V3, V5] {
        for frame in frames {
            for _ in 0..2 {
                let mut client = ground.clean(version, "confused")?;
                client.send(frame)?;
                let before = client.wait_for_the_end()?;
                if version == V5 {
                    assert_eq!(before.last().map(|packet| packet.kind), Some(kind::DISCONNECT), "{frame:x?}");
                }
            }
        }
    }
    ground.serves()
}

#[test]
fn a_client_id_with_wildcards_can_connect_again_and_again() -> anyhow::Result<()> {
    let mut ground = Ground::new("")?;
    for version in [V3, V5] {
        for client_id in ["a+b", "a#", "a/b", "$SYS", "+", "#", "*", "a\u{1F525}"] {
            for _ in 0..3 {
                let mut client = Client::plain(ground.site.plain_address)?;
                // Whether it is let in is a matter of policy; that it gets an answer is not.
                let answer = client.connect(&Connect::clean(version, client_id))?;
                if answer.reason() == 0 {
                    client.ping()?;
                }
            }
        }
    }
    ground.serves()
}

#[test]
fn a_client_that_retries_while_no_place_is_free_gets_one_when_others_leave() -> anyhow::Result<()> {
    let mut ground = Ground::new("[listener]\nconnections_max = 4\n")?;
    let mut inside = Vec::new();
    for number in 0..4 {
        inside.push(ground.clean(V5, &format!("inside-{number}"))?);
    }
    for _ in 0..20 {
        // Refused at once, or left in the system's queue: either way it gets no CONNACK.
        if let Ok(mut client) = Client::plain(ground.site.plain_address) {
            let _ = client.send(&Connect::clean(V5, "outside").bytes());
            assert!(client.read_within(Duration::from_millis(50)).is_err(), "a fifth client was let in");
        }
    }
    inside.iter_mut().try_for_each(Client::ping)?;
    drop(inside);
    let address = ground.site.plain_address;
    wait::until("a place to be free", wait::SOON, || {
        Client::connect_plain(address, &Connect::clean(V5, "outside")).ok()
    })?;
    wait::for_true("the places to be free", wait::SOON, || {
        ground.gateway.consumer.metrics().is_ok_and(|metrics| metrics.sum("iot_gateway_sockets", "") == 0.0)
    })?;
    ground.serves()
}

#[test]
fn a_message_with_properties_reaches_subscribers_of_the_older_version_live_and_retained() -> anyhow::Result<()>
{
    let mut ground = Ground::new("")?;
    let mut subscriber = ground.clean(V3, "older")?;
    subscriber.subscribe("mixed/#", 1)?;
    let mut publisher = ground.clean(V5, "newer")?;
    // Payload format, content type, response topic, correlation data, user property.
    let properties = [
        &[0x01, 1][..],
        &[0x03, 0, 4, b'j', b's', b'o', b'n'],
        &[0x08, 0, 1, b'r'],
        &[0x09, 0, 2, 0xff, 0],
        &[0x26, 0, 1, b'k', 0, 1, b'v'],
    ]
    .concat();
    let id = publisher.next_id();
    let publish =
        Publish { qos: 1, id, retain: true, properties, ..Publish::new("mixed/a", "with properties") };
    let bytes = publisher.publish_bytes(&publish);
    publisher.send(&bytes)?;
    assert_eq!(publisher.expect_answer(kind::PUBACK, id)?.reason(), 0);
    assert_eq!(subscriber.receive()?.payload, b"with properties");
    for round in 0..3 {
        let mut late = ground.clean(V3, &format!("late-{round}"))?;
        late.subscribe("mixed/#", 1)?;
        let retained = late.receive()?;
        assert_eq!((retained.payload, retained.retain), (b"with properties".to_vec(), true));
    }
    let mut late = ground.clean(V5, "late")?;
    late.subscribe("mixed/#", 1)?;
    assert_eq!(late.receive()?.properties, publish.properties);
    ground.serves()
}

#[test]
fn silent_connections_on_the_tls_port_keep_nobody_waiting() -> anyhow::Result<()> {
    let site = Site::new("")?;
    site.register(&["kiln-1"])?;
    let gateway = Gateway::start(&site)?;
    let mut ground = Ground { site, gateway };
    let silent: Vec<_> = (0..50).map(|_| Client::plain(ground.site.tls_address)).collect::<Result<_, _>>()?;
    // Half a TLS record each.
    let mut slow: Vec<_> =
        (0..50).map(|_| Client::plain(ground.site.tls_address)).collect::<Result<_, _>>()?;
    slow.iter_mut().try_for_each(|client| client.send(&[0x16, 3, 1, 2, 0, 1]))?;
    let started = Instant::now();
    let options = ground.site.device("kiln-1")?;
    for _ in 0..10 {
        Client::connect_tls(ground.site.tls_address, &options, &Connect::clean(V5, "kiln-1"))?;
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    // They are cut once their time is over.
    ground.gateway.log.wait_for("connection refused", |line| line.contains("handshake"))?;
    drop((silent, slow));
    ground.serves()
}

#[test]
fn six_hundred_sessions_six_at_a_time_come_publish_and_go_without_one_reset() -> anyhow::Result<()> {
    let mut ground = Ground::new("")?;
    let address = ground.site.plain_address;
    let workers: Vec<_> = (0..6)
        .map(|worker| {
            std::thread::spawn(move || {
                for round in 0..100 {
                    let version = if round % 2 == 0 { V3 } else { V5 };
                    let connect = Connect::clean(version, format!("worker-{worker}-{}", round % 7));
                    let mut client = Client::connect_plain(address, &connect)?;
                    anyhow::ensure!(client.publish("churn/x", "y")? & 0x80 == 0);
                    client.disconnect()?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for worker in workers {
        worker.join().expect("the worker does not panic")?;
    }
    ground.serves()
}

#[test]
fn a_message_of_qos_2_that_is_sent_again_arrives_once_and_the_next_is_not_lost() -> anyhow::Result<()> {
    let mut ground = Ground::new("")?;
    for version in [V3, V5] {
        let mut subscriber = ground.clean(version, "subscriber")?;
        subscriber.subscribe("exact/#", 2)?;
        let durable = Connect::durable(version, format!("publisher-{version}"));
        let mut publisher = ground.connect(&durable)?;
        let first = Publish { qos: 2, id: 7, ..Publish::new("exact/a", "m1") };
        let bytes = publisher.publish_bytes(&first);
        publisher.send(&bytes)?;
        publisher.expect_answer(kind::PUBREC, 7)?;
        let bytes = publisher.publish_bytes(&Publish { dup: true, ..first });
        publisher.send(&bytes)?;
        publisher.expect_answer(kind::PUBREC, 7)?;
        let bytes = publisher.publish_bytes(&Publish { qos: 2, id: 8, ..Publish::new("exact/a", "m2") });
        publisher.send(&bytes)?;
        publisher.expect_answer(kind::PUBREC, 8)?;
        // Gone before PUBREL; the second half happens on the next connection.
        drop(publisher);
        let mut publisher = ground.connect(&durable)?;
        for id in [7, 8] {
            publisher.answer(kind::PUBREL, id)?;
            assert_eq!(publisher.expect_answer(kind::PUBCOMP, id)?.reason(), 0);
        }
        assert_eq!(publisher.publish("exact/a", "end")?, 0);
        let received = [subscriber.receive()?, subscriber.receive()?, subscriber.receive()?];
        assert_eq!(payloads(&received), ["m1", "m2", "end"]);
    }
    ground.serves()
}

#[test]
fn a_subscriber_that_takes_topic_aliases_gets_every_message_under_its_own_topic() -> anyhow::Result<()> {
    let mut ground = Ground::new("")?;
    // Topic Alias Maximum 2, so that aliases run out and are given anew.
    let connect = Connect { properties: vec![0x22, 0, 2], ..Connect::clean(V5, "subscriber") };
    let mut subscriber = ground.connect(&connect)?;
    subscriber.subscribe("alias/#", 1)?;
    let mut publisher = ground.clean(V5, "publisher")?;
    let mut known = std::collections::BTreeMap::new();
    for number in [1, 2, 1, 3, 3, 2, 1, 4, 4, 4, 1, 2, 3] {
        let topic = format!("alias/{number}");
        assert_eq!(publisher.publish(&topic, &topic)?, 0);
        let received = subscriber.receive()?;
        let alias = alias(&received.properties);
        let resolved = if received.topic.is_empty() {
            known
                .get(&alias.expect("a message without topic has an alias"))
                .cloned()
                .expect("the alias was given")
        } else {
            received.topic.clone()
        };
        if let Some(alias) = alias {
            assert!((1..=2).contains(&alias));
            known.insert(alias, resolved.clone());
        }
        assert_eq!(resolved.as_bytes(), received.payload);
    }
    ground.serves()
}

/// The alias among properties of which it is the only one.
fn alias(properties: &[u8]) -> Option<u16> {
    match properties {
        [0x23, high, low] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

#[test]
fn five_hundred_retained_messages_all_reach_a_new_subscriber() -> anyhow::Result<()> {
    let mut ground = Ground::new("")?;
    let mut publisher = ground.clean(V5, "publisher")?;
    for number in 0..500 {
        assert_eq!(publisher.retain(&format!("kept/{number}"), "x")? & 0x80, 0);
    }
    for version in [V3, V5] {
        for qos in 0..=2 {
            let mut subscriber = ground.clean(version, &format!("late-{version}-{qos}"))?;
            subscriber.subscribe("kept/+", qos)?;
            let topics: BTreeSet<String> =
                (0..500).map(|_| Ok(subscriber.receive()?.topic)).collect::<anyhow::Result<_>>()?;
            assert_eq!(topics.len(), 500, "version {version}, QoS {qos}");
        }
    }
    ground.serves()
}

#[test]
fn an_empty_message_that_is_not_retained_leaves_the_retained_one() -> anyhow::Result<()> {
    let mut ground = Ground::new("")?;
    let mut publisher = ground.clean(V5, "publisher")?;
    publisher.retain("kept/a", "stays")?;
    publisher.publish("kept/a", "")?;
    let mut subscriber = ground.clean(V3, "subscriber")?;
    subscriber.subscribe("kept/a", 1)?;
    assert_eq!(subscriber.receive()?.payload, b"stays");
    // One that is retained deletes it [MQTT-3.3.1-6].
    publisher.retain("kept/a", "")?;
    let mut subscriber = ground.clean(V3, "another")?;
    subscriber.subscribe("kept/a", 1)?;
    publisher.publish("kept/a", "live")?;
    let message = subscriber.receive()?;
    assert_eq!((message.payload, message.retain), (b"live".to_vec(), false));
    ground.serves()
}

#[test]
fn every_unsubscribe_gets_one_answer_with_a_code_for_each_filter() -> anyhow::Result<()> {
    let mut ground = Ground::new("")?;
    let mut client = ground.clean(V5, "five")?;
    client.subscribe("a", 1)?;
    client.subscribe("b", 1)?;
    assert_eq!(client.unsubscribe(&["never/subscribed"])?.codes(V5), [0x11]);
    assert_eq!(client.unsubscribe(&["a", "none", "b"])?.codes(V5), [0, 0x11, 0]);
    client.ping()?;
    let mut client = ground.clean(V3, "three")?;
    client.subscribe("a", 1)?;
    assert_eq!(client.unsubscribe(&["never/subscribed"])?.body.len(), 2);
    assert_eq!(client.unsubscribe(&["a", "b"])?.body.len(), 2);
    client.send(&[0xc0, 0])?;
    assert_eq!(client.read()?.kind, kind::PINGRESP, "a second UNSUBACK");
    ground.serves()
}

#[test]
fn two_shared_groups_of_one_name_on_two_filters_each_get_every_message() -> anyhow::Result<()> {
    let mut ground = Ground::new("")?;
    let mut one = ground.clean(V5, "one")?;
    one.subscribe("$share/group/work/+", 1)?;
    let mut other = ground.clean(V5, "other")?;
    other.subscribe("$share/group/work/#", 1)?;
    let mut publisher = ground.clean(V5, "publisher")?;
    let sent: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    for number in &sent {
        publisher.publish("work/a", number)?;
    }
    for subscriber in [&mut one, &mut other] {
        let received = (0..20).map(|_| subscriber.receive()).collect::<anyhow::Result<Vec<_>>>()?;
        assert_eq!(payloads(&received), sent);
    }
    ground.serves()
}

#[test]
fn a_silent_client_is_timed_out_although_it_receives() -> anyhow::Result<()> {
    let mut ground = Ground::new("")?;
    let connect = Connect { keep_alive_secs: 2, ..Connect::clean(V5, "silent") };
    let mut silent = ground.connect(&connect)?;
    silent.subscribe("news/#", 0)?;
    let started = Instant::now();
    let mut publisher = ground.clean(V5, "publisher")?;
    let last = wait::until("the silent client to be timed out", wait::SOON, || {
        let _ = publisher.publish("news/x", "y");
        silent.read_within(Duration::from_millis(20)).ok().filter(|packet| packet.kind == kind::DISCONNECT)
    })?;
    assert_eq!(last.reason(), 0x8d, "Keep Alive timeout");
    assert!(started.elapsed() >= Duration::from_millis(2900), "one and a half keep alive intervals");
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
    ground.serves()
}

#[test]
fn what_mqtt_forbids_is_refused() -> anyhow::Result<()> {
    let mut ground = Ground::new("")?;
    let publish_nul = |client: &Client| client.publish_bytes(&Publish::new("a\0b", "x"));
    let publish_wildcard = |client: &Client| client.publish_bytes(&Publish::new("x/#", "x"));
    let publish_plus = |client: &Client| client.publish_bytes(&Publish::new("x/+/y", "x"));
    let subscribe = |filter: &'static str, first: u8| {
        move |client: &Client| {
            let mut body = vec![0, 9];
            body.extend(if client.version == V5 { &[0][..] } else { &[] });
            body.extend([0, u8::try_from(filter.len()).expect("short")]);
            body.extend(filter.as_bytes());
            body.push(1);
            [&[first, u8::try_from(body.len()).expect("short")][..], &body].concat()
        }
    };
    type Bytes<'a> = Box<dyn Fn(&Client) -> Vec<u8> + 'a>;
    let cases: Vec<(&str, Bytes<'_>)> = vec![
        ("a NUL in a topic [MQTT-1.5.4-2]", Box::new(publish_nul)),
        ("`#` in a topic [MQTT-3.3.2-2]", Box::new(publish_wildcard)),
        ("`+` in a topic [MQTT-3.3.2-2]", Box::new(publish_plus)),
        ("wrong flags of SUBSCRIBE [MQTT-3.8.1-1]", Box::new(subscribe("a", 0x80))),
        ("QoS 3 [MQTT-3.3.1-4]", Box::new(|_| vec![0x36, 6, 0, 1, b'a', 0, 1, 0])),
        ("DUP at QoS 0 [MQTT-3.3.1-2]", Box::new(|_| vec![0x38, 4, 0, 1, b'a', 0])),
        (
            "a second CONNECT [MQTT-3.1.0-2]",
            Box::new(|client| Connect::clean(client.version, "again").bytes()),
        ),
        ("packet type 0", Box::new(|_| vec![0, 0])),
        ("a length of five bytes", Box::new(|_| vec![0x30, 0xff, 0xff, 0xff, 0xff, 1])),
        ("PUBLISH without packet identifier [MQTT-2.2.1-3]", Box::new(|_| vec![0x32, 3, 0, 1, b'a'])),
        ("packet identifier 0 [MQTT-2.2.1-3]", Box::new(|_| vec![0x32, 6, 0, 1, b'a', 0, 0, 0])),
    ];
    for version in [V3, V5] {
        for filter in ["a/#/b", "a#", "a/b+", "#/", ""] {
            let mut client = ground.clean(version, "offender")?;
            // Refused in the answer or by closing: what matters is that it is not taken [MQTT-4.7.1-1].
            assert!(
                client.subscribe(filter, 1).is_ok_and(|code| code >= 0x80) || client.ping().is_err(),
                "{filter}"
            );
        }
        for (name, bytes) in &cases {
            let mut client = ground.clean(version, "offender")?;
            let bytes = bytes(&client);
            client.send(&bytes)?;
            let before = client
                .wait_for_the_end()
                .map_err(|error| error.context(format!("{name}, version {version}")))?;
            if version == V5 {
                let last = before.last().map(|packet| (packet.kind, packet.reason() & 0x80));
                assert_eq!(last, Some((kind::DISCONNECT, 0x80)), "{name}");
            }
        }
    }
    ground.serves()
}

#[test]
fn a_first_packet_that_is_no_connect_gets_no_further() -> anyhow::Result<()> {
    let mut ground = Ground::new("")?;
    let first: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xc0, 0],
        &[0x30, 3, 0, 1, b'a'],
        &[0xff; 64],
        &[0x10, 0xff, 0xff, 0xff, 0x7f],
    ];
    for bytes in first {
        let mut client = Client::plain(ground.site.plain_address)?;
        client.send(bytes)?;
        client.wait_for_the_end()?;
    }
    // TLS that turns into something else, and bytes that never were TLS.
    let mut client = Client::plain(ground.site.tls_address)?;
    client.send(&[0xff; 64])?;
    client.wait_for_the_end()?;
    let authority = ground.site.path("pki/authority.crt");
    if let Ok(mut client) = Client::tls(ground.site.tls_address, &trust(&authority)?) {
        client.wait_for_the_end()?;
    }
    ground.serves()
}

#[test]
fn clients_and_topics_that_come_and_go_leave_nothing_behind() -> anyhow::Result<()> {
    const WARM_UP: u32 = 3_000;
    const CYCLES: u32 = 10_000;
    let mut ground = Ground::new("[log]\nlevel = \"warn\"\nformat = \"json\"\n")?;
    let memory = |ground: &Ground| -> anyhow::Result<f64> {
        Ok(ground.gateway.consumer.metrics()?.sum("process_resident_memory_bytes", ""))
    };
    let mut before = 0.0;
    let mut publisher = ground.clean(V5, "publisher")?;
    for cycle in 0..CYCLES {
        if cycle == WARM_UP {
            before = memory(&ground)?;
        }
        let mut client = ground.clean(V5, &format!("passer-by-{cycle}"))?;
        client.subscribe(&format!("unique/{cycle}/#"), 1)?;
        publisher.publish(&format!("once/{cycle}"), [b'x'; 1000])?;
        client.disconnect()?;
    }
    wait::for_true("the last of them to be gone", wait::SOON, || {
        ground
            .gateway
            .consumer
            .metrics()
            .is_ok_and(|metrics| metrics.sum("iot_gateway_subscriptions", "") == 0.0)
    })?;
    let grown = (memory(&ground)? - before) / f64::from(CYCLES - WARM_UP);
    eprintln!(
        "resident memory grew by {grown:.0} bytes for each client, filter and topic that came and went"
    );
    assert!(grown < 1_000.0, "{grown} bytes for each client, filter and topic that came and went");
    ground.serves()
}
