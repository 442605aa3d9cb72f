//! Answers leave in the order of what they answer, and nobody stands in the way of others.

use end_to_end::{Client, Connect, Gateway, Site, kind, wait};
use std::time::{Duration, Instant};

const V5: u8 = 5;

/// [MQTT-4.6.0-2]: a refusal is known at once, a success only when the disk has it; the refusal waits.
#[test]
fn refusals_and_acknowledgements_leave_in_the_order_of_the_publishes() -> anyhow::Result<()> {
    let site = Site::with_queue("")?;
    site.register(&["kiln-1"])?;
    let _gateway = Gateway::start(&site)?;
    let mut client =
        Client::connect_tls(site.tls_address, &site.device("kiln-1")?, &Connect::clean(V5, "kiln-1"))?;
    let mut expected = Vec::new();
    for number in 0..40 {
        let allowed = number % 3 != 1;
        let topic = if allowed { "plant/kiln-1/telemetry" } else { "plant/kiln-2/telemetry" };
        let id = client.send_publish(topic, format!("{{\"n\":{number}}}"), 1)?;
        expected.push((id, allowed));
    }
    for (id, allowed) in expected {
        let answer = client.expect(kind::PUBACK)?;
        assert_eq!(answer.id(), id, "answers come in order");
        assert_eq!(answer.reason() < 0x80, allowed);
    }
    Ok(())
}

/// Section 3.4.2.1: 0x10 says that nobody was there. A rule that takes the message is somebody.
#[test]
fn a_publisher_is_told_when_neither_subscriber_nor_rule_is_there() -> anyhow::Result<()> {
    let site = Site::with_queue("")?;
    let _gateway = Gateway::start(&site)?;
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "c"))?;
    let mut publish = |topic: &str| -> anyhow::Result<u8> {
        let id = client.send_publish(topic, "{}", 1)?;
        Ok(client.expect_answer(kind::PUBACK, id)?.reason())
    };
    assert_eq!(publish("nobody/listens")?, 0x10);
    assert_eq!(publish("plant/kiln-1/telemetry")?, 0, "a rule");
    assert_eq!(publish("$aws/rules/readings/x")?, 0, "Basic Ingest goes to a rule by its name");
    Ok(())
}

/// [MQTT-3.1.2-22]: a client is silent only if it says nothing, however much it is told. More is published than it takes, without an end.
#[test]
fn a_client_for_whom_there_is_always_more_is_heard() -> anyhow::Result<()> {
    const LOADED: Duration = Duration::from_secs(6);
    let site = Site::with_queue("")?;
    let _gateway = Gateway::start(&site)?;
    let mut subscribe = Connect::clean(V5, "listener");
    subscribe.keep_alive_secs = 2;
    let mut listener = Client::connect_plain(site.plain_address, &subscribe)?;
    listener.subscribe("load", 0)?;
    let begun = Instant::now();
    let address = site.plain_address;
    let publishers: Vec<_> = (0..2)
        .map(|number| {
            std::thread::spawn(move || -> anyhow::Result<()> {
                let mut client = Client::connect_plain(address, &Connect::clean(V5, format!("p{number}")))?;
                while begun.elapsed() < LOADED {
                    client.send_publish("load", vec![b'x'; 100_000], 0)?;
                }
                Ok(())
            })
        })
        .collect();
    let (mut pings, mut answers, mut messages) = (0, 0, 0);
    while begun.elapsed() < LOADED {
        if begun.elapsed() > Duration::from_millis(500) * pings {
            listener.send_packet(kind::PINGREQ << 4, &[])?;
            pings += 1;
        }
        match listener.read()?.kind {
            kind::PINGRESP => answers += 1,
            kind::PUBLISH => {
                messages += 1;
                // It takes less than there is.
                wait::let_pass(Duration::from_millis(20));
            }
            other => panic!("packet of type {other} after {:?}", begun.elapsed()),
        }
    }
    for publisher in publishers {
        publisher.join().expect("it does not panic")?;
    }
    eprintln!("{messages} messages, {answers} of {pings} pings answered meanwhile");
    assert!(
        messages > 20 && answers * 2 >= pings,
        "{messages} messages, {answers} of {pings} pings answered"
    );
    Ok(())
}
