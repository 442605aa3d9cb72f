//! A pattern and an event, parted by a line feed: both are read or refused, and a set says what the explanation says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patterns::{Pattern, PatternSet, explain};

fuzz_target!(|input: &str| {
    let (pattern, event) = input.split_once('\n').unwrap_or((input, "{}"));
    let Ok(pattern) = Pattern::parse(pattern) else { return };
    let mut set = PatternSet::new();
    if set.add(0, &pattern).is_err() {
        return;
    }
    let Ok(found) = set.matches(event) else { return };
    let found = found.len() == 1;
    let explanation = explain(&pattern, event).expect("what can be matched can be explained");
    assert_eq!(explanation.matches, found);
    set.remove(&0);
    assert_eq!(set.matches(event).map(|found| found.len()), Ok(0));
});
