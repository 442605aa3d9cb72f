//! The few topics and filters of the model, and what matches what, written down without looking at how the broker does it.

pub(crate) const TOPICS: &[&str] = &["a", "a/b", "a/b/c", "b", "$d/a"];

/// Filters that clients ask for; the last is no filter at all.
pub(crate) const FILTERS: &[&str] = &[
    "a",
    "a/b",
    "a/+",
    "a/#",
    "#",
    "+/b",
    "+",
    "$d/#",
    "$share/g/a/+",
    "$share/g/#",
    "$share/h/a/b",
    "$share/h/a",
    "a/#/b",
];

pub(crate) fn is_valid(filter: &str) -> bool {
    filter != "a/#/b"
}

pub(crate) fn is_shared(filter: &str) -> bool {
    filter.starts_with("$share/")
}

pub(crate) fn has_wildcard(filter: &str) -> bool {
    filter.contains(['+', '#'])
}

/// Whether `filter`, with or without `$share/group/`, matches `topic`.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    let filter = match filter.strip_prefix("$share/") {
        Some(rest) => rest.split_once('/').expect("a group and a filter").1,
        None => filter,
    };
    // [MQTT-4.7.2-1]
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let filter: Vec<_> = filter.split('/').collect();
    let topic: Vec<_> = topic.split('/').collect();
    match filter.split_last() {
        // [MQTT-4.7.1-2]: `a/#` matches `a` too.
        Some((&"#", head)) => topic.len() >= head.len() && levels_match(head, &topic[..head.len()]),
        _ => levels_match(&filter, &topic),
    }
}

fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
    filter.len() == topic.len()
        && filter.iter().zip(topic).all(|(wanted, level)| *wanted == "+" || wanted == level)
}
