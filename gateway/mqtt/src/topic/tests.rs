//! Names and filters as text, each case named after its clause.

use super::*;
use crate::Text;
use proptest::prelude::*;

fn parse(filter: &str) -> Result<Filter, TopicError> {
    Filter::parse(&Text::try_from(filter).unwrap())
}

#[test]
fn names_are_checked() {
    let check = |name: &str| check_name(name).map_err(|error| error.to_string()).err();
    for legal in ["a", "/", "//", "a b", "$SYS/x", "ü", "🌡/1", "$share/g/a"] {
        assert_eq!(check(legal), None, "`{legal}`");
    }
    let wildcard =
        |wildcard: char| Some(format!("contains `{wildcard}`, which only a topic filter may [MQTT-4.7.0-1]"));
    assert_eq!(check(""), Some("is empty [MQTT-4.7.3-1]".to_owned()));
    assert_eq!(check("a/+"), wildcard('+'));
    assert_eq!(check("ü#"), wildcard('#'));
    assert_eq!(check("a\0"), Some("contains the null character U+0000 [MQTT-4.7.3-2]".to_owned()));
    assert_eq!(check(&"x".repeat(65_535)), None);
    assert_eq!(
        check(&"x".repeat(65_536)),
        Some("has `65536` bytes, `65535` are permitted".to_owned()),
        "[MQTT-4.7.3-3]"
    );
}

#[test]
fn filters_are_checked() {
    for legal in ["#", "+", "a/#", "/#", "+/+", "+/a/#", "/+", "a//b", "$SYS/#", "$share", "$sharegroup/a"] {
        let filter = parse(legal).unwrap_or_else(|error| panic!("`{legal}` {error}"));
        assert_eq!((filter.pattern().as_str(), filter.share_name()), (legal, None));
    }
    let check = |filter: &str| parse(filter).unwrap_err().to_string();
    for wrong in ["a#", "a/#/b", "#/a", "##", "a/#b"] {
        assert_eq!(check(wrong), "`#` must be the whole of the last level [MQTT-4.7.1-1]", "`{wrong}`");
    }
    for (wrong, level) in [("a+", "a+"), ("+a/b", "+a"), ("a/++", "++")] {
        let expected = format!("`+` must be the whole of its level, not part of `{level}` [MQTT-4.7.1-2]");
        assert_eq!(check(wrong), expected);
    }
    assert_eq!(check(""), "is empty [MQTT-4.7.3-1]");
}

#[test]
fn shared_filters_are_taken_apart() {
    let filter = parse("$share/consumer one/a/+/#").unwrap();
    assert_eq!(filter.share_name().map(Text::as_str), Some("consumer one"));
    assert_eq!(filter.pattern(), &"a/+/#");
    assert_eq!(filter.as_text(), &"$share/consumer one/a/+/#");
    assert_eq!(filter.levels().collect::<Vec<_>>(), ["a", "+", "#"]);
    assert!(filter.has_wildcard() && filter.matches("a/b/c"));
    assert_eq!(parse("$share/g//a").unwrap().pattern(), &"/a");

    let check = |filter: &str| parse(filter).unwrap_err().to_string();
    let missing = "no topic filter follows the share name; write `$share/g/filter` [MQTT-4.8.2-2]";
    assert_eq!(check("$share/g"), missing);
    assert_eq!(check("$share/g/"), missing);
    assert_eq!(check("$share/"), "the share name after `$share/` is empty [MQTT-4.8.2-1]");
    assert_eq!(check("$share//a"), "the share name after `$share/` is empty [MQTT-4.8.2-1]");
    assert_eq!(check("$share/g+/a"), "the share name `g+` contains a wildcard [MQTT-4.8.2-2]");
    assert_eq!(check("$share/g/a/#/b"), "`#` must be the whole of the last level [MQTT-4.7.1-1]");
}

#[test]
fn filters_match_names() {
    for (clause, filter, matching, other) in [
        (
            "section 4.7.1.2",
            "sport/tennis/#",
            &["sport/tennis", "sport/tennis/a", "sport/tennis/a/b"][..],
            &["sport"][..],
        ),
        ("section 4.7.1.2", "#", &["a", "/", "a/b/c"], &["$SYS/x"]),
        ("section 4.7.1.3", "a/+", &["a/b", "a/"], &["a", "a/b/c", "A/b"]),
        ("section 4.7.1.3", "+", &["a"], &["/a", "a/b"]),
        ("section 4.7.1.3", "/+", &["/a", "/"], &["a"]),
        ("section 4.7.1.3", "+/+", &["/finance", "a/b"], &["a"]),
        ("MQTT-4.7.2-1", "+/monitor", &["a/monitor"], &["$SYS/monitor"]),
        ("MQTT-4.7.2-1", "$SYS/#", &["$SYS", "$SYS/a"], &["SYS/a"]),
        ("MQTT-4.7.2-1", "$SYS/+", &["$SYS/a"], &["$SYS"]),
        ("MQTT-4.7.2-1", "a/+/#", &["a/$b/c"], &[]),
        ("MQTT-4.7.3-4", "ACCOUNTS", &["ACCOUNTS"], &["Accounts", "/ACCOUNTS", "ACCOUNTS/"]),
        ("MQTT-4.7.3-4", "a//b", &["a//b"], &["a/b"]),
        ("MQTT-4.7.3-4", "ü/+", &["ü/x"], &["u\u{308}/x"]),
    ] {
        for name in matching {
            assert!(parse(filter).unwrap().matches(name), "{clause}: `{filter}` matches `{name}`");
        }
        for name in other {
            assert!(!parse(filter).unwrap().matches(name), "{clause}: `{filter}` does not match `{name}`");
        }
    }
}

#[test]
fn limits_are_the_callers() {
    let limits = TopicLimits { bytes_max: 8, levels_max: 3 };
    let check = |topic: &str| limits.check(topic).map_err(|error| error.to_string()).err();
    assert_eq!(check("a/b/c"), None);
    assert_eq!(check("a/b/c/d"), Some("has `4` levels, `3` are permitted".to_owned()));
    assert_eq!(check("123456789"), Some("has `9` bytes, `8` are permitted".to_owned()));
}

/// The definition of section 4.7.1 written down as recursion over levels.
fn matches_by_definition(filter: &[&str], name: &[&str]) -> bool {
    match (filter, name) {
        ([], []) | (["#"], _) => true,
        ([level, filter @ ..], [first, name @ ..]) => {
            (*level == "+" || level == first) && matches_by_definition(filter, name)
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn matching_is_the_definition(filter in "[ab+]?(/[ab+]?){0,3}(/#)?", name in "[ab]?(/[ab]?){0,4}") {
        let levels = |text: &'static str| text.split('/').collect::<Vec<_>>();
        let (filter, name) = (&*filter.leak(), &*name.leak());
        prop_assert_eq!(matches(filter, name), matches_by_definition(&levels(filter), &levels(name)));
    }
}
