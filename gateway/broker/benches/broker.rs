//! What routing, fan-out and fan-in cost: `cargo bench -p broker`. Compare within one run: ratios hold on any machine, times do not.
//!
//! The limit of fan-in is the one subscriber: its session has one lock, one queue and one connection, so all publishers together can send
//! it no more than one core appends and writes. More publishers do not raise that; the bench, where one core does the publishers' part
//! as well, shows what each message costs more when it comes from one of many. Beyond the limit the queue grows to
//! `Limits::queue_messages_max`, and then the policy of full queues applies. Who needs more takes a shared subscription: each of its
//! members has a session of its own.

#![allow(missing_docs, reason = "criterion_group makes a public function")]

#[path = "../tests/stage/anyone.rs"]
mod anyone;

use anyone::Anyone;
use broker::{Broker, DropReason, Limits, Message, Received, Session};
use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mqtt::{
    Connect, Packet, PacketId, Properties, Publish, Qos, Subscribe, SubscribeFilter, SubscriptionOptions,
    Text, Version,
};
use std::hint::black_box;
use std::sync::Arc;

const SUBSCRIPTIONS: usize = 1_000_000;
const SUBSCRIPTIONS_PER_CLIENT: usize = 1_000;
/// Messages that arrive before the subscriber's connection has its turn: well within the default queue.
const MESSAGES_PER_TURN: usize = 64;

fn connect(broker: &Broker<Anyone>, number: usize) -> Session<Anyone> {
    let connect = Connect {
        version: Version::V5,
        clean_start: true,
        keep_alive_secs: 60,
        properties: Properties::default(),
        client_id: Text::try_from(format!("device-{number}")).expect("legal text"),
        will: None,
        username: None,
        password: None,
    };
    broker.connect(&connect, Anyone, Arc::new(|| {}), 0).expect("within the limits").session
}

fn subscribe(
    broker: &Broker<Anyone>,
    session: &Session<Anyone>,
    filters: impl Iterator<Item = String>,
    qos: Qos,
) {
    let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
    let request = Subscribe {
        packet_id: PacketId::FIRST,
        properties: Properties::default(),
        filters: filters
            .map(|filter| SubscribeFilter { filter: Text::try_from(filter).expect("legal text"), options })
            .collect(),
    };
    broker.subscribe(session, &request, |_| Ok(())).expect("a legal request");
}

fn publish(topic: &str, qos: Qos) -> Publish {
    Publish {
        dup: false,
        qos,
        retain: false,
        topic: Text::try_from(topic).expect("legal text"),
        packet_id: None,
        properties: Properties::default(),
        payload: Bytes::from(vec![b'x'; 128]),
    }
}

fn message(topic: &str, qos: Qos) -> Arc<Message> {
    Arc::new(Message::of(&publish(topic, qos), Arc::from("publisher"), 0))
}

/// One in a hundred has a wildcard, in one of four forms.
fn filter(number: usize) -> String {
    let (site, device) = (number / 1_000, number % 1_000);
    match number % 400 {
        0 => format!("site/{site}/+/temperature/{device}"),
        1 => format!("site/{site}/{device}/#"),
        2 => format!("+/{site}/{device}/state"),
        3 => format!("site/+/{device}/alarm/{site}"),
        _ => format!("site/{site}/{device}/temperature"),
    }
}

fn topic_match(criterion: &mut Criterion) {
    let broker = Broker::new(Limits::default(), [0; 32]);
    let clients = SUBSCRIPTIONS / SUBSCRIPTIONS_PER_CLIENT;
    let sessions: Vec<_> = (0..clients).map(|number| connect(&broker, number)).collect();
    for (number, session) in sessions.iter().enumerate() {
        let first = number * SUBSCRIPTIONS_PER_CLIENT;
        subscribe(&broker, session, (first..first + SUBSCRIPTIONS_PER_CLIENT).map(filter), Qos::AtLeastOnce);
    }
    let mut group = criterion.benchmark_group("match against 1,000,000 subscriptions");
    for (name, topic) in [
        ("one exact", "site/500/500/temperature"),
        ("one exact and one wildcard", "site/500/401/temperature"),
        ("none", "site/500/nowhere/temperature"),
        ("none, elsewhere", "elsewhere"),
    ] {
        let message = message(topic, Qos::AtLeastOnce);
        group.bench_function(name, |bencher| bencher.iter(|| broker.route(black_box(&message)).len()));
    }
    group.finish();
}

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan-out");
    for subscribers in [1, 10, 100, 1_000, 10_000] {
        let broker = Broker::new(Limits::default(), [0; 32]);
        let sessions: Vec<_> = (0..subscribers).map(|number| connect(&broker, number)).collect();
        for session in &sessions {
            subscribe(&broker, session, std::iter::once("news".to_owned()), Qos::AtMostOnce);
        }
        let message = message("news", Qos::AtMostOnce);
        let mut out = BytesMut::with_capacity(4_096);
        group.throughput(Throughput::Elements(subscribers as u64));
        group.bench_function(
            format!("{subscribers} subscribers, routed, delivered and encoded"),
            |bencher| {
                bencher.iter(|| {
                    let route = broker.route(&message);
                    broker.deliver(&route, &message, None, 0);
                    for session in &sessions {
                        out.clear();
                        session.poll_outgoing(0, 4_096, &mut out);
                    }
                });
            },
        );
    }
    group.finish();
}

/// One packet of a publisher, up to the outbox of the subscriber.
fn take(broker: &Broker<Anyone>, publisher: &Session<Anyone>, packet: Packet) {
    let Received::Publish(incoming) = publisher.receive(packet) else { panic!("a legal publish is taken") };
    let message = Arc::new(Message::of(&incoming.publish, publisher.client_id().clone(), 0));
    broker.deliver(&broker.route(&message), &message, None, 0);
}

fn write_all(subscriber: &Session<Anyone>, out: &mut BytesMut) {
    loop {
        out.clear();
        if !subscriber.poll_outgoing(0, 4_096, out).more {
            return;
        }
    }
}

fn fan_in(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan-in");
    for publishers in [1, 10, 100, 1_000, 10_000] {
        let broker = Broker::new(Limits::default(), [0; 32]);
        let subscriber = connect(&broker, publishers);
        subscribe(&broker, &subscriber, std::iter::once("news/#".to_owned()), Qos::AtMostOnce);
        let sessions: Vec<_> = (0..publishers)
            .map(|number| (connect(&broker, number), publish(&format!("news/{number}"), Qos::AtMostOnce)))
            .collect();
        let mut out = BytesMut::with_capacity(4_096);
        group.throughput(Throughput::Elements(publishers as u64));
        group.bench_function(
            format!("{publishers} publishers, a message each: received, routed, delivered and encoded"),
            |bencher| {
                bencher.iter(|| {
                    for turn in sessions.chunks(MESSAGES_PER_TURN) {
                        for (publisher, publish) in turn {
                            take(&broker, publisher, Packet::Publish(publish.clone()));
                        }
                        write_all(&subscriber, &mut out);
                    }
                });
            },
        );
        let dropped: u64 = DropReason::ALL.iter().map(|reason| broker.stats().dropped(*reason)).sum();
        assert_eq!(dropped, 0, "every message has reached the subscriber");
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = topic_match, fan_out, fan_in
}
criterion_main!(benches);
