//! Every definition of the demo, and every example, compiles without warning and passes its cases.

use std::fs;
use std::path::Path;

use rules::cases;
use rules::definition::Definition;

#[test]
fn definitions_pass_their_cases() {
    let folders = ["definitions", "examples"].map(|name| Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
    let mut count = 0;
    for entry in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(folder.join("rule.toml")).unwrap();
        let definition = Definition::parse(&name, &format!("{name}/rule.toml"), &text)
            .unwrap_or_else(|errors| panic!("{}", errors.render(&text)));
        assert_eq!(definition.warnings, [], "{name}");
        let report = cases::run(&fs::read_to_string(folder.join("cases.jsonl")).unwrap(), Some(&definition));
        let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
        assert!(failures.is_empty(), "{name}:\n{}", failures.join("\n"));
        assert_eq!(report.remarks, [], "{name}");
        assert!(report.passed > 0, "{name} has no case");
        count += 1;
    }
    assert!(count >= 5, "found {count} definitions");
}
