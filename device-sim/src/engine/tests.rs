//! The engine against a small server, over real sockets.

use std::sync::Arc;
use std::time::Duration;

use super::play::{Ending, play, workers};
use crate::scenario::{
    Address, ClientId, Fleet, Publication, Qos, QosMix, Scenario, Server, Template, Thresholds, Timing,
};
use crate::tests::broker::{Broker, Manners};
use crate::truth::{Tally, Totals};

fn scenario(port: u16, fleet: Fleet) -> Scenario {
    Scenario {
        name: "test".to_owned(),
        seed: 1,
        ends_after: None,
        server: Server { address: Address { host: "127.0.0.1".to_owned(), port }, ..Server::default() },
        drain: Duration::from_secs(10),
        fleets: vec![Arc::new(fleet)],
        stages: Arc::default(),
        faults: Vec::new(),
        hooks: Vec::new(),
        read_back: None,
        thresholds: Thresholds::default(),
    }
}

fn publication(qos: Qos, timing: Timing, messages_max: u64) -> Arc<Publication> {
    Arc::new(Publication {
        topic: Template::parse("plant/{device}/telemetry").unwrap(),
        qos: QosMix::only(qos),
        timing,
        messages_max: Some(messages_max),
        ..Publication::default()
    })
}

fn fleet(devices: u32, publication: Arc<Publication>) -> Fleet {
    Fleet {
        devices,
        client_id: ClientId::Template(Template::parse("device-{index}").unwrap()),
        connect_per_second: 1000.0,
        publications: vec![publication],
        ..Fleet::default()
    }
}

async fn played(scenario: &Scenario) -> (Totals, u64) {
    let tally = Arc::new(Tally::new(workers(scenario)));
    let names: Vec<Arc<str>> =
        (1..=scenario.devices()).map(|index| format!("device-{index}").into()).collect();
    let playing = Box::pin(play(scenario, "test", &names, None, &tally, Ending::default()));
    let played = tokio::time::timeout(Duration::from_secs(30), playing).await.expect("it ends").unwrap();
    let acknowledged = played.outcomes.iter().map(|outcome| outcome.acknowledged.count()).sum();
    (tally.conclude().0, acknowledged)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_sent_and_acknowledged_once() {
    for (qos, timing) in [
        (Qos::AtLeastOnce, Timing::Every(Duration::from_millis(5))),
        (Qos::ExactlyOnce, Timing::Saturate),
        (Qos::AtLeastOnce, Timing::Saturate),
    ] {
        let broker = Broker::start(Manners::default(), None).await;
        let scenario = scenario(broker.port, fleet(20, publication(qos, timing, 50)));
        let (totals, acknowledged) = played(&scenario).await;
        let counts = &totals.counts;
        assert_eq!((counts.due, counts.sent, counts.acknowledged, acknowledged), (1000, 1000, 1000, 1000));
        assert_eq!((counts.connects, counts.connected, counts.resent), (20, 0, 0));
        assert_eq!(broker.seen.lock().publishes, 1000);
    }
}
