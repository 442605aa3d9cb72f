//! Instructions per message: `cargo bench -p rules --bench instructions [-- PART-OF-A-NAME]` prints a table of `BENCHMARKS.md`.

#![allow(missing_docs, reason = "a program, not a library")]
#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

mod cases;
mod payloads;
mod valgrind;

use cases::{ALL_FIELDS, THREE_FIELDS};
use payloads::{SIZES, payload};
use valgrind::{Task, instructions};

fn main() {
    match Task::from_arguments() {
        Task::Report(part) => report(&part),
        Task::Run { size, name, count } => {
            let payload = payload(&size);
            let case = cases::case(&name);
            for _ in 0..count {
                std::hint::black_box(case(std::hint::black_box(&payload)));
            }
        }
    }
}

fn report(part: &str) {
    println!(
        "| per message | 200 B | of three fields | of all fields | 2 KB | of three fields | of all fields |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let yardsticks = SIZES.map(|size| [THREE_FIELDS, ALL_FIELDS].map(|name| instructions(size, name)));
    for name in cases::names().filter(|name| name.contains(part)) {
        let columns = SIZES.iter().zip(yardsticks).map(|(size, [three, all])| {
            let count = instructions(size, name);
            format!("{count:.0} | {:.2} | {:.2}", count / three, count / all)
        });
        println!("| {name} | {} |", columns.collect::<Vec<_>>().join(" | "));
    }
}
