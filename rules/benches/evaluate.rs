//! What a statement costs per message, beside parsing the same payload into `serde_json::Value`.
//!
//! Absolute times depend on the machine; the ratio to `serde_json::Value` in the same run is the figure to watch. `instructions` counts the same
//! cases exactly.

#![allow(missing_docs, reason = "the macro of criterion makes an undocumented function")]

mod cases;
mod payloads;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};

fn evaluate(criterion: &mut Criterion) {
    for size in payloads::SIZES {
        let payload = payloads::payload(size);
        let mut group = criterion.benchmark_group(size);
        for name in cases::names() {
            let case = cases::case(name);
            group.bench_function(name, |bencher| bencher.iter(|| case(black_box(&payload))));
        }
        group.finish();
    }
}

criterion_group!(benches, evaluate);
criterion_main!(benches);
