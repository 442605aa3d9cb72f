//! From values to places on paper, and the round values that an axis names.

/// Ticks of one axis at most; more would run into each other.
const TICKS_MAX: usize = 12;

/// How values spread along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    /// Equal steps, from zero.
    Even,
    /// Each step ten times the one before it: for latencies, whose worst is far from their median.
    Tenfold,
}

/// One axis: what it begins and ends with, and where on paper that is.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    spread: Spread,
    low: f64,
    high: f64,
    begin: f64,
    end: f64,
}

impl Scale {
    /// An axis from zero to a round value that is not below `highest`.
    pub(super) fn even(highest: f64, begin: f64, end: f64) -> Self {
        let highest = if highest.is_finite() && highest > 0.0 { highest } else { 1.0 };
        let step = round_step(highest / 4.0);
        Self { spread: Spread::Even, low: 0.0, high: (highest / step).ceil() * step, begin, end }
    }

    /// An axis that ends exactly at `high`.
    pub(super) fn exact(high: f64, begin: f64, end: f64) -> Self {
        let high = if high.is_finite() && high > 0.0 { high } else { 1.0 };
        Self { spread: Spread::Even, low: 0.0, high, begin, end }
    }

    /// An axis over the powers of ten around both values.
    pub(super) fn tenfold(lowest: f64, highest: f64, begin: f64, end: f64) -> Self {
        let lowest = if lowest.is_finite() { lowest.clamp(1.0, 1e15) } else { 1.0 };
        let highest = if highest.is_finite() { highest.clamp(lowest, 1e16) } else { lowest };
        let low = 10_f64.powf(lowest.log10().floor());
        let high = 10_f64.powf(highest.log10().ceil()).max(low * 10.0);
        Self { spread: Spread::Tenfold, low, high, begin, end }
    }

    /// Where a value stands; what lies outside stands at the edge.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = if value.is_finite() { value.clamp(self.low, self.high) } else { self.low };
        let part = match self.spread {
            Spread::Even => (value - self.low) / (self.high - self.low),
            Spread::Tenfold => (value / self.low).log10() / (self.high / self.low).log10(),
        };
        self.begin + part * (self.end - self.begin)
    }

    /// The round values that are named.
    pub(super) fn ticks(&self) -> Vec<f64> {
        match self.spread {
            Spread::Even => {
                let step = round_step(self.high / 4.0);
                (0..TICKS_MAX)
                    .map(|index| index as f64 * step)
                    .take_while(|tick| *tick <= self.high * 1.0001)
                    .collect()
            }
            Spread::Tenfold => {
                let decades = (self.high / self.low).log10().round() as usize;
                let every: &[f64] = if decades <= 2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                (0..=decades)
                    .flat_map(|decade| {
                        every.iter().map(move |part| self.low * 10_f64.powi(decade as i32) * part)
                    })
                    .take_while(|tick| *tick <= self.high * 1.0001)
                    .take(TICKS_MAX)
                    .collect()
            }
        }
    }
}

/// The nearest of 1, 2 and 5 times a power of ten that is not below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let part = step / power;
    [1.0, 2.0, 5.0].into_iter().find(|round| part <= round * 1.0001).unwrap_or(10.0) * power
}

/// Round moments for an axis of time: at most ten, in steps that a clock has.
pub(super) fn moments(secs: f64) -> Vec<f64> {
    const STEPS: [f64; 17] = [
        0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 21_600.0,
        86_400.0,
    ];
    let step = STEPS.into_iter().find(|step| secs / step <= 10.0).unwrap_or_else(|| round_step(secs / 10.0));
    (0..=10).map(|index| f64::from(index) * step).take_while(|moment| *moment <= secs * 1.0001).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_name_round_values() {
        for (highest, ticks) in [
            (0.0, vec![0.0, 0.5, 1.0]),
            (7.0, vec![0.0, 2.0, 4.0, 6.0, 8.0]),
            (980.0, vec![0.0, 500.0, 1000.0]),
            (1234.0, vec![0.0, 500.0, 1000.0, 1500.0]),
        ] {
            assert_eq!(Scale::even(highest, 0.0, 1.0).ticks(), ticks, "{highest}");
        }
        for (lowest, highest, ticks) in [
            (300.0, 4000.0, vec![100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0]),
            (1.0, 1.0, vec![1.0, 2.0, 5.0, 10.0]),
            (50.0, 2e6, vec![10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7]),
        ] {
            let found = Scale::tenfold(lowest, highest, 0.0, 1.0).ticks();
            assert!(
                found.iter().zip(&ticks).all(|(one, other)| (one / other - 1.0).abs() < 1e-9),
                "{found:?}"
            );
            assert_eq!(found.len(), ticks.len());
        }
        assert_eq!(moments(30.0), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
        assert_eq!(moments(7200.0).last(), Some(&7200.0));
    }

    #[test]
    fn places_follow_values_and_stay_on_paper() {
        let scale = Scale::tenfold(10.0, 1000.0, 100.0, 0.0);
        assert_eq!([scale.at(10.0), scale.at(100.0), scale.at(1000.0)], [100.0, 50.0, 0.0]);
        assert_eq!([scale.at(0.0), scale.at(1e9), scale.at(f64::NAN)], [100.0, 0.0, 100.0]);
    }

    proptest::proptest! {
        #[test]
        fn no_value_makes_an_axis_fail(one: f64, other: f64, value: f64) {
            for scale in [Scale::even(one, 0.0, 9.0), Scale::exact(one, 0.0, 9.0), Scale::tenfold(one, other, 0.0, 9.0)] {
                let place = scale.at(value);
                proptest::prop_assert!((-0.001..=9.001).contains(&place), "{scale:?} {value} {place}");
                proptest::prop_assert!(scale.ticks().len() <= TICKS_MAX);
            }
            proptest::prop_assert!(moments(one).len() <= 11);
        }
    }
}
