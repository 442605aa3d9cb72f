//! Whether a packet is the one that a case expects.

/// What the gateway may add of itself; compared only where a case mentions it.
const OPTIONAL: &[&str] = &["reason", "receive", "aliases", "size"];

/// The code of an acknowledgement that says that nobody was there to get the message; a success that a case need not mention.
const NOBODY: &str = "0x10";

/// Whether the line of a packet matches what a case wrote. In an expectation `*` stands for the rest of a word (at the end of the line: for
/// the rest of the line), `5..9` for a number between them, and `-word` says that this property is absent.
pub(crate) fn matches(expected: &str, got: &str) -> bool {
    let expected: Vec<&str> = expected.split_whitespace().collect();
    let is_absence = |word: &&&str| word.len() > 1 && word.starts_with('-');
    let absent: Vec<&str> = expected.iter().filter(is_absence).map(|word| &word[1..]).collect();
    let wanted: Vec<&str> = expected.iter().filter(|word| !is_absence(word)).copied().collect();
    let mentioned = |key: &str| wanted.iter().any(|word| self::key(word) == Some(key));
    let got: Vec<&str> = got.split_whitespace().collect();
    if got.iter().any(|word| key(word).is_some_and(|key| absent.contains(&key))) {
        return false;
    }
    let is_publish = got.first() == Some(&"PUBACK");
    let is_kept = |word: &&&str| match key(word) {
        Some(key) => !OPTIONAL.contains(&key) || mentioned(key),
        None => **word != NOBODY || !is_publish || wanted.len() > 2,
    };
    let mut kept: Vec<&str> = got.iter().filter(is_kept).copied().collect();
    if wanted.last().is_some_and(|word| word.ends_with('*') && !word.contains('=')) {
        kept.truncate(wanted.len());
    }
    wanted.len() == kept.len() && wanted.iter().zip(&kept).all(|(wanted, got)| word(wanted, got))
}

fn key(word: &str) -> Option<&str> {
    word.split_once('=').map(|(key, _)| key)
}

fn word(wanted: &str, got: &str) -> bool {
    if wanted == got {
        return true;
    }
    if let Some(start) = wanted.strip_suffix('*') {
        return got.starts_with(start);
    }
    let (Some((wanted_key, range)), Some((got_key, value))) = (wanted.split_once('='), got.split_once('='))
    else {
        return false;
    };
    let Some((low, high)) = range.split_once("..") else { return false };
    let number = |text: &str| text.parse::<u64>().ok();
    match (number(low), number(high), number(value)) {
        (Some(low), Some(high), Some(value)) => wanted_key == got_key && (low..=high).contains(&value),
        _ => false,
    }
}

#[test]
fn an_expectation_says_what_it_wants_and_no_more() {
    assert!(matches("CONNACK", "CONNACK receive=100 aliases=8"));
    assert!(matches("CONNACK receive=1..200", "CONNACK receive=100 aliases=8"));
    assert!(!matches("CONNACK receive=101..200", "CONNACK receive=100"));
    assert!(!matches("CONNACK", "CONNACK present"));
    assert!(!matches("CONNACK", "CONNACK session=7"));
    assert!(!matches("CONNACK present", "CONNACK"));
    assert!(matches("PUBACK 1 0x87", "PUBACK 1 0x87 reason=no"));
    assert!(!matches("PUBACK 1 0x87 -reason", "PUBACK 1 0x87 reason=no"));
    assert!(matches("PUBACK 1 0x87 -reason", "PUBACK 1 0x87"));
    assert!(matches("PUBLISH t - retain", "PUBLISH t - retain"));
    assert!(matches("CONNACK assigned=*", "CONNACK assigned=auto-1"));
    assert!(!matches("CONNACK assigned=*", "CONNACK assigned=auto-1 session=7"));
    assert!(matches("PUBACK 1*", "PUBACK 1 0x10"));
    assert!(matches("PUBACK 1", "PUBACK 1 0x10"));
    assert!(matches("PUBACK 1 0x10", "PUBACK 1 0x10"));
    assert!(!matches("PUBACK 1 0x10", "PUBACK 1"));
    assert!(!matches("PUBACK 1 0x00", "PUBACK 1 0x10"));
    assert!(!matches("PUBREC 1", "PUBREC 1 0x10"));
    assert!(!matches("PUBACK 1*", "PUBACK 2"));
}
