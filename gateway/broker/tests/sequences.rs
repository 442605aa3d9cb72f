//! Any sequence of what clients, disk, clock and process may do, compared with a small model of the broker (`model/`).
//!
//! The sequences here are random and few; the fuzz target `broker_session` looks for them with coverage as its guide, and those it kept
//! are played here again. `SEQUENCE=file cargo test -p broker --test sequences kept` plays one that it found, and prints its steps.

mod model;
mod stage;

use proptest::prelude::*;
use std::path::Path;

/// Shown in hexadecimal digits, so that a failure fits on a line.
#[derive(Clone)]
struct Choices(Vec<u8>);

impl std::fmt::Debug for Choices {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_leaves_the_model(
        choices in proptest::collection::vec(any::<u8>(), 0..800).prop_map(Choices)
    ) {
        model::play(&choices.0);
    }
}

#[test]
fn what_fuzzing_kept_is_played_again() {
    if let Some(file) = std::env::var_os("SEQUENCE") {
        model::play_in_detail(&std::fs::read(file).expect("readable"));
        return;
    }
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/broker_session");
    let mut played = 0;
    for file in std::fs::read_dir(kept).expect("the kept sequences are in the repository") {
        let bytes = std::fs::read(file.expect("readable").path()).expect("readable");
        model::play(&bytes);
        played += 1;
    }
    assert!(played > 0, "no sequence was kept");
}
