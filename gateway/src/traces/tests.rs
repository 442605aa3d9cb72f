use super::*;
use std::sync::atomic::Ordering::Relaxed;

fn rule() -> Definition {
    Definition::parse("hot", "rule.toml", "sql = \"SELECT * FROM 'plant/+'\"").unwrap()
}

fn wanted(topic: Option<&str>, client_id: Option<&str>, sample: u64) -> Wanted {
    Wanted {
        rule: "hot".to_string(),
        topic: topic.map(|filter| TopicFilter::parse(filter).unwrap()),
        client_id: client_id.map(str::to_string),
        sample: NonZeroU64::new(sample).unwrap(),
    }
}

#[test]
fn messages_are_wanted_by_topic_and_client() {
    for (filter, client, topic, from, expected) in [
        (None, None, "plant/a", Some("k"), true),
        (None, None, "hall/a", Some("k"), false),
        (None, None, "$aws/rules/hot/hall/a", Some("k"), true),
        (None, None, "$aws/rules/cold/plant/a", Some("k"), false),
        (Some("hall/#"), None, "hall/a", Some("k"), true),
        (Some("hall/#"), None, "plant/a", Some("k"), false),
        (Some("hall/#"), None, "$aws/rules/hot/hall/a", Some("k"), true),
        (Some("hall/#"), None, "$aws/rules/hot/plant/a", Some("k"), false),
        (None, Some("k"), "plant/a", Some("k"), true),
        (None, Some("k"), "plant/a", Some("other"), false),
        (None, Some("k"), "plant/a", None, false),
    ] {
        let wanted = wanted(filter, client, 1);
        assert_eq!(wanted.is_about(&rule(), topic, from), expected, "{filter:?} {client:?} {topic} {from:?}");
    }
}

#[tokio::test]
async fn what_is_sampled_what_is_dropped_and_who_follows_is_counted() {
    let traces = Arc::new(Traces::default());
    assert!(!traces.is_on());
    let rule = rule();
    let show = |payload: &'static [u8]| {
        traces.show("plant/a", None, |_| Some(&rule), || Seen::of_payload(payload));
    };
    let mut third = traces.follow(wanted(None, None, 3)).unwrap();
    let mut every = traces.follow(wanted(None, None, 1)).unwrap();
    assert!(traces.is_on());
    for _ in 0..WAITING_MAX + 10 {
        show(b"{}");
    }
    let shown = u64::try_from(WAITING_MAX + 10).unwrap();
    assert_eq!(every.counts().seen.load(Relaxed), shown);
    assert_eq!((every.counts().dropped.load(Relaxed), third.counts().dropped.load(Relaxed)), (10, 0));
    let mut count = 0;
    while third.receiver.try_recv().is_ok() {
        count += 1;
    }
    assert_eq!(count, shown.div_ceil(3));
    for _ in 0..WAITING_MAX {
        assert!(every.next().await.is_some());
    }
    assert_eq!(every.counts().waiting_bytes.load(Relaxed), 0);
    // Large payloads are bounded by their bytes.
    let large: &'static [u8] = vec![b' '; WAITING_BYTES_MAX].leak();
    show(large);
    show(large);
    assert_eq!(every.counts().dropped.load(Relaxed), 11);
    drop((third, every));
    assert!(!traces.is_on());
}

#[test]
fn followers_are_bounded() {
    let traces = Arc::new(Traces::default());
    let following: Vec<_> =
        (0..FOLLOWERS_MAX).map(|_| traces.follow(wanted(None, None, 1)).unwrap()).collect();
    assert!(traces.follow(wanted(None, None, 1)).is_err());
    drop(following);
    assert!(traces.follow(wanted(None, None, 1)).is_ok());
}
