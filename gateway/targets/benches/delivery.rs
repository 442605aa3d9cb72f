//! Events delivered in a second: to a target that does nothing, through a queue from send to receive and delete, through
//! a stream from append to read. `cargo bench -p targets --bench delivery`

#![expect(clippy::print_stdout, reason = "a bench says what it found")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bus::{
    Bus, BusSettings, Delivery, DeliverySettings, Event, Origin, Outcome, Record, Route, Target, TargetName,
};
use journal::state::StateStore;
use journal::{Clock, Journal};
use targets::queue::{Attributes, Outgoing, Queue, Queues, Receive};
use targets::stream::{Start, Streams};
use targets::{queue, stream};
use tempfile::TempDir;
use tokio::sync::Notify;

const BODY_BYTES: usize = 200;
const SENDERS: u64 = 16;
const RECEIVERS: usize = 4;

struct Ground {
    _directory: TempDir,
    journal: Journal,
    store: StateStore,
    bus: Bus,
}

impl Ground {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("there is room");
        let journal =
            Journal::open(directory.path().join("journal"), journal::Settings::default()).expect("it opens");
        let store = StateStore::open(directory.path().join("state")).expect("it opens");
        let bus = Bus::open(journal.clone(), &store, BusSettings::default()).expect("it opens");
        Self { _directory: directory, journal, store, bus }
    }
}

fn record(target: &TargetName, key: u64) -> Record {
    // Now, since a stream keeps nothing that is older than its retention.
    let mut record = Record::new(Origin::Device, Clock::system().now_ms());
    record.client_id = format!("device-{key}");
    let mut event = Event::json("readings", vec![b'x'; BODY_BYTES]);
    event.routes.push(Route::to(target.clone()));
    record.add(event);
    record
}

/// Appends from many producers at once, each with as many records on their way as the journal takes.
async fn append(bus: &Bus, target: &TargetName, events: u64) {
    let senders = (0..SENDERS).map(|sender| {
        let (bus, target) = (bus.clone(), target.clone());
        tokio::spawn(async move {
            let mut producer = bus.producer();
            let count = events / SENDERS;
            let mut waiting = 0;
            for number in 0..count {
                producer.append(&record(&target, sender * 64 + number % 64)).await.expect("it is taken");
                waiting += 1;
                if waiting == 256 {
                    producer.next_outcome().await.1.expect("it is durable");
                    waiting -= 1;
                }
            }
            for _ in 0..waiting {
                producer.next_outcome().await.1.expect("it is durable");
            }
        })
    });
    futures::future::join_all(senders).await.into_iter().for_each(|ended| ended.expect("no sender panics"));
}

#[derive(Default)]
struct Nothing {
    delivered: AtomicU64,
    changed: Notify,
}

#[async_trait]
impl Target for Nothing {
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        self.delivered.fetch_add(batch.len() as u64, Ordering::SeqCst);
        self.changed.notify_one();
        vec![Outcome::Delivered; batch.len()]
    }
}

fn told(what: &str, events: u64, elapsed: Duration) {
    println!("{what:<52} {:>9.0} a second", events as f64 / elapsed.as_secs_f64());
}

async fn disk() {
    let ground = Ground::new();
    let target = TargetName::new("http", "nothing").expect("a name");
    let nothing = Arc::new(Nothing::default());
    ground
        .bus
        .set_target(target.clone(), nothing, DeliverySettings::default())
        .await
        .expect("it is declared");
    let (mut appends, begin) = (0, Instant::now());
    while begin.elapsed() < Duration::from_secs(2) {
        ground.bus.send(&record(&target, 0)).await.expect("it is durable");
        appends += 1;
    }
    told("disk: one record after the other, one fsync each", appends, begin.elapsed());
}

async fn nothing(events: u64) {
    let ground = Ground::new();
    let name = TargetName::new("http", "nothing").expect("a name");
    let target = Arc::new(Nothing::default());
    let declared = Arc::clone(&target) as Arc<dyn Target>;
    ground.bus.set_target(name.clone(), declared, DeliverySettings::default()).await.expect("it is declared");
    ground.bus.begin_trimming();
    let begin = Instant::now();
    append(&ground.bus, &name, events).await;
    told("append, 16 producers", events, begin.elapsed());
    while target.delivered.load(Ordering::SeqCst) < events {
        target.changed.notified().await;
    }
    told("append to delivered, a target that does nothing", events, begin.elapsed());
}

async fn queue(name: &'static str, groups: Option<u64>, messages: u64) {
    let ground = Ground::new();
    let attributes = Attributes { fifo: groups.is_some(), ..Attributes::default() };
    let settings =
        queue::Settings { declared: [(name.to_owned(), attributes)].into(), ..queue::Settings::default() };
    let queues = Queues::open(&ground.bus, &ground.journal, &ground.store, settings).await.expect("it opens");
    ground.bus.begin_trimming();
    let queue = queues.get(name).expect("it is declared");
    let begin = Instant::now();
    let senders = (0..SENDERS).map(|sender| tokio::spawn(send(Arc::clone(&queue), sender, groups, messages)));
    let senders: Vec<_> = senders.collect();
    let left = Arc::new(AtomicU64::new(messages));
    let receivers = (0..RECEIVERS)
        .map(|_| tokio::spawn(receive(Arc::clone(&queue), Arc::clone(&left))))
        .collect::<Vec<_>>();
    futures::future::join_all(senders).await.into_iter().for_each(|ended| ended.expect("no sender panics"));
    let sent = begin.elapsed();
    futures::future::join_all(receivers)
        .await
        .into_iter()
        .for_each(|ended| ended.expect("no receiver panics"));
    told(&format!("{name}: send, batches of 10, 16 senders"), messages, sent);
    told(&format!("{name}: send to received and deleted"), messages, begin.elapsed());
    println!("{:<52} {:>9}", format!("{name}: left in the queue"), queue.counts().waiting());
    latency(&queue, groups).await;
    queues.close().await;
}

async fn send(queue: Arc<Queue>, sender: u64, groups: Option<u64>, messages: u64) {
    for batch in 0..messages / SENDERS / 10 {
        let message = |number: u64| outgoing(groups, sender * 1_000_000 + batch * 10 + number);
        for sent in queue.send((0..10).map(message).collect()).await {
            sent.expect("it is taken");
        }
    }
}

fn outgoing(groups: Option<u64>, number: u64) -> Outgoing {
    Outgoing {
        body: "x".repeat(BODY_BYTES),
        group: groups.map(|groups| (number % groups).to_string()),
        deduplication_id: groups.map(|_| number.to_string()),
        ..Outgoing::default()
    }
}

async fn receive(queue: Arc<Queue>, left: Arc<AtomicU64>) {
    while left.load(Ordering::SeqCst) > 0 {
        let request = Receive { messages_max: 10, wait_secs: Some(1), ..Receive::default() };
        let received = queue.receive(request).await.expect("it can be read");
        let handles: Vec<String> = received.into_iter().map(|message| message.handle).collect();
        for deleted in queue.delete_batch(&handles).await {
            deleted.expect("it is written");
        }
        left.fetch_sub(handles.len() as u64, Ordering::SeqCst);
    }
}

/// One message after the other, from send to receive, with nothing else going on.
async fn latency(queue: &Queue, groups: Option<u64>) {
    let mut latencies = Vec::new();
    for number in 0..500 {
        let begin = Instant::now();
        queue.send(vec![outgoing(groups, 100_000_000 + number)]).await.remove(0).expect("it is taken");
        let request = Receive { messages_max: 1, wait_secs: Some(20), ..Receive::default() };
        let received = queue.receive(request).await.expect("it can be read").remove(0);
        latencies.push(begin.elapsed());
        queue.delete(&received.handle).await.expect("it is written");
    }
    latencies.sort_unstable();
    let at = |share: usize| latencies[latencies.len() * share / 100].as_secs_f64() * 1000.0;
    let what = format!("{}: send to received, idle, p50 and p99", queue.name());
    println!("{what:<52} {:>6.2} ms {:>6.2} ms", at(50), at(99));
}

async fn stream(events: u64) {
    let ground = Ground::new();
    let attributes = stream::Attributes { shards: 4, ..stream::Attributes::default() };
    let declared: BTreeMap<_, _> = [("telemetry".to_owned(), attributes)].into();
    let settings = stream::Settings { declared, ..stream::Settings::default() };
    let streams =
        Streams::open(&ground.bus, &ground.journal, &ground.store, settings).await.expect("it opens");
    ground.bus.begin_trimming();
    let telemetry = streams.get("telemetry").expect("it is declared");
    let name = TargetName::new(stream::KIND, "telemetry").expect("a name");
    let begin = Instant::now();
    let read = Arc::new(AtomicU64::new(0));
    let mut readers = Vec::new();
    for shard in 0..4 {
        let shard = format!("shardId-{shard:012}");
        let iterator = telemetry.iterator(&shard, Start::TrimHorizon).await.expect("there is such a shard");
        readers.push(tokio::spawn(read_all(streams.clone(), iterator, Arc::clone(&read), events)));
    }
    append(&ground.bus, &name, events).await;
    told("stream: append, 16 producers", events, begin.elapsed());
    futures::future::join_all(readers).await.into_iter().for_each(|ended| ended.expect("no reader panics"));
    told("stream: append to read, 4 shards, a reader each", events, begin.elapsed());
    streams.close().await;
}

async fn read_all(streams: Streams, mut iterator: String, read: Arc<AtomicU64>, events: u64) {
    while read.load(Ordering::SeqCst) < events {
        let batch = streams.read(&iterator, 10_000).await.expect("it can be read");
        if batch.records.is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        read.fetch_add(batch.records.len() as u64, Ordering::SeqCst);
        iterator = batch.next_iterator;
    }
}

#[tokio::main]
async fn main() {
    let events = 100_000;
    disk().await;
    nothing(events).await;
    queue("alerts", None, 32_000).await;
    queue("orders.fifo", Some(100), 32_000).await;
    stream(events).await;
}
