//! The suite for targets holds a target in memory to it, and catches one that breaks the order.

use crate::conformance::{Behaviour, Fixture, Taken, check};

use super::*;

struct InMemory {
    behaviour: Arc<Mutex<Behaviour>>,
    taken: Arc<Mutex<Vec<Taken>>>,
    overtakes: bool,
}

impl InMemory {
    fn new(overtakes: bool) -> Self {
        Self { behaviour: Arc::new(Mutex::new(Behaviour::Takes)), taken: Arc::default(), overtakes }
    }
}

struct Side {
    behaviour: Arc<Mutex<Behaviour>>,
    taken: Arc<Mutex<Vec<Taken>>>,
    overtakes: bool,
}

#[async_trait]
impl Target for Side {
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        let behaviour = self.behaviour.lock().clone();
        if behaviour == Behaviour::Hangs {
            std::future::pending::<()>().await;
        }
        let mut held_back = Vec::new();
        batch.iter().map(|delivery| self.take(delivery, &behaviour, &mut held_back)).collect()
    }
}

impl Side {
    fn take(&self, delivery: &Delivery, behaviour: &Behaviour, held_back: &mut Vec<String>) -> Outcome {
        let is_bad = matches!(behaviour, Behaviour::BusyFor(data) if *data == delivery.data[..]);
        let is_held_back = held_back.contains(&delivery.partition_key) && !self.overtakes;
        match behaviour {
            Behaviour::Refuses => return Outcome::reject("REFUSED", "never"),
            Behaviour::Takes | Behaviour::BusyFor(_) if !is_bad && !is_held_back => {}
            _ => {
                held_back.push(delivery.partition_key.clone());
                return Outcome::retry("BUSY", "later");
            }
        }
        self.taken.lock().push(Taken { event_id: delivery.id.to_string(), data: delivery.data.to_vec() });
        Outcome::Delivered
    }
}

#[async_trait]
impl Fixture for InMemory {
    async fn target(&self) -> Arc<dyn Target> {
        Arc::new(Side {
            behaviour: Arc::clone(&self.behaviour),
            taken: Arc::clone(&self.taken),
            overtakes: self.overtakes,
        })
    }

    fn settings(&self) -> DeliverySettings {
        DeliverySettings { batch_events_max: 3, ..DeliverySettings::default() }
    }

    async fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock() = behaviour;
    }

    async fn taken(&self) -> Vec<Taken> {
        self.taken.lock().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_target_conforms() {
    check(&InMemory::new(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_lets_events_overtake_is_caught() {
    let caught = tokio::spawn(async { check(&InMemory::new(true)).await }).await.unwrap_err();
    let message = *caught.into_panic().downcast::<String>().unwrap();
    assert!(message.starts_with("nothing overtakes it within its key"), "{message}");
}
