//! Finding the topics that match a filter in an ordered map, leaping over those that can't.
//!
//! A topic's key is its text with each `/` replaced by 0, a byte no topic can hold. Zero sorts before everything, so all topics below
//! a level stand together, right behind that level itself.

const LEVEL_END: u8 = 0;
/// Sorts behind every topic below a level, and before every other level that begins with the same text.
const BEHIND_LEVEL: u8 = 1;

/// The key of a topic.
pub(super) fn key(topic: &str) -> Box<[u8]> {
    topic.bytes().map(|byte| if byte == b'/' { LEVEL_END } else { byte }).collect()
}

/// The smallest key behind `key`.
pub(super) fn after(key: &[u8]) -> Box<[u8]> {
    [key, &[LEVEL_END]].concat().into_boxed_slice()
}

/// What to make of a key that the map gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It matches.
    Matches,
    /// It does not; the next key may.
    Next,
    /// It does not, nor do those before this one.
    SkipTo(Box<[u8]>),
    /// Neither it nor any later key matches.
    Over,
}

/// Judges `key` against `filter`, knowing that keys are visited in order.
pub(super) fn judge(key: &[u8], filter: &str) -> Judgement {
    // A wildcard at the first level does not match topics that start with `$` [MQTT-4.7.2-1].
    if key.first() == Some(&b'$') && filter.starts_with(['+', '#']) {
        return Judgement::SkipTo(Box::from([b'$' + 1]));
    }
    // Where the level under the last `+` seen ends in `key`: the place to leap from.
    let mut leap_from = None;
    let mut start = 0;
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level == "#" {
            return Judgement::Matches;
        }
        let end = key[start..].iter().position(|byte| *byte == LEVEL_END).map_or(key.len(), |at| start + at);
        if level == "+" {
            leap_from = Some(end);
        } else {
            match key[start..end].cmp(level.as_bytes()) {
                std::cmp::Ordering::Equal => {}
                std::cmp::Ordering::Less => return skip_before(&key[..start], level.as_bytes()),
                std::cmp::Ordering::Greater => return leap(key, leap_from),
            }
        }
        let key_ends = end == key.len();
        match (key_ends, levels.peek()) {
            (true, None) => return Judgement::Matches,
            // `a/#` matches `a` too (section 4.7.1.2).
            (true, Some(&"#")) => return Judgement::Matches,
            (true, Some(_)) => return Judgement::Next,
            (false, None) => return skip_behind(&key[..end]),
            (false, Some(_)) => start = end + 1,
        }
    }
    Judgement::Over
}

/// No key with this prefix can match any more, unless the level under a `+` changes.
fn leap(key: &[u8], leap_from: Option<usize>) -> Judgement {
    leap_from.map_or(Judgement::Over, |end| skip_behind(&key[..end]))
}

/// At `level` below `prefix`.
fn skip_before(prefix: &[u8], level: &[u8]) -> Judgement {
    Judgement::SkipTo([prefix, level].concat().into_boxed_slice())
}

/// Behind everything below `level`.
fn skip_behind(level: &[u8]) -> Judgement {
    let mut bound = level.to_vec();
    bound.push(BEHIND_LEVEL);
    Judgement::SkipTo(bound.into_boxed_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// The standard's matching, level by level, as plainly as possible.
    fn matches(topic: &str, filter: &str) -> bool {
        if topic.starts_with('$') && filter.starts_with(['+', '#']) {
            return false;
        }
        let topic: Vec<_> = topic.split('/').collect();
        let filter: Vec<_> = filter.split('/').collect();
        for (at, level) in filter.iter().enumerate() {
            if *level == "#" {
                return topic.len() >= at;
            }
            match topic.get(at) {
                Some(name) if *level == "+" || name == level => {}
                _ => return false,
            }
        }
        topic.len() == filter.len()
    }

    fn found(topics: &BTreeSet<Box<[u8]>>, filter: &str) -> Vec<Box<[u8]>> {
        let mut from = Box::from(&b""[..]);
        let mut found = Vec::new();
        while let Some(key) =
            topics.range::<[u8], _>((std::ops::Bound::Included(&*from), std::ops::Bound::Unbounded)).next()
        {
            match judge(key, filter) {
                Judgement::Matches => {
                    found.push(key.clone());
                    from = after(key);
                }
                Judgement::Next => from = after(key),
                Judgement::SkipTo(next) => {
                    assert!(*next > **key, "a leap goes forward");
                    from = next;
                }
                Judgement::Over => break,
            }
        }
        found
    }

    proptest! {
        /// Leaping finds exactly the topics that match, in order.
        #[test]
        fn leaping_finds_what_matches(
            topics in proptest::collection::btree_set("[$ab\u{1}é!]{0,2}(/[ab!\u{1}]{0,2}){0,3}", 0..40),
            filter in "([+]|[$ab!é]{0,2})(/([+]|[ab!]{0,2})){0,3}(/#)?",
        ) {
            let keys = topics.iter().map(|topic| key(topic)).collect();
            let expected: BTreeSet<_> = topics.iter().filter(|topic| matches(topic, &filter)).map(|topic| key(topic)).collect();
            prop_assert_eq!(found(&keys, &filter), expected.into_iter().collect::<Vec<_>>());
        }
    }

    /// A filter with a leading wildcard touches one or two keys for each device, not all its topics.
    #[test]
    fn a_leading_wildcard_leaps_over_the_topics_of_each_device() {
        let keys: BTreeSet<_> = (0..100)
            .flat_map(|device| (0..100).map(move |sensor| key(&format!("{device}/{sensor}"))))
            .collect();
        let mut judged = 0;
        let mut from = Box::from(&b""[..]);
        while let Some(next) =
            keys.range::<[u8], _>((std::ops::Bound::Included(&*from), std::ops::Bound::Unbounded)).next()
        {
            judged += 1;
            from = match judge(next, "+/50") {
                Judgement::Matches | Judgement::Next => after(next),
                Judgement::SkipTo(bound) => bound,
                Judgement::Over => break,
            };
        }
        assert!(judged <= 400, "judged {judged} of 10,000");
    }
}
