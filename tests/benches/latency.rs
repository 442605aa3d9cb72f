//! From PUBLISH to readable in the stream, end to end: how long, at 1,000 and 10,000 messages a second and at the most that goes.
//!
//! `cargo build --release -p iot-gateway && cargo bench -p end-to-end --bench latency`. Sixteen devices publish at QoS 1 over TCP on loopback, one
//! reader for each of four shards asks for records again and again; devices, readers and gateway share the machine. Measured from the moment a message was
//! due, not from when it was sent, to when the answer that holds it is there. The first fifth of each run does not count. A rate is sustained if all was
//! read within a second of being due at p99, and no later than three seconds after the last was due. `LATENCY_SECS` (10) is the length of a run.

#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

use anyhow::Context;
use end_to_end::{Gateway, Pace, Percentiles, Read, Site, follow, latest, publish_paced};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const DEVICES: u64 = 16;
const SHARDS: u64 = 4;
const PAYLOAD_BYTES: usize = 200;
/// Until the first message: everybody is connected by then.
const LEAD: Duration = Duration::from_millis(500);
/// How long after the last message was due the last may be read, in a rate that is sustained.
const BEHIND: Duration = Duration::from_secs(3);
/// A run that can't keep up is given up this long after its end.
const GIVEN_UP: Duration = Duration::from_secs(30);
/// What p99 may be in a rate that is sustained.
const SUSTAINED_MICROS: u64 = 1_000_000;
/// The next rate to be tried, in hundredths of the one before.
const STEP_PERCENT: u64 = 130;

struct Run {
    read: Percentiles,
    acknowledged: Percentiles,
    per_second: f64,
    is_sustained: bool,
}

fn run(gateway: &Gateway, site: &Site, number: u64, per_second: u64, secs: u64) -> anyhow::Result<Run> {
    let messages = per_second * secs / DEVICES;
    let total = messages * DEVICES;
    let interval = Duration::from_secs_f64(DEVICES as f64 / per_second as f64);
    let (epoch, seen, failed) = (Instant::now(), AtomicU64::new(0), AtomicBool::new(false));
    let lasts = LEAD + Duration::from_secs(secs);
    let (address, seen, failed) = (site.plain_address, &seen, &failed);
    let places: Vec<_> = (0..SHARDS)
        .map(|shard| latest(&gateway.consumer, "telemetry", &format!("shardId-{shard:012}")))
        .collect::<anyhow::Result<_>>()?;
    let (read, took, finished) = std::thread::scope(|scope| {
        let readers: Vec<_> = places
            .into_iter()
            .map(|place| {
                let consumer = gateway.consumer.clone();
                scope.spawn(move || {
                    let noted = AtomicU64::new(0);
                    follow(&consumer, place, epoch, |all: &[Read]| {
                        let new = all.len() as u64 - noted.swap(all.len() as u64, Relaxed);
                        let seen = seen.fetch_add(new, Relaxed) + new;
                        seen >= total || epoch.elapsed() > lasts + GIVEN_UP || failed.load(Relaxed)
                    })
                })
            })
            .collect();
        let devices: Vec<_> = (0..DEVICES)
            .map(|device| {
                // Devices take turns.
                let begins = LEAD + interval.mul_f64(device as f64 / DEVICES as f64);
                let client_id = format!("run{number}-device{device}");
                let topic = format!("plant/{client_id}/telemetry");
                let (first, payload_bytes) = (0, PAYLOAD_BYTES);
                let pace = Pace { client_id, topic, epoch, begins, interval, first, messages, payload_bytes };
                scope
                    .spawn(move || publish_paced(address, &pace).inspect_err(|_| failed.store(true, Relaxed)))
            })
            .collect();
        let took: Vec<_> =
            devices.into_iter().map(|device| device.join().expect("a device does not panic")).collect();
        let read: Vec<_> =
            readers.into_iter().map(|reader| reader.join().expect("a reader does not panic")).collect();
        (read, took, epoch.elapsed())
    });
    let warm = |number: u64| number >= messages / 5;
    let read: Vec<Read> = read.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat();
    let took = took.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let all_read = read.len() as u64 == total;
    let per_second = read.len() as f64 / finished.saturating_sub(LEAD).as_secs_f64();
    let read =
        Percentiles::of(read.iter().filter(|read| warm(read.number)).map(|read| read.took_micros).collect());
    let skipped = usize::try_from(messages / 5)?;
    let acknowledged = Percentiles::of(took.iter().flat_map(|took| &took[skipped..]).copied().collect());
    let is_sustained = all_read && read.p99 < SUSTAINED_MICROS && finished < lasts + BEHIND;
    Ok(Run { read, acknowledged, per_second, is_sustained })
}

fn main() -> anyhow::Result<()> {
    let secs = std::env::var("LATENCY_SECS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let site = Site::new(&format!(
        "[log]\nlevel = \"warn\"\nformat = \"json\"\n[[stream]]\nname = \"telemetry\"\nshards = {SHARDS}\n"
    ))?;
    let action = "stream = { name = \"telemetry\", partition_key = \"${publisher}\" }";
    site.write_rule("telemetry", "SELECT * FROM 'plant/+/telemetry'", action)?;
    let gateway = Gateway::start(&site)?;
    println!(
        "from due to: readable in the stream | acknowledged; {PAYLOAD_BYTES} bytes, {DEVICES} devices, {secs} s each"
    );
    let line = |asked: u64, run: &Run| {
        let verdict = if run.is_sustained { "" } else { ", NOT SUSTAINED" };
        println!(
            "{asked:>7}/s asked, {:>7.0}/s read: {} | {}{verdict}",
            run.per_second, run.read, run.acknowledged
        );
    };
    let mut highest = None;
    let mut asked = 10_000;
    for (number, per_second) in [1_000, 10_000].into_iter().enumerate() {
        let run = run(&gateway, &site, number as u64, per_second, secs)?;
        line(per_second, &run);
        highest = run.is_sustained.then_some(per_second);
    }
    let mut number = 2;
    let goes_up = highest.is_some();
    // Upwards as long as it goes, or downwards until it goes.
    while asked > 100 {
        asked = if goes_up { asked * STEP_PERCENT / 100 } else { asked * 100 / STEP_PERCENT };
        let run = run(&gateway, &site, number, asked, secs)?;
        number += 1;
        line(asked, &run);
        if run.is_sustained {
            highest = Some(asked);
        }
        if run.is_sustained != goes_up {
            break;
        }
    }
    println!("highest sustained: {}/s", highest.context("no rate was sustained")?);
    Ok(())
}
