//! What the store and the journal say after the process died between any two steps.

use super::SessionStore;
use crate::client::Client;
use broker::{
    Broker, Carried, Change, CopyOptions, Flight, FlightStage, Limits, SavedFeed, SavedSubscription,
    SavedWill, SessionHeader, SessionKey, SessionState, WillKey,
};
use bus::{Bus, BusSettings, Origin, Owed, Record, Source};
use bytes::Bytes;
use journal::Journal;
use journal::state::StateStore;
use mqtt::{PacketId, Properties, Qos, SubscriptionOptions, Text, Version, Will};
use std::sync::Arc;
use tempfile::TempDir;

const NOW_MS: u64 = 1_800_000_000_000;
const KEY: SessionKey = SessionKey(7);

/// What outlives a process.
struct Disk {
    _folder: TempDir,
    state: StateStore,
    journal: Journal,
    bus: Bus,
}

impl Disk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let state = StateStore::open(folder.path().join("state")).unwrap();
        let journal = Journal::open(folder.path().join("journal"), journal::Settings::default()).unwrap();
        let bus = Bus::open(journal.clone(), &state, BusSettings::default()).unwrap();
        Self { _folder: folder, state, journal, bus }
    }

    fn process(&self) -> Process<'_> {
        let broker = Broker::recording(Limits::default(), [1; 32]);
        let floor = self.bus.register_floor("sessions", self.journal.oldest());
        let store = SessionStore::open(&self.state, &self.journal, floor, &broker, NOW_MS).unwrap();
        Process { disk: self, store, broker }
    }
}

/// What dies with it.
struct Process<'d> {
    disk: &'d Disk,
    store: SessionStore,
    broker: Broker<Client>,
}

impl Process<'_> {
    async fn persist(&self, changes: impl IntoIterator<Item = Change>) {
        self.store.persist(changes.into_iter().collect()).await.unwrap();
    }

    async fn append(&self, record: &Record) -> u64 {
        let mut producer = self.disk.bus.producer();
        let offset = producer.append(record).await.unwrap();
        producer.next_outcome().await.1.unwrap();
        offset.0
    }

    fn session(&self, client_id: &str) -> SessionState {
        self.broker.export(client_id).expect("the session is there")
    }

    /// The thread that follows the journal ends; what comes into the journal from now on it does not see.
    fn stop_following(&self) {
        self.store.close();
    }

    fn restart(self) -> Self {
        self.store.close();
        self.disk.process()
    }
}

fn header(key: SessionKey, client_id: &str) -> Change {
    Change::Header(Box::new(SessionHeader {
        key,
        client_id: client_id.into(),
        owner: None,
        version: Version::V5,
        expiry_secs: 3_600,
        expires_at_ms: None,
    }))
}

fn exchange(packet_id: u16) -> Record {
    Record {
        client_id: "kiln".to_owned(),
        topic: "t".to_owned(),
        source: Some(Source::Exchange { session: KEY.0, packet_id }),
        ..Record::new(Origin::Device, NOW_MS)
    }
}

fn owed_to(session: SessionKey) -> Record {
    Record {
        message: Some(bus::Message {
            payload: Bytes::from_static(b"m"),
            properties: Bytes::new(),
            quality_of_service: 2,
            retain: false,
            expires_at_ms: None,
        }),
        owed: vec![Owed {
            session: super::address(session, None),
            quality_of_service: 2,
            retain: false,
            subscription_ids: Vec::new(),
        }],
        ..exchange(1)
    }
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn released(number: u16, offset: u64) -> Change {
    Change::InboundReleased { key: KEY, packet_id: id(number), offset: Some(offset) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_qos_2_publish_is_taken_exactly_if_its_record_is_durable() {
    let disk = Disk::new();
    let process = disk.process();
    process.persist([header(KEY, "kiln")]).await;
    process.stop_following();
    let offset = process.append(&exchange(5)).await;
    let process = process.restart();
    assert_eq!(process.session("kiln").inbound, [(id(5), Some(offset))]);
    // What a restart found is released as what this process took.
    process.persist([released(5, offset)]).await;
    let process = process.restart();
    assert_eq!(process.session("kiln").inbound, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_a_released_identifier_takes_it_no_more() {
    let disk = Disk::new();
    let process = disk.process();
    process.persist([header(KEY, "kiln")]).await;
    for _ in 0..50 {
        // The follower has had no time to look at the record when its release comes.
        let offset = process.append(&exchange(5)).await;
        process.persist([released(5, offset)]).await;
    }
    let process = process.restart();
    assert_eq!(process.session("kiln").inbound, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_does_not_undo_what_a_later_record_took() {
    let disk = Disk::new();
    let process = disk.process();
    process.persist([header(KEY, "kiln")]).await;
    let first = process.append(&exchange(5)).await;
    let second = process.append(&exchange(5)).await;
    process.persist([released(5, first)]).await;
    let process = process.restart();
    assert_eq!(process.session("kiln").inbound, [(id(5), Some(second))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identifier_without_a_record_is_a_row_of_its_own() {
    let disk = Disk::new();
    let process = disk.process();
    process
        .persist([header(KEY, "kiln"), Change::InboundTaken(KEY, id(3)), Change::InboundTaken(KEY, id(4))])
        .await;
    process.persist([Change::InboundReleased { key: KEY, packet_id: id(3), offset: None }]).await;
    let process = process.restart();
    assert_eq!(process.session("kiln").inbound, [(id(4), None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_that_ended_took_is_nobodys() {
    let disk = Disk::new();
    let process = disk.process();
    process.persist([header(KEY, "kiln")]).await;
    process.persist([Change::Closed(KEY), header(SessionKey(8), "kiln")]).await;
    process.append(&exchange(5)).await;
    process.append(&owed_to(KEY)).await;
    let process = process.restart();
    let session = process.session("kiln");
    assert_eq!((session.header.key, session.inbound), (SessionKey(8), vec![]));
    assert_eq!(process.broker.stats().queued_messages, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_moves_once_however_often_it_is_said_and_in_whatever_order() {
    let disk = Disk::new();
    let process = disk.process();
    let heir = SessionKey(9);
    process.persist([header(KEY, "kiln"), header(heir, "oven")]).await;
    let group: Arc<str> = "$share/g/t".into();
    let mut record = owed_to(KEY);
    record.owed[0].session = super::address(KEY, Some(&group));
    let offset = process.append(&record).await;
    let options = CopyOptions {
        qos: Qos::ExactlyOnce,
        retain: false,
        identifiers: Vec::new(),
        shared: Some(group.clone()),
    };
    let moved = Change::Moved { from: KEY, to: Some(heir), offset, options };
    // The heir's connection says it first, and is done with the copy before the one that left says the same.
    process.persist([moved.clone(), Change::Settled(heir, offset, Some(group))]).await;
    process.persist([moved, Change::Closed(KEY)]).await;
    let process = process.restart();
    assert_eq!(process.broker.stats().queued_messages, 0, "delivered once is delivered");
    assert_eq!(process.broker.stats().sessions, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_owed_its_own_copy_and_its_groups_one_by_one() {
    let disk = Disk::new();
    let process = disk.process();
    let group: Arc<str> = "$share/g/t".into();
    process.persist([header(KEY, "kiln")]).await;
    let mut record = owed_to(KEY);
    record.owed.push(Owed { session: super::address(KEY, Some(&group)), ..record.owed[0].clone() });
    let offset = process.append(&record).await;
    process.persist([Change::Settled(KEY, offset, None)]).await;
    let process = process.restart();
    assert_eq!(process.broker.stats().queued_messages, 1);
    process.persist([Change::Settled(KEY, offset, Some(group))]).await;
    assert_eq!(process.restart().broker.stats().queued_messages, 0);
}

fn will(key: u64, session: Option<SessionKey>, due_at_ms: Option<u64>) -> SavedWill {
    SavedWill {
        key: WillKey(key),
        client_id: "kiln".into(),
        session,
        left_by: Some(r#"{"format":1,"peer":"192.0.2.7:1883"}"#.into()),
        will: Will {
            qos: Qos::AtLeastOnce,
            retain: false,
            properties: Properties::default(),
            topic: Text::try_from("w").unwrap(),
            payload: Bytes::from_static(b"gone"),
        },
        due_at_ms,
    }
}

fn left(will: SavedWill) -> Change {
    Change::WillLeft(Box::new(will))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_will_is_due_after_a_restart_until_its_record_is_durable() {
    let disk = Disk::new();
    let process = disk.process();
    process
        .persist([left(will(20, None, None)), left(will(21, None, None)), Change::WillOver(WillKey(21))])
        .await;
    let process = process.restart();
    let due = process.broker.tick(NOW_MS, 10).wills;
    assert_eq!(due.iter().map(|will| will.key).collect::<Vec<_>>(), [WillKey(20)]);
    let client = due[0].attachment.as_ref().expect("it is kept who left it");
    assert_eq!((client.client_id(), client.source_ip()), ("kiln", "192.0.2.7"));
    assert_eq!(&due[0].message.payload[..], b"gone");
    // It is published, and the process dies before anything else is noted.
    process.stop_following();
    process.append(&Record { source: Some(Source::Will { will: 20 }), ..exchange(1) }).await;
    let process = process.restart();
    assert_eq!(process.broker.tick(NOW_MS, 10).wills.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_will_waits_for_its_client_as_long_as_it_would_have() {
    let disk = Disk::new();
    let process = disk.process();
    process.persist([header(KEY, "kiln"), left(will(20, Some(KEY), Some(NOW_MS + 5_000)))]).await;
    let process = process.restart();
    assert_eq!(process.broker.tick(NOW_MS + 4_999, 10).wills.len(), 0);
    assert_eq!(process.broker.tick(NOW_MS + 5_000, 10).wills.len(), 1);
    let process = process.restart();
    process.persist([Change::Closed(KEY)]).await;
    let process = process.restart();
    assert_eq!(
        process.broker.tick(NOW_MS, 10).wills.len(),
        1,
        "its session is gone, nobody can come back to it"
    );
}

fn retained(topic: &str, owed: &[SessionKey]) -> Record {
    let owed = owed.iter().flat_map(|key| owed_to(*key).owed).collect();
    let template = owed_to(KEY);
    let message = bus::Message { retain: true, ..template.message.expect("it has one") };
    let topic = topic.to_owned();
    Record { topic, retained: true, message: Some(message), owed, source: None, ..exchange(1) }
}

fn subscribed(filter: &str) -> [Change; 2] {
    let options = SubscriptionOptions { qos: Qos::ExactlyOnce, ..SubscriptionOptions::default() };
    let held = SavedSubscription { filter: filter.into(), options, identifier: None };
    [Change::Subscribed(KEY, held), feeding(filter, b"")]
}

fn feeding(filter: &str, from: &[u8]) -> Change {
    Change::Feeding(KEY, SavedFeed { filter: filter.into(), from: from.into() })
}

/// Connects `kiln` and gives the topics it gets, in order.
fn topics(process: &Process<'_>) -> Vec<String> {
    let principal = access::Principal {
        certificate: Arc::new(access::Certificate::absent()),
        user: None,
        things: Arc::from([]),
        policies: Arc::from([allow_all()]),
    };
    let presence = crate::lifecycle::Presence::past();
    let peer = "192.0.2.7:1883".parse().unwrap();
    let client = Client::new(&principal, "kiln", peer, Arc::from([]), presence);
    let connect = mqtt::Connect {
        version: Version::V3_1_1,
        clean_start: false,
        keep_alive_secs: 0,
        properties: Properties::default(),
        client_id: Text::try_from("kiln").unwrap(),
        will: None,
        username: None,
        password: None,
    };
    let connected = process.broker.connect(&connect, client, Arc::new(|| ()), NOW_MS).unwrap();
    assert!(connected.connack.session_present);
    let mut out = bytes::BytesMut::new();
    while connected.session.poll_outgoing(NOW_MS, 100_000, &mut out).more {}
    let mut topics = Vec::new();
    while let Some(packet) = mqtt::decode(&mut out, Some(Version::V3_1_1), usize::MAX).unwrap() {
        let mqtt::Packet::Publish(publish) = packet else { panic!("{packet:?}") };
        topics.push(format!("{}{}", publish.topic, if publish.dup { " again" } else { "" }));
    }
    topics
}

fn allow_all() -> std::sync::Arc<access::Policy> {
    let document = r#"{ "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": "iot:*", "Resource": "*" }] }"#;
    Arc::new(access::Policy::parse("all", document, access::PolicyLimits::default()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_go_on_where_they_were_and_leave_out_what_came_live() {
    let disk = Disk::new();
    let process = disk.process();
    process.persist([header(KEY, "kiln")]).await;
    for topic in ["a", "b", "c", "d"] {
        process.append(&retained(topic, &[])).await;
    }
    process.persist(subscribed("#")).await;
    // `a` is in flight, and the feed is behind it; `b` came live and is acknowledged; `c` came live and is owed.
    let flight = Flight { packet_id: id(1), stage: FlightStage::Published, offset: None, shared: None };
    let message = super::copies::message(&retained("a", &[])).unwrap();
    let options = CopyOptions { qos: Qos::ExactlyOnce, retain: true, identifiers: Vec::new(), shared: None };
    let carried = Box::new(Carried { message: message.into(), options });
    let live = process.append(&retained("b", &[KEY])).await;
    process
        .persist([
            feeding("#", b"a\0"),
            Change::Carried(KEY, id(1), carried),
            Change::Flying(KEY, flight.clone()),
        ])
        .await;
    process.persist([Change::FeedSkips(KEY, live), Change::Settled(KEY, live, None)]).await;
    process.stop_following();
    process.append(&retained("c", &[KEY])).await;
    let process = process.restart();
    assert_eq!(topics(&process), ["a again", "d", "c"]);
    // That was not persisted. What is over is over after the next restart.
    let released = Flight { stage: FlightStage::Released, ..flight };
    process
        .persist([Change::Flying(KEY, released), Change::Landed(KEY, id(1)), Change::Fed(KEY, "#".into())])
        .await;
    let process = process.restart();
    assert_eq!(topics(&process), ["c"]);
    let session = process.session("kiln");
    assert_eq!((session.feeds, session.feeds_skip), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_its_record_does_not_list_is_owed_all_the_same() {
    let disk = Disk::new();
    let process = disk.process();
    process.persist([header(KEY, "kiln")]).await;
    let offset = process.append(&retained("a", &[])).await;
    let options = CopyOptions { qos: Qos::ExactlyOnce, retain: false, identifiers: Vec::new(), shared: None };
    process.persist([Change::Owed { key: KEY, offset, options }]).await;
    let process = process.restart();
    assert_eq!(topics(&process), ["a"]);
    process.persist([Change::Settled(KEY, offset, None)]).await;
    let process = process.restart();
    assert_eq!(topics(&process), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_end_was_not_written_gives_way_to_the_one_its_client_began_after_it() {
    let disk = Disk::new();
    let process = disk.process();
    process.persist([header(KEY, "kiln"), header(SessionKey(3), "other")]).await;
    process.append(&owed_to(KEY)).await;
    let process = process.restart();
    assert_eq!(process.session("kiln").header.key, KEY);
    process.persist([header(SessionKey(9), "kiln")]).await;
    let mut process = process.restart();
    for _ in 0..2 {
        assert_eq!(process.session("kiln").header.key, SessionKey(9));
        assert_eq!(process.session("other").header.key, SessionKey(3));
        assert_eq!(process.broker.stats().queued_messages, 0, "what the old one was owed is gone");
        process = process.restart();
    }
}

fn retained_until(topic: &str, expires_at_ms: u64) -> Record {
    let mut record = retained(topic, &[]);
    record.message.as_mut().expect("it has one").expires_at_ms = Some(expires_at_ms);
    record
}

fn retained_rows(disk: &Disk) -> usize {
    disk.state.table("retained").unwrap().iter().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retained_message_that_expired_is_removed_unless_its_topic_has_another() {
    let disk = Disk::new();
    let process = disk.process();
    let over =
        |topic, offset| Change::RetainedOver { topic: Text::try_from(topic).unwrap(), offset: Some(offset) };
    let gone = process.append(&retained_until("gone", NOW_MS + 1)).await;
    let replaced = process.append(&retained_until("replaced", NOW_MS + 1)).await;
    process.append(&retained_until("replaced", NOW_MS + 9)).await;
    process.persist([over("gone", gone), over("replaced", replaced)]).await;
    let process = process.restart();
    assert_eq!(retained_rows(&disk), 1);
    assert_eq!(process.broker.stats().retained_messages, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retained_message_that_expired_while_the_gateway_was_down_is_removed_at_start() {
    let disk = Disk::new();
    let process = disk.process();
    process.append(&retained_until("gone", NOW_MS)).await;
    process.append(&retained_until("here", NOW_MS + 1)).await;
    let process = process.restart();
    assert_eq!(retained_rows(&disk), 1);
    assert_eq!(process.broker.stats().retained_messages, 1);
}
