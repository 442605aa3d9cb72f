//! Every figure that the README quotes stands in a file that `bench/compare` wrote.

use std::path::Path;

/// Begins a quotation in the README; the file's path follows.
const FROM: &str = "<!-- from ";
const END: &str = "<!-- end -->";

#[test]
fn the_readme_quotes_what_was_measured() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the README is there");
    let mut quotations = 0;
    for quotation in readme.split(FROM).skip(1) {
        let (path, rest) = quotation.split_once(" -->").expect("the mark names a file");
        let (quoted, _) =
            rest.split_once(END).unwrap_or_else(|| panic!("the quotation of `{path}` has no end"));
        assert!(path.starts_with("bench/results/"), "`{path}` was not written by the bench");
        let measured =
            std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("`{path}`: {error}"));
        let measured: Vec<&str> = measured.lines().map(str::trim).collect();
        for row in quoted.lines().map(str::trim).filter(|line| line.starts_with('|')) {
            assert!(measured.contains(&row), "`{row}` is not in `{path}`");
        }
        quotations += 1;
    }
    assert!(quotations > 0, "the README says how it compares");
}
