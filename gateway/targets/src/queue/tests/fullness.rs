//! Queues that are full: who waits, for how long, and what comes of it.

use tokio::time::Instant;

use super::*;

async fn full(queue: &str) -> Bench {
    let redrive = Some(Redrive { dead_letter_queue: "failed".into(), receives_max: 1 });
    let source = Attributes { redrive, ..Attributes::default() };
    let limits = Limits { messages_max: 3, ..Limits::default() };
    let bench = Bench::open_with(&[("alerts", source), ("failed", Attributes::default())], limits).await;
    bench.send(queue, &["1", "2", "3"]).await;
    bench.until(queue, |queue| queue.held().ready == 3).await;
    bench
}

#[tokio::test]
async fn a_batch_for_a_full_queue_waits_once_and_not_once_for_each_message() {
    let bench = full("alerts").await;
    tokio::time::pause();
    let before = Instant::now();
    let messages = (0..10).map(|_| Outgoing { body: "late".into(), ..Outgoing::default() }).collect();
    for outcome in bench.queue("alerts").send(messages).await {
        assert!(
            matches!(&outcome, Err(QueueError::NotTaken(error)) if error.is_temporary()),
            "senders are told to come again: {outcome:?}"
        );
    }
    assert!(before.elapsed().as_secs() <= 11, "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_move_to_a_full_dead_letter_queue_does_not_wait_and_succeeds_when_there_is_room() {
    let bench = full("failed").await;
    bench.send("alerts", &["poison"]).await;
    bench.receive_all("alerts", 1).await;
    bench.advance_secs(30);
    let again_at_ms = bench.now_ms.load(Ordering::SeqCst) + 2_000;
    let is_put_off = |queue: &Queue| {
        let policy = queue.policy();
        queue.contents.lock().window.next_due_ms(policy) == Some(again_at_ms)
    };
    let before = Instant::now();
    bench.until("alerts", is_put_off).await;
    // The bus would have let it wait for ten.
    assert!(before.elapsed().as_secs() < 5, "{:?}", before.elapsed());
    for message in bench.receive_all("failed", 3).await {
        bench.queue("failed").delete(&message.handle).await.unwrap();
    }
    bench.advance_secs(2);
    bench.until("alerts", |queue| queue.counts().moved == 1).await;
    assert_eq!(bodies(&bench.receive_all("failed", 1).await), ["poison"]);
}
