//! Values of several rounds → a middle and a spread; two servers' values → a ratio.

use std::collections::BTreeMap;

/// A middle with the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
    pub(crate) count: usize,
}

/// Of some values; `None` when there are none.
pub(crate) fn spread(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
    let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let (least, greatest) = (*values.first()?, *values.last()?);
    let middle = values.len() / 2;
    let median = if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    };
    Some(Spread { median, least, greatest, count: values.len() })
}

/// One divided by the other, round by round: what both had to suffer in a round falls out.
pub(crate) fn ratio(above: &BTreeMap<u32, f64>, below: &BTreeMap<u32, f64>) -> Option<Spread> {
    let ratios = above.iter().filter_map(|(round, above)| {
        let below = below.get(round)?;
        (*below > 0.0).then(|| above / below)
    });
    spread(ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_count_is_between_two() {
        let of = |values: &[f64]| spread(values.iter().copied()).map(|spread| spread.median);
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn ratios_are_made_within_a_round() {
        let above = BTreeMap::from([(1, 10.0), (2, 30.0), (3, 7.0)]);
        let below = BTreeMap::from([(1, 5.0), (2, 10.0), (4, 1.0), (3, 0.0)]);
        let ratio = ratio(&above, &below).unwrap();
        assert_eq!((ratio.median, ratio.least, ratio.greatest, ratio.count), (2.5, 2.0, 3.0, 2));
    }
}
