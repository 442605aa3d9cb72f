//! What durability costs: records per second against the size of a batch and the number of producers, each with a real fsync on the disk
//! that holds the temporary directory. The first group is the disk's own rate, to compare with.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use journal::{Journal, Offset, Settings, Stats};
use tokio::runtime::Runtime;

const PAYLOAD: [u8; 256] = [0x5a; 256];

/// A directory on the disk that Cargo builds on: the usual temporary directory may be in memory.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory")
}

fn open(directory: &tempfile::TempDir) -> Journal {
    Journal::open(directory.path(), Settings::default()).expect("the journal opens")
}

/// Trims now and then, so that the disk does not fill and segments are used again, as in service.
fn trim(journal: &Journal) {
    if journal.bytes_on_disk() > 512 << 20 {
        journal.trim(Offset(u64::MAX));
    }
}

fn report(name: &str, before: Stats, after: Stats) {
    let records = after.records - before.records;
    let fsyncs = after.fsyncs - before.fsyncs;
    let unprepared = after.segments_begun_unprepared - before.segments_begun_unprepared;
    let per_record = fsyncs as f64 / records as f64;
    eprintln!(
        "{name}: {records} records, {fsyncs} fsyncs, {per_record:.5} for each record, {unprepared} segments not ready"
    );
}

fn disk(criterion: &mut Criterion) {
    let directory = directory();
    let file = File::create(directory.path().join("file")).expect("a file");
    file.write_all_at(&vec![0; 64 << 20], 0).expect("room for a file");
    file.sync_all().expect("a disk that syncs");
    let mut group = criterion.benchmark_group("disk");
    for records in [1, 64, 1024] {
        let bytes = vec![0x5a; records * 288];
        let mut position = 0;
        group.throughput(Throughput::Elements(records as u64));
        group.bench_function(BenchmarkId::new("write and fsync", records), |bencher| {
            bencher.iter(|| {
                position = (position + bytes.len() as u64) % (60 << 20);
                file.write_all_at(&bytes, position).expect("room in the file");
                file.sync_data().expect("a disk that syncs");
            });
        });
    }
}

/// One producer that hands over a batch and waits for all of it.
fn batches(criterion: &mut Criterion) {
    let directory = directory();
    let journal = open(&directory);
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("one producer");
    for records in [1, 64, 1024] {
        let before = journal.stats();
        group.throughput(Throughput::Elements(records));
        group.bench_function(BenchmarkId::new("batch", records), |bencher| {
            bencher.iter(|| runtime.block_on(batch(&journal, records)));
        });
        report(&format!("batch of {records}"), before, journal.stats());
    }
}

async fn batch(journal: &Journal, records: u64) {
    let mut producer = journal.producer();
    for _ in 0..records {
        producer.append(&PAYLOAD[..]).await.expect("room in the queue");
    }
    for _ in 0..records {
        producer.next_outcome().await.1.expect("a disk that works");
    }
    trim(journal);
}

/// Many connections, each with one record in flight: it waits for its acknowledgement before it sends the next.
fn producers(criterion: &mut Criterion) {
    let directory = directory();
    let journal = open(&directory);
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("one record in flight each");
    for count in [1, 8, 64, 512] {
        let before = journal.stats();
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::new("producers", count), |bencher| {
            bencher.iter_custom(|rounds| runtime.block_on(rounds_of(&journal, count, rounds)));
        });
        report(&format!("{count} producers"), before, journal.stats());
    }
}

async fn rounds_of(journal: &Journal, count: u64, rounds: u64) -> Duration {
    let started = Instant::now();
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let mut producer = journal.producer();
                for _ in 0..rounds {
                    producer.append(&PAYLOAD[..]).await.expect("room in the queue");
                    producer.next_outcome().await.1.expect("a disk that works");
                }
                trim(&journal);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task that ends");
    }
    started.elapsed()
}

fn reading(criterion: &mut Criterion) {
    const RECORDS: u64 = 100_000;
    let directory = directory();
    let journal = open(&directory);
    let runtime = Runtime::new().expect("a runtime");
    for _ in 0..RECORDS / 1000 {
        runtime.block_on(batch(&journal, 1000));
    }
    let mut group = criterion.benchmark_group("reading");
    group.throughput(Throughput::Elements(RECORDS));
    group.bench_function("in order", |bencher| {
        bencher.iter(|| {
            let mut reader = journal.read_from(Offset(0));
            while let Some(entry) = reader.next().expect("a disk that works") {
                black_box(entry);
            }
        });
    });
    group.throughput(Throughput::Elements(1));
    let mut offset = 0;
    group.bench_function("by offset", |bencher| {
        bencher.iter(|| {
            offset = (offset + 7919) % RECORDS;
            black_box(journal.read_at(Offset(offset)).expect("a disk that works"))
        });
    });
}

fn main() {
    let criterion = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3));
    let mut criterion = criterion.configure_from_args();
    disk(&mut criterion);
    batches(&mut criterion);
    producers(&mut criterion);
    reading(&mut criterion);
    criterion.final_summary();
}
