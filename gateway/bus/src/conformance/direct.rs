//! Calls to the target without a bus between.

use std::sync::Arc;
use std::time::Duration;

use super::{Behaviour, Fixture, PATIENCE, Taken, delivery};
use crate::{Delivery, Outcome, Target};

async fn deliver(target: &Arc<dyn Target>, batch: &[Delivery], what: &str) -> Vec<Outcome> {
    let outcomes = tokio::time::timeout(PATIENCE, target.deliver(batch)).await;
    let outcomes = outcomes.unwrap_or_else(|_| panic!("{what}: `deliver` did not return"));
    assert_eq!(outcomes.len(), batch.len(), "{what}: one outcome for each delivery");
    outcomes
}

/// The batches in which the fixture's settings allow `deliveries` to be handed over.
fn batches<'a>(fixture: &dyn Fixture, deliveries: &'a [Delivery]) -> Vec<&'a [Delivery]> {
    deliveries.chunks(fixture.settings().batch_events_max.max(1)).collect()
}

fn as_taken(delivery: &Delivery) -> Taken {
    Taken { event_id: delivery.id.to_string(), data: delivery.body().0.to_vec() }
}

/// What was taken of `deliveries`, each once, in the order in which it was taken first.
async fn taken_of(fixture: &dyn Fixture, deliveries: &[Delivery]) -> Vec<Taken> {
    let wanted: Vec<Taken> = deliveries.iter().map(as_taken).collect();
    let mut first: Vec<Taken> = Vec::new();
    for taken in fixture.taken().await {
        if wanted.iter().any(|wanted| wanted.event_id == taken.event_id) && !first.contains(&taken) {
            first.push(taken);
        }
    }
    first
}

pub(super) async fn takes_batches_of_any_data_in_order(fixture: &dyn Fixture) {
    fixture.behave(Behaviour::Takes).await;
    let target = fixture.target().await;
    let data: [&[u8]; 6] =
        [b"{\"n\":1}", b"[1,2]", "\"größer als 80 °C\"".as_bytes(), b"\"\\u0000\"", b"1", b"null"];
    let deliveries: Vec<Delivery> = data.iter().map(|data| delivery("kiln-ü", *data)).collect();
    for batch in batches(fixture, &deliveries) {
        let outcomes = deliver(&target, batch, "taking").await;
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Delivered), "taking: {outcomes:?}");
    }
    let wanted: Vec<Taken> = deliveries.iter().map(as_taken).collect();
    assert_eq!(
        taken_of(fixture, &deliveries).await,
        wanted,
        "what is delivered is there, in order, under its id"
    );
    target.close().await;
}

pub(super) async fn says_retry_when_busy(fixture: &dyn Fixture) {
    fixture.behave(Behaviour::Busy).await;
    let target = fixture.target().await;
    let deliveries = [delivery("a", "1")];
    let outcomes = deliver(&target, &deliveries, "busy").await;
    assert!(matches!(outcomes[0], Outcome::Retry { .. }), "busy: {outcomes:?}");
    fixture.behave(Behaviour::Takes).await;
    let outcomes = deliver(&target, &deliveries, "busy no more").await;
    assert_eq!(outcomes, [Outcome::Delivered], "the same target works again");
    target.close().await;
}

pub(super) async fn says_reject_when_refused(fixture: &dyn Fixture) {
    fixture.behave(Behaviour::Refuses).await;
    let target = fixture.target().await;
    let outcomes = deliver(&target, &[delivery("a", "1")], "refused").await;
    match &outcomes[0] {
        Outcome::Reject { reason, code } => {
            assert!(!reason.is_empty(), "a rejection says why");
            let is_code = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
            assert!(!code.is_empty() && code.bytes().all(is_code), "`{code}` is not a code such as HTTP_400");
        }
        other => panic!("refused: {other:?}"),
    }
    target.close().await;
}

pub(super) async fn keeps_order_within_a_key_when_one_fails(fixture: &dyn Fixture) {
    let settings = fixture.settings();
    fixture.behave(Behaviour::BusyFor(b"\"bad\"".to_vec())).await;
    let target = fixture.target().await;
    let deliveries: Vec<Delivery> = if settings.batch_same_key {
        ["\"1\"", "\"bad\"", "\"2\""].map(|data| delivery("a", data)).into()
    } else {
        [("a", "\"1\""), ("b", "\"bad\""), ("c", "\"2\"")].map(|(key, data)| delivery(key, data)).into()
    };
    for batch in batches(fixture, &deliveries) {
        let outcomes = deliver(&target, batch, "one of them fails").await;
        for (at, outcome) in outcomes.iter().enumerate() {
            let is_held_back = outcomes[..at].iter().zip(batch).any(|(earlier, delivery)| {
                earlier.is_retry() && delivery.partition_key == batch[at].partition_key
            });
            let is_bad = &batch[at].data[..] == b"\"bad\"";
            let is_retry = outcome.is_retry();
            assert!(!is_bad || is_retry, "the one that fails is to be tried again: {outcomes:?}");
            assert!(!is_held_back || is_retry, "nothing overtakes it within its key: {outcomes:?}");
            assert!(!matches!(outcome, Outcome::Reject { .. }), "nobody refused anything: {outcomes:?}");
            if *outcome == Outcome::Delivered {
                assert_eq!(taken_of(fixture, &batch[at..=at]).await.len(), 1, "delivered means taken");
            }
        }
    }
    target.close().await;
}

pub(super) async fn survives_a_call_that_was_dropped(fixture: &dyn Fixture) {
    fixture.behave(Behaviour::Hangs).await;
    let target = fixture.target().await;
    let deliveries = [delivery("a", "1")];
    let hung = tokio::time::timeout(Duration::from_millis(200), target.deliver(&deliveries)).await;
    // A target may give up by itself before that; it must not say it was delivered.
    if let Ok(outcomes) = hung {
        assert!(matches!(outcomes[..], [Outcome::Retry { .. }]), "hanging: {outcomes:?}");
    }
    fixture.behave(Behaviour::Takes).await;
    let outcomes = deliver(&target, &deliveries, "after a dropped call").await;
    assert_eq!(outcomes, [Outcome::Delivered], "a dropped call leaves the target whole");
    target.close().await;
}

pub(super) async fn delivers_concurrently(fixture: &dyn Fixture) {
    fixture.behave(Behaviour::Takes).await;
    let target = fixture.target().await;
    let deliveries: Vec<Delivery> = (0..8).map(|n| delivery(&format!("key-{n}"), n.to_string())).collect();
    let calls = deliveries.chunks(1).map(|batch| deliver(&target, batch, "concurrent calls"));
    for outcomes in futures::future::join_all(calls).await {
        assert_eq!(outcomes, [Outcome::Delivered], "concurrent calls");
    }
    assert_eq!(taken_of(fixture, &deliveries).await.len(), 8, "concurrent calls");
    target.close().await;
}

pub(super) async fn does_not_panic_after_close(fixture: &dyn Fixture) {
    fixture.behave(Behaviour::Takes).await;
    let target = fixture.target().await;
    let closed = tokio::time::timeout(PATIENCE, target.close()).await;
    assert!(closed.is_ok(), "`close` did not return");
    deliver(&target, &[delivery("a", "1")], "after close").await;
}
