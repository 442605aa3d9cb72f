//! The crash suite: schedules of load and faults, drawn from seeds, each played against a real gateway and judged to the last message.
//!
//! See the README beside this file for what is struck, what is checked, and how a schedule is played again.

mod collect;
mod handler;
mod http;
mod identity;
mod judge;
mod load;
mod log;
mod place;
mod receiver;
mod run;
mod schedule;

use anyhow::Context;
use clap::{Parser, Subcommand};
use place::Without;
use run::Outcome;
use schedule::Schedule;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Plays schedules of load and faults against the gateway.
#[derive(Debug, Parser)]
#[command(name = "crash")]
struct Arguments {
    #[command(subcommand)]
    handle: Option<Handle>,
    /// How many schedules, of this seed and those after it
    #[arg(long, default_value_t = 12)]
    schedules: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Schedules side by side
    #[arg(long, default_value_t = 2)]
    jobs: u64,
    /// Only print what the seeds mean
    #[arg(long)]
    print: bool,
    /// Where the logs of gateways that failed are put; nowhere unless given
    #[arg(long)]
    logs: Option<PathBuf>,
    /// Disks do not run full: this machine mounts none
    #[arg(long)]
    without_disk: bool,
    /// Clocks do not jump: this machine has no libfaketime
    #[arg(long)]
    without_clock: bool,
}

#[derive(Debug, Subcommand)]
enum Handle {
    /// Be the program of the function; for the suite alone
    #[command(hide = true)]
    Handle {
        folder: PathBuf,
        #[arg(long)]
        poison: Option<u64>,
    },
}

/// Set in the namespace of its own that the suite enters when it may not mount.
const INSIDE: &str = "CRASH_SUITE_INSIDE";

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(Handle::Handle { folder, poison }) = &arguments.handle {
        // The gateway goes away in the middle of a call; that is what this suite is about.
        let _ = handler::run(folder, *poison);
        return Ok(ExitCode::SUCCESS);
    }
    let seeds = arguments.seed..arguments.seed + arguments.schedules;
    if arguments.print {
        seeds.for_each(|seed| eprintln!("{}", Schedule::of(seed)));
        return Ok(ExitCode::SUCCESS);
    }
    let without = Without { disk: arguments.without_disk, clock: arguments.without_clock };
    anyhow::ensure!(
        without.clock || place::clock_library().is_some(),
        "clocks are made to jump by libfaketime; install it (`apt-get install libfaketime`), or give --without-clock"
    );
    if !without.disk
        && let Err(error) = place::try_disk()
    {
        return go_inside(&error);
    }
    play(&arguments, seeds, without)
}

/// Without the right to mount: once more in a user and mount namespace of its own, where it has that right.
fn go_inside(error: &anyhow::Error) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        std::env::var_os(INSIDE).is_none(),
        "a disk that runs full is a tmpfs, and none can be mounted here ({error:#}); give --without-disk"
    );
    let mut inside = Command::new("unshare");
    inside.args(["--user", "--map-root-user", "--mount"]).arg(std::env::current_exe()?);
    let status = inside.args(std::env::args_os().skip(1)).env(INSIDE, "1").status();
    let status = status.context("neither `mount` nor `unshare` works here; give --without-disk")?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

fn play(arguments: &Arguments, seeds: std::ops::Range<u64>, without: Without) -> anyhow::Result<ExitCode> {
    if let Some(folder) = &arguments.logs {
        std::fs::create_dir_all(folder)?;
    }
    let begun = Instant::now();
    let (next, total) = (AtomicU64::new(seeds.start), Mutex::new(Total::default()));
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if !seeds.contains(&seed) {
                        return;
                    }
                    let schedule = Schedule::of(seed);
                    let begun = Instant::now();
                    let outcome = run::play(&schedule, without);
                    report(arguments, &schedule, &outcome, begun.elapsed());
                    total.lock().expect("nobody panics while adding").add(seed, &outcome);
                }
            });
        }
    });
    let total = total.into_inner().expect("nobody panicked while adding");
    eprintln!("{} in {} s", total.line(), begun.elapsed().as_secs());
    Ok(if total.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(arguments: &Arguments, schedule: &Schedule, outcome: &Outcome, took: Duration) {
    let Outcome { acknowledged, refused, repeats, dead_letters, dropped, resident_bytes, .. } = outcome;
    let verdict = if outcome.wrong.is_empty() { "well" } else { "WRONG" };
    eprintln!(
        "seed {:>6}: {verdict}, {acknowledged} acknowledged, {refused} refused, {repeats} sent again, {dead_letters} dead letters, \
         {dropped} dropped, {:.0} MB, {:.1} s",
        schedule.seed,
        resident_bytes / 1e6,
        took.as_secs_f64()
    );
    if outcome.wrong.is_empty() {
        return;
    }
    let all: String = outcome.wrong.iter().map(|what| format!("  WRONG {what}\n")).collect();
    eprintln!(
        "{schedule}{all}  again: cargo run -p end-to-end --bin crash -- --schedules 1 --seed {}",
        schedule.seed
    );
    if let Some(folder) = &arguments.logs {
        let file = folder.join(format!("{}.log", schedule.seed));
        if let Err(error) = std::fs::write(&file, &outcome.log) {
            eprintln!("{}: {error}", file.display());
        }
    }
}

/// All schedules together.
#[derive(Debug, Default)]
struct Total {
    schedules: u64,
    failed: Vec<u64>,
    acknowledged: usize,
    refused: usize,
    repeats: usize,
    dead_letters: usize,
    dropped: u64,
}

impl Total {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.schedules += 1;
        self.acknowledged += outcome.acknowledged;
        self.refused += outcome.refused;
        self.repeats += outcome.repeats;
        self.dead_letters += outcome.dead_letters;
        self.dropped += outcome.dropped;
        if !outcome.wrong.is_empty() {
            self.failed.push(seed);
            self.failed.sort_unstable();
        }
    }

    fn line(&self) -> String {
        let Self { schedules, failed, acknowledged, refused, repeats, dead_letters, dropped } = self;
        format!(
            "{schedules} schedules, {} wrong {failed:?}: {acknowledged} acknowledged, {refused} refused, {repeats} sent again, \
             {dead_letters} dead letters, {dropped} dropped",
            failed.len()
        )
    }
}
