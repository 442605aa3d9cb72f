//! Floods, silence and slowness cost the other devices nothing.

use std::time::Duration;

use listener::{Limits, Listener, Reason, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plant::{Plant, TLS_13, connect, loopback, until, until_refused, within};

fn limited(plant: &Plant, change: impl FnOnce(&mut Limits)) -> Listener {
    let mut settings = plant.settings();
    change(&mut settings.limits);
    Listener::bind(settings).unwrap()
}

#[tokio::test]
async fn silent_peers_stall_nobody() {
    let mut plant = Plant::new();
    let device = plant.device("sensor-1");
    let mut listener = plant.listen();
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(listener.local_address()).await.unwrap());
    }
    until(|| listener.stats().handshakes_open == 50).await;
    connect(&mut listener, &plant.client(Some(&device), TLS_13)).await;
    drop(silent);
    until_refused(&listener, Reason::Closed, 50).await;
}

#[tokio::test]
async fn silent_and_slow_handshakes_are_cut_at_the_time_limit() {
    let plant = Plant::new();
    let listener = limited(&plant, |limits| limits.handshake_time_max = Duration::from_millis(100));
    let mut silent = TcpStream::connect(listener.local_address()).await.unwrap();
    let slow = TcpStream::connect(listener.local_address()).await.unwrap();
    let (mut slow_read, mut slow_write) = slow.into_split();
    // The head of a large record, and then a byte now and then.
    slow_write.write_all(&[22, 3, 1, 0x20, 0]).await.unwrap();
    let drip = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while slow_write.write_all(&[0]).await.is_ok() {
            ticks.tick().await;
        }
    });
    let mut rest = Vec::new();
    within(silent.read_to_end(&mut rest)).await.unwrap();
    // The cut may reach the slow one as a reset, as it has sent bytes nobody read.
    let _ = within(slow_read.read_to_end(&mut rest)).await;
    within(drip).await.unwrap();
    until_refused(&listener, Reason::TimedOut, 2).await;
    until(|| listener.stats().connections_open == 0).await;
}

#[tokio::test]
async fn what_is_not_tls_is_refused() {
    let plant = Plant::new();
    let listener = plant.listen();
    let garbage: [&[u8]; 4] =
        [b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", b"GET / HTTP/1.1\r\n\r\n", &[0; 64], &[0xff; 64]];
    for (count, bytes) in garbage.iter().enumerate() {
        let mut socket = TcpStream::connect(listener.local_address()).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        until_refused(&listener, Reason::NotTls, count as u64 + 1).await;
    }
}

#[tokio::test]
async fn without_a_waiting_room_a_flood_of_handshakes_waits_in_the_kernel() {
    let mut plant = Plant::new();
    let device = plant.device("sensor-1");
    let mut listener = limited(&plant, |limits| (limits.handshakes_max, limits.waiting_max) = (2, 0));
    let mut flood = Vec::new();
    for _ in 0..40 {
        flood.push(TcpStream::connect(listener.local_address()).await.unwrap());
    }
    until(|| listener.stats().handshakes_open == 2).await;
    // Give the listener every chance to take more than it may.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
        assert_eq!(listener.stats().connections_open, 2);
    }
    // When the flood ends, the device that waited behind it gets in.
    drop(flood);
    connect(&mut listener, &plant.client(Some(&device), TLS_13)).await;
    until_refused(&listener, Reason::Closed, 40).await;
}

/// A connection from another loopback address.
async fn from(address: [u8; 4], to: std::net::SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

#[tokio::test]
async fn a_flood_from_one_address_leaves_places_to_others() {
    let mut plant = Plant::new();
    let device = plant.device("sensor-1");
    let mut listener = limited(&plant, |limits| {
        (limits.handshakes_max, limits.waiting_max) = (8, 20);
        limits.handshake_time_max = Duration::from_secs(3600);
    });
    let mut flood = Vec::new();
    for _ in 0..40 {
        flood.push(from([127, 0, 0, 2], listener.local_address()).await);
    }
    // Six of eight places, twenty that wait, and the newest are closed.
    until_refused(&listener, Reason::TooManyWaiting, 14).await;
    until(|| listener.stats().handshakes_open == 6).await;
    connect(&mut listener, &plant.client(Some(&device), TLS_13)).await;
    assert_eq!(listener.stats().handshakes_open, 6);
    drop(flood);
    until(|| listener.stats().connections_open == 0).await;
}

#[tokio::test]
async fn connections_come_no_faster_than_they_may() {
    let mut settings = Settings::plain("test", loopback());
    settings.limits.connections_per_sec_max = Some(20);
    let mut listener = Listener::bind(settings).unwrap();
    let begun = std::time::Instant::now();
    let mut connected = Vec::new();
    for _ in 0..40 {
        connected.push(TcpStream::connect(listener.local_address()).await.unwrap());
    }
    for _ in 0..40 {
        within(listener.accept()).await.unwrap();
    }
    // Twenty at once, the others at twenty a second.
    assert!(begun.elapsed() > Duration::from_millis(900), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn connections_nobody_takes_do_not_pile_up() {
    let mut settings = Settings::plain("test", loopback());
    (settings.limits.handshakes_max, settings.limits.waiting_max) = (3, 0);
    let mut listener = Listener::bind(settings).unwrap();
    let mut connected = Vec::new();
    for _ in 0..100 {
        connected.push(TcpStream::connect(listener.local_address()).await.unwrap());
    }
    // 64 in the channel and 3 that wait to get into it.
    until(|| listener.stats().connections_open == 67).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
        assert_eq!(listener.stats().connections_open, 67);
    }
    let mut taken = Vec::new();
    while taken.len() < 100 {
        taken.push(within(listener.accept()).await.unwrap());
    }
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_as_they_come() {
    let mut plant = Plant::new();
    let device = plant.device("sensor-1");
    let client = plant.client(Some(&device), TLS_13);
    for (reason, change) in [
        (Reason::TooManyConnections, (|limits| limits.connections_max = 1) as fn(&mut Limits)),
        (Reason::TooManyFromAddress, |limits| limits.connections_per_address_max = Some(1)),
    ] {
        let mut listener = limited(&plant, change);
        let (_device, accepted) = connect(&mut listener, &client).await;
        let mut second = TcpStream::connect(listener.local_address()).await.unwrap();
        assert_eq!(within(second.read(&mut [0; 1])).await.unwrap(), 0);
        until_refused(&listener, reason, 1).await;
        drop(accepted);
        connect(&mut listener, &client).await;
    }
}

#[tokio::test]
async fn dropping_the_listener_ends_handshakes_but_not_connections() {
    let mut plant = Plant::new();
    let device = plant.device("sensor-1");
    let mut listener = plant.listen();
    let (mut device, mut accepted) = connect(&mut listener, &plant.client(Some(&device), TLS_13)).await;
    let mut silent = TcpStream::connect(listener.local_address()).await.unwrap();
    until(|| listener.stats().handshakes_open == 1).await;
    let address = listener.local_address();
    drop(listener);
    assert_eq!(within(silent.read(&mut [0; 1])).await.unwrap(), 0);
    crate::plant::echo(&mut device, &mut accepted).await;
    within(async { while TcpStream::connect(address).await.is_ok() {} }).await;
}
