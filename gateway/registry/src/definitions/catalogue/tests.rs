use super::super::folder::Kind;
use super::super::{Fault, Limits};
use super::{Catalogue, Reload, Removal};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const LIMITS: Limits = Limits { rules_max: 4, definition_bytes_max: 64 };

/// A text compiles to itself unless it has the word `broken` in it.
fn compile(_: &str, file: &Path, text: &str) -> Result<String, Vec<Fault>> {
    if text.contains("broken") {
        Err(vec![Fault::of_file(file, text.to_owned())])
    } else {
        Ok(text.to_owned())
    }
}

struct Folder {
    directory: TempDir,
    catalogue: Catalogue<String>,
}

impl Folder {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("there is room for a directory");
        Self { directory, catalogue: Catalogue::new(Kind::Rule) }
    }

    fn put(&self, file: &str, text: &str) {
        let path = self.directory.path().join(file);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("the folder can be written");
        fs::write(path, text).expect("the folder can be written");
    }

    fn remove(&self, file: &str) {
        fs::remove_file(self.directory.path().join(file)).expect("the file is there");
    }

    /// `+` added, `~` changed, `-` removed, `!` refused.
    fn reload(&mut self, removal: Removal) -> String {
        let Reload { added, changed, removed, refused } =
            self.catalogue.reload(self.directory.path(), LIMITS, removal, &compile);
        let lists = [("+", added), ("~", changed), ("-", removed), ("!", refused)];
        let marked = lists
            .into_iter()
            .flat_map(|(mark, names)| names.into_iter().map(move |name| format!("{mark}{name}")));
        marked.collect::<Vec<_>>().join(" ")
    }

    fn in_force(&self) -> BTreeMap<String, String> {
        let good = |(name, entry): (&String, &super::Entry<String>)| {
            entry.good.as_ref().map(|good| (name.clone(), good.to_string()))
        };
        self.catalogue.entries.iter().filter_map(good).collect()
    }

    fn faults(&self) -> Vec<String> {
        let root = format!("{}/", self.directory.path().display());
        let of_rules = self.catalogue.entries.values().flat_map(|entry| &entry.faults);
        self.catalogue
            .folder_faults
            .iter()
            .chain(of_rules)
            .map(|fault| fault.to_string().replace(&root, ""))
            .collect()
    }
}

#[test]
fn a_file_that_is_touched_but_not_changed_is_not_compiled_again() {
    let mut folder = Folder::new();
    folder.put("a.toml", "1");
    assert_eq!(folder.reload(Removal::AtOnce), "+a");
    folder.put("a.toml", "1");
    assert_eq!(folder.reload(Removal::AtOnce), "");
}

#[test]
fn two_writes_of_one_length_within_a_tick_are_both_seen() {
    let mut folder = Folder::new();
    for text in 0..20 {
        folder.put("a.toml", &format!("{text:02}"));
        folder.reload(Removal::AtOnce);
        assert_eq!(folder.in_force()["a"], format!("{text:02}"));
    }
}

#[test]
fn an_editor_that_replaces_a_file_does_not_remove_the_rule() {
    let mut folder = Folder::new();
    folder.put("a.toml", "1");
    folder.put("b/rule.toml", "1");
    folder.reload(Removal::WhenConfirmed);
    folder.remove("a.toml");
    folder.remove("b/rule.toml");
    assert_eq!(folder.reload(Removal::WhenConfirmed), "!b");
    assert_eq!(folder.in_force().len(), 2);
    folder.put("a.toml", "2");
    folder.put("b/rule.toml", "2");
    assert_eq!(folder.reload(Removal::WhenConfirmed), "~a ~b");
    folder.remove("a.toml");
    assert_eq!(folder.reload(Removal::WhenConfirmed), "");
    assert_eq!(folder.reload(Removal::WhenConfirmed), "-a");
}

#[test]
fn a_name_that_is_taken_is_refused_and_the_first_stays() {
    let mut folder = Folder::new();
    folder.put("a.toml", "1");
    folder.reload(Removal::AtOnce);
    folder.put("a/rule.toml", "2");
    assert_eq!(folder.reload(Removal::AtOnce), "!a");
    assert_eq!(folder.in_force()["a"], "1");
    assert_eq!(folder.faults().len(), 1);
    assert!(folder.faults()[0].contains("rule `a` is defined twice, here and in"), "{:?}", folder.faults());
    folder.remove("a.toml");
    assert_eq!(folder.reload(Removal::AtOnce), "~a");
    assert_eq!(folder.in_force()["a"], "2");
}

#[test]
fn names_are_letters_digits_underscore_and_hyphen() {
    let mut folder = Folder::new();
    folder.put("Legal_name-1.toml", "1");
    folder.put("not legal.toml", "1");
    folder.put("é.toml", "1");
    folder.put(".toml", "1");
    assert_eq!(folder.reload(Removal::AtOnce), "+Legal_name-1");
    assert_eq!(
        folder.faults(),
        [
            "not legal.toml: `not legal` cannot be the name of a rule; use 1 to 128 of A-Z, a-z, 0-9, `_` and `-`",
            "é.toml: `é` cannot be the name of a rule; use 1 to 128 of A-Z, a-z, 0-9, `_` and `-`",
        ]
    );
}

#[test]
fn what_cannot_be_a_definition_is_named() {
    let mut folder = Folder::new();
    folder.put("large.toml", &"x".repeat(65));
    fs::write(folder.directory.path().join("binary.toml"), [0xff]).unwrap();
    folder.put("empty/README.md", "");
    assert_eq!(folder.reload(Removal::AtOnce), "!binary !empty !large");
    let faults = folder.faults();
    assert!(faults[0].starts_with("binary.toml: cannot be read: "), "{faults:?}");
    assert_eq!(
        faults[1],
        "empty/rule.toml: `rule.toml` is missing; put the rule there, or remove the folder"
    );
    assert_eq!(
        faults[2],
        "large.toml: has 65 bytes, the limit is 64; make the rule shorter, or raise `definition_bytes_max`"
    );
    assert_eq!(folder.reload(Removal::AtOnce), "", "told once");
}

#[test]
fn too_many_definitions_change_nothing() {
    let mut folder = Folder::new();
    folder.put("a.toml", "1");
    folder.reload(Removal::AtOnce);
    ["b.toml", "c.toml", "d.toml", "e.toml"].iter().for_each(|file| folder.put(file, "1"));
    assert_eq!(folder.reload(Removal::AtOnce), "");
    assert_eq!(folder.in_force().len(), 1);
    assert!(
        folder.faults()[0]
            .ends_with("there are 5 rule definitions, the limit is 4; remove some, or raise `rules_max`")
    );
}

#[test]
fn a_folder_that_vanishes_takes_no_rule_with_it() {
    let mut folder = Folder::new();
    folder.put("a.toml", "1");
    folder.reload(Removal::AtOnce);
    fs::remove_dir_all(folder.directory.path()).unwrap();
    assert_eq!(folder.reload(Removal::AtOnce), "");
    assert_eq!((folder.in_force().len(), folder.faults().len()), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// After any sequence of edits each rule is in force in the last version that was good, and only if its file is there.
    #[test]
    fn the_last_good_version_is_in_force(
        edits in proptest::collection::vec((0..3_usize, prop_oneof![Just(None), "[12]".prop_map(Some), Just(Some("broken".to_owned()))]), 1..20),
    ) {
        let mut folder = Folder::new();
        let mut expected = BTreeMap::new();
        for (name, edit) in edits {
            let name = ["a", "b", "c"][name];
            let file = format!("{name}.toml");
            match edit {
                Some(text) => {
                    folder.put(&file, &text);
                    if text != "broken" {
                        expected.insert(name.to_owned(), text);
                    }
                }
                None => {
                    // A file that never was there cannot be removed, and need not be.
                    let _ = fs::remove_file(folder.directory.path().join(&file));
                    expected.remove(name);
                }
            }
            folder.reload(Removal::AtOnce);
            prop_assert_eq!(&folder.in_force(), &expected);
        }
    }
}
