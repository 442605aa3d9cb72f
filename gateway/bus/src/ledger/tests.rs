use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

fn any_reason() -> impl Strategy<Value = Reason> {
    prop::sample::select(Reason::all().collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn whatever_is_posted_the_books_balance(reasons in prop::collection::vec((any_reason(), 1..5u64), 0..60)) {
        let mut counts = Counts::default();
        for (reason, events) in reasons {
            let events = if reason.settles() { events.min(counts.waiting) } else { events };
            let before = counts.clone();
            counts.post(reason, events);
            prop_assert!(counts.balance(), "{reason} of {events}: {before:?} became {counts:?}");
            prop_assert_eq!(counts == before, events == 0, "{}", reason);
        }
    }
}

#[test]
fn every_reason_has_a_code_of_its_own_that_is_documented() {
    let page = include_str!("../../LEDGER.md");
    let codes: Vec<&str> = Reason::all().map(Reason::code).collect();
    for (index, code) in codes.iter().enumerate() {
        assert!(!codes[..index].contains(code), "`{code}` stands for two reasons");
        assert!(page.contains(&format!("\n| `{code}` |")), "LEDGER.md does not explain `{code}`");
    }
    for reason in DropReason::ALL {
        assert!(codes.contains(&reason.as_str()), "{reason} is in no list of reasons");
        let json = serde_json::to_value(reason).unwrap();
        assert_eq!(json, reason.as_str(), "the name on disk and the one shown are the same");
    }
}

/// Counts that are no part of the ledger, though their fields are called the same.
const NOT_OF_THE_LEDGER: [&str; 2] = ["vitals", "letters"];

/// A count that is changed anywhere but in `post` changes without a reason.
#[test]
fn nothing_but_the_ledger_changes_a_count() {
    let mut found = Vec::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let changes = text.lines().enumerate().filter(|(_, line)| changes_a_count(line));
        found.extend(
            changes.map(|(number, line)| format!("{}:{}: {}", file.display(), number + 1, line.trim())),
        );
    }
    assert_eq!(found, Vec::<String>::new(), "post these with a reason, in the ledger");
}

#[test]
fn a_change_of_a_count_is_recognised() {
    for change in [
        "counts.accepted += 1;",
        "row.counts.delivered = 3;",
        "settled.dead_lettered -= 1;",
        "*counts.dropped.entry(reason).or_default() += 1;",
        "let waiting = std::mem::take(&mut counts.waiting);",
        "counts.dropped.insert(reason, 1);",
    ] {
        assert!(changes_a_count(change), "{change}");
    }
    for harmless in ["if counts.accepted == 1 {", "let sum = counts.delivered + 1;", "vitals.delivered += 1;"]
    {
        assert!(!changes_a_count(harmless), "{harmless}");
    }
}

fn changes_a_count(line: &str) -> bool {
    let fields = ["accepted", "redriven", "replayed", "delivered", "dead_lettered", "waiting", "dropped"];
    let is_other = NOT_OF_THE_LEDGER.iter().any(|other| line.contains(other));
    !is_other
        && fields.iter().any(|field| {
            line.match_indices(&format!(".{field}")).any(|(at, matched)| {
                let rest = line[at + matched.len()..].trim_start();
                let is_set = rest.starts_with("= ") || rest.starts_with("+= ") || rest.starts_with("-= ");
                let is_map =
                    *field == "dropped" && (rest.starts_with(".entry(") || rest.starts_with(".insert("));
                is_set || is_map || (line[..at].contains("&mut ") && !rest.starts_with('_'))
            })
        })
}

/// Every source file but those of tests, of the ledger itself, of the gauges of admission and of the counts of dead letters.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let left_out =
        ["tests", "tests.rs", "ledger.rs", "ledger", "admission.rs", "dead_letters", "conformance"];
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if left_out.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            files.extend(sources(&path));
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    files
}
