//! `DIALECT.md` says which cases prove each decision: they exist, and no decision stands without one.

use std::collections::HashSet;
use std::path::Path;

const PAGE: &str = include_str!("../DIALECT.md");

fn cases(folder: &Path) -> std::io::Result<HashSet<String>> {
    let mut names = HashSet::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            for line in std::fs::read_to_string(path)?.lines() {
                let case: serde_json::Value = serde_json::from_str(line)?;
                names.extend(case["id"].as_str().map(str::to_owned));
            }
        }
    }
    Ok(names)
}

/// The rows of the tables whose last column is `Proved by`: question and proofs.
fn rows() -> Vec<(String, String)> {
    let mut is_proved = false;
    let mut rows = Vec::new();
    for line in PAGE.lines() {
        let cells = line.replace(r"\|", "\u{1}");
        let cells: Vec<&str> = cells.trim_matches('|').split('|').map(str::trim).collect();
        match cells.last() {
            Some(&"Proved by") => is_proved = true,
            Some(&"") | None => is_proved = false,
            Some(rule) if rule.starts_with("---") => {}
            Some(proofs) if is_proved => rows.push((cells[0].to_owned(), proofs.replace('\u{1}', "|"))),
            Some(_) => {}
        }
    }
    rows
}

/// The names between backquotes, single or double ones with a space inside.
fn names(proofs: &str) -> Vec<&str> {
    proofs
        .split("; ")
        .filter_map(|name| match name.strip_prefix("`` ") {
            Some(name) => name.strip_suffix(" ``"),
            None => name.strip_prefix('`')?.strip_suffix('`'),
        })
        .collect()
}

#[test]
fn every_decision_names_cases_that_exist() {
    let cases = cases(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data"))).unwrap();
    let rows = rows();
    assert!(rows.len() >= 60, "{} decisions", rows.len());
    for (question, proofs) in rows {
        let names = names(&proofs);
        assert!(!names.is_empty() || proofs == "not a matter of rules", "{question}: {proofs}");
        for name in names {
            assert!(cases.contains(name), "{question}: there is no case `{name}`");
        }
    }
}
