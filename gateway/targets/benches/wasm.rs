//! Calls of a function in WebAssembly in a second, and milliseconds from a file to its first answer. The figures are in `BENCHMARKS.md`.
//!
//! `cargo bench -p targets --bench wasm`

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use targets::function::{Function, Settings};
use targets::wasm;

const COLD_STARTS: usize = 15;
const CALLS: usize = 12_000;
const EVENT: &[u8] = br#"{"sensor": 7, "temperature": 81.5, "site": "plant-3", "unit": "celsius"}"#;
/// Both answer with the event. What is measured is what stands around the function's own work.
const PROGRAMS: [&str; 2] = ["echo.wat", "component.wat"];

fn function(program: &str, concurrency: usize) -> Arc<Function> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wasm/tests/programs");
    let settings = Settings {
        concurrency,
        timeout: Duration::from_secs(30),
        waiting_calls_max: CALLS,
        ..Settings::new("bench", Vec::new())
    };
    let code = wasm::Settings { file: folder.join(program), fuel_max: wasm::FUEL_STANDARD };
    wasm::function(settings, code).expect("the settings are right")
}

async fn call(function: &Function) {
    let response = function.invoke(Bytes::from_static(EVENT)).await.expect("the function answers");
    assert_eq!(response.payload, EVENT);
}

async fn cold(program: &str) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..COLD_STARTS {
        let begun = Instant::now();
        let function = function(program, 1);
        call(&function).await;
        times.push(begun.elapsed());
        function.close().await;
    }
    times.sort();
    times
}

/// Calls in a second, and the sorted time of each.
async fn warm(program: &str, concurrency: usize) -> (f64, Vec<Duration>) {
    let function = function(program, concurrency);
    call(&function).await;
    let begun = Instant::now();
    let callers = (0..concurrency).map(|_| {
        let function = Arc::clone(&function);
        tokio::spawn(async move {
            let mut times = Vec::new();
            for _ in 0..CALLS / concurrency {
                let called = Instant::now();
                call(&function).await;
                times.push(called.elapsed());
            }
            times
        })
    });
    let callers = futures::future::join_all(callers).await;
    let mut times: Vec<Duration> =
        callers.into_iter().flat_map(|times| times.expect("a caller does not panic")).collect();
    let per_second = times.len() as f64 / begun.elapsed().as_secs_f64();
    function.close().await;
    times.sort();
    (per_second, times)
}

#[expect(clippy::print_stdout, reason = "a bench says what it found")]
fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let ms = |times: &[Duration], of: f64| times[(times.len() as f64 * of) as usize].as_secs_f64() * 1e3;
    for program in PROGRAMS {
        let cold = runtime.block_on(cold(program));
        println!(
            "{program}, cold: first answer after {:.1} ms (median of {COLD_STARTS}), slowest {:.1} ms",
            ms(&cold, 0.5),
            ms(&cold, 0.999)
        );
        for concurrency in [1, 2, 4] {
            let (per_second, times) = runtime.block_on(warm(program, concurrency));
            let (p50, p99) = (ms(&times, 0.5), ms(&times, 0.99));
            println!(
                "{program}, {concurrency} at once: {per_second:.0} calls/s, p50 {p50:.3} ms, p99 {p99:.3} ms"
            );
        }
    }
}
