//! Bare TCP.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;

#[test]
fn what_is_sent_arrives_and_comes_back_in_order_whatever_its_size() {
    for size in [1, 100, 40_000, 3_000_000] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::tcp(listener.local_addr().unwrap());
        let echo = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut all = vec![0; size];
            stream.read_exact(&mut all).unwrap();
            stream.write_all(&all).unwrap();
            // Closed at once: the link must still read all of it.
        });
        let sent: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
        let mut driven = Driven::open(&endpoint).unwrap();
        driven.until(|driven| driven.link.is_open()).unwrap();
        driven.send(&sent).unwrap();
        let ended = driven.until(|_| false).unwrap_err();
        echo.join().unwrap();
        assert_eq!(ended.to_string(), "closed by the gateway");
        assert!(driven.received == sent, "{} of {size} bytes", driven.received.len());
        assert_eq!(driven.link.unsent_bytes(), 0);
    }
}

#[test]
fn nobody_there_is_a_reason_in_words() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::tcp(listener.local_addr().unwrap());
    drop(listener);
    let ended = Driven::open(&endpoint).and_then(|mut driven| driven.until(|_| false));
    assert_eq!(ended.unwrap_err().to_string(), "connection refused");
}

#[test]
fn a_server_that_does_not_read_ends_the_link_before_memory_does() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::tcp(listener.local_addr().unwrap());
    let mut driven = Driven::open(&endpoint).unwrap();
    driven.until(|driven| driven.link.is_open()).unwrap();
    let (_unread, _) = listener.accept().unwrap();
    let megabyte = vec![7; 1 << 20];
    let ended = (0..64).find_map(|_| driven.send(&megabyte).err()).expect("64 MB are never held");
    assert_eq!(ended.to_string(), "the gateway stopped reading");
    assert!(driven.link.unsent_bytes() <= 4 << 20);
}

#[test]
fn a_link_comes_from_the_address_it_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::tcp(listener.local_addr().unwrap());
    let source = "127.0.0.9".parse().unwrap();
    let mut driven = Driven::of(Link::open(&endpoint, Some(source), None).unwrap()).unwrap();
    driven.until(|driven| driven.link.is_open()).unwrap();
    assert_eq!(listener.accept().unwrap().1.ip(), source);
}
