//! The whole bus on a machine that loses power: random schedules of everything that happens to it, on disks that forget what was not
//! fsynced, directory entries included.
//!
//! A schedule is drawn from a seed. After each reopening, and at the end of each schedule: every event that was acknowledged is with
//! its target, waits, is a dead letter, or was given up by a policy that counted it; the ledger balances, equals an audit of
//! the journal and the number of events that the model knows to be durable; the order per key is kept, and every event has the id
//! that it was given.
//!
//! A seed that fails is printed with its steps; `POWER_LOSS_SEED=n` plays it alone, `POWER_LOSS_SCHEDULES=n` plays more of them (the
//! usual number is [`SCHEDULES`]). Threads are not part of a seed, so a rare failure may take a few plays.

mod check;
mod external;
mod machine;
mod named;
mod schedule;
mod steps;
mod world;

use std::panic::{self, AssertUnwindSafe};

use self::schedule::Schedule;
use self::world::World;

/// How many schedules are played when nobody asks for more.
const SCHEDULES: u64 = 200;

/// The schedules are played in so many tests, which run beside each other.
const SHARES: u64 = 4;

fn asked(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// Plays every fourth schedule, or the one that was asked for.
fn play_share(share: u64) {
    if let Some(seed) = asked("POWER_LOSS_SEED") {
        if seed % SHARES == share {
            play(seed);
        }
        return;
    }
    let schedules = asked("POWER_LOSS_SCHEDULES").unwrap_or(SCHEDULES);
    (0..schedules).filter(|seed| seed % SHARES == share).for_each(play);
}

fn play(seed: u64) {
    let schedule = Schedule::from_seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let played = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(World::play(&schedule))));
    if let Err(failure) = played {
        eprintln!("POWER_LOSS_SEED={seed} plays this again:\n{schedule}");
        panic::resume_unwind(failure);
    }
}

#[test]
fn nothing_acknowledged_is_lost_whatever_happens_first_share() {
    play_share(0);
}

#[test]
fn nothing_acknowledged_is_lost_whatever_happens_second_share() {
    play_share(1);
}

#[test]
fn nothing_acknowledged_is_lost_whatever_happens_third_share() {
    play_share(2);
}

#[test]
fn nothing_acknowledged_is_lost_whatever_happens_fourth_share() {
    play_share(3);
}
