//! A small random generator whose numbers never change, so that a seed replays a run after any upgrade.
//!
//! `SplitMix64`. Not for secrets.

/// A stream of random numbers that is decided by its seed.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

/// What a device needs random numbers for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// When messages are due.
    Timing,
    /// What they say.
    Values,
}

impl Random {
    /// The stream number `stream` of a seed. Streams of one seed are independent of one another.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut mixer = Self { state: seed };
        let mixed = mixer.next();
        let mut own = Self { state: mixed ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93) };
        own.next();
        own
    }

    /// The stream of a device's publication, of which it has one for each purpose.
    pub(crate) fn of_device(seed: u64, device: u32, publication: u16, purpose: Purpose) -> Self {
        let stream = u64::from(device) << 20 | u64::from(publication) << 4 | purpose as u64;
        Self::new(seed, stream)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Evenly spread over 0 (included) to 1 (excluded).
    pub(crate) fn fraction(&mut self) -> f64 {
        // 53 bits are what a double holds exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Near enough to a normal distribution with mean 0 and deviation 1; never beyond 6.
    pub(crate) fn bell(&mut self) -> f64 {
        // Twelve uniform numbers have the variance 1.
        (0..12).map(|_| self.fraction()).sum::<f64>() - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_stream_decide_the_numbers() {
        let take = |seed, stream| {
            let mut random = Random::new(seed, stream);
            [random.next(), random.next(), random.next()]
        };
        assert_eq!(take(7, 1), take(7, 1));
        assert_ne!(take(7, 1), take(7, 2));
        assert_ne!(take(7, 1), take(8, 1));
    }

    #[test]
    fn the_bell_has_its_mean_and_deviation() {
        let mut random = Random::new(3, 0);
        let numbers: Vec<f64> = (0..20_000).map(|_| random.bell()).collect();
        let mean = numbers.iter().sum::<f64>() / 20_000.0;
        let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "mean {mean}, variance {variance}");
    }
}
