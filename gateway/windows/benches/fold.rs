//! Rows folded in a second: through the bus, with a durable transaction for each batch. `cargo bench -p windows`

use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::{Bus, BusSettings, LaneLimits, Origin, Record};
use journal::state::StateStore;
use journal::{Clock, Journal};
use rules::definition::Definition;
use rules::{Message, Outcome};
use windows::{Rules, WindowResult, Windows, row};

const ROWS: u64 = 200_000;

struct NoActions;

impl Rules for NoActions {
    fn parse(&self, rule: &str, text: &str) -> Result<Definition, String> {
        Definition::parse(rule, "rule.toml", text).map_err(|errors| errors.to_string())
    }

    fn record(&self, _: &Definition, _: &WindowResult<'_>, now_ms: u64) -> Record {
        Record::new(Origin::Gateway, now_ms)
    }
}

fn definition() -> Arc<Definition> {
    let sql = "SELECT key, count(*) AS n, avg(t) AS mean, max(t) AS top FROM 'plant/+' GROUP BY key, TUMBLINGWINDOW(minute, 1)";
    Arc::new(Definition::parse("counts", "rule.toml", &format!("sql = \"{sql}\"")).expect("it is right"))
}

fn message(definition: &Definition, number: u64, groups: u64) -> Record {
    let mut record = Record::new(Origin::Device, 1_700_000_000_000);
    let payload = format!("{{\"key\":\"kiln-{}\",\"t\":{}}}", number % groups, number % 97);
    let randomness = || [0; 16];
    let message = Message::new("plant/x", payload.as_bytes(), record.accepted_at_ms, &randomness);
    let Ok(Outcome::Row(row)) = definition.statement.evaluate(&message) else { panic!("it is a row") };
    record.add(row::event(definition, &row.encode()));
    record
}

#[expect(clippy::print_stdout, reason = "a bench says what it found")]
async fn run(groups: u64) {
    let directory = tempfile::tempdir().expect("there is room");
    let journal =
        Journal::open(directory.path().join("journal"), journal::Settings::default()).expect("opens");
    let state = StateStore::open(directory.path().join("state")).expect("opens");
    let bus = Bus::open(journal, &state, BusSettings::default()).expect("opens");
    let definition = definition();
    let windows =
        Windows::open(&state, &bus, Arc::new(NoActions), &[Arc::clone(&definition)], Clock::system())
            .expect("opens");
    let limits = LaneLimits::unlimited();
    windows.serve(&bus, limits).await.expect("it is the first");
    bus.remove_target(windows::lane_name(), bus::Removal::Keep).await.expect("it is there");
    let mut producer = bus.producer();
    for number in 0..ROWS {
        producer.append(&message(&definition, number, groups)).await.expect("there is room");
        while producer.unclaimed() > 1_000 {
            producer.next_outcome().await.1.expect("the disk works");
        }
    }
    while producer.unclaimed() > 0 {
        producer.next_outcome().await.1.expect("the disk works");
    }
    let begun = Instant::now();
    windows.serve(&bus, limits).await.expect("it is kept");
    while windows.figures().get("counts").map_or(0, |figures| figures.counts.rows()) < ROWS {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{groups} groups: {:.0} rows/s", ROWS as f64 / seconds);
    bus.drain(Duration::from_secs(5)).await.expect("the disk works");
    windows.close();
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be made");
    for groups in [1, 1_000, 50_000] {
        runtime.block_on(run(groups));
    }
}
