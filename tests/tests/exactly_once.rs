//! QoS 2 over `kill -9`: 20 times at moments that a seed chooses, under load in both directions. Every message exactly once, as MQTT
//! defines it: at each durable subscriber, and made into one event by the rule.

use end_to_end::durable::{Publisher, Subscriber, origin};
use end_to_end::{Client, Connect, Gateway, Publish, Site, kind, wait};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const V3: u8 = 4;
const V5: u8 = 5;
const KILLS: u32 = 20;
/// Messages that each publisher sends in a second.
const RATE: u64 = 150;
/// Messages that have to be acknowledged between one blow and the next, so that each one strikes under load.
const PROGRESS: u64 = 60;
/// How long everything that is on its way may take after the last blow.
const WINDS_DOWN: Duration = Duration::from_secs(60);

/// What the clients tell each other and the test.
#[derive(Default)]
struct Board {
    acknowledged: AtomicU64,
    subscribed: AtomicU64,
    /// No more new messages.
    stop: AtomicBool,
    /// Messages that every subscriber has to get, once all are acknowledged.
    expected: AtomicU64,
    /// Somebody found a promise broken.
    failed: AtomicBool,
}

fn seed() -> u64 {
    let seed = std::env::var("CRASH_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(11);
    eprintln!("CRASH_SEED={seed}");
    seed
}

/// Notes a failure for the others, so that they do not wait for what does not come.
fn noting<T>(board: &Board, outcome: anyhow::Result<T>) -> anyhow::Result<T> {
    board.failed.fetch_or(outcome.is_err(), Relaxed);
    outcome
}

fn publish(address: SocketAddr, version: u8, name: &str, board: &Board) -> anyhow::Result<Publisher> {
    let mut publisher = Publisher::new(address, version, name, &format!("plant/{name}/telemetry"));
    let begun = Instant::now();
    let mut told = 0;
    while !board.failed.load(Relaxed) && (!board.stop.load(Relaxed) || publisher.pending() > 0) {
        let may_send = !board.stop.load(Relaxed);
        let due = begun.elapsed().as_millis() as u64 * RATE / 1_000;
        noting(board, publisher.turn(if may_send { due } else { 0 }))?;
        board.acknowledged.fetch_add(publisher.acknowledged() - told, Relaxed);
        told = publisher.acknowledged();
    }
    Ok(publisher)
}

fn subscribe(address: SocketAddr, version: u8, name: &str, board: &Board) -> anyhow::Result<Subscriber> {
    let mut subscriber = Subscriber::new(address, version, name, "plant/+/telemetry");
    while !subscriber.is_subscribed() {
        noting(board, subscriber.turn())?;
    }
    board.subscribed.fetch_add(1, Relaxed);
    let mut deadline = None;
    loop {
        noting(board, subscriber.turn())?;
        let expected = board.expected.load(Relaxed);
        if expected > 0 {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + WINDS_DOWN);
            if subscriber.count() >= expected || Instant::now() > deadline {
                break;
            }
        }
        if board.failed.load(Relaxed) {
            break;
        }
    }
    // What comes now has come before.
    for _ in 0..20 {
        noting(board, subscriber.turn())?;
    }
    Ok(subscriber)
}

fn kill_again_and_again(gateway: &mut Gateway, board: &Board, random: &mut StdRng) -> anyhow::Result<()> {
    for number in 1..=KILLS {
        let before = board.acknowledged.load(Relaxed);
        wait::for_true(&format!("progress before kill {number}"), Duration::from_secs(60), || {
            board.acknowledged.load(Relaxed) >= before + PROGRESS || board.failed.load(Relaxed)
        })?;
        wait::let_pass(Duration::from_micros(random.random_range(0..300_000)));
        gateway.kill_and_start_again()?;
    }
    Ok(())
}

/// The rule makes one event of each message, under one id; a queue may deliver it again after a kill, and says which it is.
fn check_queue(gateway: &Gateway, counts: &BTreeMap<String, u64>) -> anyhow::Result<()> {
    let events = gateway.consumer.take_all("readings")?;
    let mut ids: BTreeMap<(String, u64), BTreeSet<&str>> = BTreeMap::new();
    for event in &events {
        ids.entry(origin(&event.data)?).or_default().insert(&event.id);
    }
    let expected: u64 = counts.values().sum();
    let repeats = events.len() - ids.len();
    eprintln!("queue: {} messages, {} distinct, {repeats} repeats", events.len(), ids.len());
    let twice: Vec<_> = ids.iter().filter(|(_, ids)| ids.len() > 1).collect();
    assert!(twice.is_empty(), "made into two events: {twice:?}");
    assert_eq!(ids.len() as u64, expected, "of what was published");
    Ok(())
}

#[test]
fn killed_twenty_times_every_qos_2_message_arrives_exactly_once() -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(seed());
    let site = Site::with_queue("")?;
    let mut gateway = Gateway::start(&site)?;
    let (address, board) = (site.plain_address, Board::default());
    let (publishers, subscribers) = std::thread::scope(|scope| {
        let subscribers = [("s3", V3), ("s5", V5)].map(|(name, version)| {
            scope.spawn({
                let board = &board;
                move || subscribe(address, version, name, board)
            })
        });
        let subscribed =
            wait::for_true("the subscribers", wait::SOON, || board.subscribed.load(Relaxed) == 2);
        let publishers = [("p3", V3), ("p5", V5)].map(|(name, version)| {
            scope.spawn({
                let board = &board;
                move || publish(address, version, name, board)
            })
        });
        let killed = subscribed.and_then(|()| kill_again_and_again(&mut gateway, &board, &mut random));
        let killed = noting(&board, killed);
        board.stop.store(true, Relaxed);
        let publishers = publishers.map(|publisher| publisher.join().expect("a publisher does not panic"));
        let sent = publishers.iter().flatten().map(Publisher::acknowledged).sum();
        board.expected.store(sent, Relaxed);
        let subscribers =
            subscribers.map(|subscriber| subscriber.join().expect("a subscriber does not panic"));
        killed.map(|()| (publishers, subscribers))
    })?;
    let mut counts = BTreeMap::new();
    for (name, publisher) in ["p3", "p5"].into_iter().zip(publishers) {
        let publisher = publisher?;
        eprintln!(
            "{name}: {} messages, {} packets repeated, {} connections",
            publisher.acknowledged(),
            publisher.repeated(),
            publisher.connections()
        );
        assert_eq!(publisher.pending(), 0);
        counts.insert(name.to_string(), publisher.acknowledged());
    }
    for subscriber in subscribers {
        let subscriber = subscriber?;
        eprintln!(
            "subscriber: {} messages, {} repeats recognised, {} connections",
            subscriber.count(),
            subscriber.repeats(),
            subscriber.connections()
        );
        assert!(subscriber.connections() >= u64::from(KILLS) / 2, "it felt the kills");
        subscriber.check(&counts)?;
    }
    assert!(counts.values().sum::<u64>() > u64::from(KILLS) * PROGRESS, "too little load to prove anything");
    check_queue(&gateway, &counts)?;
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    Ok(())
}

/// Answers every request of one connection with 200.
fn answer(stream: &TcpStream) -> anyhow::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while line != "\r\n" {
            line.clear();
            anyhow::ensure!(reader.read_line(&mut line)? > 0, "the gateway is gone");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        reader.read_exact(&mut vec![0; length])?;
        writer.write_all(b"HTTP/1.1 200 Fine\r\ncontent-length: 0\r\n\r\n")?;
    }
}

/// A client leaves while its publish waits for room, and is back before there is some. The message must not become two events, one of each
/// connection, nor come behind the next.
#[test]
fn a_publish_that_waits_for_room_counts_once_when_its_client_comes_back() -> anyhow::Result<()> {
    for (version, qos) in [(V3, 1), (V5, 1), (V3, 2), (V5, 2)] {
        let server = TcpListener::bind("127.0.0.1:0")?;
        let site = Site::with_queue(&format!(
            "\n[delivery]\nwaiting_events_max = 3\n\n[[http]]\nname = \"slow\"\nurl = \"http://{}/\"\ntimeout_ms = 60000\n",
            server.local_addr()?
        ))?;
        site.write_rule("slow", "SELECT * FROM 'plant/#'", "http = \"slow\"")?;
        let gateway = Gateway::start(&site)?;
        let mut other = Client::connect_plain(site.plain_address, &Connect::clean(V5, "other"))?;
        for _ in 0..3 {
            assert_eq!(other.publish("plant/other", "{}")?, 0);
        }
        let durable = Connect::durable(version, "kiln");
        let mut kiln = Client::connect_plain(site.plain_address, &durable)?;
        let publish = |id: u16, dup| Publish {
            qos,
            id,
            dup,
            ..Publish::new("plant/kiln/telemetry", format!("{{\"number\": {id}}}"))
        };
        let first = kiln.publish_bytes(&publish(1, false));
        kiln.send(&first)?;
        kiln.ping()?;
        kiln.disconnect()?;
        gateway.log.wait_for("disconnected", |line| line.field("client_id") == "kiln")?;
        let mut kiln = Client::connect_plain(site.plain_address, &durable)?;
        for (id, dup) in [(1, true), (2, false)] {
            let bytes = kiln.publish_bytes(&publish(id, dup));
            kiln.send(&bytes)?;
        }
        std::thread::spawn(move || {
            for stream in server.incoming().flatten() {
                std::thread::spawn(move || answer(&stream));
            }
        });
        for id in [1, 2] {
            let answer = kiln.expect(if qos == 1 { kind::PUBACK } else { kind::PUBREC })?;
            assert_eq!((answer.id(), answer.reason()), (id, 0), "version {version}, QoS {qos}");
        }
        let events = gateway.consumer.take_all("readings")?;
        let ids: BTreeSet<&str> = events.iter().map(|event| &*event.id).collect();
        let numbers: Vec<_> = events.iter().filter_map(|event| event.data["number"].as_u64()).collect();
        assert_eq!((numbers, ids.len()), (vec![1, 2], 2), "version {version}, QoS {qos}");
    }
    Ok(())
}
