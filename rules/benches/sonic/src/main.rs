//! Instructions per message of sonic-rs: `cargo run --release --manifest-path rules/benches/sonic/Cargo.toml` prints rows of `BENCHMARKS.md`.

#[path = "../../payloads/mod.rs"]
mod payloads;
#[path = "../../valgrind/mod.rs"]
mod valgrind;

use std::hint::black_box;

use payloads::{SIZES, payload};
use sonic_rs::{JsonContainerTrait, Object, Value};
use valgrind::{Task, instructions};

const PARSE: &str = "sonic_rs::Value";
const THREE_FIELDS: &str = "sonic_rs::Value, three fields written";

fn main() {
    match Task::from_arguments() {
        Task::Report(part) => {
            for name in [PARSE, THREE_FIELDS].iter().filter(|name| name.contains(&part)) {
                let counts = SIZES.map(|size| format!("{:.0}", instructions(size, name)));
                println!("| {name} | {} |", counts.join(" | "));
            }
        }
        Task::Run { size, name, count } => {
            let payload = payload(&size);
            let case = if name == PARSE { parse } else { three_fields };
            for _ in 0..count {
                black_box(case(black_box(&payload)));
            }
        }
    }
}

fn read(payload: &str) -> Value {
    sonic_rs::from_slice(payload.as_bytes()).expect("the payload is JSON")
}

fn parse(payload: &str) -> usize {
    black_box(read(payload)).as_object().map_or(0, Object::len)
}

fn three_fields(payload: &str) -> usize {
    let value = read(payload);
    let object = value.as_object().expect("the payload is an object");
    let mut out = Vec::with_capacity(256);
    out.push(b'{');
    for name in ["deviceId", "temperature", "battery"] {
        let Some(value) = object.get(&name) else { continue };
        if out.len() > 1 {
            out.push(b',');
        }
        sonic_rs::to_writer(&mut out, name).expect("a name has JSON");
        out.push(b':');
        sonic_rs::to_writer(&mut out, value).expect("a value has JSON");
    }
    out.push(b'}');
    black_box(out).len()
}
