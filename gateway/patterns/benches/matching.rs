//! What an event costs against 1, 100 and 10,000 patterns, in instructions: `cargo bench -p patterns [-- PART-OF-A-NAME]` prints the table of
//! `PATTERNS.md`.
//!
//! Valgrind counts them, the same on every run. The program runs itself with few and with many events; the difference leaves out what it costs
//! to build the set.

#![allow(missing_docs, reason = "a program, not a library")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "the figures are what it is for")]

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use patterns::{Pattern, PatternSet};

const COUNTS: [usize; 3] = [1, 100, 10_000];
const FEW: u64 = 10;
const MANY: u64 = 60;

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
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.as_slice() {
        [flag, kind, patterns, events] if flag == "--run" => {
            let (_, make) = KINDS[kind.parse::<usize>().unwrap()];
            let set = set(patterns.parse().unwrap(), make);
            for _ in 0..events.parse().unwrap() {
                black_box(set.matches(black_box(EVENT)).unwrap());
            }
        }
        arguments => report(arguments.first().map_or("", String::as_str)),
    }
}

fn report(part: &str) {
    println!("| instructions of an event | 1 pattern | 100 | 10,000 | 10,000 ÷ 1 | matches of 10,000 |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for (kind, (name, make)) in KINDS.iter().enumerate().filter(|(_, (name, _))| name.contains(part)) {
        let [one, hundred, many] = COUNTS.map(|patterns| instructions(kind, patterns));
        let matching = set(COUNTS[2], *make).matches(EVENT).unwrap().len();
        println!("| {name} | {one} | {hundred} | {many} | {:.2} | {matching} |", many as f64 / one as f64);
    }
    let start = Instant::now();
    let built = set(COUNTS[2], KINDS[1].1);
    println!(
        "\n{} patterns of two fields parsed and added in {} ms",
        built.len(),
        start.elapsed().as_millis()
    );
}

/// Instructions of one event.
fn instructions(kind: usize, patterns: usize) -> u64 {
    let [few, many] = [FEW, MANY].map(|events| counted(kind, patterns, events));
    (many - few) / (MANY - FEW)
}

/// Instructions of a whole run.
fn counted(kind: usize, patterns: usize, events: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["--run", &kind.to_string(), &patterns.to_string(), &events.to_string()])
        .output()
        .expect("valgrind is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let line = said.lines().find(|line| line.contains("refs:")).expect("cachegrind counts instructions");
    line.rsplit(':').next().unwrap_or_default().trim().replace(',', "").parse().unwrap()
}

fn set(count: usize, make: Make) -> PatternSet<usize> {
    let mut set = PatternSet::new();
    for number in 0..count {
        set.add(number, &Pattern::parse(&make(number)).unwrap()).unwrap();
    }
    set
}
