//! The state of the gateway as topics below `$SYS/broker/`, as users of Mosquitto know them.
//!
//! A value is published when it changed, at QoS 0, and kept in memory as the retained message of its topic, so that a new subscriber gets
//! them all at once. None of it is written to disk, or counted among the clients' retained messages. Who may subscribe is a matter of policy.

mod load;
mod numbers;
mod tree;

use crate::flow::announce::{Announcement, Announcer};
use crate::gateway::Gateway;
use load::{Load, SPANS};
use mqtt::{Qos, Text};
use numbers::Numbers;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior};
use tree::{LOADS, RECEIVED, SENT, VALUES};

/// The tree as it was published last.
struct Tree {
    started: Instant,
    looked: Instant,
    loads: [Load; LOADS.len()],
    topics: Vec<Topic>,
}

struct Topic {
    name: Text,
    /// Empty before the first time.
    said: String,
}

impl Topic {
    fn new(below: &str) -> Self {
        let name = format!("$SYS/broker/{below}");
        Self {
            name: Text::try_from(name).expect("the names of the tree are short texts"),
            said: String::new(),
        }
    }
}

impl Tree {
    fn new(now: Instant) -> Self {
        let mut names = vec!["version".to_string(), "uptime".to_string()];
        names.extend(VALUES.iter().map(|(name, _)| (*name).to_string()));
        let packets = [("received", RECEIVED), ("sent", SENT)];
        for (direction, types) in packets {
            let name =
                |packet: &mqtt::PacketType| format!("mqtt/{}/{direction}", packet.name().to_lowercase());
            names.extend(types.iter().map(name));
        }
        for (name, _) in LOADS {
            names.extend(SPANS.iter().map(|(span, _)| format!("load/{name}/{span}")));
        }
        let topics = names.iter().map(|name| Topic::new(name)).collect();
        Self { started: now, looked: now, loads: Default::default(), topics }
    }

    /// The values that changed since the last time, by topic.
    fn look(&mut self, numbers: &Numbers, now: Instant) -> Vec<(Text, String)> {
        let elapsed = now.duration_since(self.looked);
        self.looked = now;
        let values = self.values(numbers, elapsed, now.duration_since(self.started));
        let mut changed = Vec::new();
        for (topic, value) in self.topics.iter_mut().zip(values) {
            if !value.is_empty() && topic.said != value {
                topic.said.clone_from(&value);
                changed.push((topic.name.clone(), value));
            }
        }
        changed
    }

    /// In the order of the topics; empty for what is not known.
    fn values(&mut self, numbers: &Numbers, elapsed: Duration, uptime: Duration) -> Vec<String> {
        let mut values = Vec::with_capacity(self.topics.len());
        values.push(format!("iot-gateway version {}", env!("CARGO_PKG_VERSION")));
        values.push(format!("{} seconds", uptime.as_secs()));
        let text = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
        values.extend(VALUES.iter().map(|(_, value)| text(value(numbers))));
        values.extend(RECEIVED.iter().map(|packet| numbers.received.packets(*packet).to_string()));
        values.extend(SENT.iter().map(|packet| numbers.sent.packets(*packet).to_string()));
        for ((_, counter), load) in LOADS.iter().zip(&mut self.loads) {
            load.take(counter(numbers), elapsed);
            values.extend(load.per_minute().map(|average| {
                let mut text = String::with_capacity(12);
                // Writing to a string cannot fail.
                let _ = write!(text, "{average:.2}");
                text
            }));
        }
        values
    }
}

/// Publishes what changed, every interval, until the future is dropped. `told` hears when every value was published for the first time, and
/// is dropped when the settings want none.
pub(crate) async fn run(gateway: Arc<Gateway>, told: oneshot::Sender<()>) {
    let interval_secs = gateway.settings.raw.mqtt.sys_interval_secs;
    if interval_secs == 0 {
        return;
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(interval_secs));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tree = Tree::new(Instant::now());
    let mut announcer = Announcer::new(Arc::clone(&gateway));
    let nobody: Arc<str> = Arc::default();
    let mut told = Some(told);
    loop {
        let now = ticks.tick().await;
        for (topic, value) in tree.look(&Numbers::of(&gateway), now) {
            let announcement = Announcement::new(&nobody, topic, value, Qos::AtMostOnce, true);
            announcer.announce(&announcement).await;
        }
        announcer.finish().await;
        // Whoever waited may have given up.
        told.take().map(|told| told.send(()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn changes(tree: &mut Tree, numbers: &Numbers, at: Instant) -> Vec<String> {
        let changed = tree.look(numbers, at);
        changed.into_iter().map(|(topic, value)| format!("{} {value}", topic.as_str())).collect()
    }

    #[test]
    fn everything_is_told_once_and_then_what_changed() {
        let start = Instant::now();
        let mut tree = Tree::new(start);
        let mut numbers = Numbers::default();
        let first = changes(&mut tree, &numbers, start);
        let topics: BTreeSet<_> = tree.topics.iter().map(|topic| topic.name.as_str()).collect();
        assert_eq!(topics.len(), tree.topics.len(), "names are unique");
        // What the system does not tell has no topic.
        assert_eq!(first.len(), topics.len() - 2);
        assert!(first.contains(&"$SYS/broker/uptime 0 seconds".to_string()), "{first:?}");
        numbers.broker.connected = 3;
        numbers.broker.sessions = 4;
        numbers.sockets = 6;
        let expected = [
            "$SYS/broker/uptime 60 seconds",
            "$SYS/broker/clients/total 4",
            "$SYS/broker/clients/connected 3",
            "$SYS/broker/clients/active 3",
            "$SYS/broker/clients/disconnected 1",
            "$SYS/broker/clients/inactive 1",
            "$SYS/broker/connections/socket/count 6",
            "$SYS/broker/load/sockets/1min 3.79",
            "$SYS/broker/load/sockets/5min 1.09",
            "$SYS/broker/load/sockets/15min 0.39",
        ];
        assert_eq!(changes(&mut tree, &numbers, start + Duration::from_secs(60)), expected);
        let later = start + Duration::from_millis(60_001);
        assert_eq!(changes(&mut tree, &numbers, later), Vec::<String>::new());
    }
}
