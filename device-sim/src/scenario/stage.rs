//! Stages: how fast every fleet publishes, over time, as a factor of the rate that it was given.

use std::time::Duration;

/// One stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Its shape.
    pub kind: StageKind,
    /// How long it lasts.
    pub lasts: Duration,
    /// The factor at its beginning.
    pub from: f64,
    /// The factor that it goes to.
    pub to: f64,
}

/// The shape of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageKind {
    /// The factor grows (or falls) evenly from `from` to `to`.
    Ramp,
    /// It is `to` all the time.
    Hold,
    /// It is `from`, in the middle third `to`, and `from` again.
    Spike,
    /// As hold; says that it is long on purpose, to see what grows.
    Soak,
}

impl StageKind {
    /// All of them, by the name that a scenario gives them.
    pub const ALL: &'static [(&'static str, Self)] =
        &[("ramp", Self::Ramp), ("hold", Self::Hold), ("spike", Self::Spike), ("soak", Self::Soak)];

    /// Its name in a scenario.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("stage", |(name, _)| name)
    }
}

/// All stages, one after the other.
///
/// Messages are scheduled in the time of the schedule, in which the factor is always 1: the area below the factors is
/// how much of that time has passed. Messages that a stage makes rarer are thus moved apart and none is left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Stages {
    stages: Vec<Stage>,
    segments: Vec<Segment>,
}

/// A time in which the factor changes evenly.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    begin_secs: f64,
    /// Infinite for the only segment of a scenario without stages.
    secs: f64,
    from: f64,
    to: f64,
    /// Below all segments before this one.
    area_before: f64,
}

impl Segment {
    fn area(&self) -> f64 {
        if self.secs.is_infinite() { f64::INFINITY } else { f64::midpoint(self.from, self.to) * self.secs }
    }

    fn slope(&self) -> f64 {
        if self.secs.is_infinite() { 0.0 } else { (self.to - self.from) / self.secs }
    }

    fn factor(&self, secs: f64) -> f64 {
        self.from + self.slope() * secs
    }

    /// After how many seconds of the segment the area below it is `area`, which is less than all of it.
    fn secs_of(&self, area: f64) -> f64 {
        if area <= 0.0 {
            return 0.0;
        }
        // The root of a quadratic equation, in the form that stays exact when the slope is nearly nothing.
        let root = (self.from * self.from + 2.0 * self.slope() * area).max(0.0).sqrt();
        (2.0 * area / (self.from + root)).min(self.secs)
    }
}

impl Default for Stages {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Stages {
    /// These stages; none at all means a factor of 1 for ever.
    pub fn new(stages: Vec<Stage>) -> Self {
        let mut segments = Vec::with_capacity(stages.len());
        let (mut begin_secs, mut area_before) = (0.0, 0.0);
        let mut add = |secs: f64, from: f64, to: f64| {
            let segment = Segment { begin_secs, secs, from, to, area_before };
            begin_secs += secs;
            area_before += segment.area();
            segments.push(segment);
        };
        if stages.is_empty() {
            add(f64::INFINITY, 1.0, 1.0);
        }
        for Stage { kind, lasts, from, to } in &stages {
            let secs = lasts.as_secs_f64();
            match kind {
                StageKind::Ramp => add(secs, *from, *to),
                StageKind::Hold | StageKind::Soak => add(secs, *to, *to),
                StageKind::Spike => {
                    for factor in [from, to, from] {
                        add(secs / 3.0, *factor, *factor);
                    }
                }
            }
        }
        Self { stages, segments }
    }

    /// The stages and when each begins.
    pub fn begins(&self) -> impl Iterator<Item = (Duration, &Stage)> {
        let mut begin = Duration::ZERO;
        self.stages.iter().map(move |stage| {
            let at = begin;
            begin += stage.lasts;
            (at, stage)
        })
    }

    /// When the last one ends; `None` without stages.
    pub fn end(&self) -> Option<Duration> {
        (!self.stages.is_empty()).then(|| self.stages.iter().map(|stage| stage.lasts).sum())
    }

    /// The factor at a time; 0 after the end.
    pub fn factor(&self, at: Duration) -> f64 {
        let secs = at.as_secs_f64();
        let segment = self.segments.iter().find(|segment| secs < segment.begin_secs + segment.secs);
        segment.map_or(0.0, |segment| segment.factor(secs - segment.begin_secs))
    }

    /// How much time of the schedule has passed at a time of the run, in seconds.
    pub(crate) fn scheduled_secs(&self, secs: f64) -> f64 {
        let of_segment = |segment: &Segment| {
            let inside = (secs - segment.begin_secs).clamp(0.0, segment.secs);
            f64::midpoint(segment.from, segment.factor(inside)) * inside
        };
        self.segments.iter().take_while(|segment| segment.begin_secs < secs).map(of_segment).sum()
    }

    /// The reverse; `None` when the run ends before.
    pub(crate) fn run_secs(&self, scheduled_secs: f64) -> Option<f64> {
        let holds = |segment: &&Segment| scheduled_secs < segment.area_before + segment.area();
        let segment = self.segments.iter().find(holds)?;
        Some(segment.begin_secs + segment.secs_of(scheduled_secs - segment.area_before))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stage(kind: StageKind, secs: u64, from: f64, to: f64) -> Stage {
        Stage { kind, lasts: Duration::from_secs(secs), from, to }
    }

    #[test]
    fn factors_follow_the_shapes() {
        let stages = Stages::new(vec![
            stage(StageKind::Ramp, 10, 0.0, 1.0),
            stage(StageKind::Hold, 10, 0.0, 1.0),
            stage(StageKind::Spike, 9, 1.0, 5.0),
            stage(StageKind::Soak, 10, 0.0, 0.5),
        ]);
        for (secs, factor) in
            [(0, 0.0), (5, 0.5), (10, 1.0), (19, 1.0), (20, 1.0), (24, 5.0), (27, 1.0), (30, 0.5), (39, 0.0)]
        {
            assert!((stages.factor(Duration::from_secs(secs)) - factor).abs() < 1e-9, "at {secs} s");
        }
        assert_eq!(stages.end(), Some(Duration::from_secs(39)));
        let begins: Vec<u64> = stages.begins().map(|(at, _)| at.as_secs()).collect();
        assert_eq!(begins, [0, 10, 20, 29]);
    }

    #[test]
    fn without_stages_time_is_as_it_is() {
        let stages = Stages::default();
        assert_eq!(stages.end(), None);
        assert_eq!(stages.run_secs(1234.5), Some(1234.5));
        assert_eq!(stages.scheduled_secs(1234.5), 1234.5);
        assert_eq!(stages.factor(Duration::from_secs(1_000_000)), 1.0);
    }

    #[test]
    fn nothing_is_due_while_the_factor_is_nothing() {
        let stages =
            Stages::new(vec![stage(StageKind::Hold, 10, 0.0, 0.0), stage(StageKind::Hold, 10, 0.0, 2.0)]);
        assert_eq!(stages.run_secs(0.0), Some(10.0));
        assert_eq!(stages.run_secs(10.0), Some(15.0));
        assert_eq!(stages.run_secs(20.0), None);
    }

    fn any_stage() -> impl Strategy<Value = Stage> {
        let kind = prop::sample::select(StageKind::ALL).prop_map(|(_, kind)| kind);
        (kind, 1..100_u64, 0.0..10.0_f64, 0.0..10.0_f64)
            .prop_map(|(kind, secs, from, to)| stage(kind, secs, from, to))
    }

    proptest! {
        #[test]
        fn time_of_the_schedule_goes_there_and_back(
            stages in prop::collection::vec(any_stage(), 0..6), scheduled in 0.0..2000.0_f64
        ) {
            let stages = Stages::new(stages);
            if let Some(secs) = stages.run_secs(scheduled) {
                prop_assert!(stages.end().is_none_or(|end| secs <= end.as_secs_f64() + 1e-9));
                let back = stages.scheduled_secs(secs);
                prop_assert!((back - scheduled).abs() < 1e-6 * scheduled.max(1.0), "{back} for {scheduled}");
            }
        }

        #[test]
        fn time_does_not_run_backwards(
            stages in prop::collection::vec(any_stage(), 0..6), scheduled in 0.0..2000.0_f64, later in 0.0..100.0_f64
        ) {
            let stages = Stages::new(stages);
            let first = stages.run_secs(scheduled);
            let second = stages.run_secs(scheduled + later);
            prop_assert!(second.is_none() || first <= second);
        }
    }
}
