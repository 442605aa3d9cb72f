//! The suite that every push target runs in its own tests (feature `conformance`).
//!
//! A target's tests build a [`Fixture`]: the target, and the other side it delivers to, which behaves as
//! told and remembers what it took. [`check`] then holds the target to what [`Target`] asks of it.
//!
//! ```text
//! #[tokio::test(flavor = "multi_thread")]
//! async fn conforms() {
//!     bus::conformance::check(&HttpFixture::start().await).await;
//! }
//! ```

mod direct;
mod through_the_bus;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::record::{Event, Origin, Record, Route};
use crate::{Delivery, DeliverySettings, Offset, Target, TargetName};

/// A target with the other side it delivers to.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// A new target that delivers to this other side.
    async fn target(&self) -> Arc<dyn Target>;

    /// Settings under which the target keeps its promises, for example one event per call. Times are the
    /// suite's own.
    fn settings(&self) -> DeliverySettings {
        DeliverySettings::default()
    }

    /// Tells the other side how to answer from now on.
    async fn behave(&self, behaviour: Behaviour);

    /// Everything the other side has taken, in the order in which it took it.
    async fn taken(&self) -> Vec<Taken>;
}

/// How the other side answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// It takes everything.
    Takes,
    /// It can't now, but may later: the target says [`Outcome::Retry`](crate::Outcome::Retry).
    Busy,
    /// It never will: the target says [`Outcome::Reject`](crate::Outcome::Reject).
    Refuses,
    /// It does not answer at all.
    Hangs,
    /// It is busy for the event with these data, and takes everything else that it may.
    BusyFor(Vec<u8>),
}

/// One event as the other side took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The event id that a consumer drops repeats by.
    pub event_id: String,
    /// The data.
    pub data: Vec<u8>,
}

/// Holds the target to the whole suite.
///
/// # Panics
/// When it does not conform; the message says in what.
pub async fn check(fixture: &dyn Fixture) {
    direct::takes_batches_of_any_data_in_order(fixture).await;
    direct::says_retry_when_busy(fixture).await;
    direct::says_reject_when_refused(fixture).await;
    direct::keeps_order_within_a_key_when_one_fails(fixture).await;
    direct::survives_a_call_that_was_dropped(fixture).await;
    direct::delivers_concurrently(fixture).await;
    direct::does_not_panic_after_close(fixture).await;
    through_the_bus::loses_nothing_and_keeps_order(fixture).await;
}

/// Bounds every call of the suite.
const PATIENCE: Duration = Duration::from_secs(10);

fn target_name() -> TargetName {
    TargetName::parse("conformance/target").expect("it has a kind and a name")
}

fn record(key: &str, data: impl Into<Vec<u8>>) -> Record {
    let mut record = Record::new(Origin::Device, 1_700_000_000_000);
    record.client_id = key.to_owned();
    record.topic = format!("conformance/{key}");
    record.add(Event { routes: vec![Route::to(target_name())], ..Event::json("conformance", data.into()) });
    record
}

/// A delivery as the bus would make it.
fn delivery(key: &str, data: impl Into<Vec<u8>>) -> Delivery {
    let record = record(key, data);
    Delivery::from_record(&record, &target_name(), Offset(1), 0)
        .expect("the record has one event for the target")
}
