use proptest::prelude::*;

use super::engine::{BACKTRACKED_BYTES_MAX, Exceeded};
use super::*;

fn first(pattern: &str, text: &str) -> String {
    match Expression::compile(pattern)
        .map(|expression| expression.find(text, &|_| true).map(|found| found.map(str::to_owned)))
    {
        Ok(Ok(Some(found))) => format!("`{found}`"),
        Ok(Ok(None)) => "none".to_owned(),
        Ok(Err(Exceeded)) => "exceeded".to_owned(),
        Err(error) => error,
    }
}

fn replaced(text: &str, pattern: &str, replacement: &str) -> Option<String> {
    let expression = Expression::compile(pattern).unwrap();
    Replacement::parse(replacement, &expression)?.apply(&expression, text, 1000, &|_| true).unwrap()
}

#[test]
fn patterns_mean_what_they_mean_in_java() {
    let cases = [
        (r"\d+", "٣7", "`7`"),
        (r"[\d.]+", "a1.5b", "`1.5`"),
        (r"[^\W\d]+", "7é_x", "`_x`"),
        (r"\w+", "éab", "`ab`"),
        (r"\S+", "\u{a0}", "`\u{a0}`"),
        (r"\h\S", "a\u{a0}b", "`\u{a0}b`"),
        (r"a\R", "a\r\n", "`a\r\n`"),
        (r"\Qa.b\E+", "a.bb", "`a.bb`"),
        (r"[\Q^-]\E]+", "a^-]b", "`^-]`"),
        (r"\p{Punct}", "é$", "`$`"),
        (r"\p{L}+", "7é", "`é`"),
        (r"\p{Lower}+", "éab", "`ab`"),
        (r"\P{Alpha}", "ab1", "`1`"),
        (r"[a-z&&[^b-y]]+", "bbaz", "`az`"),
        (r"[[:alpha:]]+", "xlp:", "`lp:`"),
        (r"\x41\u0042\x{43}\0104", "ABCD", "`ABCD`"),
        (r"a.c", "a\rc", "none"),
        (r"(?s)a.c", "a\rc", "`a\rc`"),
        (r"(?i)KILN", "kiln", "`kiln`"),
        (r"(?<n>a)\k<n>", "baa", "`aa`"),
        (r"(?>a+)ab", "aaab", "none"),
        (r"a++a", "aaa", "none"),
        (r"a*+b", "aab", "`aab`"),
        (r"a{1,2}+a", "aa", "none"),
        (r"x(?!y)", "xyxz", "`x`"),
        (r"(?<!a)b", "abcb", "`b`"),
        (r"b\Z", "ab\n", "`b`"),
        (r"(\d)\1", "1233", "`33`"),
    ];
    for (pattern, text, wanted) in cases {
        assert_eq!(first(pattern, text), wanted, "`{pattern}`");
    }
}

#[test]
fn bad_patterns_are_refused_in_words() {
    for (pattern, words) in [
        ("(", "unclosed group"),
        ("*a", "nothing to repeat before `*`"),
        ("a**", "nothing to repeat before `*`"),
        ("a{,3}", "illegal repetition"),
        ("[a", "class is not closed"),
        (r"\y", r"escape `\y` is not supported"),
        (r"\G", r"escape `\G` is not supported"),
        ("(?U)a", "flag `U` is not supported"),
        (r"a\", "backslash at the end"),
        (r"\p{Nonsense}", "Unicode property not found"),
        (r"[a-z]{9}{9}", "nothing to repeat before `{`"),
        (r"\p{L}{1000}", "exceeds size limit"),
    ] {
        let message = first(pattern, "");
        assert!(message.contains(words), "`{pattern}`: {message}");
        assert!(!message.contains('\n'));
    }
}

#[test]
fn replacements_are_those_of_java() {
    assert_eq!(replaced("baac", "a*", "X").unwrap(), "XbXXcX");
    assert_eq!(replaced("€", "", "-").unwrap(), "-€-");
    assert_eq!(replaced("ab", "(a)", "$11").unwrap(), "a1b");
    assert_eq!(replaced("ab", "(?<x>a)", "<${x}>").unwrap(), "<a>b");
    assert_eq!(replaced("ab", "(z)?a", "[$1]").unwrap(), "[]b");
    assert_eq!(replaced("a", "a", r"\$1\\").unwrap(), r"$1\");
    assert_eq!(replaced("abab", "(?<=a)b", "$0$0").unwrap(), "abbabb");
    for bad in ["$", "$x", "$1", "${x}", "${", r"\"] {
        assert_eq!(replaced("a", "a", bad), None, "{bad}");
    }
    assert_eq!(replaced("aaaa", "a", &"x".repeat(400)), None);
}

/// Each of these would run for hours by plain backtracking.
#[test]
fn no_pattern_runs_past_its_bounds() {
    let text = "a".repeat(BACKTRACKED_BYTES_MAX);
    assert_eq!(first(r"(a+)+$", &format!("{text}b")), "none");
    assert_eq!(first(r"(a+)+\1c$", &text), "exceeded");
    assert_eq!(first(r"((a|aa|aaa)*\2?)*(?!a)b", &text), "exceeded");
    assert_eq!(first(r"(?:(?=.*a)a)*b", &text), "exceeded");
    assert_eq!(first(r"(?=a)a", &format!("{text}a")), "exceeded");
    assert_eq!(first(r"(?=.*b)a", &text), "none");
}

/// What a replacement counts beside the text, in bytes.
fn counted(text: &str, pattern: &str) -> usize {
    let expression = Expression::compile(pattern).unwrap();
    let counted = std::cell::Cell::new(0);
    let account = |bytes| {
        counted.set(counted.get() + bytes);
        true
    };
    let _ = Replacement::parse("", &expression).unwrap().apply(&expression, text, 100_000, &account);
    counted.get()
}

#[test]
fn searches_that_read_ahead_of_their_matches_are_counted() {
    let text = "<".repeat(1_000);
    for pattern in ["<[^>]*>|<", "(<[^>]*>)?<", "(?:<[^>]{1,}>){0,1}<", "(.*=)*."] {
        let counted = counted(&text, pattern);
        assert!(counted > 1_000 * 1_000 / 8, "{pattern}: {counted}");
    }
    for pattern in ["<", "<|>", "<[^>]*>", "<{1,9}", r"\s+", "[|*<]"] {
        let counted = counted(&text, pattern);
        assert!(counted <= 1_001 * 16, "{pattern}: {counted}");
    }
}

#[test]
fn patterns_of_messages_are_linear_small_and_few() {
    assert!(Expression::compile_foreign("(?=a)").is_none());
    assert!(Expression::compile_foreign(r"\p{L}{40}").is_none());
    assert!(Expression::compile_foreign(&"a".repeat(1025)).is_none());
    let patterns = ForeignPatterns::default();
    for number in 0..FOREIGN_PATTERNS_MAX {
        assert!(patterns.get(&format!("x{number}")).is_some());
    }
    assert!(patterns.get("x1").is_some(), "known ones stay usable");
    assert!(patterns.get("another").is_none());
}

proptest! {
    #[test]
    fn nothing_panics(pattern in "\\PC{0,12}|[a-c()|*+?{}\\[\\]^$.,0-9\\\\QEpdwk<>=!:&~-]{0,24}", text in "[a-c0-9 €]{0,12}") {
        if let Ok(expression) = Expression::compile(&pattern) {
            let _ = expression.find(&text, &|_| true);
            if let Some(replacement) = Replacement::parse("$1", &expression) {
                let _ = replacement.apply(&expression, &text, 100, &|_| true);
            }
        }
    }
}
