//! What happens, drawn from a seed.

use std::fmt;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::Removal;

/// Names of targets that the schedules know, and how their lanes are bounded: see `steps`.
pub(super) const TARGETS: [&str; 7] =
    ["http/good", "http/bad", "http/slow", "http/poison", "http/drop", "http/letter", "stream/view"];

/// The last of [`TARGETS`] is a view.
pub(super) const VIEW: usize = TARGETS.len() - 1;

/// How many connections append.
pub(super) const PRODUCERS: usize = 4;

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A connection appends records; their events go to the targets of the mask.
    Append {
        producer: usize,
        records: usize,
        targets: u8,
        bytes: usize,
    },
    /// A connection waits for the outcomes of what it appended.
    Claim(usize),
    /// The targets work for a moment.
    Work,
    /// From now on a target answers so.
    Answer(usize, Mood),
    Redrive(usize),
    Purge(usize),
    Remove(usize, Removal),
    Declare(usize),
    RaiseFloors,
    /// The clock jumps, by seconds.
    ClockJump(i64),
    /// The disk has this much room left for the journal.
    Room(Option<u64>),
    FailSyncs(u64),
    FailWrites(u64),
    ShortWrites(bool),
    /// The state store's next sync fails.
    FailStateSync,
    /// The state store's next write fails, as on a full disk.
    FailStateWrite,
    /// The power fails after so many more changes to the disks.
    PowerFailsAfter(u64),
    PowerLoss,
    Kill,
    /// An orderly end, and whether the power fails right behind it.
    Shutdown {
        power_fails: bool,
    },
}

/// How a target answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Takes,
    Retries,
    Refuses,
    Mixed,
    Slow,
    Hangs,
    /// It refuses every fifth event for good.
    Poisoned,
}

/// A seed and the steps it gives.
pub(super) struct Schedule {
    pub(super) seed: u64,
    pub(super) steps: Vec<Step>,
}

impl Schedule {
    pub(super) fn from_seed(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let count = random.random_range(8..32);
        let steps = (0..count).map(|_| step(&mut random)).collect();
        Self { seed, steps }
    }
}

fn step(random: &mut StdRng) -> Step {
    let target = random.random_range(0..TARGETS.len());
    match random.random_range(0..100) {
        0..30 => Step::Append {
            producer: random.random_range(0..PRODUCERS),
            records: random.random_range(1..25),
            targets: random.random_range(1..1 << TARGETS.len()),
            bytes: if random.random_ratio(1, 4) { 3000 } else { 40 },
        },
        30..42 => Step::Claim(random.random_range(0..PRODUCERS)),
        42..54 => Step::Work,
        54..62 => Step::Answer(target, mood(random)),
        62..65 => Step::Redrive(target),
        65..67 => Step::Purge(target),
        67..70 => Step::Remove(target, removal(random)),
        70..72 => Step::Declare(target),
        72..74 => Step::RaiseFloors,
        74..76 => Step::ClockJump(random.random_range(-100_000..100_000)),
        76..78 => Step::Room(random.random_bool(0.7).then(|| random.random_range(0..80_000))),
        78..80 => Step::FailSyncs(random.random_range(1..3)),
        80..82 => Step::FailWrites(random.random_range(1..3)),
        82..83 => Step::ShortWrites(random.random()),
        83..84 => Step::FailStateSync,
        84..85 => Step::FailStateWrite,
        85..89 => Step::PowerFailsAfter(random.random_range(1..60)),
        89..95 => Step::PowerLoss,
        95..97 => Step::Kill,
        _ => Step::Shutdown { power_fails: random.random() },
    }
}

fn mood(random: &mut StdRng) -> Mood {
    let moods =
        [Mood::Takes, Mood::Retries, Mood::Refuses, Mood::Mixed, Mood::Slow, Mood::Hangs, Mood::Poisoned];
    moods[random.random_range(0..moods.len())]
}

fn removal(random: &mut StdRng) -> Removal {
    [Removal::Keep, Removal::DeadLetter, Removal::Drop][random.random_range(0..3)]
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps
            .iter()
            .enumerate()
            .try_for_each(|(number, step)| writeln!(formatter, "{number:>4}  {step:?}"))
    }
}
