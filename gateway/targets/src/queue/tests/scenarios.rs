//! A queue as its consumers see it, over a real journal.

use std::time::Duration;

use bus::{Attribute, Replay};

use super::*;

fn redriven(receives_max: u32) -> Attributes {
    let redrive = Some(Redrive { dead_letter_queue: "failed".into(), receives_max });
    Attributes { redrive, ..Attributes::default() }
}

#[tokio::test]
async fn what_is_sent_is_received_once_and_deleted() {
    let bench = Bench::open(&[("alerts", Attributes::default())]).await;
    let ids = bench.send("alerts", &["a", "b", "c"]).await;
    let received = bench.receive_all("alerts", 3).await;
    assert_eq!(bodies(&received), ["a", "b", "c"]);
    assert_eq!(received.iter().map(|message| message.id.clone()).collect::<Vec<_>>(), ids);
    assert!(bench.receive("alerts").await.is_empty());
    let handles: Vec<String> = received.into_iter().map(|message| message.handle).collect();
    for outcome in bench.queue("alerts").delete_batch(&handles).await {
        outcome.unwrap();
    }
    bench.advance_secs(31);
    assert!(bench.receive("alerts").await.is_empty());
    assert_eq!(bench.queue("alerts").counts().deleted, 3);
    assert_eq!(bench.queue("alerts").counts().waiting(), 0);
}

#[tokio::test]
async fn a_rules_event_says_where_it_came_from() {
    let bench = Bench::open(&[("alerts", Attributes::default())]).await;
    bench.publish("alerts", b"{\"temperature\":81}").await;
    bench.publish("alerts", b"\xff\xfe").await;
    let received = bench.receive_all("alerts", 2).await;
    assert_eq!(received[0].body, "{\"temperature\":81}");
    assert_eq!(received[0].sender, "kiln-1");
    let attribute = |index: usize, name: &str| {
        let found = received[index].attributes.iter().find(|attribute| attribute.name == name);
        found.map(|attribute| String::from_utf8(attribute.value.to_vec()).unwrap())
    };
    assert_eq!(attribute(0, "rule").as_deref(), Some("overheating"));
    assert_eq!(attribute(0, "topic").as_deref(), Some("plant/1/telemetry"));
    assert_eq!(attribute(0, "clientId").as_deref(), Some("kiln-1"));
    let event_id = attribute(0, "eventId").unwrap();
    assert!(event_id.ends_with(":overheating"), "{event_id}");
    assert_eq!(received[0].id, message_id(&event_id, "overheating").to_string());
    assert_eq!(received[1].body, "//4=", "what is no text goes as base64 and says so");
    assert_eq!(attribute(1, "contentEncoding").as_deref(), Some("base64"));
}

#[tokio::test]
async fn a_replayed_event_says_so_and_is_kept_from_then_on() {
    let bench = Bench::open(&[("alerts", Attributes { retention_secs: 60, ..Attributes::default() })]).await;
    let mut record = Record::new(Origin::Replayed { event_id: "old".to_owned() }, 1_000);
    record.replay = Some(Replay { name: "again".to_owned(), at_ms: bench.now_ms.load(Ordering::SeqCst) });
    let routes = vec![Route::to(TargetName::new(KIND, "alerts").unwrap())];
    record.add(Event { routes, ..Event::json("overheating", "1") });
    bench.ground.bus.send(&record).await.unwrap();
    let received = bench.receive_all("alerts", 1).await;
    let told = received[0].attributes.iter().find(|attribute| attribute.name == "replay-name");
    assert_eq!(told.map(|attribute| &attribute.value[..]), Some(&b"again"[..]));
}

#[tokio::test]
async fn a_long_poll_is_answered_when_a_message_comes() {
    let bench = Bench::open(&[("alerts", Attributes::default())]).await;
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let queue = bench.queue("alerts");
            let request =
                Receive { messages_max: 1, visibility_secs: None, wait_secs: Some(20), attempt_id: None };
            tokio::spawn(async move { queue.receive(request).await.unwrap() })
        })
        .collect();
    bench.send("alerts", &["1", "2", "3", "4", "5"]).await;
    let all =
        tokio::time::timeout(Duration::from_secs(10), futures::future::join_all(waiting)).await.unwrap();
    let received: Vec<Received> = all.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(bodies(&received), ["1", "2", "3", "4", "5"], "each waiter got one");
}

#[tokio::test]
async fn a_long_poll_is_answered_when_a_message_becomes_visible_again() {
    let bench = Bench::open(&[("alerts", Attributes::default())]).await;
    bench.send("alerts", &["a"]).await;
    bench.receive_all("alerts", 1).await;
    let queue = bench.queue("alerts");
    let request = Receive { messages_max: 1, visibility_secs: None, wait_secs: Some(20), attempt_id: None };
    let waiting = tokio::spawn(async move { queue.receive(request).await.unwrap() });
    tokio::task::yield_now().await;
    bench.advance_secs(30);
    let received = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    assert_eq!(received[0].receives, 2);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_empty_after_its_time() {
    let bench =
        Bench::open(&[("alerts", Attributes { receive_wait_secs: 20, ..Attributes::default() })]).await;
    let before = tokio::time::Instant::now();
    let request = Receive { messages_max: 1, visibility_secs: None, wait_secs: None, attempt_id: None };
    assert!(bench.queue("alerts").receive(request).await.unwrap().is_empty());
    assert_eq!(before.elapsed().as_secs(), 20);
}

#[tokio::test]
async fn a_shutdown_answers_long_polls() {
    let bench = Bench::open(&[("alerts", Attributes::default())]).await;
    let queue = bench.queue("alerts");
    let request = Receive { messages_max: 1, visibility_secs: None, wait_secs: Some(20), attempt_id: None };
    let waiting = tokio::spawn(async move { queue.receive(request).await.unwrap() });
    tokio::task::yield_now().await;
    bench.queues.end_waits();
    let received = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    assert!(received.is_empty());
}

#[tokio::test]
async fn waiting_receives_are_bounded() {
    let limits = Limits { waiting_receives_max: 0, ..Limits::default() };
    let bench = Bench::open_with(&[("alerts", Attributes::default())], limits).await;
    let request = Receive { messages_max: 1, visibility_secs: None, wait_secs: Some(20), attempt_id: None };
    let refused = bench.queue("alerts").receive(request).await;
    assert!(matches!(refused, Err(QueueError::TooManyWaiting { .. })), "{refused:?}");
}

#[tokio::test]
async fn messages_in_flight_are_bounded() {
    let limits = Limits { in_flight_messages_max: 2, ..Limits::default() };
    let bench = Bench::open_with(&[("alerts", Attributes::default())], limits).await;
    bench.send("alerts", &["a", "b", "c"]).await;
    let request = Receive { messages_max: 2, visibility_secs: None, wait_secs: Some(20), attempt_id: None };
    bench.until("alerts", |queue| queue.held().ready == 3).await;
    assert_eq!(bench.queue("alerts").receive(request.clone()).await.unwrap().len(), 2);
    let refused = bench.queue("alerts").receive(request).await;
    assert!(matches!(refused, Err(QueueError::OverLimit { in_flight_max: 2 })), "{refused:?}");
}

#[tokio::test]
async fn a_message_received_too_often_moves_with_its_id_and_time() {
    let bench = Bench::open(&[("alerts", redriven(2)), ("failed", Attributes::default())]).await;
    let sent_at_ms = bench.now_ms.load(Ordering::SeqCst);
    bench.publish("alerts", b"poison").await;
    let first = bench.receive_all("alerts", 1).await;
    bench.advance_secs(30);
    let second = bench.receive_all("alerts", 1).await;
    assert_eq!((first[0].receives, second[0].receives), (1, 2));
    bench.advance_secs(30);
    let moved = bench.receive_all("failed", 1).await;
    assert_eq!(moved[0].body, "poison");
    assert_eq!(moved[0].id, first[0].id);
    assert_eq!(moved[0].attributes, first[0].attributes, "the event's id and origin go with it");
    assert_eq!(moved[0].sent_at_ms, sent_at_ms);
    assert_eq!(moved[0].receives, 1);
    assert_eq!(moved[0].dead_letter_source.as_deref(), Some("alerts"));
    bench.until("alerts", |queue| queue.counts().moved == 1).await;
    assert_eq!(bench.queue("alerts").counts().waiting(), 0);
}

#[tokio::test]
async fn a_redrive_policy_needs_its_queue() {
    let bench = Bench::open(&[("alerts", Attributes::default())]).await;
    let mut attributes = redriven(2);
    let refused = bench.queues.set_attributes("alerts", attributes.clone()).await;
    assert!(matches!(refused, Err(QueueError::DeadLetterQueue { .. })), "{refused:?}");
    attributes.redrive = Some(Redrive { dead_letter_queue: "alerts".into(), receives_max: 2 });
    let refused = bench.queues.set_attributes("alerts", attributes).await;
    assert!(matches!(refused, Err(QueueError::DeadLetterQueue { .. })), "{refused:?}");
}

#[tokio::test]
async fn delay_holds_a_message_back() {
    let bench = Bench::open(&[("alerts", Attributes { delay_secs: 10, ..Attributes::default() })]).await;
    bench.send("alerts", &["later"]).await;
    let soon = Outgoing { body: "soon".into(), delay_secs: Some(0), ..Outgoing::default() };
    bench.queue("alerts").send(vec![soon]).await.remove(0).unwrap();
    assert_eq!(bodies(&bench.receive_all("alerts", 1).await), ["soon"]);
    assert_eq!(bench.queue("alerts").held().delayed, 1);
    bench.advance_secs(10);
    assert_eq!(bodies(&bench.receive_all("alerts", 1).await), ["later"]);
}

#[tokio::test]
async fn messages_expire_and_are_counted() {
    let bench = Bench::open(&[("alerts", Attributes { retention_secs: 60, ..Attributes::default() })]).await;
    bench.send("alerts", &["a", "b"]).await;
    bench.until("alerts", |queue| queue.held().ready == 2).await;
    bench.advance_secs(60);
    bench.until("alerts", |queue| queue.counts().expired == 2).await;
    assert!(bench.receive("alerts").await.is_empty());
}

#[tokio::test]
async fn a_purge_drops_what_is_there_and_nothing_later() {
    let bench = Bench::open(&[("alerts", Attributes::default())]).await;
    bench.send("alerts", &["a", "b"]).await;
    bench.queues.purge("alerts").await.unwrap();
    bench.send("alerts", &["c"]).await;
    assert_eq!(bodies(&bench.receive_all("alerts", 1).await), ["c"]);
    bench.until("alerts", |queue| queue.counts().purged == 2).await;
    let bench = bench.restart(false).await;
    bench.until("alerts", |queue| queue.counts().arrived == 1).await;
}

#[tokio::test]
async fn a_backlog_far_beyond_the_window_is_served_whole() {
    let limits = Limits { ready_messages_max: 50, body_bytes_max: 4096, ..Limits::default() };
    let bench = Bench::open_with(&[("alerts", Attributes::default())], limits).await;
    let texts: Vec<String> = (0..2_000).map(|number| format!("{number:04}")).collect();
    let messages = texts.iter().map(|body| Outgoing { body: body.clone(), ..Outgoing::default() }).collect();
    for sent in bench.queue("alerts").send(messages).await {
        sent.unwrap();
    }
    bench.until("alerts", |queue| queue.counts().arrived == 2_000).await;
    assert_eq!(bench.queue("alerts").held().ready, 2_000, "the backlog counts as ready");
    assert!(bench.queue("alerts").contents.lock().window.held().ready <= 50);
    let received = bench.receive_all("alerts", 2_000).await;
    assert_eq!(bodies(&received), texts, "each once");
    let handles: Vec<String> = received.into_iter().map(|message| message.handle).collect();
    for outcome in bench.queue("alerts").delete_batch(&handles).await {
        outcome.unwrap();
    }
    bench.until("alerts", |queue| queue.counts().waiting() == 0).await;
    let end = *bench.ground.journal.durable().borrow();
    bench.queues.close().await;
    let floor = bench.queue("alerts").lane.get().unwrap().floor();
    assert_eq!(floor, end, "nothing of the journal is needed any more");
    assert!(
        bench.ground.store.table("queue_messages").unwrap().is_empty().unwrap(),
        "and no row is left over"
    );
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_alone() {
    let bench =
        Bench::open(&[("alerts", Attributes { message_bytes_max: 1_024, ..Attributes::default() })]).await;
    let attributes =
        vec![Attribute { name: "n".into(), data_type: "String".into(), value: vec![b'x'; 1_000].into() }];
    let large = Outgoing { body: "x".repeat(100), attributes, ..Outgoing::default() };
    let small = Outgoing { body: "small".into(), ..Outgoing::default() };
    let sent = bench.queue("alerts").send(vec![large, small]).await;
    assert!(matches!(sent[0], Err(QueueError::TooLarge { bytes: 1_107, bytes_max: 1_024 })), "{sent:?}");
    assert!(sent[1].is_ok());
    assert_eq!(bodies(&bench.receive_all("alerts", 1).await), ["small"]);
}

#[tokio::test]
async fn handles_of_strangers_are_refused() {
    let bench = Bench::open(&[("alerts", Attributes::default()), ("other", Attributes::default())]).await;
    bench.send("alerts", &["a"]).await;
    let handle = bench.receive_all("alerts", 1).await.remove(0).handle;
    for (queue, handle) in [("other", handle.as_str()), ("alerts", "made-up")] {
        let refused = bench.queue(queue).delete(handle).await;
        assert!(matches!(refused, Err(QueueError::Handle { .. })), "{refused:?}");
        let refused = bench.queue(queue).change_visibility(handle, 1);
        assert!(matches!(refused, Err(QueueError::Handle { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn queues_are_made_found_and_deleted() {
    let bench = Bench::open(&[("alerts", Attributes::default())]).await;
    let slow = |attributes: &mut Attributes| attributes.visibility_timeout_secs = 60;
    bench.queues.create("jobs", slow, Default::default()).await.unwrap();
    bench.queues.create("jobs", |_| {}, Default::default()).await.unwrap();
    let refused = bench.queues.create("jobs", |each| each.delay_secs = 1, Default::default()).await;
    assert!(matches!(refused, Err(QueueError::Exists { attribute: "DelaySeconds", .. })), "{refused:?}");
    let refused = bench.queues.create("jobs.fifo", |_| {}, Default::default()).await;
    assert!(
        matches!(refused, Err(QueueError::Attribute(AttributeError::FifoEnding))),
        "the name alone makes no FIFO queue: {refused:?}"
    );
    let refused = bench.queues.create("jobs", |each| each.fifo = true, Default::default()).await;
    assert!(matches!(refused, Err(QueueError::FifoName { .. })), "{refused:?}");
    let refused = bench.queues.create("a/b", |_| {}, Default::default()).await;
    assert!(matches!(refused, Err(QueueError::Name { .. })), "{refused:?}");
    assert_eq!(bench.queues.list("jo").len(), 1);
    let unknown = bench.queues.get("alert").unwrap_err().to_string();
    assert_eq!(unknown, "there is no queue `alert`; did you mean `alerts`?");
    let refused = bench.queues.delete("alerts").await;
    assert!(matches!(refused, Err(QueueError::Declared { .. })), "{refused:?}");

    bench.send("jobs", &["a"]).await;
    bench.queues.delete("jobs").await.unwrap();
    bench.queues.create("jobs", |_| {}, Default::default()).await.unwrap();
    bench.send("jobs", &["b"]).await;
    assert_eq!(bodies(&bench.receive_all("jobs", 1).await), ["b"], "a queue made again begins empty");
}

#[tokio::test]
async fn other_queues_may_be_declared_while_running() {
    let bench = Bench::open(&[("alerts", Attributes::default()), ("old", Attributes::default())]).await;
    bench.send("old", &["a"]).await;
    let bad = [("new".to_owned(), redriven(3))].into();
    let refused = bench.queues.declare(bad).await;
    assert!(matches!(refused, Err(QueueError::DeadLetterQueue { .. })), "{refused:?}");
    assert!(bench.queues.get("new").is_err(), "nothing of a refused set is taken over");
    let set = [
        ("alerts".to_owned(), Attributes { visibility_timeout_secs: 7, ..redriven(3) }),
        ("failed".to_owned(), Attributes::default()),
    ];
    bench.queues.declare(set.into()).await.unwrap();
    assert_eq!(bench.queue("alerts").attributes().visibility_timeout_secs, 7);
    bench.send("failed", &["b"]).await;
    assert_eq!(bodies(&bench.receive_all("failed", 1).await), ["b"]);
    assert_eq!(
        bodies(&bench.receive_all("old", 1).await),
        ["a"],
        "a queue declared no more keeps its messages"
    );
    bench.queues.delete("old").await.unwrap();
}
