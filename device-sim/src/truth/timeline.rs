//! A run second by second: what plots are drawn from.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::latency::{Latency, Percentiles};
use super::tally::Counts;

/// As many samples as are kept. When there are more, each two neighbours become one, so that a run of days has a
/// timeline of bounded size.
pub const SAMPLES_MAX: usize = 3600;
/// As many marks as are kept.
const MARKS_MAX: usize = 1000;
/// Longest name of a mark, in characters.
const MARK_CHARACTERS_MAX: usize = 200;

/// The upper bounds of the heat map's buckets, in microseconds: five in each power of ten, to a hundred seconds.
const HEAT_BOUNDS_MICROS: [u64; 35] = [
    16,
    25,
    40,
    63,
    100,
    160,
    250,
    400,
    630,
    1_000,
    1_600,
    2_500,
    4_000,
    6_300,
    10_000,
    16_000,
    25_000,
    40_000,
    63_000,
    100_000,
    160_000,
    250_000,
    400_000,
    630_000,
    1_000_000,
    1_600_000,
    2_500_000,
    4_000_000,
    6_300_000,
    10_000_000,
    16_000_000,
    25_000_000,
    40_000_000,
    63_000_000,
    100_000_000,
];

/// What happened in one stretch of a run; each number is of that stretch alone, but for `connected`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sample {
    /// Its end, in seconds from the start of the run.
    pub at_secs: f64,
    /// Devices connected at its end; in the last one, before they left in order.
    pub connected: u64,
    /// Successful connects.
    pub connects: u64,
    /// Full TLS handshakes.
    pub full_handshakes: u64,
    /// Resumed TLS handshakes.
    pub resumed_handshakes: u64,
    /// Messages that became due.
    pub due: u64,
    /// Messages written for the first time.
    pub sent: u64,
    /// Packets written again.
    pub resent: u64,
    /// Messages published again in a new packet.
    pub republished: u64,
    /// Messages acknowledged.
    pub acknowledged: u64,
    /// Messages that arrived where they are looked for.
    pub received: u64,
    /// Commands answered.
    pub answered: u64,
    /// Failed attempts to connect.
    pub connect_failures: u64,
    /// Connections lost.
    pub disconnects: u64,
    /// Messages given up without having been written.
    pub not_sent: u64,
    /// Publishes that the server refused.
    pub refused: u64,
    /// The last four by their reasons.
    pub errors: BTreeMap<String, u64>,
    /// From the due time to the acknowledgement, of what was acknowledged in this stretch.
    pub puback_micros: Percentiles,
    /// From the due time to the arrival, of what arrived in this stretch.
    pub delivery_micros: Percentiles,
    /// From the start of an attempt to CONNACK.
    pub connect_micros: Percentiles,
}

impl Sample {
    /// This one and the one after it as one. Percentiles are the larger of both, because they can't be added.
    fn join(&self, next: &Self) -> Self {
        Self {
            at_secs: next.at_secs,
            connected: next.connected,
            connects: self.connects + next.connects,
            full_handshakes: self.full_handshakes + next.full_handshakes,
            resumed_handshakes: self.resumed_handshakes + next.resumed_handshakes,
            due: self.due + next.due,
            sent: self.sent + next.sent,
            resent: self.resent + next.resent,
            republished: self.republished + next.republished,
            acknowledged: self.acknowledged + next.acknowledged,
            received: self.received + next.received,
            answered: self.answered + next.answered,
            connect_failures: self.connect_failures + next.connect_failures,
            disconnects: self.disconnects + next.disconnects,
            not_sent: self.not_sent + next.not_sent,
            refused: self.refused + next.refused,
            errors: join_errors(&self.errors, &next.errors),
            puback_micros: self.puback_micros.join(next.puback_micros),
            delivery_micros: self.delivery_micros.join(next.delivery_micros),
            connect_micros: self.connect_micros.join(next.connect_micros),
        }
    }
}

fn join_errors(one: &BTreeMap<String, u64>, other: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut errors = one.clone();
    for (error, times) in other {
        *errors.entry(error.clone()).or_default() += times;
    }
    errors
}

/// Something that happened to the whole run at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mark {
    /// In seconds from the start.
    pub at_secs: f64,
    /// What kind of thing.
    pub kind: MarkKind,
    /// Which one.
    pub name: String,
}

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// A stage begins.
    Stage,
    /// A fault begins.
    Fault,
    /// A fault is over.
    FaultEnd,
    /// A hook runs.
    Hook,
    /// Nothing more becomes due.
    End,
}

/// How often each duration was seen in each sample: a row for each sample, a column for each bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Heat {
    /// Upper bounds of the buckets. A row has one column more, for what is longer.
    pub bounds_micros: &'static [u64],
    /// Of the latency to the acknowledgement. Empty when none was ever recorded.
    pub puback: Vec<Vec<u32>>,
    /// Of the latency to the arrival. Empty when none was ever recorded.
    pub delivery: Vec<Vec<u32>>,
}

impl Default for Heat {
    fn default() -> Self {
        Self { bounds_micros: &HEAT_BOUNDS_MICROS, puback: Vec::new(), delivery: Vec::new() }
    }
}

/// A whole run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Timeline {
    /// In order; see [`SAMPLES_MAX`].
    #[serde(rename = "timeline")]
    pub samples: Vec<Sample>,
    /// In order.
    pub marks: Vec<Mark>,
    /// A row for each sample.
    pub heat: Heat,
    /// How many times neighbours were joined: a sample stands for this power of two of calls.
    #[serde(skip)]
    joined: u32,
    /// Calls since the last whole sample.
    #[serde(skip)]
    pending: u32,
}

impl Timeline {
    pub(super) fn add(&mut self, sample: Sample, counts: &Counts) {
        let samples = self.samples.len();
        let pending = std::mem::take(&mut self.pending);
        match self.samples.last_mut() {
            Some(last) if pending > 0 => *last = last.join(&sample),
            _ => self.samples.push(sample),
        }
        self.pending = (pending + 1) % (1 << self.joined);
        let grew = self.samples.len() > samples;
        add_row(&mut self.heat.puback, samples, grew, &counts.puback);
        add_row(&mut self.heat.delivery, samples, grew, &counts.delivery);
        if self.samples.len() >= SAMPLES_MAX && self.pending == 0 {
            self.halve();
        }
    }

    /// The next sample becomes part of the one before it, if there is one.
    pub(super) fn join_next(&mut self) {
        if !self.samples.is_empty() {
            self.pending = self.pending.max(1);
        }
    }

    pub(super) fn mark(&mut self, at: Duration, kind: MarkKind, name: &str) {
        if self.marks.len() < MARKS_MAX {
            let name = name.chars().take(MARK_CHARACTERS_MAX).collect();
            self.marks.push(Mark { at_secs: at.as_secs_f64(), kind, name });
        }
    }

    fn halve(&mut self) {
        self.joined += 1;
        let join = |pair: &[Sample]| match pair {
            [first, second] => first.join(second),
            alone => alone[0].clone(),
        };
        self.samples = self.samples.chunks(2).map(join).collect();
        for rows in [&mut self.heat.puback, &mut self.heat.delivery] {
            *rows = rows.chunks(2).map(sum).collect();
        }
    }
}

/// Adds to the last row, or a new one. Rows begin with the first that has something to show.
fn add_row(rows: &mut Vec<Vec<u32>>, before: usize, grew: bool, latency: &Latency) {
    if rows.is_empty() && latency.count() == 0 {
        return;
    }
    let blank = || vec![0; HEAT_BOUNDS_MICROS.len() + 1];
    rows.resize_with(before + usize::from(grew), blank);
    if let Some(row) = rows.last_mut() {
        latency.spread(&HEAT_BOUNDS_MICROS, row);
    }
}

fn sum(rows: &[Vec<u32>]) -> Vec<u32> {
    let mut sum = rows[0].clone();
    for row in &rows[1..] {
        sum.iter_mut().zip(row).for_each(|(sum, count)| *sum = sum.saturating_add(*count));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(timeline: &mut Timeline, at: usize, micros: &[u64]) {
        let mut counts = Counts::default();
        micros.iter().for_each(|micros| counts.puback.record_micros(*micros));
        let sample = Sample {
            at_secs: at as f64,
            acknowledged: micros.len() as u64,
            puback_micros: counts.puback.percentiles(),
            ..Sample::default()
        };
        timeline.add(sample, &counts);
    }

    #[test]
    fn the_heat_map_has_a_row_for_each_sample_once_there_is_something() {
        let mut timeline = Timeline::default();
        second(&mut timeline, 1, &[]);
        assert!(timeline.heat.puback.is_empty());
        second(&mut timeline, 2, &[10, 16, 17, 200_000_000]);
        second(&mut timeline, 3, &[]);
        let rows = &timeline.heat.puback;
        assert_eq!(rows.len(), 3);
        assert_eq!((rows[1][0], rows[1][1], rows[1][35]), (2, 1, 1));
        assert_eq!(rows.iter().flatten().sum::<u32>(), 4);
        assert!(timeline.heat.delivery.is_empty());
    }

    #[test]
    fn a_long_run_keeps_its_sums_in_bounded_room() {
        let mut timeline = Timeline::default();
        let calls = 5 * SAMPLES_MAX + 123;
        let mut counts = Counts::default();
        [70, 50].into_iter().for_each(|micros| counts.puback.record_micros(micros));
        for at in 1..=calls {
            timeline.add(Sample { at_secs: at as f64, acknowledged: 2, ..Sample::default() }, &counts);
            assert!(timeline.samples.len() <= SAMPLES_MAX);
        }
        let acknowledged: u64 = timeline.samples.iter().map(|sample| sample.acknowledged).sum();
        assert_eq!(acknowledged, 2 * calls as u64);
        assert_eq!(timeline.heat.puback.len(), timeline.samples.len());
        assert_eq!(
            timeline.heat.puback.iter().flatten().map(|count| u64::from(*count)).sum::<u64>(),
            acknowledged
        );
        assert!(timeline.samples.windows(2).all(|pair| pair[0].at_secs < pair[1].at_secs));
        assert!((timeline.samples.last().unwrap().at_secs - calls as f64).abs() < 1e-9);
    }

    #[test]
    fn marks_are_bounded() {
        let mut timeline = Timeline::default();
        for _ in 0..2 * MARKS_MAX {
            timeline.mark(Duration::from_millis(1500), MarkKind::Hook, &"x".repeat(1000));
        }
        assert_eq!(timeline.marks.len(), MARKS_MAX);
        assert_eq!(timeline.marks[0].name.len(), MARK_CHARACTERS_MAX);
        let text = serde_json::to_string(&Mark { name: "m".into(), ..timeline.marks[0].clone() }).unwrap();
        assert_eq!(text, r#"{"at_secs":1.5,"kind":"hook","name":"m"}"#);
    }
}
