use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::{Client, Method};

use super::*;
use crate::error::Error;
use crate::ranges::Ranges;
use crate::read_back::{Broker, Reading};
use crate::scenario::{ReadBack, ReadFrom};
use crate::truth::proof::{Origin, Proof, run_number, seal_json};
use crate::truth::{Ledger, Tally};

fn body(sequence: u64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let due_micros = u64::try_from(now).unwrap() - 5_000;
    let mut out = br#"{"t":1}"#.to_vec();
    let origin = Origin { device_id: "kiln", run: "r", clock_ahead_ms: 0 };
    let proof = Proof { run: run_number("r"), device: 0, sequence, due_micros };
    seal_json(&mut out, 0, 0, &origin, &proof).unwrap();
    out
}

/// Where nobody listens.
fn broker() -> Result<Broker, Error> {
    Ok(Broker { host: "127.0.0.1".into(), port: 1, tls: None, client_id: "reader".into(), login: None })
}

#[tokio::test]
async fn requests_are_entered_while_the_run_goes_on() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let tally = Arc::new(Tally::new(1));
    let books = Books::new(Ledger::new("r", ["kiln".into()]), Some((Arc::clone(&tally), 0)));
    let listen = ReadFrom::Http { listen: "127.0.0.1:0".parse().unwrap() };
    let read_back = ReadBack { from: listen, longest: Duration::from_secs(10) };
    let reading = Reading::start(&read_back, Arc::clone(&books), broker).await.unwrap();
    let place = reading.describe();
    let url = place.split('`').nth(1).unwrap().to_owned();
    let client = Client::new();
    let send = async |method: Method, body: Vec<u8>, id: Option<&str>| {
        let mut request = client.request(method, &url).body(body);
        if let Some(id) = id {
            request = request.header("ce-id", id);
        }
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(Method::POST, body(1), Some("a")).await, 204);
    assert_eq!(send(Method::PUT, body(1), Some("b")).await, 204);
    assert_eq!(send(Method::GET, Vec::new(), None).await, 405);
    assert_eq!(send(Method::POST, vec![b'x'; BODY_BYTES_MAX + 1], None).await, 413);
    let batch = [b"[", &body(2)[..], b",", &body(3)[..], b"]"].concat();
    assert_eq!(send(Method::POST, batch, None).await, 204);
    let mut acknowledged = Ranges::default();
    (1..=3).for_each(|sequence| assert!(acknowledged.insert(sequence)));
    books.ledger().settle(0, 3, acknowledged);
    reading.finish().await.unwrap();
    let balance = books.close().balance();
    assert_eq!((balance.delivered, balance.lost, balance.repeated), (Some(3), Some(0), Some(1)));
    assert_eq!((balance.repeated_with_other_event_id, balance.foreign), (Some(1), Some(0)));
    tally.sample(Duration::from_secs(1));
    let snapshot = tally.snapshot();
    assert_eq!((snapshot.so_far.received, snapshot.so_far.delivery_micros.count), (4, 3));
    assert!(snapshot.so_far.delivery_micros.p50 >= 5_000);
}

#[tokio::test]
async fn a_subscription_that_cannot_be_made_is_said_at_once() {
    let books = Books::new(Ledger::new("r", []), None);
    let from =
        ReadFrom::Mqtt { filter: "a/#".into(), qos: crate::scenario::Qos::AtLeastOnce, offline: false };
    let read_back = ReadBack { from, longest: Duration::from_secs(1) };
    let error = Reading::start(&read_back, books, broker).await.err().expect("nobody listens").to_string();
    assert!(error.starts_with("cannot subscribe to `a/#` to read back what arrives: "), "{error}");
}
