//! What an idle session costs.

#[path = "stage/anyone.rs"]
mod anyone;

use anyone::Anyone;
use broker::{Broker, Connected, Limits};
use mqtt::{Connect, PacketId, Properties, Subscribe, SubscribeFilter, SubscriptionOptions, Text, Version};
use std::sync::Arc;

const SESSIONS: usize = 30_000;
/// Everything the broker keeps for one connected client with one subscription, the allocator's rounding included.
const IDLE_SESSION_BYTES_MAX: usize = 1_100;

/// Resident memory of this process.
fn resident_bytes() -> Option<usize> {
    let statistics = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = statistics.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}

fn connect(broker: &Broker<Anyone>, number: usize) -> Connected<Anyone> {
    let connect = Connect {
        version: Version::V5,
        clean_start: true,
        keep_alive_secs: 60,
        properties: Properties::default(),
        client_id: Text::try_from(format!("device-{number:06}")).expect("legal text"),
        will: None,
        username: None,
        password: None,
    };
    let wake = Arc::new(|| {});
    let connected = broker.connect(&connect, Anyone, wake, 0).expect("within the limits");
    let filter = Text::try_from(format!("plant/line-{number:06}/commands")).expect("legal text");
    let request = Subscribe {
        packet_id: PacketId::FIRST,
        properties: Properties::default(),
        filters: vec![SubscribeFilter { filter, options: SubscriptionOptions::default() }],
    };
    broker.subscribe(&connected.session, &request, |_| Ok(())).expect("a legal request");
    let mut out = bytes::BytesMut::new();
    connected.session.poll_outgoing(0, 1_024, &mut out);
    connected
}

#[test]
fn an_idle_session_with_one_subscription_stays_small() {
    let broker = Broker::new(Limits::default(), [0; 32]);
    let mut connections = Vec::with_capacity(SESSIONS);
    connections.push(connect(&broker, 0).session);
    let Some(before) = resident_bytes() else { return };
    for number in 1..SESSIONS {
        connections.push(connect(&broker, number).session);
    }
    let after = resident_bytes().expect("it was there before");
    let each = (after - before) / SESSIONS;
    println!("{each} bytes for each idle session with one subscription");
    assert!(each <= IDLE_SESSION_BYTES_MAX, "{each} bytes for each idle session");
    for session in &connections {
        broker.disconnected(session, broker::Parting::Clean, 0);
    }
    let stats = broker.stats();
    assert_eq!((stats.sessions, stats.subscriptions, stats.connected), (0, 0, 0));
}
