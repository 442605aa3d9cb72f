//! What the whole fleet counts while it runs.
//!
//! Each worker counts in a shard of its own, which nobody else touches but once a second, when all shards are emptied
//! into the totals and the timeline gets a sample.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::latency::{Latency, Percentiles};
use super::timeline::{Mark, MarkKind, Sample, Timeline};
use super::usage::Usage;

/// Different reasons that are told apart; more are counted together.
const REASONS_MAX: usize = 64;
/// A last sample that is shorter becomes part of the one before it: its rates would be those of a moment.
const SHORT_SECS: f64 = 0.5;
const OTHER_REASONS: &str = "other reasons";

/// How often something happened, by the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons(BTreeMap<String, u64>);

impl Reasons {
    /// Counts, and says whether this reason is new here.
    pub fn count(&mut self, reason: &str, times: u64) -> bool {
        if times == 0 {
            return false;
        }
        if let Some(count) = self.0.get_mut(reason) {
            *count += times;
            return false;
        }
        if self.0.len() >= REASONS_MAX {
            *self.0.entry(OTHER_REASONS.to_owned()).or_default() += times;
            return false;
        }
        self.0.insert(reason.to_owned(), times);
        true
    }

    /// All of them.
    pub fn all(&self) -> &BTreeMap<String, u64> {
        &self.0
    }

    /// How often it happened, whatever the reason.
    pub fn sum(&self) -> u64 {
        self.0.values().sum()
    }

    fn take_from(&mut self, other: &mut Self) {
        for (reason, times) in std::mem::take(&mut other.0) {
            self.count(&reason, times);
        }
    }
}

/// What is counted.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Devices that connected, less those that lost their connection.
    pub connected: i64,
    /// Successful connects, reconnects included.
    pub connects: u64,
    /// Full TLS handshakes.
    pub full_handshakes: u64,
    /// Resumed TLS handshakes.
    pub resumed_handshakes: u64,
    /// Messages that became due.
    pub due: u64,
    /// Messages written to a connection at least once.
    pub sent: u64,
    /// Packets written again, marked DUP.
    pub resent: u64,
    /// Messages published again in a new packet.
    pub republished: u64,
    /// Messages acknowledged: PUBACK, or PUBCOMP with QoS 2.
    pub acknowledged: u64,
    /// Messages that arrived where they are looked for.
    pub received: u64,
    /// Commands that devices answered.
    pub answered: u64,
    /// Failed attempts to connect.
    pub connect_failures: Reasons,
    /// Connections lost.
    pub disconnects: Reasons,
    /// Messages never written.
    pub not_sent: Reasons,
    /// Publishes that the server refused, by its reason code.
    pub refused: Reasons,
    /// From the due time to the last acknowledgement.
    pub puback: Latency,
    /// From the due time to the arrival.
    pub delivery: Latency,
    /// From the start of the attempt to the CONNACK.
    pub connect: Latency,
}

impl Counts {
    /// Everything that has a reason, by what happened and the reason.
    fn errors(&self) -> BTreeMap<String, u64> {
        let kinds = [
            ("cannot connect", &self.connect_failures),
            ("disconnected", &self.disconnects),
            ("not sent", &self.not_sent),
            ("refused", &self.refused),
        ];
        kinds
            .into_iter()
            .flat_map(|(what, reasons)| {
                reasons.0.iter().map(move |(reason, times)| (format!("{what}: {reason}"), *times))
            })
            .collect()
    }

    /// Adds what another one counted, and empties that.
    fn take_from(&mut self, other: &mut Self) {
        let numbers = |counts: &mut Self| {
            [
                std::mem::take(&mut counts.connects),
                std::mem::take(&mut counts.full_handshakes),
                std::mem::take(&mut counts.resumed_handshakes),
                std::mem::take(&mut counts.due),
                std::mem::take(&mut counts.sent),
                std::mem::take(&mut counts.resent),
                std::mem::take(&mut counts.republished),
                std::mem::take(&mut counts.acknowledged),
                std::mem::take(&mut counts.received),
                std::mem::take(&mut counts.answered),
            ]
        };
        let mut own = numbers(self);
        own.iter_mut().zip(numbers(other)).for_each(|(own, other)| *own += other);
        [
            self.connects,
            self.full_handshakes,
            self.resumed_handshakes,
            self.due,
            self.sent,
            self.resent,
            self.republished,
            self.acknowledged,
            self.received,
            self.answered,
        ] = own;
        self.connected += std::mem::take(&mut other.connected);
        self.connect_failures.take_from(&mut other.connect_failures);
        self.disconnects.take_from(&mut other.disconnects);
        self.not_sent.take_from(&mut other.not_sent);
        self.refused.take_from(&mut other.refused);
        self.puback.take_from(&mut other.puback);
        self.delivery.take_from(&mut other.delivery);
        self.connect.take_from(&mut other.connect);
    }
}

/// What one worker counts.
#[derive(Debug, Default)]
pub struct Shard(Mutex<Counts>);

impl Shard {
    /// Opens the shard. Hold it for a batch of events, not longer, and never while waiting.
    pub fn open(&self) -> MutexGuard<'_, Counts> {
        self.0.lock()
    }
}

/// Everything counted since the start, and what the process took for it.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// The counts.
    pub counts: Counts,
    /// Processor time of this process since the tally was made.
    pub processor: Duration,
    /// The most resident memory that was seen beyond what there was when the tally was made.
    pub memory_bytes: u64,
}

/// What is shown of a run while it goes on.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The last second.
    pub latest: Sample,
    /// Sums and percentiles since the start.
    pub so_far: Sample,
    /// Failed connects by reason, since the start.
    pub connect_failures: BTreeMap<String, u64>,
    /// Lost connections by reason, since the start.
    pub disconnects: BTreeMap<String, u64>,
    /// Messages never written by reason, since the start.
    pub not_sent: BTreeMap<String, u64>,
    /// Refused publishes by reason, since the start.
    pub refused: BTreeMap<String, u64>,
    /// The stage that goes on, if the scenario has stages.
    pub stage: Option<Mark>,
    /// The last thing that happened to the whole run beside its stages.
    pub happened: Option<Mark>,
}

/// Everything counted, by shards.
#[derive(Debug)]
pub struct Tally {
    shards: Vec<Shard>,
    books: Mutex<Books>,
    before: Usage,
}

#[derive(Debug, Default)]
struct Books {
    totals: Totals,
    timeline: Timeline,
    latest: Sample,
}

impl Tally {
    /// A tally with so many shards.
    pub fn new(shards: usize) -> Self {
        let shards = (0..shards).map(|_| Shard::default()).collect();
        Self { shards, books: Mutex::default(), before: Usage::now() }
    }

    /// The shard with this index. One for each worker, and one for whoever reads back.
    ///
    /// # Panics
    /// When the tally has fewer shards.
    pub fn shard(&self, index: usize) -> &Shard {
        &self.shards[index]
    }

    /// Empties the shards into the totals and adds a sample to the timeline. `at` is the time since the start; call it
    /// once a second.
    pub fn sample(&self, at: Duration) {
        self.take_sample(at, false);
    }

    /// The same when all devices have ended: that they left in order, and in the midst of a second, is nothing to be
    /// seen in a plot.
    pub fn sample_last(&self, at: Duration) {
        self.take_sample(at, true);
    }

    fn take_sample(&self, at: Duration, last: bool) {
        let mut second = Counts::default();
        for shard in &self.shards {
            second.take_from(&mut shard.0.lock());
        }
        let usage = Usage::now();
        let mut books = self.books.lock();
        let connected = books.totals.counts.connected + second.connected;
        let mut sample = Sample::of(&second, at, connected);
        if last && connected == 0 && sample.disconnects == 0 {
            sample.connected = books.latest.connected;
        }
        if last && sample.at_secs - books.latest.at_secs < SHORT_SECS {
            books.timeline.join_next();
        }
        books.timeline.add(sample.clone(), &second);
        books.latest = sample;
        let totals = &mut books.totals;
        totals.counts.take_from(&mut second);
        totals.processor = usage.processor.saturating_sub(self.before.processor);
        let memory = usage.resident_bytes.saturating_sub(self.before.resident_bytes);
        totals.memory_bytes = totals.memory_bytes.max(memory);
    }

    /// Empties the shards into the totals alone: what came after the last device had ended is no stretch of the run,
    /// and a plot that went on would end in zeros.
    pub fn add_late(&self) {
        let mut late = Counts::default();
        for shard in &self.shards {
            late.take_from(&mut shard.0.lock());
        }
        self.books.lock().totals.counts.take_from(&mut late);
    }

    /// Notes something that happened to the whole run.
    pub fn mark(&self, at: Duration, kind: MarkKind, name: &str) {
        self.books.lock().timeline.mark(at, kind, name);
    }

    /// How it stands, as of the last sample.
    pub fn snapshot(&self) -> Snapshot {
        let books = self.books.lock();
        let counts = &books.totals.counts;
        let at = Duration::try_from_secs_f64(books.latest.at_secs).unwrap_or_default();
        let last =
            |of: fn(MarkKind) -> bool| books.timeline.marks.iter().rfind(|mark| of(mark.kind)).cloned();
        Snapshot {
            latest: books.latest.clone(),
            so_far: Sample::of(counts, at, counts.connected),
            connect_failures: counts.connect_failures.all().clone(),
            disconnects: counts.disconnects.all().clone(),
            not_sent: counts.not_sent.all().clone(),
            refused: counts.refused.all().clone(),
            stage: last(|kind| kind == MarkKind::Stage),
            happened: last(|kind| kind != MarkKind::Stage),
        }
    }

    /// Everything, as of the last sample.
    pub fn conclude(&self) -> (Totals, Timeline) {
        let books = self.books.lock();
        (books.totals.clone(), books.timeline.clone())
    }
}

impl Sample {
    /// What these counts are, in a sample.
    fn of(counts: &Counts, at: Duration, connected: i64) -> Self {
        let percentiles = |latency: &Latency| {
            if latency.count() == 0 { Percentiles::default() } else { latency.percentiles() }
        };
        Self {
            at_secs: (at.as_secs_f64() * 1000.0).round() / 1000.0,
            connected: u64::try_from(connected).unwrap_or_default(),
            connects: counts.connects,
            full_handshakes: counts.full_handshakes,
            resumed_handshakes: counts.resumed_handshakes,
            due: counts.due,
            sent: counts.sent,
            resent: counts.resent,
            republished: counts.republished,
            acknowledged: counts.acknowledged,
            received: counts.received,
            answered: counts.answered,
            connect_failures: counts.connect_failures.sum(),
            disconnects: counts.disconnects.sum(),
            not_sent: counts.not_sent.sum(),
            refused: counts.refused.sum(),
            errors: counts.errors(),
            puback_micros: percentiles(&counts.puback),
            delivery_micros: percentiles(&counts.delivery),
            connect_micros: percentiles(&counts.connect),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_add_up_second_by_second() {
        let tally = Tally::new(2);
        for (shard, sent) in [(0, 3), (1, 4)] {
            let mut counts = tally.shard(shard).open();
            counts.sent += sent;
            counts.connected += 1;
            counts.puback.record_micros(1000 * sent);
            counts.disconnects.count("closed by the server", sent);
        }
        tally.sample(Duration::from_secs(1));
        tally.shard(1).open().sent += 5;
        tally.shard(1).open().connected -= 1;
        tally.sample(Duration::from_secs(2));
        let (totals, timeline) = tally.conclude();
        let sent: Vec<_> = timeline.samples.iter().map(|sample| (sample.sent, sample.connected)).collect();
        assert_eq!(sent, [(7, 2), (5, 1)]);
        assert_eq!((totals.counts.sent, totals.counts.puback.count()), (12, 2));
        assert_eq!(timeline.samples[0].puback_micros.count, 2);
        assert_eq!(timeline.samples[1].puback_micros, Percentiles::default());
        for (kind, name) in [(MarkKind::Stage, "ramp"), (MarkKind::Fault, "cut"), (MarkKind::Stage, "hold")] {
            tally.mark(Duration::from_secs(2), kind, name);
        }
        let snapshot = tally.snapshot();
        let names = [&snapshot.stage, &snapshot.happened].map(|mark| mark.as_ref().unwrap().name.as_str());
        assert_eq!(names, ["hold", "cut"]);
        assert_eq!((snapshot.latest.sent, snapshot.so_far.sent, snapshot.so_far.disconnects), (5, 12, 7));
        assert_eq!(snapshot.disconnects["closed by the server"], 7);
    }

    #[test]
    fn a_fleet_that_leaves_is_not_seen_to_leave() {
        // (length of the last stretch, disconnects in it, samples as end, connected and sent)
        for (millis, disconnects, expected) in [
            (30, 0, vec![(1.03, 5, 12)]),
            (700, 0, vec![(1.0, 5, 10), (1.7, 5, 2)]),
            (700, 5, vec![(1.0, 5, 10), (1.7, 0, 2)]),
        ] {
            let tally = Tally::new(1);
            let count = |connected, sent| {
                let mut counts = tally.shard(0).open();
                counts.connected += connected;
                counts.sent += sent;
            };
            count(5, 10);
            tally.sample(Duration::from_secs(1));
            count(-5, 2);
            tally.shard(0).open().disconnects.count("closed", disconnects);
            tally.sample_last(Duration::from_millis(1000 + millis));
            let samples = tally.conclude().1.samples;
            let found: Vec<_> = samples.iter().map(|it| (it.at_secs, it.connected, it.sent)).collect();
            assert_eq!(found, expected, "{millis} {disconnects}");
        }
    }

    #[test]
    fn what_comes_after_the_end_is_no_sample() {
        let tally = Tally::new(1);
        tally.shard(0).open().received += 3;
        tally.sample(Duration::from_secs(1));
        tally.shard(0).open().received += 4;
        tally.add_late();
        let (totals, timeline) = tally.conclude();
        let received: Vec<u64> = timeline.samples.iter().map(|sample| sample.received).collect();
        assert_eq!((totals.counts.received, received), (7, vec![3]));
    }

    #[test]
    fn reasons_are_bounded() {
        let mut reasons = Reasons::default();
        assert!(reasons.count("a", 2));
        assert!(!reasons.count("a", 1));
        assert!(!reasons.count("never", 0));
        for number in 0..1000 {
            reasons.count(&format!("reason {number}"), 1);
        }
        assert!(reasons.all().len() <= REASONS_MAX + 1);
        assert_eq!(reasons.sum(), 1003);
    }
}
