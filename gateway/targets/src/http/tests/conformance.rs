//! The suite of the bus.

use async_trait::async_trait;
use bus::DeliverySettings;
use bus::conformance::{Behaviour, Fixture, Taken, check};

use super::*;

#[async_trait]
impl Fixture for Server {
    async fn target(&self) -> Arc<dyn Target> {
        target(self)
    }

    fn settings(&self) -> DeliverySettings {
        target(self).delivery_settings(DeliverySettings::default())
    }

    async fn behave(&self, behaviour: Behaviour) {
        self.answer(match behaviour {
            Behaviour::Takes => Answer::Status(200),
            Behaviour::Busy => Answer::Status(503),
            Behaviour::Refuses => Answer::Status(400),
            Behaviour::Hangs => Answer::Never,
            Behaviour::BusyFor(data) => Answer::StatusFor(503, data),
        });
    }

    async fn taken(&self) -> Vec<Taken> {
        let taken = self.seen().into_iter().filter(|seen| seen.taken).map(|seen| Taken {
            event_id: seen.headers["idempotency-key"].to_str().unwrap().to_owned(),
            data: seen.body.to_vec(),
        });
        taken.collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    check(&Server::start(Answer::Status(200)).await).await;
}
