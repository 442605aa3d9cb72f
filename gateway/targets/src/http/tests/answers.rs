//! What is sent, and what each answer means.

use bus::Health;

use super::*;

fn with(status: u16, header: (&'static str, &'static str)) -> Answer {
    Answer::With { status, header, body: b"because".to_vec() }
}

/// An outcome as one line: what, code, seconds to wait.
fn summary(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered => "delivered".to_owned(),
        Outcome::Reject { code, .. } => format!("reject {code}"),
        Outcome::RetryAlone { code, .. } => format!("retry {code} alone"),
        Outcome::Retry { code, after: None, .. } => format!("retry {code}"),
        Outcome::Retry { code, after: Some(after), .. } => format!("retry {code} after {}", after.as_secs()),
    }
}

#[tokio::test]
async fn a_status_decides_whether_an_event_goes_again() {
    let cases = [
        (Answer::Status(200), "delivered"),
        (Answer::Status(204), "delivered"),
        (Answer::Status(301), "reject HTTP_301"),
        (with(302, ("location", "http://127.0.0.1:1/")), "reject HTTP_302"),
        (Answer::Status(400), "reject HTTP_400"),
        (Answer::Status(403), "reject HTTP_403"),
        (Answer::Status(408), "retry HTTP_408"),
        (Answer::Status(429), "retry HTTP_429"),
        (Answer::Status(500), "retry HTTP_500"),
        (Answer::Status(503), "retry HTTP_503"),
        (with(503, ("retry-after", "7")), "retry HTTP_503 after 7"),
        (with(429, ("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")), "retry HTTP_429 after 0"),
        (with(503, ("retry-after", "nonsense")), "retry HTTP_503"),
        (with(503, ("retry-after", "-1")), "reject HTTP_503"),
        (with(400, ("retry-after", "7")), "reject HTTP_400"),
        (Answer::Close, "retry CONNECTION"),
    ];
    for (answer, expected) in cases {
        assert_eq!(summary(&outcome(answer.clone()).await), expected, "{answer:?}");
    }
}

#[tokio::test]
async fn a_reason_quotes_the_answer_and_shows_no_secret() {
    let Outcome::Reject { reason, .. } = outcome(with(400, ("x", "y"))).await else { panic!("not refused") };
    assert!(reason.ends_with("/in answered 400 Bad Request: `because`"), "{reason}");
    let Outcome::Retry { reason, .. } = outcome(Answer::Close).await else { panic!("not retried") };
    assert!(!reason.contains("secret"), "{reason}");
}

#[tokio::test]
async fn a_server_that_is_slow_or_absent_is_tried_again() {
    let server = Server::start(Answer::Never).await;
    let impatient = Settings { timeout: Duration::from_millis(50), ..Settings::new("a", server.url()) };
    let target = Http::new(impatient).unwrap();
    let outcome = deliver(&target).await;
    assert_eq!(summary(&outcome), "retry TIMEOUT", "{outcome:?}");
    assert!(matches!(target.health().await, Health::Unhealthy(_)));
    server.answer(Answer::Status(200));
    assert_eq!(summary(&deliver(&target).await), "delivered");
    assert_eq!(target.health().await, Health::Healthy);

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outcome = deliver(&Http::new(Settings::new("a", format!("http://{closed}/"))).unwrap()).await;
    assert_eq!(summary(&outcome), "retry CONNECTION", "{outcome:?}");
}

#[tokio::test]
async fn an_answer_without_end_costs_no_memory() {
    let huge = Answer::With { status: 200, header: ("x", "y"), body: vec![b'x'; 4 << 20] };
    assert_eq!(summary(&outcome(huge).await), "delivered");
    let huge = Answer::With { status: 500, header: ("x", "y"), body: vec![b'x'; 4 << 20] };
    let Outcome::Retry { reason, .. } = outcome(huge).await else { panic!("not retried") };
    assert!(reason.len() < 400, "{}", reason.len());
}

#[tokio::test]
async fn cloudevents_http_3_1_binary_mode() {
    let server = Server::start(Answer::Status(200)).await;
    let mut settings = Settings::new("a", server.url());
    settings.headers.insert("Authorization".to_owned(), "Bearer x".to_owned());
    let replay = Replay { name: "after the repair".to_owned(), at_ms: 1_700_000_100_000 };
    let event = Delivery { replay: Some(replay), ..delivery(Format::Data, "plant/größe 1", "{\"t\":1}") };
    Http::new(settings).unwrap().deliver(std::slice::from_ref(&event)).await;

    let seen = server.seen().remove(0);
    assert_eq!((seen.path.as_str(), &seen.body[..]), ("/in?token=secret", &b"{\"t\":1}"[..]));
    for (name, expected) in [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", event.id.as_str()),
        ("ce-source", "/iot-gateway"),
        ("ce-type", "iot-gateway.rule.hot"),
        ("ce-subject", "plant/gr%C3%B6%C3%9Fe%201"),
        ("ce-time", "2023-11-14T22:13:20Z"),
        ("idempotency-key", event.id.as_str()),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("ce-replayname", "after%20the%20repair"),
        ("authorization", "Bearer x"),
    ] {
        assert_eq!(seen.headers.get(name).unwrap(), expected, "{name}");
    }
    assert!(!seen.headers.contains_key("ce-datacontenttype"));
}

#[tokio::test]
async fn cloudevents_http_3_2_structured_mode() {
    let server = Server::start(Answer::Status(200)).await;
    let event = delivery(Format::CloudEvents, "t", "{\"t\":1}");
    target(&server).deliver(std::slice::from_ref(&event)).await;
    let seen = server.seen().remove(0);
    assert_eq!(seen.headers["content-type"], "application/cloudevents+json");
    assert_eq!(seen.headers["idempotency-key"], event.id.as_str());
    assert!(!seen.headers.contains_key("ce-id"));
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!((&body["id"], &body["data"]["t"]), (&event.id.as_str().into(), &1.into()));
}

#[tokio::test]
async fn connections_are_kept_and_bounded() {
    let server = Server::start(Answer::Status(200)).await;
    let target = Http::new(Settings { concurrency: 2, ..Settings::new("a", server.url()) }).unwrap();
    let outcomes = futures::future::join_all((0..20).map(|_| deliver(&target))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Delivered));
    assert_eq!(server.seen().len(), 20);
    assert!(server.connections() <= 2, "{}", server.connections());
}

#[tokio::test]
async fn nothing_overtakes_an_event_of_its_key() {
    let server = Server::start(Answer::StatusFor(503, b"2".to_vec())).await;
    let batch = ["1", "2", "3"].map(|data| delivery(Format::Data, "t", data));
    let outcomes = target(&server).deliver(&batch).await;
    let summaries: Vec<String> = outcomes.iter().map(summary).collect();
    assert_eq!(summaries, ["delivered", "retry HTTP_503", "retry BEHIND_A_RETRY"]);
    assert_eq!(server.seen().len(), 2);
}
