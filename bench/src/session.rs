//! A session that subscribes, goes away, and comes back to collect: what a server kept over its own end.
//!
//! It speaks through a public client, not through the load's own code, so that a mistake there can't hide a loss.

use crate::wait;
use anyhow::Context;
use rumqttc::{Client, Connection, Event, MqttOptions, Packet, QoS};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long connecting, and each answer, may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Nothing more comes when this long nothing came.
const SILENCE: Duration = Duration::from_secs(3);
/// Collecting takes no longer.
const COLLECT: Duration = Duration::from_secs(25);

/// The sequence numbers that were seen, by device.
pub(crate) type Seen = BTreeMap<String, BTreeSet<u64>>;

/// Subscribes to everything below `bench/` for a session that stays, and leaves.
///
/// # Errors
/// When the server does not take it.
pub(crate) fn establish(port: u16) -> anyhow::Result<()> {
    let (client, mut connection) = connect(port);
    client.subscribe("bench/#", QoS::AtLeastOnce)?;
    expect(&mut connection, "SUBACK", |packet| matches!(packet, Packet::SubAck(_)))?;
    client.disconnect()?;
    leave(&mut connection)
}

/// Comes back and takes what was kept, until nothing more comes.
///
/// # Errors
/// When the server does not take it.
pub(crate) fn collect(port: u16) -> anyhow::Result<Seen> {
    let (client, mut connection) = connect(port);
    expect(&mut connection, "CONNACK", |packet| matches!(packet, Packet::ConnAck(_)))?;
    // Some servers send what they kept only to who subscribes; to the others it is the subscription that they have.
    client.subscribe("bench/#", QoS::AtLeastOnce)?;
    let mut seen = Seen::new();
    let deadline = Instant::now() + COLLECT;
    while Instant::now() < deadline {
        match connection.recv_timeout(SILENCE) {
            Ok(Ok(Event::Incoming(Packet::Publish(publish)))) => {
                if let Ok(message) = serde_json::from_slice::<Message>(&publish.payload) {
                    seen.entry(message.device_id).or_default().insert(message.sequence);
                }
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error).context("the session was cut while it collected"),
            // Silence.
            Err(_) => break,
        }
    }
    client.disconnect()?;
    leave(&mut connection)?;
    Ok(seen)
}

/// Reads `acknowledged.jsonl` of the load.
///
/// # Errors
/// When it is not what it should be.
pub(crate) fn acknowledged(text: &str) -> anyhow::Result<BTreeMap<String, Vec<(u64, u64)>>> {
    #[derive(Deserialize)]
    struct Line {
        device: String,
        ranges: Vec<(u64, u64)>,
    }
    text.lines()
        .map(|line| Ok(serde_json::from_str::<Line>(line).map(|line| (line.device, line.ranges))?))
        .collect()
}

/// How many messages were acknowledged, and how many of these were not seen.
pub(crate) fn balance(acknowledged: &BTreeMap<String, Vec<(u64, u64)>>, seen: &Seen) -> (u64, u64) {
    let (mut all, mut lost) = (0, 0);
    for (device, ranges) in acknowledged {
        let seen = seen.get(device);
        for (first, last) in ranges {
            all += last - first + 1;
            lost += (*first..=*last).filter(|number| !seen.is_some_and(|seen| seen.contains(number))).count()
                as u64;
        }
    }
    (all, lost)
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "deviceId")]
    device_id: String,
    sequence: u64,
}

fn connect(port: u16) -> (Client, Connection) {
    const REQUESTS_MAX: usize = 10;
    let mut options = MqttOptions::new("bench-session", "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(30)).set_clean_session(false);
    Client::new(options, REQUESTS_MAX)
}

fn expect(connection: &mut Connection, what: &str, wanted: fn(&Packet) -> bool) -> anyhow::Result<()> {
    wait::until(what, ANSWER, || match connection.recv_timeout(ANSWER) {
        Ok(Ok(Event::Incoming(packet))) => Ok(wanted(&packet).then_some(())),
        Ok(Ok(Event::Outgoing(_))) => Ok(None),
        Ok(Err(error)) => Err(error).context("the session's connection"),
        Err(_) => anyhow::bail!("no {what} in {} s", ANSWER.as_secs()),
    })
}

/// Writes what is left, DISCONNECT among it, until the connection ends.
fn leave(connection: &mut Connection) -> anyhow::Result<()> {
    wait::until("the session to leave", ANSWER, || {
        Ok(match connection.recv_timeout(Duration::from_secs(1)) {
            Ok(Ok(_)) => None,
            Ok(Err(_)) | Err(_) => Some(()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_acknowledged_and_not_seen_is_lost() {
        let text = "{\"device\":\"one\",\"ranges\":[[1,3],[5,5]]}\n{\"device\":\"two\",\"ranges\":[[1,2]]}\n";
        let acknowledged = acknowledged(text).unwrap();
        let seen = Seen::from([("one".to_owned(), BTreeSet::from([1, 3, 4, 5]))]);
        assert_eq!(balance(&acknowledged, &seen), (6, 3));
        assert_eq!(balance(&acknowledged, &Seen::new()), (6, 6));
    }
}
