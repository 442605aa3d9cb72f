//! Calls of a Python function in a second, and milliseconds until a cold one answers. The figures are in `BENCHMARKS.md`.
//!
//! `PYTHON=… cargo bench -p targets --bench function`, with a Python that has `awslambdaric`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use targets::function::{Function, Settings};

const COLD_STARTS: usize = 15;
const CALLS: usize = 3_000;
const HANDLER: &str =
    "def handle(event, context):\n    return {\"sensor\": event[\"sensor\"], \"hot\": True}\n";
const EVENT: &[u8] = br#"{"sensor": 7, "temperature": 81.5, "site": "plant-3", "unit": "celsius"}"#;

fn function(directory: &std::path::Path, concurrency: usize) -> Arc<Function> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let command = [python.as_str(), "-m", "awslambdaric", "bench.handle"].map(str::to_owned).to_vec();
    let settings = Settings {
        directory: Some(directory.to_owned()),
        handler: "bench.handle".to_owned(),
        concurrency,
        memory_mib: 512,
        timeout: Duration::from_secs(30),
        ..Settings::new("bench", command)
    };
    Function::new(settings).expect("the settings are right")
}

async fn call(function: &Function) {
    let response =
        function.invoke(Bytes::from_static(EVENT)).await.expect("set PYTHON to one with `awslambdaric`");
    assert_eq!(response.error, None);
}

async fn cold(directory: &std::path::Path) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..COLD_STARTS {
        let function = function(directory, 1);
        let begun = Instant::now();
        call(&function).await;
        times.push(begun.elapsed());
        function.close().await;
    }
    times.sort();
    times
}

/// Calls in a second, and the sorted time of each.
async fn warm(directory: &std::path::Path, concurrency: usize) -> (f64, Vec<Duration>) {
    let function = function(directory, concurrency);
    futures::future::join_all((0..concurrency).map(|_| call(&function))).await;
    let begun = Instant::now();
    let callers = (0..concurrency).map(|_| async {
        let mut times = Vec::new();
        for _ in 0..CALLS / concurrency {
            let called = Instant::now();
            call(&function).await;
            times.push(called.elapsed());
        }
        times
    });
    let mut times: Vec<Duration> = futures::future::join_all(callers).await.into_iter().flatten().collect();
    let per_second = times.len() as f64 / begun.elapsed().as_secs_f64();
    function.close().await;
    times.sort();
    (per_second, times)
}

#[expect(clippy::print_stdout, reason = "a bench says what it found")]
fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let directory = tempfile::tempdir().expect("there is room");
    std::fs::write(directory.path().join("bench.py"), HANDLER).expect("there is room");
    let ms = |times: &[Duration], of: f64| times[(times.len() as f64 * of) as usize].as_secs_f64() * 1e3;
    let cold = runtime.block_on(cold(directory.path()));
    println!(
        "cold: first answer after {:.0} ms (median of {COLD_STARTS}), slowest {:.0} ms",
        ms(&cold, 0.5),
        ms(&cold, 0.999)
    );
    for concurrency in [1, 2, 4] {
        let (per_second, times) = runtime.block_on(warm(directory.path(), concurrency));
        let (p50, p99) = (ms(&times, 0.5), ms(&times, 0.99));
        println!("warm, {concurrency} instances: {per_second:.0} calls/s, p50 {p50:.2} ms, p99 {p99:.2} ms");
    }
}
