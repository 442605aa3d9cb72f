//! What most, and what few, had to wait.

use std::fmt;

/// Percentiles of times in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// How many there were.
    pub count: usize,
    /// Half of them took no longer.
    pub p50: u64,
    /// 99 of 100 took no longer.
    pub p99: u64,
    /// 999 of 1000 took no longer.
    pub p999: u64,
    /// None took longer.
    pub max: u64,
}

impl Percentiles {
    /// Of these times; all 0 when there are none.
    pub fn of(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        let at = |thousandth: usize| {
            let rank = (micros.len() * thousandth).div_ceil(1_000);
            micros.get(rank.saturating_sub(1)).copied().unwrap_or(0)
        };
        Self { count: micros.len(), p50: at(500), p99: at(990), p999: at(999), max: at(1_000) }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |micros: u64| micros as f64 / 1_000.0;
        let Self { count, p50, p99, p999, max } = *self;
        write!(
            to,
            "p50 {:.2} ms, p99 {:.2} ms, p999 {:.2} ms, max {:.2} ms, of {count}",
            ms(p50),
            ms(p99),
            ms(p999),
            ms(max)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_taken() {
        let found = Percentiles::of((1..=1_000).rev().collect());
        assert_eq!(found, Percentiles { count: 1_000, p50: 500, p99: 990, p999: 999, max: 1_000 });
        assert_eq!(Percentiles::of(vec![7]), Percentiles { count: 1, p50: 7, p99: 7, p999: 7, max: 7 });
        assert_eq!(Percentiles::of(Vec::new()), Percentiles::default());
    }
}
