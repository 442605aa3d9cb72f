//! What routing and fan-out cost: `cargo bench -p broker`.

#![allow(missing_docs, reason = "criterion_group makes a public function")]

use broker::{Attachment, Broker, Limits, Message, Session};
use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mqtt::{
    Connect, PacketId, Properties, Publish, Qos, Subscribe, SubscribeFilter, SubscriptionOptions, Text,
    Version,
};
use std::hint::black_box;
use std::sync::Arc;

const SUBSCRIPTIONS: usize = 1_000_000;
const SUBSCRIPTIONS_PER_CLIENT: usize = 1_000;

#[derive(Clone)]
struct Anyone;

impl Attachment for Anyone {
    fn may_receive(&self, _topic: &str) -> bool {
        true
    }

    fn owner(&self) -> Arc<str> {
        "anyone".into()
    }

    fn owns(&self, _: &str) -> bool {
        true
    }

    fn persisted(&self) -> Arc<str> {
        "anyone".into()
    }
}

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

fn message(topic: &str, qos: Qos) -> Arc<Message> {
    let publish = Publish {
        dup: false,
        qos,
        retain: false,
        topic: Text::try_from(topic).expect("legal text"),
        packet_id: None,
        properties: Properties::default(),
        payload: Bytes::from(vec![b'x'; 128]),
    };
    Arc::new(Message::of(&publish, Arc::from("publisher"), 0))
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

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = topic_match, fan_out
}
criterion_main!(benches);
