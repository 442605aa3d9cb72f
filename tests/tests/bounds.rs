//! Whatever one client does, the others go on: queues, rates, silence and slowness have their limits, and at each somebody is told.

use anyhow::Context;
use end_to_end::{Client, Connect, Gateway, Gone, Packet, Publish, Site, kind, wait};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const V3: u8 = 4;
const V5: u8 = 5;
const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
const QUOTA_EXCEEDED: u8 = 0x97;
const MESSAGE_RATE_TOO_HIGH: u8 = 0x96;
/// What is immediate may take this long on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(5);

struct Ground {
    site: Site,
    gateway: Gateway,
}

impl Ground {
    fn new(settings: &str) -> anyhow::Result<Self> {
        Self::at(Site::new(settings)?)
    }

    fn at(site: Site) -> anyhow::Result<Self> {
        let gateway = Gateway::start(&site)?;
        Ok(Self { site, gateway })
    }

    fn connect(&self, connect: &Connect) -> anyhow::Result<Client> {
        Client::connect_plain(self.site.plain_address, connect)
    }

    fn clean(&self, version: u8, client_id: &str) -> anyhow::Result<Client> {
        self.connect(&Connect::clean(version, client_id))
    }

    /// A durable session that subscribed and went away.
    fn absent(&self, client_id: &str, filter: &str) -> anyhow::Result<Connect> {
        let durable = Connect::durable(V5, client_id);
        let mut client = self.connect(&durable)?;
        assert_eq!(client.subscribe(filter, 1)?, 1);
        client.disconnect()?;
        Ok(durable)
    }

    /// Whether the session is there when its client comes back.
    fn session_present(&self, connect: &Connect) -> anyhow::Result<(Client, bool)> {
        let mut client = Client::plain(self.site.plain_address)?;
        let answer = client.connect(connect)?;
        assert_eq!(answer.reason(), 0);
        Ok((client, answer.body[0] == 1))
    }

    fn metric(&self, name: &str, labels: &str) -> anyhow::Result<f64> {
        Ok(self.gateway.consumer.metrics()?.sum(name, labels))
    }
}

#[test]
fn a_full_queue_ends_its_session_and_says_so_while_the_others_go_on() -> anyhow::Result<()> {
    let ground = Ground::new("[mqtt]\nqueued_messages_per_client_max = 5\n")?;
    let durable = ground.absent("absent", "t")?;
    let mut other = ground.clean(V5, "other")?;
    other.subscribe("t", 1)?;
    let mut publisher = ground.clean(V3, "publisher")?;
    for number in 0..6 {
        assert_eq!(publisher.publish("t", format!("{number}"))?, 0);
        assert_eq!(other.receive()?.payload, format!("{number}").as_bytes());
    }
    let line = ground
        .gateway
        .log
        .wait_for("session ended, its queue was full", |line| line.field("client_id") == "absent")?;
    assert_eq!(line.field("copies_lost"), "6", "{line:?}");
    assert_eq!(line.field("level"), "WARN");
    assert_eq!(ground.metric("iot_gateway_sessions_overflowed_total", "")?, 1.0);
    assert_eq!(ground.metric("iot_gateway_messages_dropped_total", "reason=\"session_ended\"")?, 5.0);
    assert_eq!(ground.metric("iot_gateway_messages_dropped_total", "reason=\"queue_full\"")?, 1.0);
    let (_, present) = ground.session_present(&durable)?;
    assert!(!present, "its client learns that something is missing");
    Ok(())
}

#[test]
fn a_session_that_overflowed_stays_ended_over_a_kill() -> anyhow::Result<()> {
    let mut ground = Ground::new("[mqtt]\nqueued_messages_per_client_max = 5\n")?;
    let durable = ground.absent("absent", "t")?;
    let mut publisher = ground.clean(V5, "publisher")?;
    for number in 0..6 {
        assert_eq!(publisher.publish("t", format!("{number}"))?, 0);
    }
    ground.gateway.kill_and_start_again()?;
    let (_, present) = ground.session_present(&durable)?;
    assert!(!present, "an acknowledged message is missing, so the session is not there");
    Ok(())
}

#[test]
fn a_connected_client_that_does_not_acknowledge_is_told_quota_exceeded() -> anyhow::Result<()> {
    let ground = Ground::new("[mqtt]\nqueued_messages_per_client_max = 5\n")?;
    let mut slow = ground.clean(V5, "slow")?;
    slow.subscribe("t", 1)?;
    let mut publisher = ground.clean(V5, "publisher")?;
    for number in 0..6 {
        assert_eq!(publisher.publish("t", format!("{number}"))?, 0);
    }
    let before = slow.wait_for_the_end()?;
    let last = before.last().context("it was told why")?;
    assert_eq!((last.kind, last.reason()), (kind::DISCONNECT, QUOTA_EXCEEDED), "{before:?}");
    Ok(())
}

#[test]
fn where_publishers_wait_mqtt_5_is_told_and_mqtt_3_waits_until_there_is_room() -> anyhow::Result<()> {
    let ground = Ground::new(
        "[mqtt]\nqueued_messages_per_client_max = 5\nqueue_full = \"refuse\"\nqueue_full_wait_secs_max = 60\n",
    )?;
    let durable = ground.absent("absent", "t")?;
    let mut publisher = ground.clean(V5, "publisher")?;
    for number in 0..5 {
        assert_eq!(publisher.publish("t", format!("{number}"))?, 0);
    }
    assert_eq!(publisher.publish("t", "too much")?, QUOTA_EXCEEDED);
    assert_eq!(publisher.publish("elsewhere", "x")?, 0, "others are not concerned");
    let mut old = ground.clean(V3, "old")?;
    let id = old.send_publish("t", "5", 1)?;
    let delayed = || ground.metric("iot_gateway_publishes_delayed_total", "reason=\"subscriber_full\"");
    wait::for_true("the publish to be held", AT_ONCE, || delayed().is_ok_and(|count| count == 1.0))?;
    // It waits, and is not deaf meanwhile.
    old.ping()?;
    let (mut back, present) = ground.session_present(&durable)?;
    assert!(present);
    for number in 0..6 {
        assert_eq!(back.receive()?.payload, format!("{number}").as_bytes());
    }
    old.expect_answer(kind::PUBACK, id)?;
    Ok(())
}

#[test]
fn where_publishers_wait_and_no_room_comes_mqtt_3_is_closed() -> anyhow::Result<()> {
    let ground = Ground::new(
        "[mqtt]\nqueued_messages_per_client_max = 5\nqueue_full = \"refuse\"\nqueue_full_wait_secs_max = 1\n",
    )?;
    let durable = ground.absent("absent", "t")?;
    let mut old = ground.clean(V3, "old")?;
    for number in 0..5 {
        assert_eq!(old.publish("t", format!("{number}"))?, 0);
    }
    old.send_publish("t", "too much", 1)?;
    let before = old.wait_for_the_end()?;
    assert_eq!(before, [], "no acknowledgement");
    let (mut back, present) = ground.session_present(&durable)?;
    assert!(present);
    for number in 0..5 {
        assert_eq!(back.receive()?.payload, format!("{number}").as_bytes());
    }
    let line = ground.gateway.log.wait_for("publish refused", |line| line.field("client_id") == "old")?;
    assert_eq!(line.field("subscriber"), "absent");
    Ok(())
}

#[test]
fn where_the_newest_is_dropped_everything_else_arrives_and_the_drop_is_counted() -> anyhow::Result<()> {
    let ground = Ground::new("[mqtt]\nqueued_messages_per_client_max = 5\nqueue_full = \"drop_newest\"\n")?;
    let durable = ground.absent("absent", "t")?;
    let mut publisher = ground.clean(V5, "publisher")?;
    for number in 0..8 {
        assert_eq!(publisher.publish("t", format!("{number}"))?, 0);
    }
    assert_eq!(ground.metric("iot_gateway_messages_dropped_total", "reason=\"queue_full\"")?, 3.0);
    let (mut back, present) = ground.session_present(&durable)?;
    assert!(present);
    for number in 0..5 {
        assert_eq!(back.receive()?.payload, format!("{number}").as_bytes());
    }
    back.ping()?;
    assert!(matches!(back.read_within(Duration::from_millis(1)), Err(Gone::Silent)));
    Ok(())
}

/// A site with a rule to a server that takes connections and never answers, and room for three events.
fn stuck_target() -> anyhow::Result<(Site, TcpListener)> {
    let server = TcpListener::bind("127.0.0.1:0")?;
    let address = server.local_addr()?;
    let site = Site::new(&format!(
        "[delivery]\nwaiting_events_max = 3\n\n[[http]]\nname = \"stuck\"\nurl = \"http://{address}/\"\ntimeout_ms = 60000\n"
    ))?;
    site.write_rule("stuck", "SELECT * FROM 'stuck/#'", "http = \"stuck\"")?;
    Ok((site, server))
}

#[test]
fn a_connection_that_waits_for_room_is_not_deaf() -> anyhow::Result<()> {
    let (site, _server) = stuck_target()?;
    let ground = Ground::at(site)?;
    let mut client = ground.clean(V5, "publisher")?;
    client.subscribe("hello/#", 0)?;
    for _ in 0..3 {
        assert_eq!(client.publish("stuck/a", "{}")?, 0);
    }
    let first = client.send_publish("stuck/a", "{}", 1)?;
    // It gets messages and is answered while its own publish waits.
    let begun = Instant::now();
    let mut other = ground.clean(V5, "other")?;
    assert_eq!(other.publish("hello/a", "hi")?, 0);
    assert_eq!(client.expect(kind::PUBLISH)?.publish(V5)?.topic, "hello/a");
    client.ping()?;
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    // What comes behind waits behind it: acknowledgements keep their order, whatever they say [MQTT-4.6.0-2].
    let second = client.send_publish("elsewhere", "x", 1)?;
    let third = client.send_publish("elsewhere", "y", 1)?;
    let answers: Vec<Packet> =
        (0..3).map(|_| client.expect(kind::PUBACK)).collect::<Result<_, _>>().context("three answers")?;
    let said: Vec<(u16, u8)> = answers.iter().map(|answer| (answer.id(), answer.reason())).collect();
    let taken = NO_MATCHING_SUBSCRIBERS;
    assert_eq!(said, [(first, QUOTA_EXCEEDED), (second, taken), (third, taken)]);
    assert!(begun.elapsed() > Duration::from_secs(5), "it was given its time: {:?}", begun.elapsed());
    Ok(())
}

#[test]
fn a_connection_that_waits_for_room_is_taken_over_at_once() -> anyhow::Result<()> {
    let (site, _server) = stuck_target()?;
    let ground = Ground::at(site)?;
    let mut client = ground.clean(V5, "device")?;
    for _ in 0..3 {
        assert_eq!(client.publish("stuck/a", "{}")?, 0);
    }
    client.send_publish("stuck/a", "{}", 1)?;
    client.ping()?;
    let begun = Instant::now();
    let _again = ground.clean(V5, "device")?;
    let before = client.wait_for_the_end()?;
    assert_eq!(before.last().map(Packet::reason), Some(0x8e), "{before:?}");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    // Nor does it hold up the end of the gateway.
    let mut again = ground.clean(V5, "other")?;
    again.send_publish("stuck/a", "{}", 1)?;
    again.ping()?;
    let begun = Instant::now();
    ground.gateway.terminate()?;
    again.wait_for_the_end()?;
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    Ok(())
}

#[test]
fn a_connection_that_publishes_too_fast_is_slowed_down_and_the_others_are_not() -> anyhow::Result<()> {
    let ground = Ground::new("[mqtt]\npublishes_per_sec_max = 50\n")?;
    let mut fast = ground.clean(V3, "fast")?;
    let mut other = ground.clean(V5, "other")?;
    let begun = Instant::now();
    let ids: Vec<u16> =
        (0..150).map(|_| fast.send_publish("t", "x", 1)).collect::<Result<_, _>>().context("sent")?;
    assert_eq!(other.publish("t", "x")?, 0);
    assert!(begun.elapsed() < Duration::from_secs(2), "others are not concerned: {:?}", begun.elapsed());
    for id in ids {
        fast.expect_answer(kind::PUBACK, id)?;
    }
    let elapsed = begun.elapsed();
    // 50 that were saved up, then 100 at 50 a second.
    assert!(elapsed > Duration::from_millis(1_900), "{elapsed:?}");
    assert!(ground.metric("iot_gateway_publishes_delayed_total", "reason=\"rate\"")? > 0.0);
    Ok(())
}

#[test]
fn a_connection_that_sends_too_many_bytes_is_slowed_down() -> anyhow::Result<()> {
    let ground = Ground::new("[mqtt]\npublish_bytes_per_sec_max = 100000\n")?;
    let mut fast = ground.clean(V5, "fast")?;
    let begun = Instant::now();
    for _ in 0..30 {
        assert_eq!(fast.publish("t", vec![b'x'; 10_000])?, 0);
    }
    assert!(begun.elapsed() > Duration::from_millis(1_900), "{:?}", begun.elapsed());
    Ok(())
}

#[test]
fn a_connection_that_publishes_too_fast_is_closed_where_the_settings_say_so() -> anyhow::Result<()> {
    let ground = Ground::new("[mqtt]\npublishes_per_sec_max = 5\npublish_rate_exceeded = \"disconnect\"\n")?;
    let mut fast = ground.clean(V5, "fast")?;
    for _ in 0..50 {
        // It may be closed already.
        let _ = fast.send_publish("t", "x", 0);
    }
    let before = fast.wait_for_the_end()?;
    let last = before.last().context("it was told why")?;
    assert_eq!((last.kind, last.reason()), (kind::DISCONNECT, MESSAGE_RATE_TOO_HIGH));
    Ok(())
}

/// Sends `bytes` one by one until the other side closes. Gives how long that took.
fn drip(mut socket: TcpStream, bytes: &[u8]) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut bytes = bytes.iter().cycle();
    wait::for_true("the gateway to lose patience", wait::SOON, || {
        let byte = bytes.next().expect("a cycle has no end");
        socket.write_all(&[*byte]).is_err()
    })?;
    Ok(begun.elapsed())
}

fn open(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

#[test]
fn packets_that_come_byte_by_byte_are_cut_and_cost_the_others_nothing() -> anyhow::Result<()> {
    let ground = Ground::new("[mqtt]\npacket_secs_max = 1\n\n[listener]\nconnect_secs_max = 1\n")?;
    let address = ground.site.plain_address;
    // A CONNECT of 100,000 bytes, and a PUBLISH of as many.
    let slow_connects: Vec<_> = (0..20)
        .map(|_| {
            std::thread::spawn(move || {
                drip(open(address)?, &[&[0x10, 0xa0, 0x8d, 0x06][..], &[0, 4], b"MQTT", &[5]].concat())
            })
        })
        .collect();
    let slow_publishes: Vec<_> = (0..20)
        .map(|number| {
            std::thread::spawn(move || {
                let mut socket = open(address)?;
                socket.write_all(&Connect::clean(V5, format!("slow-{number}")).bytes())?;
                socket.write_all(&[0x30, 0xa0, 0x8d, 0x06, 0, 1])?;
                drip(socket, b"t")
            })
        })
        .collect();
    let mut other = ground.clean(V5, "other")?;
    other.subscribe("other", 1)?;
    let mut worst = Duration::ZERO;
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!(other.publish("other", "x")?, 0);
        other.receive()?;
        worst = worst.max(begun.elapsed());
    }
    for slow in slow_connects.into_iter().chain(slow_publishes) {
        let took = slow.join().expect("the thread did not panic")?;
        assert!(took > Duration::from_millis(500), "{took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
    eprintln!("worst round trip beside 40 slow writers: {worst:?}");
    assert!(worst < AT_ONCE, "{worst:?}");
    assert!(ground.metric("iot_gateway_connects_refused_total", "reason=\"silent\"")? >= 20.0);
    Ok(())
}

#[test]
fn a_client_without_keep_alive_may_be_silent_as_long_as_the_settings_say() -> anyhow::Result<()> {
    let ground = Ground::new("[mqtt]\nidle_secs_max = 1\n")?;
    let mut silent = ground.clean(V3, "silent")?;
    let begun = Instant::now();
    silent.wait_for_the_end()?;
    assert!(begun.elapsed() > Duration::from_millis(900), "{:?}", begun.elapsed());
    Ok(())
}

/// The gateway's resident memory, in bytes.
fn resident(ground: &Ground) -> anyhow::Result<f64> {
    ground.metric("process_resident_memory_bytes", "")
}

#[test]
fn clients_that_never_read_cost_the_others_neither_time_nor_memory() -> anyhow::Result<()> {
    const SLOW: usize = 20;
    const PAYLOAD: usize = 8 * 1024;
    let ground =
        Ground::new("[mqtt]\nqueued_messages_per_client_max = 50\nqueued_bytes_per_client_max = 262144\n")?;
    let mut never: Vec<Client> = Vec::new();
    for number in 0..SLOW {
        let mut client = ground.clean(V5, &format!("never-{number}"))?;
        client.subscribe("load", u8::from(number % 2 == 1))?;
        never.push(client);
    }
    let before = resident(&ground)?;
    let mut reader = ground.clean(V5, "reader")?;
    reader.subscribe("load", 0)?;
    let mut publisher = ground.clean(V5, "publisher")?;
    let mut latencies = Vec::new();
    for number in 0..2_000 {
        let begun = Instant::now();
        let payload = vec![b'x'; PAYLOAD];
        if number % 2 == 0 {
            assert_eq!(publisher.publish("load", payload)?, 0);
        } else {
            publisher.send_publish("load", payload, 0)?;
        }
        reader.receive()?;
        latencies.push(begun.elapsed());
    }
    latencies.sort();
    let (median, high) = (latencies[1_000], latencies[1_980]);
    let grown = resident(&ground)? - before;
    let most = (SLOW * (256 * 1024 + 64 * 1024 + 3 * PAYLOAD)) as f64;
    eprintln!(
        "beside {SLOW} clients that never read: median {median:?}, 99 % {high:?}, grown by {:.1} MB of at most {:.1} MB and 32 MB of slack",
        grown / 1e6,
        most / 1e6
    );
    assert!(high < AT_ONCE, "{high:?}");
    assert!(grown < most + 32e6, "{grown}");
    let dropped = ground.metric("iot_gateway_messages_dropped_total", "reason=\"queue_full_qos0\"")?;
    assert!(dropped > 0.0, "QoS 0 is dropped and counted");
    // Those who asked for QoS 1 were told.
    assert_eq!(ground.metric("iot_gateway_sessions_overflowed_total", "")?, (SLOW / 2) as f64);
    drop(never);
    Ok(())
}

/// A message at QoS 1 that asks to be retained, to be sent again and again.
fn retained(id: u16, topic: &str) -> Publish {
    Publish {
        topic: topic.to_string(),
        payload: b"x".to_vec(),
        qos: 1,
        dup: false,
        retain: true,
        id,
        properties: Vec::new(),
    }
}

#[test]
fn one_retained_message_too_many_is_refused_before_anything_is_written() -> anyhow::Result<()> {
    let mut ground = Ground::new("[mqtt]\nretained_messages_max = 2\n")?;
    let mut client = ground.clean(V5, "publisher")?;
    let taken = NO_MATCHING_SUBSCRIBERS;
    for (id, topic, expected) in [(1, "a", taken), (2, "b", taken), (3, "c", QUOTA_EXCEEDED), (4, "a", taken)]
    {
        let bytes = client.publish_bytes(&retained(id, topic));
        client.send(&bytes)?;
        assert_eq!(client.expect_answer(kind::PUBACK, id)?.reason(), expected, "{topic}");
    }
    ground.gateway.kill_and_start_again()?;
    let mut reader = ground.clean(V5, "reader")?;
    reader.subscribe("#", 0)?;
    let topics = [reader.receive()?.topic, reader.receive()?.topic];
    assert_eq!(topics, ["a", "b"]);
    Ok(())
}

#[test]
fn one_listener_may_have_limits_of_its_own() -> anyhow::Result<()> {
    let site = Site::new("[listener.plain]\nconnections_max = 2\n")?;
    site.register(&["kiln-1"])?;
    let ground = Ground::at(site)?;
    let _first = ground.clean(V5, "first")?;
    let _second = ground.clean(V5, "second")?;
    assert!(ground.clean(V5, "third").is_err(), "the plain listener is full");
    let device = ground.site.device("kiln-1")?;
    Client::connect_tls(ground.site.tls_address, &device, &Connect::clean(V5, "kiln-1"))?;
    Ok(())
}

/// How a device fared that came back with all the others: how long it took, and how often it was turned away.
struct Return {
    took: Duration,
    attempts: u32,
}

/// Connects until it is let in, as a device does.
fn come_back(
    address: SocketAddr,
    device: &end_to_end::TlsOptions,
    connect: &Connect,
) -> anyhow::Result<(Client, Return)> {
    let begun = Instant::now();
    let mut attempts = 0;
    let client = wait::until("a device to be let in", Duration::from_secs(120), || {
        attempts += 1;
        Client::connect_tls(address, device, connect).ok()
    })?;
    Ok((client, Return { took: begun.elapsed(), attempts }))
}

#[test]
fn a_fleet_that_comes_back_at_once_gets_in_and_those_who_are_in_notice_little() -> anyhow::Result<()> {
    const FLEET: usize = 2_000;
    const AT_ONCE_MAX: usize = 250;
    const UNLUCKY_FACTOR_MAX: u32 = 10;
    let site = Site::new("[listener]\nhandshakes_max = 32\n")?;
    site.register(&["kiln-1"])?;
    // Many devices with one certificate: what a storm costs is handshakes, not certificates. Each has TLS sessions of its own, so that no
    // handshake is spared by resuming.
    site.write_policy("device", end_to_end::ALLOW_ALL)?;
    let ground = Ground::at(site)?;
    let address = ground.site.tls_address;
    let mut established = ground.clean(V5, "established")?;
    let storm: Vec<_> = (0..AT_ONCE_MAX)
        .map(|thread| {
            let devices: Vec<_> = (0..FLEET / AT_ONCE_MAX)
                .map(|_| ground.site.device("kiln-1"))
                .collect::<anyhow::Result<_>>()?;
            Ok(std::thread::spawn(move || -> anyhow::Result<Vec<Return>> {
                let mut clients = Vec::new();
                for (number, device) in devices.iter().enumerate() {
                    let connect = Connect::clean(V5, format!("device-{thread}-{number}"));
                    clients.push(come_back(address, device, &connect)?);
                }
                Ok(clients.into_iter().map(|(_, how)| how).collect())
            }))
        })
        .collect::<anyhow::Result<_>>()?;
    let mut latencies = Vec::new();
    while !storm.iter().all(std::thread::JoinHandle::is_finished) {
        let begun = Instant::now();
        assert_eq!(established.publish("t", "x")?, 0);
        latencies.push(begun.elapsed());
        wait::let_pass(Duration::from_millis(5));
    }
    let mut returns = Vec::new();
    for thread in storm {
        returns.extend(thread.join().expect("the thread did not panic")?);
    }
    latencies.sort();
    let high = latencies[latencies.len() * 99 / 100];
    returns.sort_by_key(|back| back.took);
    let (median, slowest) = (returns[returns.len() / 2].took, returns[returns.len() - 1].took);
    let attempts: u32 = returns.iter().map(|back| back.attempts).sum();
    let timed_out = ground.metric("iot_gateway_tls_refused_total", "reason=\"timed_out\"")?;
    eprintln!(
        "{FLEET} devices back, half of them after {median:?}, the slowest after {slowest:?}, {attempts} attempts, {timed_out} handshakes timed out; meanwhile {} publishes of one already connected, 99 % of them acknowledged within {high:?}",
        latencies.len()
    );
    assert_eq!(returns.len(), FLEET);
    assert_eq!(ground.metric("iot_gateway_tls_resumed_total", "")?, 0.0, "every handshake was a full one");
    assert_eq!(timed_out, 0.0, "nobody ran out of time while waiting inside the process");
    assert_eq!(attempts as usize, FLEET, "and nobody was turned away");
    // Evenly: whoever is unlucky waits several times as long as the others, not without end.
    assert!(slowest < median * UNLUCKY_FACTOR_MAX, "{slowest:?} where half took {median:?}");
    assert!(high < AT_ONCE, "{high:?}");
    Ok(())
}
