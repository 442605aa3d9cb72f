//! SIGTERM: what is under way is finished, in bounded time, and nothing is lost.

use end_to_end::{Client, Connect, Gateway, Gone, Site, kind};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const V3: u8 = 4;
const V5: u8 = 5;

#[test]
fn clients_are_told_and_the_process_ends_well() -> anyhow::Result<()> {
    let site = Site::new("")?;
    let mut gateway = Gateway::start(&site)?;
    let mut newer = Client::connect_plain(site.plain_address, &Connect::clean(V5, "newer"))?;
    let mut older = Client::connect_plain(site.plain_address, &Connect::clean(V3, "older"))?;
    let started = Instant::now();
    gateway.terminate()?;
    let last = newer.wait_for_the_end()?.pop();
    assert_eq!(last.map(|packet| (packet.kind, packet.reason())), Some((kind::DISCONNECT, 0x8b)));
    assert_eq!(older.wait_for_the_end()?, [], "MQTT 3.1.1 has no DISCONNECT from the server");
    let status = gateway.wait_for_the_end(Duration::from_secs(20))?;
    assert_eq!(status.code(), Some(0), "{}", gateway.log.end());
    assert!(started.elapsed() < Duration::from_secs(10), "idle, yet it took {:?}", started.elapsed());
    gateway.log.wait_for("ended", |_| true)?;
    Ok(())
}

#[test]
fn nothing_acknowledged_before_the_end_is_lost() -> anyhow::Result<()> {
    let site = Site::with_queue("")?;
    let mut gateway = Gateway::start(&site)?;
    let address = site.plain_address;
    let publishers: Vec<_> = (0..8)
        .map(|publisher| {
            std::thread::spawn(move || {
                let connect = Connect::clean(V5, format!("publisher-{publisher}"));
                let mut client = Client::connect_plain(address, &connect)?;
                let mut acknowledged = Vec::new();
                for sequence in 0u32.. {
                    let payload = format!("{{\"publisher\": {publisher}, \"sequence\": {sequence}}}");
                    match client.publish("plant/a/telemetry", payload) {
                        Ok(0) => acknowledged.push((publisher, sequence)),
                        // Refused because of the shutdown, or cut off by it.
                        Ok(_) | Err(Gone::Closed(_)) => break,
                        Err(Gone::Silent) => anyhow::bail!("publisher {publisher} heard nothing more"),
                    }
                }
                anyhow::Ok(acknowledged)
            })
        })
        .collect();
    end_to_end::wait::for_true("some load", end_to_end::wait::SOON, || {
        gateway
            .consumer
            .metrics()
            .is_ok_and(|metrics| metrics.sum("iot_gateway_journal_records_total", "") > 500.0)
    })?;
    gateway.stop()?;
    let mut acknowledged = BTreeSet::new();
    for publisher in publishers {
        let some = publisher.join().expect("the publisher does not panic")?;
        acknowledged.extend(some);
    }
    gateway.start_again()?;
    let events = gateway.consumer.take_all("readings")?;
    let arrived: BTreeSet<(u64, u64)> = events
        .iter()
        .filter_map(|event| Some((event.data["publisher"].as_u64()?, event.data["sequence"].as_u64()?)))
        .collect();
    let missing: Vec<_> = acknowledged
        .into_iter()
        .filter(|(publisher, sequence)| !arrived.contains(&(*publisher, u64::from(*sequence))))
        .collect();
    assert_eq!(missing, [], "acknowledged, but not in the queue");
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    Ok(())
}

#[test]
fn clients_that_do_not_let_go_do_not_hold_the_end() -> anyhow::Result<()> {
    let site = Site::with_queue("[shutdown]\ndrain_secs_max = 3\n")?;
    site.register(&["kiln-1"])?;
    let mut gateway = Gateway::start(&site)?;
    // A subscriber that never reads, with more for it than its socket holds.
    let mut deaf = Client::connect_plain(site.plain_address, &Connect::clean(V5, "deaf"))?;
    deaf.subscribe("flood", 0)?;
    let mut publisher = Client::connect_plain(site.plain_address, &Connect::clean(V5, "publisher"))?;
    for _ in 0..200 {
        publisher.publish("flood", vec![b'x'; 100_000])?;
    }
    // Half a handshake, a silent connection, and a consumer in a long poll.
    let mut half = Client::plain(site.tls_address)?;
    half.send(&[0x16, 3, 1])?;
    let _silent = Client::plain(site.plain_address)?;
    let consumer = gateway.consumer.clone();
    let polling = std::thread::spawn(move || consumer.take("readings", 20));
    end_to_end::wait::for_true("the long poll", end_to_end::wait::SOON, || {
        gateway.consumer.metrics().is_ok_and(|metrics| metrics.sum("iot_gateway_sockets", "") >= 4.0)
    })?;
    let started = Instant::now();
    gateway.stop()?;
    assert!(started.elapsed() < Duration::from_secs(12), "it took {:?}", started.elapsed());
    // An answer or a closed connection; not a hang.
    let _ = polling.join().expect("the poll does not panic");
    Ok(())
}

#[test]
fn a_persistent_session_goes_on_after_a_clean_end() -> anyhow::Result<()> {
    let site = Site::new("")?;
    let mut gateway = Gateway::start(&site)?;
    let durable = Connect::durable(V5, "listener");
    let mut listener = Client::connect_plain(site.plain_address, &durable)?;
    listener.subscribe("news/#", 1)?;
    listener.disconnect()?;
    let mut publisher = Client::connect_plain(site.plain_address, &Connect::clean(V5, "publisher"))?;
    publisher.publish("news/a", "while away")?;
    publisher.retain("news/kept", "retained")?;
    gateway.stop()?;
    gateway.start_again()?;
    let mut listener = Client::plain(site.plain_address)?;
    assert_eq!(listener.connect(&durable)?.body[..2], [1, 0], "the session is present");
    assert_eq!(listener.receive()?.payload, b"while away");
    assert_eq!(listener.receive()?.payload, b"retained");
    Ok(())
}
