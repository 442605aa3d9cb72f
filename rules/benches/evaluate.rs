//! What a statement costs per message, beside parsing the same payload into `serde_json::Value`.
//!
//! Absolute times depend on the machine; the ratio to `serde_json::Value` in the same run is the figure to watch.

#![allow(missing_docs, reason = "the macro of criterion makes an undocumented function")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rules::{CompileOptions, Index, Message, Statement, TopicFilter};

/// About 200 bytes, as a device of the demo sends.
const SMALL: &str = r#"{"deviceId":"device-0001","sequence":17,"sentAtMs":1700000000000,"temperature":81.3,"humidity":40.2,"line":"a","position":{"x":12.5,"y":-3.25},"firmware":"2.4.1","battery":97,"flags":["ok","calibrated"],"state":"run"}"#;

const STATEMENTS: &[(&str, &str)] = &[
    ("match", "SELECT deviceId, temperature FROM 'plant/+/telemetry' WHERE temperature > 80"),
    ("no match", "SELECT deviceId, temperature FROM 'plant/+/telemetry' WHERE temperature > 90"),
    ("star", "SELECT * FROM 'plant/+/telemetry'"),
    ("star and alias", "SELECT *, timestamp() AS at FROM 'plant/+/telemetry'"),
    (
        "functions",
        "SELECT upper(deviceId) AS id, round(temperature * 9 / 5 + 32) AS f FROM 'plant/+/telemetry'",
    ),
];

fn large() -> String {
    let readings: Vec<String> =
        (0..40).map(|n| format!(r#"{{"name":"sensor-{n}","value":{n}.25,"unit":"C"}}"#)).collect();
    format!("{},\"readings\":[{}]}}", &SMALL[..SMALL.len() - 1], readings.join(","))
}

fn evaluate(criterion: &mut Criterion) {
    let large = large();
    for (size, payload) in [("200 B", SMALL), ("2 KB", large.as_str())] {
        let mut group = criterion.benchmark_group(size);
        group.bench_function("serde_json::Value", |bencher| {
            bencher.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(payload.as_bytes())));
        });
        for (name, sql) in STATEMENTS {
            let statement =
                Statement::compile(sql, CompileOptions::default()).expect("the statements above are right");
            group.bench_function(*name, |bencher| {
                bencher.iter(|| {
                    let message = message(black_box(payload));
                    statement.evaluate(&message)
                });
            });
        }
        group.finish();
    }
}

/// Ten statements that share one message, so one reading of the payload.
fn share(criterion: &mut Criterion) {
    let statements: Vec<Statement> = (0..10)
        .map(|limit| {
            let sql = format!(
                "SELECT deviceId, temperature FROM 'plant/+/telemetry' WHERE temperature > {}",
                80 + limit
            );
            Statement::compile(&sql, CompileOptions::default()).expect("the statement is right")
        })
        .collect();
    criterion.bench_function("ten statements, 200 B", |bencher| {
        bencher.iter(|| {
            let message = message(black_box(SMALL));
            statements.iter().filter_map(|statement| statement.evaluate(&message).ok()).count()
        });
    });
}

fn index(criterion: &mut Criterion) {
    let mut index = Index::new();
    for number in 0..10_000 {
        let filter = TopicFilter::parse(&format!("plant/device-{number}/+")).expect("the filter is right");
        index.insert(&filter, number);
    }
    criterion.bench_function("index of 10,000 filters", |bencher| {
        bencher.iter(|| {
            let mut found = 0;
            index.for_each_match(black_box("plant/device-5000/telemetry"), |value| found += value);
            found
        });
    });
}

fn no_randomness() -> [u8; 16] {
    [0; 16]
}

fn message(payload: &str) -> Message<'_> {
    let mut message =
        Message::new("plant/device-0001/telemetry", payload.as_bytes(), 1_700_000_000_000, &no_randomness);
    message.client_id = Some("device-0001");
    message
}

criterion_group!(benches, evaluate, share, index);
criterion_main!(benches);
