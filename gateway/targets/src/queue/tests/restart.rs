//! What is true after a shutdown and after `kill -9`.

use super::*;

#[tokio::test]
async fn a_deleted_message_stays_away_and_the_others_come_back() {
    for gracefully in [true, false] {
        let bench = Bench::open(&[("alerts", Attributes::default())]).await;
        bench.send("alerts", &["a", "b", "c", "d"]).await;
        let received = bench.receive_all("alerts", 4).await;
        for message in received.iter().filter(|message| ["b", "d"].contains(&message.body.as_str())) {
            bench.queue("alerts").delete(&message.handle).await.unwrap();
        }
        let bench = bench.restart(gracefully).await;
        bench.advance_secs(31);
        let again = bench.receive_all("alerts", 2).await;
        assert_eq!(bodies(&again), ["a", "c"]);
        assert!(bench.receive("alerts").await.is_empty());
        for (before, after) in
            received.iter().filter(|each| ["a", "c"].contains(&each.body.as_str())).zip(&again)
        {
            assert_eq!(before.id, after.id);
        }
    }
}

#[tokio::test]
async fn a_received_message_stays_hidden_and_its_handle_good() {
    for gracefully in [true, false] {
        let bench = Bench::open(&[("alerts", Attributes::default())]).await;
        bench.send("alerts", &["a"]).await;
        let received = bench.receive_all("alerts", 1).await;
        // Receives are noted in order with deletes, so a later delete has them on disk.
        bench.send("alerts", &["b"]).await;
        let other = bench.receive_all("alerts", 1).await;
        bench.queue("alerts").delete(&other[0].handle).await.unwrap();
        let bench = bench.restart(gracefully).await;
        bench.until("alerts", |queue| queue.held().in_flight == 1).await;
        bench.queue("alerts").delete(&received[0].handle).await.unwrap();
        bench.advance_secs(31);
        assert!(bench.receive("alerts").await.is_empty());
    }
}

#[tokio::test]
async fn a_message_on_its_way_to_the_dead_letter_queue_arrives() {
    let redrive = Some(Redrive { dead_letter_queue: "failed".into(), receives_max: 1 });
    let source = Attributes { redrive, ..Attributes::default() };
    let bench = Bench::open(&[("alerts", source), ("failed", Attributes::default())]).await;
    bench.send("alerts", &["poison", "marker"]).await;
    let received = bench.receive_all("alerts", 2).await;
    bench.queue("alerts").delete(&received[1].handle).await.unwrap();
    let bench = bench.restart(false).await;
    bench.until("alerts", |queue| queue.held().in_flight == 1).await;
    bench.advance_secs(30);
    let moved = bench.receive_all("failed", 1).await;
    assert_eq!((moved[0].id.as_str(), moved[0].body.as_str()), (received[0].id.as_str(), "poison"));
    bench.until("alerts", |queue| queue.counts().moved == 1).await;
    let bench = bench.restart(false).await;
    bench.until("failed", |queue| queue.counts().arrived == 1).await;
    assert_eq!(bench.queue("alerts").counts().waiting(), 0, "it has left the source for good");
}

#[tokio::test]
async fn queues_made_through_the_api_are_still_there() {
    let bench = Bench::open(&[("alerts", Attributes::default())]).await;
    let slow = |attributes: &mut Attributes| attributes.visibility_timeout_secs = 60;
    let tags = [("team".to_owned(), "plant".to_owned())].into();
    bench.queues.create("jobs", slow, tags).await.unwrap();
    bench.send("jobs", &["a"]).await;
    let bench = bench.restart(false).await;
    assert_eq!(bench.queue("jobs").attributes().visibility_timeout_secs, 60);
    assert_eq!(bench.queues.tags("jobs").unwrap()["team"], "plant");
    assert_eq!(bodies(&bench.receive_all("jobs", 1).await), ["a"]);
    bench.queues.delete("jobs").await.unwrap();
    let bench = bench.restart(false).await;
    assert!(bench.queues.get("jobs").is_err());
}

#[tokio::test]
async fn a_backlog_with_holes_is_counted_right_after_a_restart() {
    let limits = Limits { ready_messages_max: 20, ..Limits::default() };
    let bench = Bench::open_with(&[("alerts", Attributes::default())], limits).await;
    let texts: Vec<String> = (0..300).map(|number| format!("{number:03}")).collect();
    bench.send("alerts", &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let received = bench.receive_all("alerts", 200).await;
    let handles: Vec<String> = received.iter().skip(1).map(|message| message.handle.clone()).collect();
    for outcome in bench.queue("alerts").delete_batch(&handles).await {
        outcome.unwrap();
    }
    // The last receive may have brought more than was asked for.
    let expected = texts.len() - handles.len();
    let bench = bench.restart(false).await;
    bench.advance_secs(31);
    let left = bench.receive_all("alerts", expected).await;
    assert_eq!(left.len(), expected);
    assert!(bench.receive("alerts").await.is_empty());
    bench.until("alerts", |queue| queue.counts().waiting() == expected as u64).await;
}
