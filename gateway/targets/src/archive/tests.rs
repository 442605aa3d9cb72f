//! Archives and replays over a real journal and bus.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use async_trait::async_trait;
use bus::{Delivery, Event, Format, Offset, Origin, Outcome, Record, Route, Target, TargetName};

use super::deliver::ArchiveTarget;
use super::replay::{Definition, RUNNING_MAX, Replays, State, Status};
use super::*;
use crate::fixture::Ground;

const START_MS: u64 = 1_700_000_000_000;
const MINUTE_MS: u64 = 60_000;

/// A target in memory that takes everything.
#[derive(Default)]
struct Taking {
    taken: Mutex<Vec<Delivery>>,
}

#[async_trait]
impl Target for Taking {
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        self.taken.lock().extend(batch.iter().cloned());
        vec![Outcome::Delivered; batch.len()]
    }
}

struct Bench {
    ground: Ground,
    archives: Archives,
    replays: Replays,
    hook: Arc<Taking>,
    now_ms: Arc<AtomicU64>,
}

fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

impl Bench {
    async fn open() -> Self {
        Self::over(Ground::new(), Arc::new(AtomicU64::new(START_MS)), |settings| settings).await
    }

    async fn over(ground: Ground, now_ms: Arc<AtomicU64>, change: impl FnOnce(Settings) -> Settings) -> Self {
        let told = Arc::clone(&now_ms);
        let clock = Clock::new(move || told.load(SeqCst));
        let settings = change(Settings {
            name: "plant".to_owned(),
            directory: ground.path().join("archives/plant"),
            retention_days: 0,
            disk_bytes_max: 64 << 20,
            segment_bytes: 1 << 20,
            clock: clock.clone(),
        });
        let archives = Archives::open(vec![settings], &ground.journal).await.unwrap();
        archives.declare(&ground.bus, "plant", DeliverySettings::default()).await.unwrap();
        let hook = Arc::new(Taking::default());
        for target in ["http/hook", "http/other"] {
            ground
                .bus
                .set_target(name(target), Arc::clone(&hook) as _, DeliverySettings::default())
                .await
                .unwrap();
        }
        let replays = Replays::open(&ground.bus, &archives, &ground.store, clock).await.unwrap();
        Self { ground, archives, replays, hook, now_ms }
    }

    /// What a crash leaves.
    async fn crash(self) -> Self {
        let Self { ground, now_ms, .. } = self;
        Self::over(ground.restart(false).await, now_ms, |settings| settings).await
    }

    fn archive(&self) -> Arc<Archive> {
        self.archives.get("plant").unwrap()
    }

    /// Sends events of `rule` to the archive, and by a way of its own to a target; each a minute after the other.
    async fn publish(&self, rule: &str, numbers: std::ops::Range<u32>) {
        for number in numbers {
            let mut record = Record::new(Origin::Device, self.now_ms.fetch_add(MINUTE_MS, SeqCst));
            record.client_id = "kiln-7".to_owned();
            let way = Route {
                partition_key: Some(format!("line-{}", number % 2)),
                format: Format::CloudEvents,
                parameters: vec![("path".to_owned(), "a".to_owned())],
                ..Route::to(name("http/hook"))
            };
            let routes = vec![Route::to(name("archive/plant")), way];
            record.add(Event { routes, ..Event::json(rule, number.to_string()) });
            self.ground.bus.send(&record).await.unwrap();
        }
    }

    async fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let waiting = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        assert!(
            tokio::time::timeout(Duration::from_secs(20), waiting).await.is_ok(),
            "never happened: {what}"
        );
    }

    /// Publishes, and waits until the archive and the target have it; the target forgets it.
    async fn archived(&self, rule: &str, numbers: std::ops::Range<u32>) -> Vec<Delivery> {
        let count = numbers.len();
        let before = self.archive().counts().archived;
        self.publish(rule, numbers).await;
        self.until("all to be archived", || {
            self.archive().counts().archived - before == count as u64 && self.hook.taken.lock().len() == count
        })
        .await;
        std::mem::take(&mut *self.hook.taken.lock())
    }

    async fn until_over(&self, replay: &str) -> Status {
        self.until("the replay to be over", || self.replays.show(replay).unwrap().state != State::Running)
            .await;
        self.replays.show(replay).unwrap()
    }

    async fn until_taken(&self, count: usize) -> Vec<Delivery> {
        self.until("the events to come", || self.hook.taken.lock().len() >= count).await;
        self.hook.taken.lock().clone()
    }
}

fn of_all(replay: &str, target: &str) -> Definition {
    Definition {
        name: replay.to_owned(),
        archive: "plant".to_owned(),
        from_ms: 0,
        to_ms: u64::MAX,
        rules: Vec::new(),
        targets: vec![name(target)],
        per_second_max: None,
    }
}

fn data(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| String::from_utf8(delivery.data.to_vec()).unwrap()).collect()
}

fn ids(deliveries: &[Delivery]) -> BTreeSet<String> {
    deliveries.iter().map(|delivery| delivery.id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_comes_again_as_it_was_by_the_way_it_took_and_says_so() {
    let bench = Bench::open().await;
    let first = bench.archived("hot", 0..3).await;
    bench.replays.start(of_all("again", "http/hook")).await.unwrap();
    let status = bench.until_over("again").await;
    assert_eq!((status.state, status.progress.sent, status.progress.looked_at), (State::Completed, 3, 3));
    let again = bench.until_taken(3).await;
    assert_eq!(ids(&again), ids(&first));
    for delivery in &again {
        let before = first.iter().find(|before| before.id == delivery.id).unwrap();
        assert_eq!(delivery.replay_name(), "again");
        assert!(delivery.arrived_at_ms() > before.arrived_at_ms());
        let comparable = Delivery { replay: None, position: before.position, ..delivery.clone() };
        assert_eq!(&comparable, before, "nothing else differs");
    }
    let counts = bench.ground.bus.ledger().into_iter().find(|row| row.target == "http/hook").unwrap().counts;
    assert_eq!((counts.accepted, counts.replayed, counts.balance()), (6, 3, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_an_event_never_went_to_gets_it_plainly() {
    let bench = Bench::open().await;
    bench.archived("hot", 0..1).await;
    let targets = vec![name("http/other"), name("http/hook")];
    bench.replays.start(Definition { targets, ..of_all("again", "http/hook") }).await.unwrap();
    let mut taken = bench.until_taken(2).await;
    taken.sort_by_key(|delivery| delivery.partition_key.clone());
    let told =
        |delivery: &Delivery| (delivery.partition_key.clone(), delivery.parameters.len(), delivery.format);
    assert_eq!(told(&taken[0]), ("kiln-7".to_owned(), 0, Format::Data));
    assert_eq!(told(&taken[1]), ("line-0".to_owned(), 1, Format::CloudEvents));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_takes_what_was_accepted_in_its_time_and_by_its_rules() {
    let bench = Bench::open().await;
    bench.archived("hot", 0..10).await;
    bench.archived("cold", 10..12).await;
    let minute = |minutes: u64| START_MS + minutes * MINUTE_MS;
    let rules = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let all = of_all("", "http/other");
    let cases: [(&str, Definition, &[u32]); 5] = [
        ("some-time", Definition { from_ms: minute(3), to_ms: minute(5), ..all.clone() }, &[3, 4]),
        ("later", Definition { from_ms: minute(9), ..all.clone() }, &[9, 10, 11]),
        ("a-rule", Definition { rules: rules(&["cold"]), ..all.clone() }, &[10, 11]),
        ("both", Definition { from_ms: minute(8), rules: rules(&["hot", "no"]), ..all.clone() }, &[8, 9]),
        ("nothing", Definition { from_ms: minute(50), ..all.clone() }, &[]),
    ];
    for (replay, definition, expected) in cases {
        bench.hook.taken.lock().clear();
        bench.replays.start(Definition { name: replay.to_owned(), ..definition }).await.unwrap();
        let status = bench.until_over(replay).await;
        assert_eq!(
            (status.state, status.progress.sent),
            (State::Completed, expected.len() as u64),
            "{replay}"
        );
        let mut taken = data(&bench.until_taken(expected.len()).await);
        taken.sort_by_key(|number| number.parse::<u32>().unwrap());
        assert_eq!(taken, expected.iter().map(ToString::to_string).collect::<Vec<_>>(), "{replay}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_handed_over_again_is_kept_once_over_a_restart_too() {
    let bench = Bench::open().await;
    let deliveries: Vec<Delivery> = {
        let mut record = Record::new(Origin::Device, START_MS);
        for number in 0..5 {
            let routes = vec![Route::to(name("archive/plant"))];
            record.add(Event { routes, ..Event::json("hot", number.to_string()) });
        }
        Delivery::all_from_record(&record, &name("archive/plant"), Offset(1 << 40))
    };
    let target = ArchiveTarget(bench.archive());
    assert_eq!(target.deliver(&deliveries[..3]).await, vec![Outcome::Delivered; 3]);
    assert_eq!(target.deliver(&deliveries).await, vec![Outcome::Delivered; 5]);
    let counts = bench.archive().counts();
    assert_eq!((counts.archived, counts.repeated), (5, 3));
    let bench = bench.crash().await;
    assert_eq!(ArchiveTarget(bench.archive()).deliver(&deliveries).await, vec![Outcome::Delivered; 5]);
    assert_eq!(bench.archive().counts().repeated, 5);
    assert_eq!(bench.archive().figures().unwrap().events, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_dropped_does_not_keep_an_event_twice() {
    let bench = Bench::open().await;
    let mut record = Record::new(Origin::Device, START_MS);
    record.add(Event { routes: vec![Route::to(name("archive/plant"))], ..Event::json("hot", "1") });
    let deliveries = Delivery::all_from_record(&record, &name("archive/plant"), Offset(1 << 40));
    let target = ArchiveTarget(bench.archive());
    for _ in 0..5 {
        let _ = tokio::time::timeout(Duration::from_micros(50), target.deliver(&deliveries)).await;
    }
    assert_eq!(target.deliver(&deliveries).await, [Outcome::Delivered]);
    assert_eq!(bench.archive().figures().unwrap().events, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_goes_on_after_a_crash_where_it_was() {
    let bench = Bench::open().await;
    let first = bench.archived("hot", 0..60).await;
    let slowly = Definition { per_second_max: Some(100), ..of_all("slowly", "http/other") };
    bench.replays.start(slowly).await.unwrap();
    bench.until("some to be sent", || bench.replays.show("slowly").unwrap().progress.sent >= 20).await;
    let before = bench.replays.show("slowly").unwrap().progress;
    let bench = bench.crash().await;
    let after = bench.replays.show("slowly").unwrap();
    assert_eq!(after.state, State::Running);
    assert!((20..60).contains(&after.progress.sent), "{after:?}");
    assert!(after.progress.looked_at >= before.looked_at.min(20));
    let status = bench.until_over("slowly").await;
    assert_eq!((status.state, status.progress.looked_at), (State::Completed, 60));
    // What was sent before the crash is in the books; what comes after it comes to this target.
    bench.until("the rest to come", || ids(&bench.hook.taken.lock()).len() >= 60 - 40).await;
    let mine = |row: &bus::LedgerRow| row.target == "http/other";
    let counts = || bench.ground.bus.ledger().into_iter().find(mine).unwrap().counts;
    bench.until("all to be delivered", || counts().waiting == 0).await;
    assert!((60..=70).contains(&counts().replayed), "at least once, and a page more at most: {:?}", counts());
    assert!(ids(&bench.hook.taken.lock()).is_subset(&ids(&first)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_ended_where_it_stands_and_stays_ended() {
    let bench = Bench::open().await;
    bench.archived("hot", 0..30).await;
    bench
        .replays
        .start(Definition { per_second_max: Some(10), ..of_all("slow", "http/other") })
        .await
        .unwrap();
    bench.until("some to be sent", || bench.replays.show("slow").unwrap().progress.sent >= 1).await;
    let ended = bench.replays.cancel("slow").await.unwrap();
    assert_eq!(ended.state, State::Cancelled);
    assert!(ended.progress.sent < 30 && ended.ended_ms.is_some(), "{ended:?}");
    assert_eq!(bench.replays.cancel("slow").await.unwrap(), ended, "it is over already");
    let bench = bench.crash().await;
    assert_eq!(bench.replays.show("slow").unwrap().state, State::Cancelled);
    assert!(bench.replays.cancel("none").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_makes_no_sense_is_refused_with_the_reason() {
    let bench = Bench::open().await;
    let all = || of_all("again", "http/hook");
    let many = (0..11).map(|number| name(&format!("http/{number}"))).collect();
    for (definition, expected) in [
        (Definition { archive: "plnt".to_owned(), ..all() }, "there is no archive `plnt`; there are `plant`"),
        (Definition { name: String::new(), ..all() }, "can't be the name of a replay"),
        (Definition { name: "a b".to_owned(), ..all() }, "can't be the name of a replay"),
        (Definition { from_ms: 5, to_ms: 5, ..all() }, "the time range is empty"),
        (Definition { targets: Vec::new(), ..all() }, "0 targets are named"),
        (Definition { targets: many, ..all() }, "11 targets are named"),
        (of_all("again", "http/none"), "there is no target `http/none`"),
        (of_all("again", "archive/plant"), "a replay can't send to `archive/plant`"),
        (of_all("again", "window/rules"), "a replay can't send to `window/rules`"),
        (of_all("again", "republish/broker"), "a replay can't send to `republish/broker`"),
    ] {
        let error = bench.replays.start(definition).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    bench.archived("hot", 0..5).await;
    for number in 0..RUNNING_MAX {
        let slow = Definition { per_second_max: Some(1), ..of_all(&number.to_string(), "http/hook") };
        bench.replays.start(slow).await.unwrap();
    }
    let error = bench.replays.start(of_all("3", "http/hook")).await.unwrap_err().to_string();
    assert!(error.contains("there is a replay `3` already"), "{error}");
    let error = bench.replays.start(all()).await.unwrap_err().to_string();
    assert!(error.contains("10 replays run"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_or_too_much_goes_and_a_replay_takes_the_rest() {
    let now_ms = Arc::new(AtomicU64::new(START_MS));
    let change = |settings: Settings| Settings {
        segment_bytes: 64 << 10,
        disk_bytes_max: 256 << 10,
        retention_days: 1,
        ..settings
    };
    let bench = Bench::over(Ground::new(), now_ms, change).await;
    let archive = bench.archive();
    let target = ArchiveTarget(Arc::clone(&archive));
    let deliver = async |number: u32, bytes: usize| {
        let mut record = Record::new(Origin::Device, bench.now_ms.load(SeqCst));
        let routes = vec![Route::to(name("archive/plant"))];
        record.add(Event { routes, ..Event::json("hot", format!("{number:0bytes$}")) });
        let deliveries = Delivery::all_from_record(&record, &name("archive/plant"), Offset(1 << 40));
        target.deliver(&deliveries).await
    };
    for number in 0..100 {
        assert_eq!(deliver(number, 10_000).await, [Outcome::Delivered]);
    }
    bench.until("room to be given back", || archive.counts().bytes <= 256 << 10).await;
    let figures = archive.figures().unwrap();
    assert!((5..100).contains(&figures.events), "{figures:?}");
    assert!(matches!(&deliver(100, 40_000).await[..], [Outcome::Reject { code, .. }] if code == "TOO_LARGE"));
    bench.replays.start(of_all("rest", "http/other")).await.unwrap();
    assert_eq!(bench.until_over("rest").await.progress.sent, figures.events);
    bench.now_ms.fetch_add(2 * 24 * 60 * MINUTE_MS, SeqCst);
    deliver(101, 10_000).await;
    bench.until("all but the file being written to go", || archive.figures().unwrap().events <= 7).await;
}
