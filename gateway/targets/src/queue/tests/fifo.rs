//! What a FIFO queue promises beyond a standard one.

use super::*;

const QUEUE: &str = "orders.fifo";

async fn bench() -> Bench {
    Bench::open(&[(QUEUE, by_body())]).await
}

impl Bench {
    async fn send_bodies(&self, group: &str, bodies: &[&str]) {
        for body in bodies {
            self.send_in(QUEUE, group, None, body).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_group_is_in_order_and_blocked_while_one_of_its_messages_is_out() {
    let bench = bench().await;
    bench.send_bodies("a", &["a1", "a2", "a3"]).await;
    bench.send_bodies("b", &["b1"]).await;
    let request = Receive { messages_max: 2, wait_secs: Some(0), ..Receive::default() };
    let first = bench.queue(QUEUE).receive(request).await.unwrap();
    assert_eq!(in_order(&first), ["a1", "a2"], "several of one group come together");
    let other = bench.receive(QUEUE).await;
    assert_eq!(in_order(&other), ["b1"], "a3 waits for a1 and a2");
    bench.queue(QUEUE).delete(&first[0].handle).await.unwrap();
    assert!(bench.receive(QUEUE).await.is_empty(), "a2 is still out");
    bench.queue(QUEUE).change_visibility(&first[1].handle, 0).unwrap();
    let rest = bench.receive(QUEUE).await;
    assert_eq!(in_order(&rest), ["a2", "a3"], "what comes back comes first");
    assert!(
        first[0].sequence_number < rest[0].sequence_number
            && rest[0].sequence_number < rest[1].sequence_number
    );
    assert_eq!(rest[0].group.as_deref(), Some("a"));
}

#[tokio::test]
async fn who_waits_is_told_when_a_delete_opens_the_group() {
    let bench = bench().await;
    bench.send_bodies("a", &["a1"]).await;
    let first = bench.receive_all(QUEUE, 1).await;
    bench.send_bodies("a", &["a2"]).await;
    assert!(bench.receive(QUEUE).await.is_empty());
    let queue = bench.queue(QUEUE);
    let waiting = tokio::spawn(async move {
        let request = Receive { messages_max: 1, wait_secs: Some(20), ..Receive::default() };
        queue.receive(request).await.unwrap()
    });
    bench.until(QUEUE, |queue| queue.waiting.load(Ordering::Relaxed) == 1).await;
    bench.queue(QUEUE).delete(&first[0].handle).await.unwrap();
    let second = tokio::time::timeout(std::time::Duration::from_secs(5), waiting).await.unwrap().unwrap();
    assert_eq!(in_order(&second), ["a2"]);
}

#[tokio::test]
async fn a_duplicate_is_accepted_as_the_original_and_not_delivered_even_after_its_delete() {
    let bench = bench().await;
    let original = bench.send_in(QUEUE, "a", None, "one").await.unwrap();
    let received = bench.receive_all(QUEUE, 1).await;
    assert_eq!(
        (received[0].id.as_str(), &received[0].sequence_number),
        (&*original.id, &original.sequence_number)
    );
    bench.queue(QUEUE).delete(&received[0].handle).await.unwrap();
    bench.advance_secs(299);
    assert_eq!(bench.send_in(QUEUE, "b", None, "one").await.unwrap(), original, "in another group, too");
    assert!(bench.receive(QUEUE).await.is_empty());
    bench.advance_secs(1);
    let next = bench.send_in(QUEUE, "b", None, "one").await.unwrap();
    assert_ne!(next.id, original.id);
    assert_eq!(in_order(&bench.receive_all(QUEUE, 1).await), ["one"]);
    assert_eq!(bench.books(QUEUE), (3, 2, 1));
    assert_eq!(bench.queue(QUEUE).counts().deduplicated, 1);
}

#[tokio::test]
async fn the_scope_of_deduplication_ids_may_be_the_group_and_an_id_wins_over_the_body() {
    let attributes = Attributes { deduplication_scope: DeduplicationScope::MessageGroup, ..by_body() };
    let bench = Bench::open(&[(QUEUE, attributes)]).await;
    for (group, id, body) in [
        ("a", Some("x"), "1"),
        ("b", Some("x"), "2"),
        ("a", Some("x"), "3"),
        ("a", None, "1"),
        ("a", Some("y"), "1"),
    ] {
        bench.send_in(QUEUE, group, id, body).await.unwrap();
    }
    let received = bench.receive_all(QUEUE, 4).await;
    let told = |each: &Received| (each.group.clone().unwrap(), each.body.clone());
    let told: Vec<_> = received.iter().map(told).collect();
    let expected = [("a", "1"), ("a", "1"), ("a", "1"), ("b", "2")];
    assert_eq!(told, expected.map(|(group, body)| (group.to_owned(), body.to_owned())));
    assert_eq!(received[0].deduplication_id.as_deref(), Some("x"));
}

#[tokio::test]
async fn rules_say_group_and_deduplication_id_and_their_duplicates_are_booked() {
    let bench = Bench::open(&[(QUEUE, Attributes { fifo: true, ..Attributes::default() })]).await;
    bench.publish(QUEUE, b"1").await;
    bench.publish(QUEUE, b"1").await;
    let own = [("message_group_id", "line-7"), ("message_deduplication_id", "x")];
    bench.publish_with(QUEUE, b"2", &own).await;
    bench.publish_with(QUEUE, b"3", &own).await;
    let received = bench.receive_all(QUEUE, 3).await;
    assert_eq!(in_order(&received), ["1", "1", "2"], "without an id of its own each event is another");
    let groups: Vec<_> = received.iter().map(|each| each.group.as_deref().unwrap()).collect();
    assert_eq!(groups, ["plant/1/telemetry", "plant/1/telemetry", "line-7"]);
    bench.until(QUEUE, |queue| queue.counts().deduplicated == 1).await;
    assert_eq!(bench.books(QUEUE), (4, 3, 1));
}

#[tokio::test]
async fn what_a_queue_type_does_not_know_is_refused() {
    let bench = Bench::open(&[
        (QUEUE, Attributes { fifo: true, ..Attributes::default() }),
        ("alerts", Attributes::default()),
    ])
    .await;
    let message = |group: Option<&str>, id: Option<&str>, delay_secs| Outgoing {
        body: "x".into(),
        group: group.map(str::to_owned),
        deduplication_id: id.map(str::to_owned),
        delay_secs,
        ..Outgoing::default()
    };
    let cases = [
        (QUEUE, message(None, Some("x"), None), "The request must contain the parameter MessageGroupId."),
        (
            QUEUE,
            message(Some("a"), None, None),
            "The queue should either have ContentBasedDeduplication enabled",
        ),
        (QUEUE, message(Some("a"), Some("x"), Some(1)), "the parameter DelaySeconds is not valid"),
        (QUEUE, message(Some("a b"), Some("x"), None), "MessageGroupId can only include"),
        ("alerts", message(None, Some("x"), None), "the parameter MessageDeduplicationId is not valid"),
    ];
    for (queue, message, expected) in cases {
        let refused = bench.queue(queue).send(vec![message]).await.remove(0).unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{refused}");
    }
    let request = Receive { messages_max: 1, attempt_id: Some("x".into()), ..Receive::default() };
    let refused = bench.queue("alerts").receive(request).await.unwrap_err().to_string();
    assert!(refused.starts_with("the parameter ReceiveRequestAttemptId is not valid"), "{refused}");
    assert!(bench.send_in("alerts", "a", None, "x").await.is_ok(), "a standard queue hands the group on");
}

#[tokio::test]
async fn a_receive_can_be_repeated_until_something_became_of_a_message() {
    let bench = bench().await;
    bench.send_bodies("a", &["a1", "a2"]).await;
    bench.send_bodies("b", &["b1"]).await;
    let attempt = async |id: &str| {
        let request = Receive {
            messages_max: 2,
            wait_secs: Some(0),
            attempt_id: Some(id.into()),
            ..Receive::default()
        };
        bench.queue(QUEUE).receive(request).await.unwrap()
    };
    let first = attempt("try-1").await;
    assert_eq!(in_order(&first), ["a1", "a2"]);
    bench.advance_secs(20);
    let again = attempt("try-1").await;
    assert_eq!(in_order(&again), ["a1", "a2"]);
    for (one, other) in first.iter().zip(&again) {
        assert_eq!((&one.handle, one.receives), (&other.handle, other.receives));
    }
    bench.advance_secs(20);
    assert!(
        bench.receive(QUEUE).await.iter().all(|each| each.body == "b1"),
        "hidden for 30 s from the repetition"
    );
    bench.queue(QUEUE).delete(&again[0].handle).await.unwrap();
    assert!(attempt("try-1").await.is_empty(), "one of them was deleted, so this is a new receive");
    bench.advance_secs(10);
    assert_eq!(in_order(&attempt("try-1").await), ["a2"]);
}

#[tokio::test]
async fn a_poison_message_blocks_its_group_until_it_has_moved_and_no_other() {
    let redrive = Some(Redrive { dead_letter_queue: "failed.fifo".into(), receives_max: 1 });
    let bench =
        Bench::open(&[(QUEUE, Attributes { redrive, ..by_body() }), ("failed.fifo", by_body())]).await;
    bench.send_bodies("a", &["poison", "a2"]).await;
    let request = Receive { messages_max: 1, wait_secs: Some(0), ..Receive::default() };
    assert_eq!(in_order(&bench.queue(QUEUE).receive(request).await.unwrap()), ["poison"]);
    bench.send_bodies("b", &["b1"]).await;
    assert_eq!(in_order(&bench.receive_all(QUEUE, 1).await), ["b1"]);
    bench.advance_secs(30);
    let moved = bench.receive_all("failed.fifo", 2).await;
    assert_eq!(bodies(&moved), ["b1", "poison"]);
    assert_eq!(moved.iter().find(|each| each.body == "poison").unwrap().group.as_deref(), Some("a"));
    assert_eq!(in_order(&bench.receive_all(QUEUE, 1).await), ["a2"]);
}

#[tokio::test]
async fn a_redrive_policy_needs_a_queue_of_the_same_type_that_allows_it() {
    let standard =
        Attributes { redrive_allow: RedriveAllow::Queues(vec!["alerts".into()]), ..Attributes::default() };
    let bench = Bench::open(&[(QUEUE, by_body()), ("failed", standard)]).await;
    let naming = |name: &str, fifo: bool| {
        let redrive = Some(Redrive { dead_letter_queue: name.into(), receives_max: 1 });
        move |attributes: &mut Attributes| {
            attributes.fifo = fifo;
            attributes.redrive = redrive;
        }
    };
    let refused = bench.queues.create("jobs", naming(QUEUE, false), Default::default()).await.unwrap_err();
    assert!(refused.to_string().contains("a standard queue a standard one"), "{refused}");
    let refused = bench.queues.create("jobs", naming("failed", false), Default::default()).await.unwrap_err();
    assert!(refused.to_string().contains("redrive allow policy"), "{refused}");
    bench.queues.create("alerts", naming("failed", false), Default::default()).await.unwrap();
    bench.queues.create("jobs.fifo", naming(QUEUE, true), Default::default()).await.unwrap();
}

#[tokio::test]
async fn a_fifo_queue_has_a_lower_limit_of_messages_in_flight() {
    let limits = Limits { fifo_in_flight_messages_max: 1, ..Limits::default() };
    let bench = Bench::open_with(&[(QUEUE, by_body())], limits).await;
    bench.send_bodies("a", &["a1"]).await;
    bench.send_bodies("b", &["b1"]).await;
    let request = Receive { messages_max: 1, wait_secs: Some(0), ..Receive::default() };
    bench.queue(QUEUE).receive(request.clone()).await.unwrap();
    let refused = bench.queue(QUEUE).receive(request).await;
    assert!(matches!(refused, Err(QueueError::OverLimit { in_flight_max: 1 })), "{refused:?}");
}

#[tokio::test]
async fn the_queues_delay_holds_up_whole_groups() {
    let bench = Bench::open(&[(QUEUE, Attributes { delay_secs: 10, ..by_body() })]).await;
    bench.send_bodies("a", &["a1"]).await;
    bench.advance_secs(5);
    bench.send_bodies("a", &["a2"]).await;
    assert!(bench.receive(QUEUE).await.is_empty());
    bench.advance_secs(5);
    assert_eq!(in_order(&bench.receive_all(QUEUE, 1).await), ["a1"]);
}
