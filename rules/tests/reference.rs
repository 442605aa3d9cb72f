//! `FUNCTIONS.md` is what the catalogue says. With `WRITE_REFERENCE=1` in the environment this test writes it.

use std::path::Path;

#[test]
fn the_reference_page_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("FUNCTIONS.md");
    let wanted = rules::functions::markdown();
    if std::env::var_os("WRITE_REFERENCE").is_some() {
        std::fs::write(&file, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == wanted,
        "FUNCTIONS.md is not what the catalogue says: run this test with WRITE_REFERENCE=1"
    );
}
