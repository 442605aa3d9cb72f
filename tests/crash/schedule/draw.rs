//! Drawing a schedule. A change here gives every seed another meaning.

use super::{Behaviour, Function, Limits, Mood, Overflow, Publisher, Receiver, Schedule, Strike, Waiting};
use rand::Rng;
use rand::rngs::StdRng;

/// More than any load here fills, views included.
pub(super) const DISK_BYTES_AMPLE: u64 = 32 << 20;
/// After so many an event that never succeeds is given up soon.
const ATTEMPTS_FEW: u32 = 6;
/// The smallest segment that the payloads here allow.
const SEGMENT_BYTES_MIN: u64 = 64 << 10;

pub(super) fn schedule(seed: u64, random: &mut StdRng) -> Schedule {
    let load_ms = random.random_range(1_500..3_500);
    let small_journal = random.random_ratio(1, 8);
    let limits = limits(small_journal, random);
    let receivers = (0..random.random_range(1..=2)).map(|_| receiver(random)).collect();
    let mut function = random.random_ratio(1, 2).then(|| function(random));
    if let Some(function) = &mut function
        && limits.attempts_max > ATTEMPTS_FEW
    {
        // It is tried again before it is given up, which would take a minute.
        function.poison = None;
    }
    let mut schedule = Schedule {
        seed,
        limits,
        // A stream keeps the journal for as long as it keeps its records.
        stream_shards: (!small_journal && random.random_ratio(3, 4)).then(|| random.random_range(1..=4)),
        receivers,
        function,
        error_action: random.random_ratio(1, 2),
        reads_along: small_journal || random.random_ratio(1, 2),
        publishers: (0..random.random_range(2..=4)).map(|_| publisher(load_ms, random)).collect(),
        strikes: Vec::new(),
    };
    for _ in 0..random.random_range(2..=6) {
        strike(&mut schedule, load_ms, random);
    }
    schedule.strikes.sort_by_key(|(at, _)| *at);
    schedule
}

fn limits(small_journal: bool, random: &mut StdRng) -> Limits {
    let segment_bytes = SEGMENT_BYTES_MIN << random.random_range(0..=2);
    Limits {
        segment_bytes,
        disk_bytes_max: if small_journal { 6 * segment_bytes } else { DISK_BYTES_AMPLE },
        attempts_max: if random.random_ratio(1, 3) { random.random_range(2..=ATTEMPTS_FEW) } else { 185 },
        age_secs_max: if random.random_ratio(1, 4) { 600 } else { 86_400 },
    }
}

fn waiting(random: &mut StdRng) -> Waiting {
    let overflow =
        [Overflow::Block, Overflow::DropOldest, Overflow::DeadLetter][random.random_range(0..3usize)];
    let events_max = if random.random_ratio(2, 3) { random.random_range(10..200) } else { 1_000_000 };
    Waiting { overflow, events_max }
}

fn poison(random: &mut StdRng) -> Option<u64> {
    random.random_ratio(1, 3).then(|| random.random_range(7..60))
}

fn receiver(random: &mut StdRng) -> Receiver {
    Receiver {
        concurrency: random.random_range(1..=6),
        timeout_ms: random.random_range(150..500),
        waiting: waiting(random),
        poison: poison(random),
    }
}

fn function(random: &mut StdRng) -> Function {
    Function {
        // More than one, so that records carry the ids of their events.
        batch_size: random.random_range(2..=20),
        concurrency: random.random_range(1..=3),
        waiting: waiting(random),
        poison: poison(random),
    }
}

fn publisher(load_ms: u64, random: &mut StdRng) -> Publisher {
    let per_second = random.random_range(20..150);
    Publisher {
        version: if random.random_ratio(1, 2) { 5 } else { 4 },
        qos: if random.random_ratio(1, 3) { 2 } else { 1 },
        per_second,
        messages: per_second * load_ms / 1_000,
        keys: random.random_range(1..=4),
        payload_bytes: random.random_range(40..600),
        cuts_every: random.random_ratio(1, 3).then(|| random.random_range(20..100)),
    }
}

/// One strike, and its end where it has one.
fn strike(schedule: &mut Schedule, load_ms: u64, random: &mut StdRng) {
    let at = random.random_range(100..load_ms);
    let until = at + random.random_range(200..1_500);
    let strikes = &mut schedule.strikes;
    match random.random_range(0..20) {
        0..=5 => strikes.push((at, Strike::Kill { down_ms: random.random_range(0..300) })),
        6 => strikes.push((at, Strike::Restart)),
        7..=12 => {
            let which = random.random_range(0..schedule.receivers.len());
            strikes.push((at, Strike::Receiver(which, mood(random))));
            strikes.push((until, Strike::Receiver(which, Mood::Well)));
        }
        13 | 14 if schedule.function.is_some() => {
            let behaviour = match random.random_range(0..3) {
                0 => Behaviour::Fails,
                1 => Behaviour::Slow(random.random_range(50..400)),
                _ => Behaviour::Dies,
            };
            strikes.push((at, Strike::Function(behaviour)));
            strikes.push((until, Strike::Function(Behaviour::Well)));
        }
        13..=15 if schedule.function.is_some() => strikes.push((at, Strike::FunctionKilled)),
        // One at a time, or the first end would be the end of both.
        16 | 17 if !strikes.iter().any(|(_, strike)| *strike == Strike::DiskFull) => {
            strikes.push((at, Strike::DiskFull));
            strikes.push((until, Strike::DiskFreed));
        }
        18 => strikes.push((at, Strike::Reload)),
        _ => {
            let secs = [1, 30, 400, 3_500][random.random_range(0..4usize)];
            let secs = if random.random_ratio(1, 2) { secs } else { -secs };
            strikes.push((at, Strike::Clock { secs }));
        }
    }
}

fn mood(random: &mut StdRng) -> Mood {
    match random.random_range(0..7) {
        0 => Mood::Refuses,
        1 => Mood::Resets,
        2 => Mood::Status(500),
        3 => Mood::Status(503),
        4 => Mood::Throttles,
        5 => Mood::Slow(random.random_range(20..300)),
        _ => Mood::Silent,
    }
}
