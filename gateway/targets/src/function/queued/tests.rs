//! Queued invocations over a real journal, with real programs and a queue as the destination.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus::{DeadLetterFilter, LaneLimits, TargetName};
use bytes::Bytes;
use journal::Clock;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::tests::{PATIENCE, settings, wait_until};
use super::super::{Function, Invocation};
use super::{Queued, QueuedSettings};
use crate::fixture::Ground;
use crate::queue::{self, Queues};

const NOW_MS: u64 = 1_700_000_000_000;

struct Bench {
    ground: Ground,
    now_ms: Arc<AtomicU64>,
    queues: Queues,
    function: Arc<Function>,
    queued: Arc<Queued>,
}

fn to(name: &str) -> Option<TargetName> {
    Some(TargetName::parse(name).unwrap())
}

fn quick() -> QueuedSettings {
    let moment = Duration::from_millis(5);
    QueuedSettings { retry_first: moment, retry_next: moment, ..QueuedSettings::default() }
}

impl Bench {
    async fn open(queued: QueuedSettings) -> Self {
        Self::on(Ground::new(), "obeys", queued).await
    }

    async fn on(ground: Ground, mode: &str, queued: QueuedSettings) -> Self {
        let now_ms = Arc::new(AtomicU64::new(NOW_MS));
        let clock = {
            let now_ms = Arc::clone(&now_ms);
            Clock::new(move || now_ms.load(Ordering::SeqCst))
        };
        let declared = [("told".to_owned(), queue::Attributes::default())].into();
        let queue_settings = queue::Settings { declared, clock: clock.clone(), ..queue::Settings::default() };
        let queues = ground.queues(&queue_settings).await;
        let function = Function::new(settings(mode)).unwrap();
        let queued = Queued::new(Arc::clone(&function), queued, &ground.bus, clock).unwrap();
        let (lane, serving) = (queued.lane(), queued.delivery_settings());
        ground.bus.set_target(lane, Arc::clone(&queued) as Arc<_>, serving).await.unwrap();
        Self { ground, now_ms, queues, function, queued }
    }

    async fn submit(&self, event: Value) -> Uuid {
        let base = Uuid::now_v7();
        let invocation = Invocation::from(Bytes::from(event.to_string()));
        self.queued.submit(base, invocation).await.unwrap();
        base
    }

    /// The next document that the destination got.
    async fn told(&self) -> Value {
        let queue = self.queues.get("told").unwrap();
        let receive =
            queue::Receive { messages_max: 1, visibility_secs: None, wait_secs: Some(10), attempt_id: None };
        let received = queue.receive(receive).await.unwrap();
        let message = received.first().expect("a document came in time");
        serde_json::from_str(&message.body).unwrap()
    }

    /// The one dead letter there is to come: its code and its message.
    async fn dead(&self) -> (String, String) {
        let filter = || DeadLetterFilter { target: Some(self.queued.lane()), ..DeadLetterFilter::default() };
        let looking = async {
            loop {
                let page = self.ground.bus.dead_letters(filter(), None, 10).await.unwrap();
                if let Some(letter) = page.letters.into_iter().next() {
                    return (letter.failure.error_code, letter.failure.error_message);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.expect("a dead letter comes in time")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_is_told_with_request_and_response() {
    let bench = Bench::open(QueuedSettings { on_success: to("queue/told"), ..quick() }).await;
    let base = bench.submit(json!({ "sensor": 7 })).await;
    let told = bench.told().await;
    assert_eq!(
        told,
        json!({
            "version": "1.0",
            "timestamp": "2023-11-14T22:13:20Z",
            "requestContext": {
                "requestId": base.to_string(),
                "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST",
                "condition": "Success",
                "approximateInvokeCount": 1,
            },
            "requestPayload": { "sensor": 7 },
            "responseContext": { "statusCode": 200, "executedVersion": "$LATEST" },
            "responsePayload": { "sensor": 7 },
        })
    );
    bench.function.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_tried_twice_more_and_then_told() {
    let bench = Bench::open(QueuedSettings { on_failure: to("queue/told"), ..quick() }).await;
    bench.submit(json!({ "do": "fail" })).await;
    let told = bench.told().await;
    assert_eq!(told["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(told["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(told["responseContext"]["functionError"], "Unhandled");
    assert_eq!(told["responsePayload"]["errorMessage"], "the handler says no");
    assert_eq!(bench.function.figures().errors(), [("FUNCTION_ERROR", 3)]);
    assert!(bench.queued.tries.lock().is_empty());

    bench.submit(json!({ "do": "exit" })).await;
    let told = bench.told().await;
    assert_eq!(told["responsePayload"]["errorType"], "Runtime.ExitError", "{told}");
    bench.function.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_destination_a_failure_becomes_a_dead_letter() {
    let bench = Bench::open(QueuedSettings { retries_max: 0, ..quick() }).await;
    bench.submit(json!({ "do": "fail" })).await;
    let (code, message) = bench.dead().await;
    assert_eq!(code, "RETRIES_EXHAUSTED");
    assert!(message.contains("the handler says no"), "{message}");
    bench.function.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_that_grew_too_old_is_not_called() {
    let settings = QueuedSettings {
        on_failure: to("queue/told"),
        retry_first: Duration::from_millis(50),
        age_max: Duration::from_secs(60),
        ..quick()
    };
    let bench = Bench::open(settings).await;
    bench.submit(json!({ "do": "fail" })).await;
    wait_until("the first try has failed", || !bench.function.figures().errors().is_empty()).await;
    bench.now_ms.store(NOW_MS + 60_001, Ordering::SeqCst);
    let told = bench.told().await;
    assert_eq!(told["requestContext"]["condition"], "EventAgeExceeded");
    assert_eq!(told["requestContext"]["approximateInvokeCount"], 1);
    assert_eq!(told["responsePayload"], Value::Null);
    bench.function.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_called_after_a_crash() {
    let settings = QueuedSettings { on_success: to("queue/told"), ..quick() };
    let bench = Bench::open(settings.clone()).await;
    bench.submit(json!({ "do": "hang" })).await;
    wait_until("the first is being called", || bench.function.figures().busy() == 1).await;
    let mut bases = Vec::new();
    for number in 0..5 {
        bases.push(bench.submit(json!({ "number": number })).await.to_string());
    }
    let Bench { ground, function, .. } = bench;
    let again = Bench::on(ground.restart(false).await, "obeys", settings).await;
    function.close().await;
    let mut told = Vec::new();
    while told.len() < bases.len() {
        let request = again.told().await["requestContext"]["requestId"].as_str().unwrap().to_owned();
        // What was called just before the crash is called twice, under the same id.
        if !told.contains(&request) {
            told.push(request);
        }
    }
    told.sort();
    assert_eq!(told, bases);
    again.function.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn destinations_that_go_round_in_circles_come_to_an_end() {
    let bench =
        Bench::on(Ground::new(), "forgets", QueuedSettings { on_success: to("invocation/f"), ..quick() })
            .await;
    bench.submit(json!({})).await;
    assert_eq!(bench.dead().await.0, "RECURSION");
    assert_eq!(bench.function.figures().durations().count(), 17);
    bench.function.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_finds_no_place_is_a_dead_letter() {
    let bench = Bench::open(QueuedSettings { on_success: to("queue/nowhere"), ..quick() }).await;
    bench.submit(json!({})).await;
    let (code, message) = bench.dead().await;
    assert_eq!(code, "DESTINATION");
    assert!(message.contains("queue/nowhere"), "{message}");
    bench.function.close().await;
}

/// With Lambda's own times: a function that fails a few calls in a hundred goes on with the others.
#[tokio::test(flavor = "multi_thread")]
async fn invocations_that_wait_for_their_next_try_hold_up_no_other() {
    let bench =
        Bench::open(QueuedSettings { on_success: to("queue/told"), ..QueuedSettings::default() }).await;
    for failures in 1..=3 {
        bench.submit(json!({ "do": "fail" })).await;
        let failed = || bench.function.figures().errors() == [("FUNCTION_ERROR", failures)];
        wait_until("one more has failed", failed).await;
    }
    let base = bench.submit(json!({ "sensor": 7 })).await;
    assert_eq!(bench.told().await["requestContext"]["requestId"], base.to_string());
    bench.function.close().await;
}

/// The document needs room in the lane that only empties once the document is taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_lane_takes_the_documents_of_its_own_invocations() {
    let limits = LaneLimits { waiting_events_max: 1, ..LaneLimits::default() };
    let settings = QueuedSettings { on_success: to("invocation/f"), limits, ..quick() };
    let bench = Bench::on(Ground::new(), "forgets", settings).await;
    bench.submit(json!({})).await;
    assert_eq!(bench.dead().await.0, "RECURSION", "each was accepted until they had gone round often enough");
    bench.function.close().await;
}
