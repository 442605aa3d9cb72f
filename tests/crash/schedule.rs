//! What one seed means: targets, load, and faults at moments. Nothing here runs anything, so a schedule can be printed without striking.

use rand::SeedableRng;
use rand::rngs::StdRng;
use std::fmt;

mod draw;

/// Everything that happens in one run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Schedule {
    /// What it was drawn from.
    pub(crate) seed: u64,
    pub(crate) limits: Limits,
    /// Shards of the stream; there is none without.
    pub(crate) stream_shards: Option<u32>,
    /// The servers that HTTP targets post to.
    pub(crate) receivers: Vec<Receiver>,
    pub(crate) function: Option<Function>,
    /// Whether rules have an error action, the queue `errors`.
    pub(crate) error_action: bool,
    /// Whether somebody takes messages off the queue while everything goes on.
    pub(crate) reads_along: bool,
    pub(crate) publishers: Vec<Publisher>,
    /// In the order of their moments, in milliseconds since the load began.
    pub(crate) strikes: Vec<(u64, Strike)>,
}

/// Limits of the gateway, small enough to be met.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Limits {
    pub(crate) segment_bytes: u64,
    pub(crate) disk_bytes_max: u64,
    pub(crate) attempts_max: u32,
    pub(crate) age_secs_max: u64,
}

/// What happens to new events of a target that is too far behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overflow {
    Block,
    DropOldest,
    DeadLetter,
}

impl Overflow {
    /// As the settings call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::DropOldest => "drop_oldest",
            Self::DeadLetter => "dead_letter",
        }
    }
}

/// How much may wait for a target, and what happens beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) overflow: Overflow,
    pub(crate) events_max: u64,
}

/// An HTTP target and the server behind it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Receiver {
    pub(crate) concurrency: usize,
    pub(crate) timeout_ms: u64,
    pub(crate) waiting: Waiting,
    /// Answers 400 to every message whose number divided by this leaves 1.
    pub(crate) poison: Option<u64>,
}

/// The function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Function {
    pub(crate) batch_size: usize,
    pub(crate) concurrency: usize,
    pub(crate) waiting: Waiting,
    /// Names every message whose number divided by this leaves 1 in `batchItemFailures`.
    pub(crate) poison: Option<u64>,
}

/// A device.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Publisher {
    /// 4 is MQTT 3.1.1, 5 is MQTT 5.
    pub(crate) version: u8,
    pub(crate) qos: u8,
    pub(crate) per_second: u64,
    pub(crate) messages: u64,
    /// Messages go to so many topics in turn; each is a partition key of the stream.
    pub(crate) keys: u64,
    pub(crate) payload_bytes: usize,
    /// Breaks its own connection off every so many messages, and sends again what was not acknowledged.
    pub(crate) cuts_every: Option<u64>,
}

/// What strikes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Strike {
    /// `kill -9`, and a new start after a while.
    Kill { down_ms: u64 },
    /// An ordered end, and a new start.
    Restart,
    /// From now on the server behind an HTTP target behaves so.
    Receiver(usize, Mood),
    /// From now on the function behaves so.
    Function(Behaviour),
    /// The processes of the function are killed.
    FunctionKilled,
    /// No byte is left on the disk of the data directory.
    DiskFull,
    /// There is room again.
    DiskFreed,
    /// The system's clock jumps.
    Clock { secs: i64 },
    /// The gateway reads its files again, and finds another rule.
    Reload,
}

/// How the server behind an HTTP target behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// 200 at once.
    Well,
    /// Nobody listens.
    Refuses,
    /// Connections are reset before a request is read.
    Resets,
    /// Always this status.
    Status(u16),
    /// 429, `Retry-After: 1`.
    Throttles,
    /// 200 after so many milliseconds.
    Slow(u64),
    /// Takes the request and never answers.
    Silent,
}

/// How the function behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Well,
    /// Reports an error for every call.
    Fails,
    /// Takes so many milliseconds.
    Slow(u64),
    /// Ends in the middle of a call.
    Dies,
}

impl Schedule {
    /// The schedule of a seed; the same for ever, as long as what is drawn is.
    pub(crate) fn of(seed: u64) -> Self {
        draw::schedule(seed, &mut StdRng::seed_from_u64(seed))
    }

    /// Whether the disk runs full, of itself or by its limit.
    pub(crate) fn fills_disk(&self) -> bool {
        self.has_small_journal() || self.strikes.iter().any(|(_, strike)| *strike == Strike::DiskFull)
    }

    /// Whether the journal may reach its limit.
    pub(crate) fn has_small_journal(&self) -> bool {
        self.limits.disk_bytes_max < draw::DISK_BYTES_AMPLE
    }

    /// Whether a publish may be sent again later than the gateway remembers it for (ten minutes by its clock).
    pub(crate) fn outlives_resends(&self) -> bool {
        self.strikes.iter().any(|(_, strike)| matches!(strike, Strike::Clock { secs } if secs.abs() > 500))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { segment_bytes, disk_bytes_max, attempts_max, age_secs_max } = &self.limits;
        writeln!(to, "seed {}", self.seed)?;
        writeln!(
            to,
            "  journal: segments of {segment_bytes} bytes, {disk_bytes_max} at most; {attempts_max} attempts, age {age_secs_max} s"
        )?;
        let along = if self.reads_along { ", read all the time" } else { "" };
        writeln!(to, "  queue every{along}")?;
        if let Some(shards) = self.stream_shards {
            writeln!(to, "  stream of {shards} shards")?;
        }
        for (number, receiver) in self.receivers.iter().enumerate() {
            writeln!(to, "  http/h{number}: {receiver:?}")?;
        }
        if let Some(function) = &self.function {
            writeln!(to, "  function/f: {function:?}")?;
        }
        if self.error_action {
            writeln!(to, "  errors go to the queue errors")?;
        }
        for (number, publisher) in self.publishers.iter().enumerate() {
            writeln!(to, "  publisher p{number}: {publisher:?}")?;
        }
        for (at, strike) in &self.strikes {
            writeln!(to, "  {:>2}.{:03} s  {strike:?}", at / 1000, at % 1000)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_one_schedule() {
        for seed in 0..200 {
            assert_eq!(Schedule::of(seed), Schedule::of(seed));
        }
        assert_ne!(Schedule::of(1), Schedule::of(2));
    }

    #[test]
    fn two_hundred_seeds_strike_in_every_way() {
        let all: Vec<Schedule> = (1..=200).map(Schedule::of).collect();
        let count = |is: &dyn Fn(&Strike) -> bool| {
            all.iter().filter(|schedule| schedule.strikes.iter().any(|(_, strike)| is(strike))).count()
        };
        for (what, found) in [
            ("kill", count(&|strike| matches!(strike, Strike::Kill { .. }))),
            ("restart", count(&|strike| *strike == Strike::Restart)),
            ("refuses", count(&|strike| matches!(strike, Strike::Receiver(_, Mood::Refuses)))),
            ("resets", count(&|strike| matches!(strike, Strike::Receiver(_, Mood::Resets)))),
            ("status", count(&|strike| matches!(strike, Strike::Receiver(_, Mood::Status(_))))),
            ("throttles", count(&|strike| matches!(strike, Strike::Receiver(_, Mood::Throttles)))),
            ("slow", count(&|strike| matches!(strike, Strike::Receiver(_, Mood::Slow(_))))),
            ("silent", count(&|strike| matches!(strike, Strike::Receiver(_, Mood::Silent)))),
            ("function", count(&|strike| matches!(strike, Strike::Function(_)))),
            ("function killed", count(&|strike| *strike == Strike::FunctionKilled)),
            ("disk full", count(&|strike| *strike == Strike::DiskFull)),
            ("clock forward", count(&|strike| matches!(strike, Strike::Clock { secs } if *secs > 0))),
            ("clock back", count(&|strike| matches!(strike, Strike::Clock { secs } if *secs < 0))),
            ("reload", count(&|strike| *strike == Strike::Reload)),
        ] {
            assert!(found >= 5, "{what}: in {found} of 200 schedules");
        }
        for overflow in [Overflow::Block, Overflow::DropOldest, Overflow::DeadLetter] {
            let is = |receiver: &Receiver| receiver.waiting.overflow == overflow;
            assert!(all.iter().filter(|schedule| schedule.receivers.iter().any(is)).count() >= 20);
        }
        assert!(all.iter().filter(|schedule| schedule.has_small_journal()).count() >= 5);
    }

    #[test]
    fn what_begins_ends() {
        for schedule in (1..=200).map(Schedule::of) {
            let full = schedule.strikes.iter().filter(|(_, strike)| *strike == Strike::DiskFull).count();
            let freed = schedule.strikes.iter().filter(|(_, strike)| *strike == Strike::DiskFreed).count();
            assert_eq!(full, freed, "{schedule}");
            assert!(schedule.strikes.is_sorted_by_key(|(at, _)| *at), "{schedule}");
        }
    }
}
