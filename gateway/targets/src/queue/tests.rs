mod fifo;
mod fifo_crashes;
mod fifo_model;
mod fullness;
mod model;
mod moves;
mod restart;
mod scenarios;
mod settling;
mod states;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bus::{Event, Origin, Record, Route, TargetName};
use journal::Clock;

use super::*;
use crate::fixture::Ground;

/// Queues over a journal in a temporary directory, with a clock that stands still until it is told.
pub(super) struct Bench {
    pub(super) ground: Ground,
    pub(super) now_ms: Arc<AtomicU64>,
    pub(super) queues: Queues,
    settings: Settings,
}

impl Bench {
    pub(super) async fn open(declared: &[(&str, Attributes)]) -> Self {
        Self::open_with(declared, Limits::default()).await
    }

    pub(super) async fn open_with(declared: &[(&str, Attributes)], limits: Limits) -> Self {
        let now_ms = Arc::new(AtomicU64::new(1_700_000_000_000));
        let clock = {
            let now_ms = Arc::clone(&now_ms);
            Clock::new(move || now_ms.load(Ordering::SeqCst))
        };
        let declared =
            declared.iter().map(|(name, attributes)| ((*name).to_owned(), attributes.clone())).collect();
        let settings = Settings { declared, limits, clock, ..Settings::default() };
        let ground = Ground::new();
        let queues = ground.queues(&settings).await;
        Self { ground, now_ms, queues, settings }
    }

    /// What a restart does, after a shutdown or, with nothing closed, as after `kill -9`.
    pub(super) async fn restart(mut self, gracefully: bool) -> Self {
        if gracefully {
            self.queues.close().await;
        }
        self.ground = self.ground.restart(gracefully).await;
        self.queues = self.ground.queues(&self.settings).await;
        self
    }

    pub(super) fn advance_secs(&self, secs: u64) {
        self.now_ms.fetch_add(secs * 1000, Ordering::SeqCst);
        // The keepers sleep by the runtime's clock, so they are rung.
        self.queues.list("").iter().for_each(|queue| queue.keeper.notify_one());
    }

    pub(super) fn queue(&self, name: &str) -> Arc<Queue> {
        self.queues.get(name).unwrap()
    }

    pub(super) async fn send(&self, queue: &str, bodies: &[&str]) -> Vec<String> {
        let messages =
            bodies.iter().map(|body| Outgoing { body: (*body).to_owned(), ..Outgoing::default() }).collect();
        let sent = self.queue(queue).send(messages).await;
        sent.into_iter().map(|sent| sent.unwrap().id).collect()
    }

    /// Sends one message to a FIFO queue, under a deduplication id of its own or the digest of its body.
    pub(super) async fn send_in(
        &self,
        queue: &str,
        group: &str,
        deduplication_id: Option<&str>,
        body: &str,
    ) -> Result<Sent, QueueError> {
        let message = Outgoing {
            body: body.to_owned(),
            group: Some(group.to_owned()),
            deduplication_id: deduplication_id.map(str::to_owned),
            ..Outgoing::default()
        };
        self.queue(queue).send(vec![message]).await.remove(0)
    }

    /// What the books say of a queue: accepted, delivered and deduplicated.
    pub(super) fn books(&self, queue: &str) -> (u64, u64, u64) {
        let target = format!("{KIND}/{queue}");
        let rows = self.ground.bus.ledger().into_iter().filter(|row| row.target == target);
        rows.fold((0, 0, 0), |(accepted, delivered, deduplicated), row| {
            assert!(row.counts.balance(), "{row:?}");
            let dropped = row.counts.dropped.get(&bus::DropReason::Deduplicated).copied().unwrap_or_default();
            (accepted + row.counts.accepted, delivered + row.counts.delivered, deduplicated + dropped)
        })
    }

    /// Sends what a rule would.
    pub(super) async fn publish(&self, queue: &str, data: &[u8]) {
        self.publish_with(queue, data, &[]).await;
    }

    /// The same with parameters of the rule's action.
    pub(super) async fn publish_with(&self, queue: &str, data: &[u8], parameters: &[(&str, &str)]) {
        let mut record = Record::new(Origin::Device, self.now_ms.load(Ordering::SeqCst));
        record.client_id = "kiln-1".into();
        record.topic = "plant/1/telemetry".into();
        let mut event = Event::json("overheating", data.to_vec());
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let route = Route::to(TargetName::new(KIND, queue).unwrap());
        event.routes.push(Route { parameters: parameters.collect(), ..route });
        record.add(event);
        self.ground.bus.send(&record).await.unwrap();
    }

    /// Receives at once what is there.
    pub(super) async fn receive(&self, queue: &str) -> Vec<Received> {
        let request =
            Receive { messages_max: 10, visibility_secs: None, wait_secs: Some(0), attempt_id: None };
        self.queue(queue).receive(request).await.unwrap()
    }

    /// Receives until `count` messages came, or fails.
    pub(super) async fn receive_all(&self, queue: &str, count: usize) -> Vec<Received> {
        let mut received = Vec::new();
        let all = async {
            while received.len() < count {
                let request = Receive {
                    messages_max: 10,
                    visibility_secs: None,
                    wait_secs: Some(20),
                    attempt_id: None,
                };
                received.extend(self.queue(queue).receive(request).await.unwrap());
            }
        };
        let outcome = tokio::time::timeout(std::time::Duration::from_secs(10), all).await;
        assert!(outcome.is_ok(), "{} of {count} messages came", received.len());
        received
    }

    pub(super) async fn until(&self, queue: &str, condition: impl Fn(&Queue) -> bool) {
        let queue = self.queue(queue);
        let wait = async {
            while !condition(&queue) {
                tokio::task::yield_now().await;
            }
        };
        let outcome = tokio::time::timeout(std::time::Duration::from_secs(10), wait).await;
        assert!(outcome.is_ok(), "held {:?}, counts {:?}", queue.held(), queue.counts());
    }
}

/// A FIFO queue that takes messages for the same by their bodies.
pub(super) fn by_body() -> Attributes {
    Attributes { fifo: true, content_based_deduplication: true, ..Attributes::default() }
}

pub(super) fn in_order(received: &[Received]) -> Vec<&str> {
    received.iter().map(|message| message.body.as_str()).collect()
}

pub(super) fn bodies(received: &[Received]) -> Vec<&str> {
    let mut bodies: Vec<&str> = received.iter().map(|message| message.body.as_str()).collect();
    bodies.sort_unstable();
    bodies
}
