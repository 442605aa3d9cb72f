//! Connection tasks on several threads at once: nothing hangs, nothing is counted wrong, nothing is lost.

use broker::{Broker, Limits, Message, Parting, Received, Session};
use bytes::BytesMut;
use mqtt::{Connect, Packet, Qos, ReasonCode, Version};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

#[path = "stage/anyone.rs"]
mod anyone;
mod stage;

use anyone::Anyone;
use stage::text;

const THREADS: usize = 4;
const MESSAGES: usize = 1_000;

fn connect(broker: &Broker<Anyone>, line: &str) -> Session<Anyone> {
    let Packet::Connect(connect) = text::parse(line) else { panic!("`{line}` is no CONNECT") };
    let connect: Connect = *connect;
    broker.connect(&connect, Anyone, Arc::new(|| {}), 0).expect("within the limits").session
}

/// What the gateway does with one packet, with a journal that is always quick.
fn receive(broker: &Broker<Anyone>, session: &Session<Anyone>, packet: Packet) {
    match session.receive(packet) {
        Received::Publish(incoming) => {
            let message = Arc::new(Message::of(&incoming.publish, session.client_id().clone(), 0));
            let route = broker.route(&message);
            broker.deliver(&route, &message, None, 0);
            if let Some(token) = incoming.token {
                session.acknowledge(token, ReasonCode::Success, "");
            }
        }
        Received::Subscribe(request) => {
            broker.subscribe(session, &request, |_| Ok(())).expect("a legal request");
        }
        Received::Unsubscribe(request) => {
            broker.unsubscribe(session, &request);
        }
        _ => {}
    }
}

/// Reads everything there is, acknowledges it, and gives the payloads.
fn drain(session: &Session<Anyone>) -> Vec<String> {
    let mut payloads = Vec::new();
    loop {
        let mut out = BytesMut::new();
        let outgoing = session.poll_outgoing(0, 4_096, &mut out);
        while let Some(packet) = mqtt::decode(&mut out, Some(Version::V5), usize::MAX).expect("legal packets")
        {
            let Packet::Publish(publish) = packet else { continue };
            payloads.push(String::from_utf8_lossy(&publish.payload).into_owned());
            if let Some(id) = publish.packet_id {
                assert_eq!(publish.qos, Qos::AtLeastOnce);
                session.receive(text::parse(&format!("PUBACK {id}")));
            }
        }
        if outgoing.packets == 0 {
            return payloads;
        }
    }
}

/// Every thread publishes in order to one subscriber per thread while others subscribe, leave and take sessions over around them.
#[test]
fn publishers_subscribers_and_churn_do_not_disturb_each_other() {
    let limits = Limits { queue_messages_max: usize::MAX, ..Limits::default() };
    let broker = Broker::new(limits, [1; 32]);
    let barrier = Barrier::new(THREADS * 2 + 1);
    let publishing = AtomicUsize::new(THREADS);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let subscribers: Vec<_> = (0..THREADS).map(|number| subscriber(&broker, number)).collect();
        for number in 0..THREADS {
            let (broker, barrier, publishing) = (&broker, &barrier, &publishing);
            scope.spawn(move || {
                let session = connect(broker, &format!("CONNECT clean id=p{number}"));
                barrier.wait();
                for count in 0..MESSAGES {
                    let line = format!("PUBLISH t/{number} {number}:{count:06} qos=1 id={}", count % 50 + 1);
                    receive(broker, &session, text::parse(&line));
                }
                broker.disconnected(&session, Parting::Clean, 0);
                publishing.fetch_sub(1, Ordering::AcqRel);
            });
        }
        for number in 0..THREADS {
            let (broker, barrier, stop) = (&broker, &barrier, &stop);
            scope.spawn(move || {
                barrier.wait();
                churn(broker, number, stop);
            });
        }
        barrier.wait();
        let mut taken = vec![Vec::new(); THREADS];
        loop {
            let is_last = publishing.load(Ordering::Acquire) == 0;
            for (session, taken) in subscribers.iter().zip(&mut taken) {
                taken.extend(drain(session));
            }
            if is_last {
                break;
            }
        }
        stop.store(true, Ordering::Release);
        for (session, taken) in subscribers.iter().zip(&taken) {
            check(taken);
            broker.disconnected(session, Parting::Clean, 0);
        }
    });
    let stats = broker.stats();
    assert_eq!((stats.connected, stats.sessions, stats.subscriptions), (0, 0, 0));
    assert_eq!((stats.queued_messages, stats.queued_bytes, stats.in_flight), (0, 0, 0));
    assert_eq!((stats.shared_subscriptions, stats.wildcard_subscriptions), (0, 0));
}

fn subscriber(broker: &Broker<Anyone>, number: usize) -> Session<Anyone> {
    let session = connect(broker, &format!("CONNECT clean id=s{number}"));
    receive(broker, &session, text::parse("SUBSCRIBE 1 t/+:1"));
    session
}

/// Connects over itself, subscribes wildcards and shared groups that match, and leaves in every way.
fn churn(broker: &Broker<Anyone>, number: usize, stop: &AtomicBool) {
    let mut round = 0;
    while !stop.load(Ordering::Acquire) {
        round += 1;
        let durable = if round % 2 == 0 { "session=100" } else { "clean" };
        // Two threads fight for one identifier.
        let first = connect(broker, &format!("CONNECT {durable} id=c{}", number / 2));
        receive(broker, &first, text::parse("SUBSCRIBE 1 t/#:1 $share/g/t/+:1 t/0:2 other/+/x:0"));
        let second = connect(broker, &format!("CONNECT {durable} id=c{}", number / 2));
        drain(&second);
        receive(broker, &second, text::parse("UNSUBSCRIBE 1 t/#"));
        broker.disconnected(&first, Parting::TakenOver, 0);
        broker.disconnected(&second, if round % 3 == 0 { Parting::Lost } else { Parting::Clean }, 0);
        broker.tick(round, 10);
    }
    broker.end_session(&format!("c{}", number / 2), ReasonCode::AdministrativeAction, 0);
}

/// All messages of all publishers, each publisher's in order.
fn check(taken: &[String]) {
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    for payload in taken {
        let (publisher, count) = payload.split_once(':').expect("publisher:count");
        let expected = next.entry(publisher).or_default();
        assert_eq!(count.parse(), Ok(*expected), "publisher {publisher} is out of order");
        *expected += 1;
    }
    assert_eq!(next.values().copied().collect::<Vec<_>>(), vec![MESSAGES; THREADS]);
}
