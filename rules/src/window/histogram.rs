//! The numbers of a group, counted: what percentiles are taken from.
//!
//! Exact while the different numbers are few. Beyond that numbers are rounded to so many significant digits that the
//! different ones are few again. What is kept depends on the numbers alone and not on their order, so two histograms
//! merge without a trace of having been two.

use std::collections::BTreeMap;

use super::bytes::{Reader, push_number, push_unsigned};
use crate::number::Number;

/// The most different numbers that are kept exactly.
pub const EXACT_VALUES_MAX: usize = 1024;

/// The most different numbers that are kept when rounded.
pub const ROUNDED_VALUES_MAX: usize = 4096;

/// The digits that are kept, from step to step. Three digits are off by no more than 0.5 % of the number; with none left
/// but the exponent there can't be more than 3,999 different numbers.
const DIGITS: [u32; 5] = [34, 3, 2, 1, 0];

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Histogram {
    /// Which of the [`DIGITS`] numbers are rounded to.
    step: usize,
    counts: BTreeMap<Number, u64>,
    total: u64,
}

impl Histogram {
    pub(super) fn add(&mut self, number: Number) {
        self.insert(number, 1);
        self.reduce();
    }

    pub(super) fn merge(&mut self, other: &Self) {
        while self.step < other.step {
            self.coarsen();
        }
        for (number, count) in &other.counts {
            self.insert(*number, *count);
        }
        self.reduce();
    }

    /// A number goes through every step before its own, as those have gone that were here before.
    fn insert(&mut self, number: Number, count: u64) {
        let rounded = DIGITS[1..=self.step].iter().fold(number, |number, digits| number.with_digits(*digits));
        let counted = self.counts.entry(rounded).or_default();
        *counted = counted.saturating_add(count);
        self.total = self.total.saturating_add(count);
    }

    fn most(&self) -> usize {
        if self.step == 0 { EXACT_VALUES_MAX } else { ROUNDED_VALUES_MAX }
    }

    fn reduce(&mut self) {
        while self.counts.len() > self.most() && self.step + 1 < DIGITS.len() {
            self.coarsen();
        }
    }

    fn coarsen(&mut self) {
        self.step += 1;
        let counts = std::mem::take(&mut self.counts);
        for (number, count) in counts {
            let counted = self.counts.entry(number.with_digits(DIGITS[self.step])).or_default();
            *counted = counted.saturating_add(count);
        }
    }

    /// The number at `rank` from 0 in the order of size.
    fn at(&self, rank: u64) -> Option<Number> {
        let mut before = 0u64;
        let found = self.counts.iter().find(|(_, count)| {
            before = before.saturating_add(**count);
            before > rank
        });
        found.map(|(number, _)| *number)
    }

    /// The number at this share of the way from the smallest to the largest, between two on the line between them.
    pub(super) fn percentile(&self, share: Number) -> Option<Number> {
        let last = Number::from(i64::try_from(self.total.checked_sub(1)?).ok()?);
        let place = share.times(last)?;
        let rank = u64::try_from(place.floor().to_i64()?).ok()?;
        let (below, above) = (self.at(rank)?, self.at(rank.saturating_add(1)));
        let Some(above) = above else { return Some(below) };
        below.plus(place.minus(place.floor())?.times(above.minus(below)?)?)
    }

    /// The smallest number that at least this share of all numbers does not exceed.
    pub(super) fn discrete_percentile(&self, share: Number) -> Option<Number> {
        let total = Number::from(i64::try_from(self.total).ok()?);
        let rank = u64::try_from(share.times(total)?.ceiling().to_i64()?).ok()?;
        self.at(rank.saturating_sub(1))
    }

    pub(super) fn weight(&self) -> usize {
        // A number, its count and the share of a tree's node.
        self.counts.len() * 64
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        push_unsigned(out, self.step as u64);
        push_unsigned(out, self.counts.len() as u64);
        for (number, count) in &self.counts {
            push_number(out, *number);
            push_unsigned(out, *count);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let step = usize::try_from(reader.unsigned()?).ok().filter(|step| *step < DIGITS.len())?;
        let length = reader.count()?;
        let mut read = Self { step, ..Self::default() };
        for _ in 0..length {
            let (number, count) = (reader.number()?, reader.unsigned()?);
            if read.counts.last_key_value().is_some_and(|(last, _)| *last >= number) {
                return None;
            }
            read.counts.insert(number, count);
            read.total = read.total.saturating_add(count);
        }
        (read.counts.len() <= read.most()).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: impl IntoIterator<Item = i64>) -> Histogram {
        let mut histogram = Histogram::default();
        numbers.into_iter().for_each(|number| histogram.add(Number::from(number)));
        histogram
    }

    fn share(text: &str) -> Number {
        Number::parse_json(text).unwrap()
    }

    #[test]
    fn few_numbers_are_exact() {
        let histogram = of([40, 10, 30, 20]);
        let percentile = |text| histogram.percentile(share(text)).unwrap().to_string();
        assert_eq!([percentile("0"), percentile("0.5"), percentile("1")], ["10", "25", "40"]);
        assert_eq!(percentile("0.9"), "37");
        let discrete = |text| histogram.discrete_percentile(share(text)).unwrap().to_string();
        assert_eq!(
            [discrete("0"), discrete("0.5"), discrete("0.51"), discrete("1")],
            ["10", "20", "30", "40"]
        );
        assert_eq!(of([]).percentile(share("0.5")), None);
    }

    #[test]
    fn many_numbers_are_off_by_half_a_percent_at_most() {
        let histogram = of(1..=100_000);
        assert_eq!(histogram.step, 1);
        for (text, exact) in [("0.01", 1_000.0), ("0.5", 50_000.0), ("0.95", 95_000.0), ("0.999", 99_900.0)] {
            let found = histogram.percentile(share(text)).unwrap().to_f64();
            assert!((found - exact).abs() / exact <= 0.0051, "{text}: {found}");
        }
    }

    #[test]
    fn the_order_of_numbers_and_merging_leave_no_trace() {
        let all: Vec<i64> = (0..6_000).map(|number| number * number * number).collect();
        let whole = of(all.iter().copied());
        assert_eq!(whole.step, 1);
        let mut backwards = of(all.iter().rev().copied().take(100));
        backwards.merge(&of(all.iter().copied().take(5_900)));
        assert_eq!(whole, backwards);
        let mut other = of(all.iter().copied().take(5_900));
        other.merge(&of(all.iter().copied().skip(5_900)));
        assert_eq!(whole, other);
    }

    #[test]
    fn whatever_the_numbers_are_the_kept_ones_are_bounded() {
        let mut histogram = Histogram::default();
        for exponent in -999..=999 {
            for digits in [1, -1, 15, -15, 123, 77] {
                if let Some(number) = Number::new(digits, exponent, true) {
                    histogram.add(number);
                }
            }
        }
        assert!(histogram.counts.len() <= ROUNDED_VALUES_MAX);
        let mut bytes = Vec::new();
        histogram.write(&mut bytes);
        assert_eq!(Histogram::read(&mut Reader::new(&bytes)), Some(histogram));
    }
}
