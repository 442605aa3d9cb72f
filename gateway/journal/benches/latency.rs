//! How long a batch waits until it is durable, and how many records a second that makes, against the size of the batch; beside it what the
//! disk does with a write and an fsync of the same bytes. Both take turns, batch by batch, so that they meet the same disk.
//!
//! Prints the table of `BENCHMARKS.md`. `cargo bench -p journal --bench latency`

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use journal::{Journal, Offset, Settings};
use tokio::runtime::Builder;

const PAYLOAD_BYTES: usize = 256;
/// What a record takes on disk: its payload behind 32 bytes of header.
const FRAME_BYTES: usize = PAYLOAD_BYTES + 32;
const BATCHES: [usize; 6] = [1, 4, 16, 64, 256, 1024];
const TIME_PER_SIZE: Duration = Duration::from_secs(3);
const FILE_BYTES: u64 = 64 << 20;

/// The disk alone: a file that has its room already, written over and synced.
struct Disk {
    file: File,
    position: u64,
}

impl Disk {
    fn new(directory: &tempfile::TempDir) -> Self {
        let file = File::create(directory.path().join("file")).expect("a file");
        file.write_all_at(&vec![0; FILE_BYTES as usize], 0).expect("room for a file");
        file.sync_all().expect("a disk that syncs");
        Self { file, position: 0 }
    }

    fn write(&mut self, records: usize) {
        let bytes = vec![0x5a; records * FRAME_BYTES];
        if self.position + bytes.len() as u64 > FILE_BYTES {
            self.position = 0;
        }
        self.file.write_all_at(&bytes, self.position).expect("room in the file");
        self.position += bytes.len() as u64;
        self.file.sync_data().expect("a disk that syncs");
    }
}

async fn append(journal: &Journal, records: usize) {
    let mut producer = journal.producer();
    for _ in 0..records {
        producer.append(&[0x5a; PAYLOAD_BYTES][..]).await.expect("room in the queue");
    }
    for _ in 0..records {
        producer.next_outcome().await.1.expect("a disk that works");
    }
    if journal.bytes_on_disk() > 512 << 20 {
        journal.trim(Offset(u64::MAX));
    }
}

/// How long each batch took, in order of size.
struct Times(Vec<Duration>);

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    fn quantile_us(&self, of_thousand: usize) -> u128 {
        self.0[(self.0.len() - 1) * of_thousand / 1000].as_micros()
    }

    fn batches_per_sec(&self) -> f64 {
        self.0.len() as f64 / self.0.iter().sum::<Duration>().as_secs_f64()
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn main() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let journal =
        Journal::open(directory.path().join("journal"), Settings::default()).expect("the journal opens");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut disk = Disk::new(&directory);
    let mut table = String::from(
        "| records in a batch | records/s | p50 µs | p99 µs | disk alone, fsyncs/s | p50 µs | p99 µs | of the disk's rate |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for records in BATCHES {
        let (mut ours, mut alone) = (Vec::new(), Vec::new());
        let begun = Instant::now();
        while begun.elapsed() < TIME_PER_SIZE {
            ours.push(timed(|| runtime.block_on(append(&journal, records))));
            alone.push(timed(|| disk.write(records)));
        }
        let (ours, alone) = (Times::of(ours), Times::of(alone));
        table.push_str(&format!(
            "| {records} | {:.0} | {} | {} | {:.0} | {} | {} | {:.2} |\n",
            ours.batches_per_sec() * records as f64,
            ours.quantile_us(500),
            ours.quantile_us(990),
            alone.batches_per_sec(),
            alone.quantile_us(500),
            alone.quantile_us(990),
            ours.batches_per_sec() / alone.batches_per_sec(),
        ));
    }
    eprintln!("{table}");
}
