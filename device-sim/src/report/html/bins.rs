//! A timeline of any length as at most as many points as a plot can show.

use crate::report::document::{Document, Percentiles, Sample};

/// Points of a plot at most: about one for each pixel and a half.
const BINS_MAX: f64 = 600.0;
/// Widths that people can think in, in seconds.
const WIDTHS_SECS: [f64; 12] = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];

/// What happened in some consecutive seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Bin {
    /// When it ended.
    pub(super) at_secs: f64,
    /// How long it lasted.
    secs: f64,
    /// Devices connected at its end.
    pub(super) connected: u64,
    pub(super) connects: u64,
    pub(super) full: u64,
    pub(super) resumed: u64,
    pub(super) due: u64,
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
    pub(super) received: u64,
    pub(super) connect_failures: u64,
    pub(super) disconnects: u64,
    pub(super) not_sent: u64,
    pub(super) refused: u64,
    /// The worst of its seconds: percentiles cannot be added up.
    pub(super) puback: Option<Percentiles>,
    pub(super) delivery: Option<Percentiles>,
}

impl Bin {
    /// A count of this bin as a rate.
    pub(super) fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.secs
    }

    pub(super) fn errors(&self) -> u64 {
        [self.connect_failures, self.disconnects, self.not_sent, self.refused]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    fn add(&mut self, sample: &Sample) {
        for (sum, count) in [
            (&mut self.connects, sample.connects),
            (&mut self.full, sample.full_handshakes),
            (&mut self.resumed, sample.resumed_handshakes),
            (&mut self.due, sample.due),
            (&mut self.sent, sample.sent),
            (&mut self.acknowledged, sample.acknowledged),
            (&mut self.received, sample.received),
            (&mut self.connect_failures, sample.connect_failures),
            (&mut self.disconnects, sample.disconnects),
            (&mut self.not_sent, sample.not_sent),
            (&mut self.refused, sample.refused),
        ] {
            *sum = sum.saturating_add(count);
        }
        self.at_secs = sample.at_secs;
        self.connected = sample.connected;
        self.puback = worst(self.puback, sample.puback_micros.measured());
        self.delivery = worst(self.delivery, sample.delivery_micros.measured());
    }
}

fn worst(one: Option<Percentiles>, other: Option<Percentiles>) -> Option<Percentiles> {
    let (Some(one), Some(other)) = (one, other) else { return one.or(other) };
    Some(Percentiles {
        count: one.count.saturating_add(other.count),
        p50: one.p50.max(other.p50),
        p90: one.p90.max(other.p90),
        p99: one.p99.max(other.p99),
        p99_9: one.p99_9.max(other.p99_9),
        max: one.max.max(other.max),
    })
}

/// The timeline as a plot shows it.
#[derive(Debug, Default)]
pub(super) struct Bins {
    /// How many seconds each covers.
    pub(super) width_secs: f64,
    /// The end of the axis of time.
    pub(super) secs: f64,
    pub(super) bins: Vec<Bin>,
    /// The heat maps' columns, one for each bin.
    pub(super) puback_heat: Vec<Vec<u64>>,
    pub(super) delivery_heat: Vec<Vec<u64>>,
}

impl Bins {
    pub(super) fn of(document: &Document) -> Self {
        let usable = |(_, sample): &(usize, &Sample)| sample.at_secs.is_finite() && sample.at_secs >= 0.0;
        let mut samples: Vec<(usize, &Sample)> =
            document.timeline.iter().enumerate().filter(usable).collect();
        samples.sort_by(|(_, one), (_, other)| one.at_secs.total_cmp(&other.at_secs));
        let secs = samples.last().map_or(0.0, |(_, sample)| sample.at_secs).max(1.0);
        let mut all = Self { width_secs: width(secs), secs, ..Self::default() };
        let (mut before, mut last) = (0.0, f64::NAN);
        for (index, sample) in samples {
            // A second ends at its moment, so the moment belongs to what went before it.
            let slot = (sample.at_secs / all.width_secs).ceil();
            if slot != last {
                all.bins.push(Bin::default());
                all.puback_heat.push(Vec::new());
                all.delivery_heat.push(Vec::new());
                last = slot;
            }
            let bin = all.bins.last_mut().expect("one was pushed for the first slot");
            bin.secs = (bin.secs + sample.at_secs - before).max(0.001);
            before = sample.at_secs;
            bin.add(sample);
            for (columns, sums) in [
                (&document.heat.puback, &mut all.puback_heat),
                (&document.heat.delivery, &mut all.delivery_heat),
            ] {
                let sums = sums.last_mut().expect("one was pushed for the first slot");
                add_column(sums, columns.get(index).map_or(&[][..], Vec::as_slice));
            }
        }
        all
    }
}

fn width(secs: f64) -> f64 {
    let fits = |width: &f64| secs / width <= BINS_MAX;
    WIDTHS_SECS.into_iter().find(fits).unwrap_or((secs / BINS_MAX).ceil())
}

fn add_column(sums: &mut Vec<u64>, counts: &[u64]) {
    sums.resize(sums.len().max(counts.len()), 0);
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum = sum.saturating_add(*count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(seconds: u64) -> Document {
        let sample = |second| Sample {
            at_secs: second as f64,
            connected: second,
            sent: 10,
            puback_micros: Percentiles {
                count: 10,
                p50: second,
                p99: 1000 - second,
                ..Percentiles::default()
            },
            disconnects: 1,
            ..Sample::default()
        };
        Document { timeline: (1..=seconds).map(sample).collect(), ..Document::default() }
    }

    #[test]
    fn a_short_run_keeps_every_second() {
        let bins = Bins::of(&document(30));
        assert_eq!((bins.width_secs, bins.secs, bins.bins.len()), (1.0, 30.0, 30));
        assert_eq!(bins.bins[0].per_second(bins.bins[0].sent), 10.0);
    }

    #[test]
    fn a_long_run_is_summed_and_keeps_its_worst() {
        let bins = Bins::of(&document(900));
        assert_eq!((bins.width_secs, bins.bins.len()), (2.0, 450));
        let second = &bins.bins[1];
        assert_eq!((second.at_secs, second.connected, second.sent, second.errors()), (4.0, 4, 20, 2));
        assert_eq!(second.per_second(second.sent), 10.0);
        let puback = second.puback.unwrap();
        assert_eq!((puback.count, puback.p50, puback.p99), (20, 4, 997));
    }

    proptest::proptest! {
        #[test]
        fn any_timeline_fits(moments in proptest::collection::vec(proptest::num::f64::ANY, 0..2000)) {
            let timeline = moments.into_iter().map(|at_secs| Sample { at_secs, sent: u64::MAX, ..Sample::default() });
            let bins = Bins::of(&Document { timeline: timeline.collect(), ..Document::default() });
            proptest::prop_assert!(bins.bins.len() <= 602);
        }
    }
}
