//! What a gateway that was killed still owes: wills of the clients that it had, and retained messages that it had promised.

use anyhow::Context;
use certs::Reason;
use end_to_end::durable::{Subscriber, origin};
use end_to_end::{Client, Connect, Gateway, Publish, Site, Will, kind, run_command, wait};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const V3: u8 = 4;
const V5: u8 = 5;
const RETAINED: u64 = 500;
const KILLS: u32 = 6;

fn with_will(connect: Connect, name: &str) -> Connect {
    let will = Will { topic: format!("plant/{name}/will"), payload: name.as_bytes().to_vec() };
    Connect { will: Some(will), ..connect }
}

fn deactivate(site: &Site, name: &str) -> anyhow::Result<()> {
    let settings = site.settings_file().display().to_string();
    let fingerprint = site.fingerprint(name)?;
    run_command(&["things", "--config", &settings, "status", &fingerprint, "inactive"]).map(drop)
}

#[test]
fn wills_of_clients_that_the_kill_cut_off_are_published_once_if_they_still_may() -> anyhow::Result<()> {
    let mut site = Site::new("")?;
    site.register(&["kiln-1", "kiln-2", "kiln-3", "kiln-4"])?;
    let mut gateway = Gateway::start(&site)?;
    let watches = Connect::durable(V5, "watcher");
    let mut watcher = Client::connect_plain(site.plain_address, &watches)?;
    assert_eq!(watcher.subscribe("plant/+/will", 1)?, 1);
    watcher.disconnect()?;
    let tls = |name: &str, connect: Connect| {
        let connect = with_will(connect, name);
        Client::connect_tls(site.tls_address, &site.device(name)?, &connect)
    };
    let plain =
        |name: &str| Client::connect_plain(site.plain_address, &with_will(Connect::clean(V5, name), name));
    let _connected = [
        tls("kiln-1", Connect::clean(V3, "kiln-1"))?,
        tls("kiln-2", Connect::durable(V5, "kiln-2"))?,
        tls("kiln-3", Connect::durable(V3, "kiln-3"))?,
        tls("kiln-4", Connect::clean(V5, "kiln-4"))?,
        plain("plain")?,
    ];
    plain("gone-before")?.disconnect()?;
    gateway.kill()?;
    // Who may not connect any more, may not leave a will either: one by the registry, one by the revocation list alone.
    deactivate(&site, "kiln-3")?;
    site.authority().revoke("kiln-4", Reason::KeyCompromise)?;
    gateway.start_again()?;
    let consumer = gateway.consumer.clone();
    for reason in ["not_admitted", "not_trusted"] {
        wait::for_true(&format!("a will to be refused, {reason}"), wait::SOON, || {
            let metrics = consumer.metrics();
            metrics.is_ok_and(|metrics| metrics.sum("iot_gateway_wills_refused_total", reason) == 1.0)
        })?;
    }
    let mut watcher = Client::connect_plain(site.plain_address, &watches)?;
    let mut found = BTreeSet::new();
    for _ in 0..3 {
        let message = watcher.receive()?;
        assert!(!message.dup);
        assert!(found.insert(String::from_utf8(message.payload)?), "a will came twice");
    }
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), ["kiln-1", "kiln-2", "plain"]);
    // Nothing is left to be published by the next start.
    watcher.disconnect()?;
    gateway.kill_and_start_again()?;
    let mut watcher = Client::connect_plain(site.plain_address, &watches)?;
    let mut publisher = Client::connect_plain(site.plain_address, &Connect::clean(V5, "publisher"))?;
    publisher.publish("plant/end/will", "end")?;
    while let message = watcher.receive()?
        && message.payload != b"end"
    {
        assert!(message.dup, "{message:?} is no repeat");
    }
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    Ok(())
}

/// Takes messages until there are enough, or the time is up; then a little longer.
fn subscribe(
    mut subscriber: Subscriber,
    subscribed: &AtomicBool,
    count: &AtomicU64,
) -> anyhow::Result<Subscriber> {
    let deadline = Instant::now() + Duration::from_secs(120);
    while subscriber.count() < RETAINED && Instant::now() < deadline {
        subscriber.turn()?;
        subscribed.store(subscriber.is_subscribed(), Relaxed);
        count.store(subscriber.count(), Relaxed);
    }
    (0..20).try_for_each(|_| subscriber.turn())?;
    Ok(subscriber)
}

#[test]
fn retained_messages_come_exactly_once_to_a_new_subscription_over_kills() -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(5);
    let site = Site::new("")?;
    let mut gateway = Gateway::start(&site)?;
    let mut publisher = Client::connect_plain(site.plain_address, &Connect::clean(V5, "publisher"))?;
    let mut counts = BTreeMap::new();
    for number in 0..RETAINED {
        let name = format!("{number:04}");
        let payload = format!("{{\"publisher\": \"{name}\", \"sequence\": 0}}");
        origin(&serde_json::from_str(&payload)?)?;
        let id = publisher.next_id();
        let publish =
            Publish { qos: 2, id, retain: true, ..Publish::new(&format!("plant/{name}/telemetry"), payload) };
        let bytes = publisher.publish_bytes(&publish);
        publisher.send(&bytes)?;
        publisher.expect_answer(kind::PUBREC, id)?;
        publisher.answer(kind::PUBREL, id)?;
        publisher.expect_answer(kind::PUBCOMP, id)?;
        counts.insert(name, 1);
    }
    let subscriber =
        Subscriber::new(site.plain_address, V5, "late", "plant/+/telemetry").with_receive_maximum(1);
    let (subscribed, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut kills, mut amid) = (0, 0);
    let subscriber = std::thread::scope(|scope| -> anyhow::Result<Subscriber> {
        let taking = scope.spawn(|| subscribe(subscriber, &subscribed, &count));
        wait::for_true("the subscription", wait::SOON, || subscribed.load(Relaxed))?;
        while kills < KILLS && count.load(Relaxed) < RETAINED && !taking.is_finished() {
            wait::let_pass(Duration::from_millis(random.random_range(0..100)));
            amid += u32::from(count.load(Relaxed) < RETAINED);
            gateway.kill_and_start_again()?;
            kills += 1;
        }
        taking.join().expect("a subscriber does not panic").context("the subscriber")
    })?;
    eprintln!(
        "{} retained messages over {kills} kills, {amid} of them before the last; {} repeats recognised",
        subscriber.count(),
        subscriber.repeats()
    );
    subscriber.check(&counts)?;
    assert!(amid >= 2, "the kills came too late to prove anything");
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    Ok(())
}
