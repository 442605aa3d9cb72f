//! A message that is settled stays so, whatever else happens to it at that moment.

use std::sync::atomic::AtomicUsize;

use super::*;

/// Sends a message that nobody deletes, so that the floor stays below those that follow and their rows are kept.
async fn anchored(bench: &Bench, bodies: &[&str]) -> Vec<Received> {
    bench.send("alerts", &["anchor"]).await;
    bench.send("alerts", bodies).await;
    let mut received = bench.receive_all("alerts", bodies.len() + 1).await;
    received.retain(|message| message.body != "anchor");
    received
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_that_was_answered_outlives_a_change_of_visibility_at_that_moment() {
    let bench = Bench::open(&[("alerts", Attributes::default())]).await;
    let texts: Vec<String> = (0..600).map(|number| number.to_string()).collect();
    let received = anchored(&bench, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let handles: Vec<String> = received.into_iter().map(|message| message.handle).collect();
    // Which message is being deleted, so that its visibility is changed at about that moment.
    let next = Arc::new(AtomicUsize::new(0));
    let changing = std::thread::spawn({
        let (queue, handles, next) = (bench.queue("alerts"), handles.clone(), Arc::clone(&next));
        move || {
            while let Some(handle) = handles.get(next.load(Ordering::SeqCst)) {
                // Refused when the delete came first.
                let _ = queue.change_visibility(handle, 30);
            }
        }
    });
    let queue = bench.queue("alerts");
    let deletes = handles.iter().enumerate().map(|(number, handle)| {
        let (queue, next) = (&queue, &next);
        async move {
            next.store(number, Ordering::SeqCst);
            queue.delete(handle).await
        }
    });
    for outcome in futures::future::join_all(deletes).await {
        outcome.unwrap();
    }
    next.store(handles.len(), Ordering::SeqCst);
    changing.join().unwrap();
    let bench = bench.restart(true).await;
    bench.advance_secs(31);
    assert_eq!(bodies(&bench.receive_all("alerts", 1).await), ["anchor"]);
    assert_eq!(bench.queue("alerts").counts().settled_before, handles.len() as u64);
}

/// A queue that was restarted with more messages than its window takes, all received before and visible again; and
/// what was received, in order.
async fn behind_the_window() -> (Bench, Vec<Received>) {
    let limits = Limits { ready_messages_max: 10, ..Limits::default() };
    let bench = Bench::open_with(&[("alerts", Attributes::default())], limits).await;
    let texts: Vec<String> = (0..30).map(|number| format!("{number:02}")).collect();
    bench.send("alerts", &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let received = bench.receive_all("alerts", texts.len()).await;
    bench.advance_secs(31);
    (bench.restart(true).await, received)
}

#[tokio::test]
async fn a_delete_past_the_window_holds_in_the_same_run() {
    let (bench, received) = behind_the_window().await;
    for message in received.iter().filter(|message| ["20", "25"].contains(&message.body.as_str())) {
        bench.queue("alerts").delete(&message.handle).await.unwrap();
    }
    let again = bench.receive_all("alerts", 28).await;
    assert!(!bodies(&again).contains(&"20") && !bodies(&again).contains(&"25"), "{:?}", bodies(&again));
    assert!(bench.receive("alerts").await.is_empty());
    assert_eq!(bench.queue("alerts").counts().waiting(), 28);
}

#[tokio::test]
async fn a_message_that_comes_into_the_window_while_its_delete_is_written_is_not_received() {
    let (bench, received) = behind_the_window().await;
    let last = received.iter().find(|message| message.body == "29").unwrap();
    let queue = bench.queue("alerts");
    let mut delete = Box::pin(queue.delete(&last.handle));
    // On this thread nothing else runs before the first await that waits, so the row is asked for and not yet there.
    assert!(futures::poll!(&mut delete).is_pending());
    let again = bench.receive_all("alerts", 29).await;
    assert!(!bodies(&again).contains(&"29"));
    delete.await.unwrap();
    assert!(bench.receive("alerts").await.is_empty());
    bench.until("alerts", |queue| queue.counts().waiting() == 29).await;
}

#[tokio::test]
async fn a_delete_whose_caller_went_away_does_not_show_what_another_is_deleting() {
    let bench = Bench::open(&[("alerts", Attributes::default())]).await;
    let received = anchored(&bench, &["a"]).await;
    let queue = bench.queue("alerts");
    let (mut one, mut other) =
        (Box::pin(queue.delete(&received[0].handle)), Box::pin(queue.delete(&received[0].handle)));
    assert!(futures::poll!(&mut one).is_pending() && futures::poll!(&mut other).is_pending());
    drop(one);
    assert!(bench.receive("alerts").await.is_empty());
    other.await.unwrap();
    assert_eq!(queue.counts().deleted, 1);
}

#[tokio::test]
async fn an_expired_message_stays_away_although_the_writer_had_no_room_at_first() {
    let brief = Attributes { retention_secs: 60, ..Attributes::default() };
    let bench = Bench::open(&[("alerts", brief)]).await;
    // Sent with a later time, so that it does not expire and the floor stays below what does.
    bench.advance_secs(100);
    bench.send("alerts", &["anchor"]).await;
    bench.now_ms.fetch_sub(100_000, Ordering::SeqCst);
    bench.send("alerts", &["a", "b"]).await;
    bench.until("alerts", |queue| queue.held().ready == 3).await;
    let queue = bench.queue("alerts");
    queue.ground.writer.refusing(|| {
        bench.now_ms.fetch_add(61_000, Ordering::SeqCst);
        queue.contents.lock().tick(queue.policy(), bench.now_ms.load(Ordering::SeqCst));
        assert!(!keeper::note_settled(&queue));
    });
    assert_eq!(queue.counts().expired, 2);
    let bench = bench.restart(true).await;
    let counts = bench.queue("alerts").counts();
    assert_eq!((counts.settled_before, counts.expired), (2, 0));
}
