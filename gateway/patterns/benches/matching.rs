//! What an event costs against 1, 100 and 10,000 patterns: `cargo bench -p patterns [-- PART-OF-A-NAME]` prints the table of `PATTERNS.md`.
//!
//! The best of several rounds, as everything else on the machine only adds to it. The ratio says what a table for another machine would.

#![allow(missing_docs, reason = "a program, not a library")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "the figures are what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use patterns::{Pattern, PatternSet};

const COUNTS: [usize; 3] = [1, 100, 10_000];
const ROUND: Duration = Duration::from_millis(20);
const ROUNDS: usize = 15;

const EVENT: &str = r#"{"version":"0","id":"0190d1b2-7c3e-7000-8000-000000000000:readings","source":"/iot-gateway","detail-type":"iot-gateway.rule.readings","time":"2026-01-01T00:00:00.000Z","resources":["plant/kiln-0/telemetry"],"subject":"plant/kiln-0/telemetry","clientid":"kiln-0","rule":"readings","detail":{"deviceId":"kiln-0","run":"a1","sequence":4711,"temperature":81.5,"humidity":0.4,"line":"north","address":"10.0.0.7","tags":["warm","new"]}}"#;

/// One pattern of each kind, by its number; number 0 matches the event.
type Make = fn(usize) -> String;

const KINDS: [(&str, Make); 10] = [
    ("exact text", |n| format!(r#"{{"detail":{{"deviceId":["kiln-{n}"]}}}}"#)),
    ("two fields, one the same", |n| {
        format!(r#"{{"rule":["readings"],"detail":{{"deviceId":["kiln-{n}"]}}}}"#)
    }),
    ("exact number", |n| format!(r#"{{"detail":{{"sequence":[{}]}}}}"#, 4711 + n)),
    ("prefix", |n| match n {
        0 => r#"{"subject":[{"prefix":"plant/kiln-0/"}]}"#.to_owned(),
        n => format!(r#"{{"subject":[{{"prefix":"plant/kiln-{n}/"}}]}}"#),
    }),
    ("suffix", |n| format!(r#"{{"clientid":[{{"suffix":"n-{n}"}}]}}"#)),
    ("equals-ignore-case", |n| format!(r#"{{"clientid":[{{"equals-ignore-case":"KILN-{n}"}}]}}"#)),
    ("numeric range", |n| {
        format!(r#"{{"detail":{{"temperature":[{{"numeric":[">",{},"<=",{}]}}]}}}}"#, 81 + n, 82 + n)
    }),
    ("wildcard", |n| format!(r#"{{"subject":[{{"wildcard":"plant/*-{n}/*"}}]}}"#)),
    ("cidr", |n| format!(r#"{{"detail":{{"address":[{{"cidr":"{}.{}.0.0/16"}}]}}}}"#, 10 + n / 256, n % 256)),
    ("anything-but, all match", |n| format!(r#"{{"clientid":[{{"anything-but":"other-{n}"}}]}}"#)),
];

fn main() {
    let part = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    println!("| patterns | 1 | 100 | 10,000 | 10,000 ÷ 1 | matches of 10,000 |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for (name, make) in KINDS.iter().filter(|(name, _)| name.contains(&part)) {
        let sets = COUNTS.map(|count| set(count, *make));
        let [one, hundred, many] = [&sets[0], &sets[1], &sets[2]].map(nanoseconds);
        let matching = sets[2].matches(EVENT).unwrap().len();
        println!(
            "| {name} | {one:.0} ns | {hundred:.0} ns | {many:.0} ns | {:.2} | {matching} |",
            many / one
        );
    }
    let start = Instant::now();
    let built = set(10_000, KINDS[1].1);
    println!(
        "\n{} patterns of two fields parsed and added in {} ms",
        built.len(),
        start.elapsed().as_millis()
    );
}

fn set(count: usize, make: Make) -> PatternSet<usize> {
    let mut set = PatternSet::new();
    for number in 0..count {
        set.add(number, &Pattern::parse(&make(number)).unwrap()).unwrap();
    }
    set
}

fn nanoseconds(set: &PatternSet<usize>) -> f64 {
    let round = |_| {
        let (start, mut count) = (Instant::now(), 0_u32);
        while start.elapsed() < ROUND {
            for _ in 0..16 {
                black_box(set.matches(black_box(EVENT)).unwrap());
            }
            count += 16;
        }
        start.elapsed().as_nanos() as f64 / f64::from(count)
    };
    (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}
