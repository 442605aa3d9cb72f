//! A device without sockets or clocks.

use std::sync::Arc;
use std::time::Duration;

use super::{Device, Turn, Wish};
use crate::engine::role::{Role, Run, decoder};
use crate::scenario::{
    Answer, Fleet, Protocol, Publication, Qos, QosMix, Scenario, Server, Subscription, Template, Thresholds,
    Timing,
};
use crate::truth::Counts;
use crate::wire::{self, Accepted, Incoming, Publish};

fn device(fleet: Fleet) -> Device {
    let fleet = Arc::new(fleet);
    let scenario = Scenario {
        name: "test".to_owned(),
        seed: 1,
        ends_after: None,
        drain: Duration::from_secs(1),
        server: Server::default(),
        fleets: vec![Arc::clone(&fleet)],
        stages: Arc::default(),
        faults: Vec::new(),
        hooks: Vec::new(),
        read_back: None,
        thresholds: Thresholds::default(),
    };
    let role = Role::new(Arc::new(Run::new(&scenario, "test", 0)), 0, fleet, None);
    Device::new(Arc::new(role), 0, "pump-1".into())
}

/// A fleet whose devices publish so many messages of this quality of service as fast as they may.
fn publishing(qos: Qos, messages: u64) -> Fleet {
    let publication = Publication {
        topic: Template::parse("pumps/{device}").unwrap(),
        qos: QosMix::only(qos),
        timing: Timing::Saturate,
        messages_max: Some(messages),
        ..Publication::default()
    };
    Fleet { publications: vec![Arc::new(publication)], ..Fleet::default() }
}

/// Connects and greets the device; the result is what it writes then.
fn connect(device: &mut Device, counts: &mut Counts, now: u64, accepted: Accepted<'_>) -> Vec<u8> {
    tell(counts, now, |turn| device.wake(turn));
    assert_eq!(device.take_wish(), Some(Wish::Open));
    tell(counts, now, |turn| device.opened(turn));
    tell(counts, now, |turn| {
        device.received(&Incoming::ConnAck(accepted), turn);
        device.tend(turn);
    })
}

/// First bytes of packets.
fn firsts(mut bytes: &[u8]) -> Vec<u8> {
    let mut firsts = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        let (length, rest) = match rest {
            [more, rest @ ..] if *length >= 0x80 => {
                (usize::from(length & 0x7F) | usize::from(*more) << 7, rest)
            }
            rest => (usize::from(*length), rest),
        };
        firsts.push(*first);
        bytes = &rest[length..];
    }
    firsts
}

/// Tells the device something; the result is what it writes.
fn tell(counts: &mut Counts, now: u64, act: impl FnOnce(&mut Turn<'_>)) -> Vec<u8> {
    let (mut out, mut spare) = (Vec::new(), Vec::new());
    act(&mut Turn { now, out: &mut out, tally: counts, spare: &mut spare });
    out
}

#[test]
fn a_command_is_answered_after_a_while_and_once() {
    let template = |text| Template::parse(text).unwrap();
    let answer = Answer {
        filter: template("commands/{device}/+"),
        topic: Some(template("answers/{device}")),
        payload: template("done by {device}"),
        qos: Qos::AtLeastOnce,
        after: Duration::from_millis(50),
    };
    let mut device = device(Fleet { answer: Some(answer), ..Fleet::default() });
    let mut counts = Counts::default();
    tell(&mut counts, 0, |turn| device.wake(turn));
    assert_eq!(device.take_wish(), Some(Wish::Open));
    tell(&mut counts, 10, |turn| device.opened(turn));
    let greeting = Incoming::ConnAck(Accepted::default());
    let subscribed = tell(&mut counts, 20, |turn| device.received(&greeting, turn));
    assert_eq!(subscribed[0], 0x82, "it subscribes to its commands");
    let command = Publish { topic: "commands/pump-1/open", payload: b"now", ..Publish::default() };
    let other = Publish { topic: "news", ..command };
    let at_once = tell(&mut counts, 1000, |turn| {
        device.received(&Incoming::Publish(other), turn);
        device.received(&Incoming::Publish(command), turn);
        device.tend(turn);
    });
    assert!(at_once.is_empty());
    assert_eq!(device.wakes_at(), Some(51_000));
    let later = tell(&mut counts, 51_000, |turn| device.wake(turn));
    // A PUBLISH to a server is in the same form as one from it.
    let mut packets = decoder(wire::Version::V3);
    let Incoming::Publish(publish) = packets.next(&mut later.as_slice()).unwrap().unwrap() else {
        panic!("no PUBLISH")
    };
    assert_eq!((publish.topic, publish.payload), ("answers/pump-1", &b"done by pump-1"[..]));
    let packet_id = publish.packet_id;
    tell(&mut counts, 52_000, |turn| device.received(&Incoming::PubAck { packet_id, code: 0 }, turn));
    assert_eq!((counts.answered, counts.received, counts.acknowledged), (1, 2, 0));
    assert!(tell(&mut counts, 60_000, |turn| device.tend(turn)).is_empty());
}

#[test]
fn a_message_that_waits_for_its_successor_wants_no_turn() {
    let every = Publication {
        timing: Timing::Every(Duration::from_secs(1)),
        messages_max: Some(3),
        ..Publication::default()
    };
    let mut device = device(Fleet { publications: vec![Arc::new(every)], ..Fleet::default() });
    let mut counts = Counts::default();
    connect(&mut device, &mut counts, 0, Accepted::default());
    device.tricks().reorder = 1.0;
    let due = device.wakes_at().unwrap();
    assert!(tell(&mut counts, due, |turn| device.wake(turn)).is_empty());
    assert!(!device.wants_turn(), "it would get one turn after the other until the successor is due");
}

#[test]
fn it_subscribes_until_the_session_has_it() {
    let news = Subscription { filter: Template::parse("news").unwrap(), qos: Qos::AtMostOnce };
    let mut device = device(Fleet { subscriptions: vec![news], ..Fleet::default() });
    let mut counts = Counts::default();
    let present = Accepted { session_present: true, ..Accepted::default() };
    // (what the server has, whether it answers the SUBSCRIBE, whether there is one)
    let steps = [
        ("the session of an earlier run", present, false, true),
        ("a session without an answer", present, true, true),
        ("the session that it subscribed in", present, false, false),
        ("no session", Accepted::default(), true, true),
    ];
    for (number, (name, accepted, answered, subscribes)) in (1..).zip(steps) {
        let now = number * 60_000_000;
        let written = connect(&mut device, &mut counts, now, accepted);
        assert_eq!(firsts(&written) == [0x82], subscribes, "{name}: {written:?}");
        tell(&mut counts, now, |turn| {
            if answered {
                device.received(&Incoming::SubAck { packet_id: 65_535, codes: &[0] }, turn);
            }
            device.broken("cut", turn);
        });
        device.take_wish();
    }
}

#[test]
fn only_the_right_acknowledgement_counts() {
    let (ack, rec) = (Incoming::PubAck { packet_id: 1, code: 0 }, Incoming::PubRec { packet_id: 1, code: 0 });
    let comp = |code| Incoming::PubComp { packet_id: 1, code };
    // (quality of service, what the server says, acknowledged, whether the connection goes on)
    let cases = [
        (Qos::AtLeastOnce, vec![ack], 1, true),
        (Qos::AtLeastOnce, vec![rec], 0, false),
        (Qos::AtLeastOnce, vec![comp(0)], 0, false),
        (Qos::ExactlyOnce, vec![ack], 0, false),
        (Qos::ExactlyOnce, vec![comp(0)], 0, false),
        (Qos::ExactlyOnce, vec![rec, rec, comp(0)], 1, true),
        (Qos::ExactlyOnce, vec![rec, comp(0x92)], 1, true),
    ];
    for (qos, packets, acknowledged, goes_on) in cases {
        let fleet = Fleet { protocol: Protocol::V5, ..publishing(qos, 2) };
        let (mut device, mut counts) = (device(fleet), Counts::default());
        connect(&mut device, &mut counts, 0, Accepted::default());
        tell(&mut counts, 10, |turn| packets.iter().for_each(|packet| device.received(packet, turn)));
        assert_eq!(counts.acknowledged, acknowledged, "{qos:?} {packets:?}");
        assert_eq!(counts.connected == 1, goes_on, "{qos:?} {packets:?}: {:?}", counts.disconnects);
        assert!(counts.refused.all().is_empty());
    }
}

#[test]
fn a_device_without_a_connection_cannot_be_half_open() {
    let (mut device, mut counts) = (device(publishing(Qos::AtLeastOnce, 3)), Counts::default());
    assert!(!device.fall_silent());
    let written = connect(&mut device, &mut counts, 0, Accepted::default());
    assert_eq!(firsts(&written), [0x32; 3], "it publishes");
    assert!(device.fall_silent() && device.is_silent());
    // Another fault ends the silence with the connection.
    tell(&mut counts, 1000, |turn| device.cut(2000, false, turn));
    assert!(!device.is_silent());
    let present = Accepted { session_present: true, ..Accepted::default() };
    device.take_wish();
    let written = connect(&mut device, &mut counts, 2000, present);
    assert_eq!(firsts(&written), [0x3A; 3], "the same again with DUP");
}

#[test]
fn what_is_written_again_keeps_to_the_limits_of_server_and_turn() {
    let fleet = Fleet { inflight_max: 100, protocol: Protocol::V5, ..publishing(Qos::AtLeastOnce, 120) };
    let (mut device, mut counts) = (device(fleet), Counts::default());
    let first = connect(&mut device, &mut counts, 0, Accepted::default());
    assert_eq!(firsts(&first), [0x32; 100]);
    let lose = |device: &mut Device, counts: &mut Counts, now, accepted| {
        tell(counts, now, |turn| device.broken("cut", turn));
        device.take_wish();
        connect(device, counts, now + 60_000_000, accepted)
    };
    // The server takes fewer at once than it did before.
    let fewer = Accepted { receive_max: 10, session_present: true, ..Accepted::default() };
    let again = lose(&mut device, &mut counts, 1000, fewer);
    assert_eq!((firsts(&again), counts.resent), (vec![0x3A; 10], 10));
    assert!(!device.wants_turn(), "it waits for acknowledgements");
    let next = tell(&mut counts, 61_000_000, |turn| {
        device.received(&Incoming::PubAck { packet_id: 1, code: 0 }, turn);
        device.tend(turn);
    });
    assert_eq!(firsts(&next), [0x3A]);
    let forgot = Accepted { receive_max: 10, ..Accepted::default() };
    let anew = lose(&mut device, &mut counts, 62_000_000, forgot);
    assert_eq!((firsts(&anew), counts.republished), (vec![0x32; 10], 10));
    assert_eq!((counts.sent, counts.acknowledged), (100, 1));
}
