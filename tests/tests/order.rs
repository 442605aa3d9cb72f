//! Answers leave in the order of what they answer, and nobody stands in the way of others.

use end_to_end::{Client, Connect, Gateway, Site, kind};

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
