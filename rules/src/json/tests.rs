use proptest::prelude::*;

use super::*;
use crate::number::Number;

/// Rebuilds what was read with serde_json's value, for comparing. Recursion is bounded by [`DEPTH_MAX`].
fn rebuild(node: Node<'_>) -> serde_json::Value {
    match node.kind() {
        Kind::Null => serde_json::Value::Null,
        Kind::True => true.into(),
        Kind::False => false.into(),
        Kind::Number => serde_json::from_str(node.raw()).unwrap(),
        Kind::Plain | Kind::Escaped => node.string().into_owned().into(),
        Kind::Array => node.elements().map(rebuild).collect(),
        Kind::Object => {
            node.members().map(|(key, value)| (key.string().into_owned(), rebuild(value))).collect()
        }
    }
}

fn agree(bytes: &[u8]) {
    let theirs: Option<serde_json::Value> = match serde_json::from_slice(bytes) {
        Ok(value) => Some(value),
        // JSON all the same: only their doubles can't hold it.
        Err(error) if error.to_string().contains("number out of range") => return,
        Err(_) => None,
    };
    let ours = Tape::read(bytes).map(|tape| rebuild(tape.root(bytes)));
    assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(bytes));
}

#[test]
fn accepts_and_refuses_what_serde_json_does() {
    for text in [
        "",
        " ",
        "null",
        "nul",
        "nulll",
        "true",
        "-",
        "-0",
        "0",
        "01",
        "-01",
        "1.",
        ".5",
        "1.5",
        "1e5",
        "1E+5",
        "1e",
        "1e+",
        "\"",
        "\"a\"",
        "\"\\n\\u00e9\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "\"\\ud83d\\u0041\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\t\"",
        "\"a\u{7f}\"",
        "[]",
        "[1]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,2]",
        "[",
        "]",
        "{}",
        "{,}",
        "{\"a\":1}",
        "{\"a\":1,}",
        "{\"a\" : [ {} , [] ] }",
        "{\"a\"}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":}",
        "{]",
        "[}",
        "1 2",
        "{} x",
        "\u{feff}{}",
        "[1]]",
        "{\"\\u0061\":1}",
    ] {
        agree(text.as_bytes());
    }
    agree(b"\"\xff\"");
    agree(b"{\"a\": \xc3\x28}");
}

#[test]
fn deep_nesting_is_refused_without_stack() {
    for pattern in ["[", "{\"a\":", "[{\"a\":["] {
        assert!(Tape::read(pattern.repeat(200_000).as_bytes()).is_none());
    }
    let allowed = format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
    agree(allowed.as_bytes());
    agree(format!("[{allowed}]").as_bytes());
}

#[test]
fn of_repeated_names_the_last_counts() {
    let text = b"{\"a\":1,\"b\":2,\"\\u0061\":3}";
    let tape = Tape::read(text).unwrap();
    assert_eq!(tape.root(text).member("a").map(Node::raw), Some("3"));
    assert!(tape.root(text).member("c").is_none());
}

#[test]
fn control_characters_are_escaped() {
    let mut out = String::new();
    write_string("a\"\\\n\r\t\u{0}\u{1f}é", &mut out);
    assert_eq!(out, "\"a\\\"\\\\\\n\\r\\t\\u0000\\u001fé\"");
}

#[test]
fn names_are_compared_without_their_escapes() {
    let text = br#"{"a\\b":1,"\u0061":2,"b":3}"#;
    let tape = Tape::read(text).unwrap();
    let raw = |name| tape.root(text).member(name).map(Node::raw);
    assert_eq!(raw(r"a\b"), Some("1"));
    assert_eq!(raw(r"a\\b"), None);
    assert_eq!(raw(r"\u0061"), None);
    assert_eq!((raw("a"), raw("b")), (Some("2"), Some("3")));
}

#[test]
fn what_is_inside_an_array_is_found_once_asked_for() {
    let text = br#"{"a":[[1,{"b":[2,3]}],[]],"c":[ ],"d":4}"#;
    let tape = Tape::read(text).unwrap();
    let a = tape.root(text).member("a").unwrap();
    let inner = a.elements().next().unwrap().elements().nth(1).unwrap();
    assert_eq!(inner.member("b").unwrap().elements().map(Node::raw).collect::<Vec<_>>(), ["2", "3"]);
    assert_eq!(a.elements().nth(1).unwrap().elements().count(), 0);
    assert_eq!(tape.root(text).member("c").unwrap().elements().count(), 0);
    assert_eq!(tape.root(text).member("d").map(Node::raw), Some("4"));
    assert_eq!(rebuild(a), serde_json::json!([[1, {"b": [2, 3]}], []]));
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Into::into),
        "\\PC{0,8}|[\"\\\\\n\u{1}]{0,3}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::vec(("[a-c]{0,2}", inner), 0..5)
                .prop_map(|members| members.into_iter().collect::<serde_json::Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn reads_what_was_written(value in json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        agree(text.as_bytes());
    }

    #[test]
    fn agrees_on_damaged_json(value in json(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = serde_json::to_vec(&value).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        agree(&bytes);
        agree(&bytes[..at]);
    }

    #[test]
    fn plain_numbers_are_printed_as_they_are_written(
        text in "-?(0|[1-9][0-9]{0,36})(\\.[0-9]{1,9}|\\.0{5,8}[0-9]{0,3})?([eE][+-]?[0-9])?", keep_decimal_point: bool,
    ) {
        let tape = Tape::read(text.as_bytes()).unwrap();
        let mut printed = String::new();
        Number::parse_json(&text).unwrap().print(keep_decimal_point, &mut printed);
        if tape.root(text.as_bytes()).is_plain_number() {
            prop_assert_eq!(&printed, &text);
        } else if text.len() < 30 {
            prop_assert!(printed != text || text.contains(['e', 'E']) || text.ends_with('0'), "{} could be plain", text);
        }
    }

    #[test]
    fn agrees_on_soup(text in "[\\[\\]{}:,\"\\\\u0-9eE+\\-. truefalsn]{0,24}") {
        agree(text.as_bytes());
    }
}
