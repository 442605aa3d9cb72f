use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus::{Event, Origin, Route, TargetName};
use bytes::Bytes;
use journal::Clock;

use super::*;
use crate::fixture::Ground;

const START_MS: u64 = 1_700_000_000_000;
const HOUR_MS: u64 = 60 * 60 * 1000;

struct Bench {
    ground: Ground,
    now_ms: Arc<AtomicU64>,
    streams: Streams,
    settings: Settings,
}

impl Bench {
    async fn open(attributes: Attributes) -> Self {
        let now_ms = Arc::new(AtomicU64::new(START_MS));
        let clock = {
            let now_ms = Arc::clone(&now_ms);
            Clock::new(move || now_ms.load(Ordering::SeqCst))
        };
        let declared = [("telemetry".to_owned(), attributes)].into();
        let settings = Settings { declared, clock, ..Settings::default() };
        let ground = Ground::new();
        let streams = ground.streams(&settings).await;
        Self { ground, now_ms, streams, settings }
    }

    async fn restart(mut self, gracefully: bool) -> Self {
        if gracefully {
            self.streams.close().await;
        }
        self.ground = self.ground.restart(gracefully).await;
        self.streams = self.ground.streams(&self.settings).await;
        self
    }

    fn stream(&self) -> Arc<Stream> {
        self.streams.get("telemetry").unwrap()
    }

    fn advance_ms(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
        self.stream().keeper.notify_one();
    }

    async fn put(&self, records: &[(&str, &str)]) -> Vec<Put> {
        let records = records.iter().map(|(key, data)| Outgoing {
            partition_key: (*key).to_owned(),
            data: Bytes::from((*data).to_owned()),
            explicit_hash_key: None,
        });
        let put = self.stream().put(records.collect()).await;
        put.into_iter().map(Result::unwrap).collect()
    }

    /// Writes what concerns another target only.
    async fn write_foreign(&self, count: usize) {
        let mut producer = self.ground.journal.producer();
        let mut record = bus::Record::new(Origin::Device, START_MS);
        let mut event = Event::json("other", Bytes::from_static(b"{}"));
        event.routes.push(Route::to(TargetName::parse("http/elsewhere").unwrap()));
        record.add(event);
        for _ in 0..count {
            producer.append(record.encode().unwrap()).await.unwrap();
        }
        while producer.unclaimed() > 0 {
            producer.next_outcome().await.1.unwrap();
        }
    }

    async fn seen(&self, records: u64) {
        let wait = async {
            while self.stream().records() != records {
                tokio::task::yield_now().await;
            }
        };
        let outcome = tokio::time::timeout(Duration::from_secs(10), wait).await;
        assert!(outcome.is_ok(), "{} of {records} records are there", self.stream().records());
    }

    async fn iterator(&self, shard: u32, start: Start) -> String {
        self.stream().iterator(&shard_id(shard), start).await.unwrap()
    }

    /// Reads until there is nothing more.
    async fn read_all(&self, mut iterator: String) -> (Vec<Record>, String) {
        let mut records = Vec::new();
        loop {
            let batch = self.streams.read(&iterator, 10_000).await.unwrap();
            iterator = batch.next_iterator;
            let is_empty = batch.records.is_empty();
            records.extend(batch.records);
            if is_empty && batch.behind_ms == 0 {
                return (records, iterator);
            }
        }
    }

    async fn data_from(&self, start: Start) -> Vec<String> {
        let iterator = self.iterator(0, start).await;
        data(&self.read_all(iterator).await.0)
    }
}

fn data(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8(record.data.to_vec()).unwrap()).collect()
}

fn one_shard() -> Attributes {
    Attributes::default()
}

#[tokio::test]
async fn records_are_read_in_order_per_shard() {
    let bench = Bench::open(Attributes { shards: 4, ..Attributes::default() }).await;
    let records: Vec<(String, String)> =
        (0..200).map(|n| (format!("kiln-{}", n % 17), n.to_string())).collect();
    let pairs: Vec<(&str, &str)> = records.iter().map(|(key, data)| (key.as_str(), data.as_str())).collect();
    let put = bench.put(&pairs).await;
    bench.seen(200).await;
    let mut read = 0;
    for shard in 0..4 {
        let iterator = bench.iterator(shard, Start::TrimHorizon).await;
        let (found, _) = bench.read_all(iterator).await;
        read += found.len();
        assert!(found.is_sorted_by(|a, b| a.sequence_number < b.sequence_number));
        for record in &found {
            let index: usize = data(std::slice::from_ref(record))[0].parse().unwrap();
            assert_eq!(put[index].shard_id, shard_id(shard));
            assert_eq!(put[index].sequence_number, record.sequence_number);
            assert_eq!(record.partition_key, records[index].0);
            assert_eq!(record.arrived_at_ms, START_MS);
        }
    }
    assert_eq!(read, 200);
}

#[tokio::test]
async fn an_explicit_hash_key_overrides_the_partition_key() {
    let bench = Bench::open(Attributes { shards: 2, ..Attributes::default() }).await;
    for (hash_key, shard) in [(0, 0), (u128::MAX, 1)] {
        let record = Outgoing {
            partition_key: "same".into(),
            explicit_hash_key: Some(hash_key),
            data: Bytes::from_static(b"x"),
        };
        let put = bench.stream().put(vec![record]).await.remove(0).unwrap();
        assert_eq!(put.shard_id, shard_id(shard));
    }
    bench.seen(2).await;
    for shard in [0, 1] {
        let iterator = bench.iterator(shard, Start::TrimHorizon).await;
        assert_eq!(bench.read_all(iterator).await.0.len(), 1, "shard {shard}");
    }
}

#[tokio::test]
async fn every_kind_of_iterator_begins_where_it_says() {
    let bench = Bench::open(one_shard()).await;
    let first = bench.put(&[("k", "a"), ("k", "b")]).await;
    bench.advance_ms(1_000);
    bench.seen(2).await;
    // The journal's own clock is the system's, so the moment between the two puts is taken from it.
    let at_c = bench.put(&[("k", "c")]).await;
    bench.seen(3).await;
    let latest = bench.iterator(0, Start::Latest).await;
    assert_eq!(bench.data_from(Start::TrimHorizon).await, ["a", "b", "c"]);
    assert_eq!(bench.data_from(Start::AtSequenceNumber(first[1].sequence_number.clone())).await, ["b", "c"]);
    assert_eq!(bench.data_from(Start::AfterSequenceNumber(first[1].sequence_number.clone())).await, ["c"]);
    assert_eq!(bench.data_from(Start::AfterSequenceNumber(at_c[0].sequence_number.clone())).await, [""; 0]);
    assert_eq!(bench.data_from(Start::AtTimestamp(START_MS + 1)).await, ["c"]);
    assert_eq!(bench.data_from(Start::AtTimestamp(START_MS - HOUR_MS)).await, ["a", "b", "c"]);
    bench.put(&[("k", "d")]).await;
    bench.seen(4).await;
    assert_eq!(data(&bench.read_all(latest).await.0), ["d"]);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let bench = Bench::open(one_shard()).await;
    let stream = bench.stream();
    let shard = shard_id(0);
    let future = stream.iterator(&shard, Start::AtTimestamp(START_MS + 1)).await;
    assert!(matches!(future, Err(StreamError::Argument { .. })), "{future:?}");
    let number = stream.iterator(&shard, Start::AtSequenceNumber("12".into())).await;
    assert!(matches!(number, Err(StreamError::Argument { .. })), "{number:?}");
    let unknown = stream.iterator(&shard_id(1), Start::Latest).await;
    assert!(matches!(unknown, Err(StreamError::UnknownShard { .. })), "{unknown:?}");
    let iterator = bench.iterator(0, Start::Latest).await;
    bench.advance_ms(ITERATOR_AGE_MS_MAX + 1);
    let expired = bench.streams.read(&iterator, 1).await;
    assert!(matches!(expired, Err(StreamError::ExpiredIterator { .. })), "{expired:?}");
    let key = "k".repeat(257);
    for partition_key in ["", &key] {
        let record = Outgoing { partition_key: partition_key.into(), ..Outgoing::default() };
        assert!(matches!(stream.put(vec![record]).await.remove(0), Err(StreamError::Argument { .. })));
    }
}

#[tokio::test]
async fn a_limited_read_goes_on_where_it_stopped() {
    let bench = Bench::open(one_shard()).await;
    let texts: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    bench.put(&texts.iter().map(|text| ("k", text.as_str())).collect::<Vec<_>>()).await;
    bench.seen(50).await;
    bench.advance_ms(5_000);
    let mut iterator = bench.iterator(0, Start::TrimHorizon).await;
    let mut read = Vec::new();
    for step in 1..=5 {
        let batch = bench.streams.read(&iterator, 10).await.unwrap();
        assert_eq!(batch.records.len(), 10);
        assert_eq!(batch.behind_ms, if step < 5 { 5_000 } else { 0 });
        read.extend(data(&batch.records));
        iterator = batch.next_iterator;
    }
    assert_eq!(read, texts);
    assert!(bench.streams.read(&iterator, 10).await.unwrap().records.is_empty());
}

#[tokio::test]
async fn a_route_that_is_rare_in_a_long_journal_is_found_in_few_reads() {
    let bench = Bench::open(one_shard()).await;
    bench.put(&[("k", "first")]).await;
    bench.write_foreign(30_000).await;
    bench.put(&[("k", "last")]).await;
    bench.seen(2).await;
    let mut iterator = bench.iterator(0, Start::TrimHorizon).await;
    let mut read = Vec::new();
    for _ in 0..2 {
        let batch = bench.streams.read(&iterator, 10).await.unwrap();
        read.extend(data(&batch.records));
        iterator = batch.next_iterator;
    }
    assert_eq!(read, ["first", "last"], "what lies between is leapt over");
}

#[tokio::test]
async fn rules_events_are_records_too() {
    let bench = Bench::open(one_shard()).await;
    let mut record = bus::Record::new(Origin::Device, START_MS);
    record.client_id = "kiln-1".into();
    let target = TargetName::new(KIND, "telemetry").unwrap();
    for (data, key) in [("a", None), ("b", Some("chosen"))] {
        let mut event = Event::json("rule", data);
        event.routes.push(Route { partition_key: key.map(str::to_owned), ..Route::to(target.clone()) });
        record.add(event);
    }
    bench.ground.bus.send(&record).await.unwrap();
    bench.seen(2).await;
    let iterator = bench.iterator(0, Start::TrimHorizon).await;
    let (records, _) = bench.read_all(iterator).await;
    let keys: Vec<&str> = records.iter().map(|record| record.partition_key.as_str()).collect();
    assert_eq!(keys, ["kiln-1", "chosen"]);
    let second = Start::AtSequenceNumber(records[1].sequence_number.clone());
    assert_eq!(bench.data_from(second).await, ["b"], "events of one message are told apart");
}

#[tokio::test]
async fn a_replayed_record_is_kept_from_the_time_it_was_replayed() {
    let bench = Bench::open(Attributes { retention_hours: 1, ..Attributes::default() }).await;
    let mut record =
        bus::Record::new(Origin::Replayed { event_id: "old".to_owned() }, START_MS - 9 * HOUR_MS);
    record.replay = Some(bus::record::Replay { name: "again".to_owned(), at_ms: START_MS });
    let routes = vec![Route::to(TargetName::new(KIND, "telemetry").unwrap())];
    record.add(Event { routes, ..Event::json("rule", "1") });
    bench.ground.bus.send(&record).await.unwrap();
    bench.seen(1).await;
    assert_eq!(bench.data_from(Start::TrimHorizon).await, ["1"]);
}

#[tokio::test]
async fn records_expire_by_age() {
    let bench = Bench::open(Attributes { retention_hours: 1, ..Attributes::default() }).await;
    bench.put(&[("k", "old")]).await;
    bench.seen(1).await;
    bench.advance_ms(HOUR_MS / 2);
    bench.put(&[("k", "new")]).await;
    bench.seen(2).await;
    bench.advance_ms(HOUR_MS / 2 + 1);
    assert_eq!(bench.data_from(Start::TrimHorizon).await, ["new"], "even in the same block");
    bench.advance_ms(HOUR_MS / 2);
    bench.seen(0).await;
    assert_eq!(bench.data_from(Start::TrimHorizon).await, [""; 0]);
}

#[tokio::test]
async fn records_expire_by_bytes_and_the_journal_lets_go() {
    let bench = Bench::open(Attributes { retention_bytes_max: 1 << 20, ..Attributes::default() }).await;
    let large = "x".repeat(100_000);
    for _ in 0..30 {
        bench.put(&[("k", &large)]).await;
        bench.write_foreign(index::BLOCK_OFFSETS as usize / 4).await;
    }
    let wait = async {
        while bench.stream().bytes() > (1 << 20) || bench.stream().records() == 30 {
            bench.stream().keeper.notify_one();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap();
    let kept = bench.data_from(Start::TrimHorizon).await.len() as u64;
    assert_eq!(kept, bench.stream().records());
    assert!(kept < 30);
}

#[tokio::test]
async fn an_idle_stream_lets_go_of_the_journal_when_room_is_wanted() {
    let bench = Bench::open(Attributes::default()).await;
    bench.write_foreign(200).await;
    let floor = || {
        bench.ground.bus.pins().into_iter().find(|pin| pin.by == bench.stream().target.as_str()).unwrap().from
    };
    let shown = bench.ground.journal.frontier();
    bench.ground.bus.frontier().wait_for(|frontier| *frontier >= shown).await.unwrap();
    assert!(floor() < shown, "so little is not worth a write");
    bus::View::make_room(&*bench.stream());
    let wait = async {
        while floor() < shown {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap();
}

#[tokio::test]
async fn nothing_changes_over_a_restart() {
    for gracefully in [true, false] {
        let bench = Bench::open(Attributes { shards: 3, ..Attributes::default() }).await;
        bench.put(&[("a", "1"), ("b", "2")]).await;
        bench.write_foreign(index::BLOCK_OFFSETS as usize).await;
        bench.put(&[("c", "3"), ("a", "4")]).await;
        bench.seen(4).await;
        let mut before = Vec::new();
        let mut iterators = Vec::new();
        for shard in 0..3 {
            let (records, iterator) = bench.read_all(bench.iterator(shard, Start::TrimHorizon).await).await;
            before.push(records);
            iterators.push(iterator);
        }
        let bench = bench.restart(gracefully).await;
        bench.seen(4).await;
        bench.put(&[("a", "5"), ("b", "6"), ("c", "7")]).await;
        bench.seen(7).await;
        let mut new = 0;
        for shard in 0..3 {
            let (records, _) = bench.read_all(bench.iterator(shard, Start::TrimHorizon).await).await;
            let old = &before[shard as usize];
            assert_eq!(&records[..old.len()], old.as_slice());
            let (later, _) = bench.read_all(iterators[shard as usize].clone()).await;
            assert_eq!(&records[old.len()..], later.as_slice(), "iterators are good over a restart");
            new += later.len();
        }
        assert_eq!(new, 3);
    }
}

#[tokio::test]
async fn what_came_before_a_restart_stays_when_the_journal_lets_go_of_the_rest() {
    let mut bench = Bench::open(one_shard()).await;
    // Some segments of the journal in two blocks of the index.
    for block in ["old", "kept"] {
        for number in 0..12 {
            bench.put(&[("key", &format!("{block}-{number}-{}", "x".repeat(200_000)))]).await;
        }
        bench.put(&vec![("key", "small"); index::BLOCK_OFFSETS as usize]).await;
    }
    bench.seen(2 * (12 + index::BLOCK_OFFSETS)).await;
    let attributes = Attributes { retention_bytes_max: 3 << 20, ..one_shard() };
    bench.settings.declared.insert("telemetry".into(), attributes);
    let bench = bench.restart(true).await;
    bench.advance_ms(1);
    let oldest = bench.ground.journal.oldest();
    let wait = async {
        while bench.ground.journal.oldest() == oldest {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the journal lets go of what is old");
    let data = bench.data_from(Start::TrimHorizon).await;
    let large = data.iter().filter_map(|data| data.split_once("-x")).map(|(name, _)| name);
    let expected: Vec<String> = (0..12).map(|number| format!("kept-{number}")).collect();
    assert_eq!(large.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn another_number_of_shards_spreads_the_records_anew() {
    let mut bench = Bench::open(one_shard()).await;
    let keys: Vec<String> = (0..40).map(|number| format!("kiln-{number}")).collect();
    bench.put(&keys.iter().map(|key| (key.as_str(), key.as_str())).collect::<Vec<_>>()).await;
    bench.seen(40).await;
    bench.settings.declared.insert("telemetry".into(), Attributes { shards: 4, ..Attributes::default() });
    let bench = bench.restart(true).await;
    bench.seen(40).await;
    let mut read = 0;
    for shard in 0..4 {
        let (records, _) = bench.read_all(bench.iterator(shard, Start::TrimHorizon).await).await;
        assert!(records.iter().all(|record| shard_of(hash_key(&record.partition_key), 4) == shard));
        assert!(!records.is_empty());
        read += records.len();
    }
    assert_eq!(read, 40);
}

#[tokio::test]
async fn streams_are_made_found_and_deleted() {
    let bench = Bench::open(one_shard()).await;
    let attributes = Attributes { shards: 2, ..Attributes::default() };
    bench.streams.create("jobs", attributes.clone(), Default::default()).await.unwrap();
    let again = bench.streams.create("jobs", attributes.clone(), Default::default()).await;
    assert!(matches!(again, Err(StreamError::Exists { .. })), "{again:?}");
    bench.streams.set_retention_hours("jobs", 48).await.unwrap();
    assert!(bench.streams.set_retention_hours("jobs", 0).await.is_err());
    let bench = bench.restart(false).await;
    assert_eq!(bench.streams.get("jobs").unwrap().attributes().retention_hours, 48);
    assert_eq!(bench.streams.get("jobs").unwrap().shard_count(), 2);
    assert!(matches!(bench.streams.delete("telemetry").await, Err(StreamError::Declared { .. })));
    bench.streams.delete("jobs").await.unwrap();
    assert_eq!(bench.streams.list().len(), 1);
    let unknown = bench.streams.get("telemtry").unwrap_err().to_string();
    assert_eq!(unknown, "there is no stream `telemtry`; did you mean `telemetry`?");
}

/// What is noted between the look for something to read and the look how far everything goes must not be leapt over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_the_tail_misses_nothing() {
    const BATCHES: usize = 200;
    let bench = Bench::open(one_shard()).await;
    let mut iterator = bench.iterator(0, Start::Latest).await;
    let stream = bench.stream();
    let writing = tokio::spawn(async move {
        for batch in 0..BATCHES {
            let record = |number: usize| Outgoing {
                partition_key: "key".to_owned(),
                data: Bytes::from(format!("{batch}.{number}")),
                explicit_hash_key: None,
            };
            stream.put((0..20).map(record).collect()).await.into_iter().for_each(|put| _ = put.unwrap());
        }
    });
    let mut found = Vec::new();
    while !writing.is_finished() {
        let batch = bench.streams.read(&iterator, 10_000).await.unwrap();
        iterator = batch.next_iterator;
        found.extend(data(&batch.records));
    }
    writing.await.unwrap();
    bench.seen(20 * BATCHES as u64).await;
    found.extend(data(&bench.read_all(iterator).await.0));
    let expected: Vec<_> =
        (0..BATCHES).flat_map(|batch| (0..20).map(move |number| format!("{batch}.{number}"))).collect();
    assert_eq!(found, expected);
}
