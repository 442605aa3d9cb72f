//! The reader accepts what serde_json accepts, and gives the same texts.

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::{Reader, text};

fn is_json(text: &str) -> bool {
    let mut reader = Reader::new(text);
    reader.value(0).and_then(|_| reader.end()).is_ok()
}

#[test]
fn json_is_told_from_what_is_not() {
    let good =
        ["0", "-0.5e+7", "[]", "{}", " [1, {\"a\":[true,null]}] ", "\"\\u00e9\\n\"", "{\"a\":{\"b\":{}}}"];
    for text in good {
        assert!(is_json(text), "`{text}`");
    }
    let bad = [
        "",
        "01",
        "1.",
        ".5",
        "-",
        "1e",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "[}",
        "{]",
        "tru",
        "\"",
        "\"\\x\"",
        "1 2",
        "\"\u{1}\"",
        "{\"a\":1,}",
        "[1 2]",
        "\"\\u12g4\"",
    ];
    for text in bad {
        assert!(!is_json(text), "`{text}`");
    }
    assert!(is_json(&format!("{}{}", "[".repeat(320), "]".repeat(320))));
    assert!(!is_json(&format!("{}{}", "[".repeat(321), "]".repeat(321))), "a bound on nesting");
}

proptest! {
    #[test]
    fn anything_is_json_for_both_or_for_neither(text in "[\\[\\]{}\",:0-9eE+.\\-truefalsn \\\\u]{0,24}") {
        prop_assert_eq!(is_json(&text), serde_json::from_str::<IgnoredAny>(&text).is_ok());
    }

    #[test]
    fn a_text_means_the_same_to_both(original in any::<String>()) {
        let written = serde_json::to_string(&original).unwrap();
        prop_assert_eq!(&*Reader::new(&written).text().unwrap(), &original);
        let escaped = format!("\"{}\"", text::escaped(&original));
        prop_assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), original);
    }
}
