//! What there is to test at a path.

use std::path::{Path, PathBuf};

/// How deep folders of definitions may lie in each other; a link back to a parent ends there.
const DEPTH_MAX: usize = 16;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A file of cases, and the definition they are about if there is one.
    Cases { file: PathBuf, definition: Option<PathBuf> },
    /// A definition without cases.
    Untested { definition: PathBuf },
    /// Nothing that can be tested, and why.
    Unusable { path: PathBuf, reason: String },
}

/// Everything below `path`, in the order of names.
pub(super) fn find(path: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    let unusable = |reason: &str| Found::Unusable { path: path.to_path_buf(), reason: reason.to_string() };
    match std::fs::metadata(path) {
        _ if path == Path::new("-") => {
            found.push(Found::Cases { file: path.to_path_buf(), definition: None });
        }
        Err(error) => found.push(unusable(&format!("can't be read: {error}"))),
        Ok(metadata) if metadata.is_dir() => {
            search(path, 0, &mut found);
            if found.is_empty() {
                found.push(unusable("no rule.toml and no .jsonl file in it or below"));
            }
        }
        Ok(_) if path.extension().is_some_and(|extension| extension == "toml") => {
            add_definition(path, &mut found);
        }
        Ok(_) => found.push(Found::Cases { file: path.to_path_buf(), definition: None }),
    }
    found
}

fn search(folder: &Path, depth: usize, found: &mut Vec<Found>) {
    let rule = folder.join("rule.toml");
    if rule.is_file() {
        return add_definition(&rule, found);
    }
    let mut entries = match entries(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let reason = format!("can't be read: {error}");
            return found.push(Found::Unusable { path: folder.to_path_buf(), reason });
        }
    };
    entries.sort();
    for entry in entries {
        let is_hidden = entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if is_hidden {
            continue;
        }
        if entry.is_dir() {
            if depth < DEPTH_MAX {
                search(&entry, depth + 1, found);
            }
        } else if entry.extension().is_some_and(|extension| extension == "jsonl") {
            found.push(Found::Cases { file: entry, definition: None });
        }
    }
}

fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

fn add_definition(definition: &Path, found: &mut Vec<Found>) {
    let cases = definition.with_file_name("cases.jsonl");
    let definition = definition.to_path_buf();
    found.push(match cases.is_file() {
        true => Found::Cases { file: cases, definition: Some(definition) },
        false => Found::Untested { definition },
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_searched_and_what_is_missing_is_told() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for folder in ["rules/hot", "rules/cold", ".hidden", "empty"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        for file in
            ["rules/hot/rule.toml", "rules/hot/cases.jsonl", "rules/cold/rule.toml", "rules/v.jsonl", "x.txt"]
        {
            std::fs::write(at(file), "").unwrap();
        }
        std::fs::write(at(".hidden/v.jsonl"), "").unwrap();
        let hot = || Found::Cases {
            file: at("rules/hot/cases.jsonl"),
            definition: Some(at("rules/hot/rule.toml")),
        };
        assert_eq!(
            find(root.path()),
            [
                Found::Untested { definition: at("rules/cold/rule.toml") },
                hot(),
                Found::Cases { file: at("rules/v.jsonl"), definition: None }
            ]
        );
        assert_eq!(find(&at("rules/hot")), [hot()]);
        assert_eq!(find(&at("rules/hot/rule.toml")), [hot()]);
        assert_eq!(find(&at("x.txt")), [Found::Cases { file: at("x.txt"), definition: None }]);
        for (path, words) in [("empty", "no rule.toml"), ("missing", "can't be read: No such file")] {
            assert!(
                matches!(&find(&at(path))[..], [Found::Unusable { reason, .. }] if reason.starts_with(words)),
                "{path}"
            );
        }
    }
}
