use super::{DeclaredTargets, Definitions, Limits};
use parking_lot::Mutex;
use rules::definition::TargetKind;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

fn rule(filter: &str, queue: &str) -> String {
    format!("sql = \"SELECT * FROM '{filter}'\"\n[[action]]\nqueue = \"{queue}\"\n")
}

fn open(folder: &TempDir) -> Arc<Definitions> {
    let targets =
        [(TargetKind::Queue, "alerts"), (TargetKind::Queue, "errors"), (TargetKind::Stream, "telemetry")];
    let targets: DeclaredTargets = targets.into_iter().map(|(kind, name)| (kind, name.to_owned())).collect();
    Definitions::open(folder.path(), targets, Limits::default()).expect("the folder can be read")
}

fn with(definitions: &[(&str, &str)]) -> (TempDir, Arc<Definitions>) {
    let folder = tempfile::tempdir().expect("there is room for a directory");
    for (file, text) in definitions {
        put(&folder, file, text);
    }
    let definitions = open(&folder);
    (folder, definitions)
}

fn put(folder: &TempDir, file: &str, text: &str) {
    let path = folder.path().join(file);
    fs::create_dir_all(path.parent().expect("it is in the folder")).expect("the folder can be written");
    fs::write(path, text).expect("the folder can be written");
}

fn matching(definitions: &Definitions, topic: &str) -> Vec<String> {
    let active = definitions.active();
    let mut names = Vec::new();
    active.for_each_match(topic, |definition| names.push(definition.name.clone()));
    names.sort();
    names
}

fn faults(folder: &TempDir, definitions: &Definitions) -> Vec<String> {
    let root = format!("{}/", folder.path().display());
    definitions.faults().iter().map(|fault| fault.to_string().replace(&root, "")).collect()
}

#[test]
fn definitions_are_folders_and_files() {
    let (_folder, definitions) = with(&[
        ("overheating/rule.toml", &rule("plant/+/hot", "alerts")),
        ("overheating/cases.jsonl", "not looked at"),
        ("all.toml", &rule("plant/#", "alerts")),
        (".hidden.toml", "not looked at"),
        ("README.md", "not looked at"),
    ]);
    assert_eq!(definitions.faults(), []);
    assert_eq!(matching(&definitions, "plant/1/hot"), ["all", "overheating"]);
    assert_eq!(matching(&definitions, "plant/1/cold"), ["all"]);
    assert!(definitions.active().get("overheating").is_some());
    assert_eq!(definitions.active().generation(), 1);
}

#[test]
fn a_broken_definition_does_not_stop_the_others_and_is_named_with_its_place() {
    let (folder, definitions) = with(&[
        ("good.toml", &rule("a", "alerts")),
        ("bad.toml", "sql = \"\"\"\nSELEC * FROM 'a'\n\"\"\"\n[[action]]\nqueue = \"alerts\"\n"),
    ]);
    assert_eq!(matching(&definitions, "a"), ["good"]);
    let faults = faults(&folder, &definitions);
    assert!(faults[0].starts_with("bad.toml:2:1: "), "{faults:?}");
    let status = definitions.status();
    assert_eq!(
        (status[0].name.as_str(), status[0].in_force.is_some(), status[0].faults.len()),
        ("bad", false, 1)
    );
    assert_eq!(
        (status[1].name.as_str(), status[1].in_force.is_some(), status[1].faults.len()),
        ("good", true, 0)
    );
}

#[test]
fn a_target_that_is_not_declared_is_refused_with_the_nearest() {
    let (folder, definitions) = with(&[
        ("a.toml", &rule("a", "alert")),
        ("b.toml", &rule("a", "telemetry")),
        ("c.toml", &rule("a", "elsewhere")),
        ("d.toml", &format!("{}[error_action]\nqueue = \"error\"\n", rule("a", "alerts"))),
    ]);
    assert_eq!(
        faults(&folder, &definitions),
        [
            "a.toml:3:1: unknown queue `alert` in rule `a`; did you mean `alerts`?",
            "b.toml:3:1: unknown queue `telemetry` in rule `b`; `telemetry` is a stream; write `stream = \"telemetry\"`",
            "c.toml:3:1: unknown queue `elsewhere` in rule `c`; declare the queue in the settings",
            "d.toml:5:1: unknown queue `error` in rule `d`; did you mean `errors`?",
        ]
    );
    assert_eq!(definitions.active().iter().count(), 0);
}

#[test]
fn the_last_good_version_goes_on_while_the_file_is_broken() {
    let (folder, definitions) = with(&[("a.toml", &rule("old", "alerts"))]);
    put(&folder, "a.toml", &rule("new", "nowhere"));
    let reload = definitions.reload_now();
    assert_eq!((reload.refused, reload.changed), (vec!["a".to_owned()], vec![]));
    assert_eq!(matching(&definitions, "old"), ["a"]);
    assert_eq!(definitions.faults().len(), 1);
    assert_eq!(definitions.active().generation(), 1);
    assert_eq!(definitions.reload_now().refused, [""; 0], "it is told once");
    put(&folder, "a.toml", &rule("new", "alerts"));
    assert_eq!(definitions.reload_now().changed, ["a"]);
    assert_eq!(
        (matching(&definitions, "old"), matching(&definitions, "new")),
        (vec![], vec!["a".to_owned()])
    );
    assert_eq!(definitions.faults(), []);
}

#[test]
fn definitions_come_and_go() {
    let (folder, definitions) = with(&[("a.toml", &rule("t", "alerts"))]);
    let mut changes = definitions.changes();
    put(&folder, "b/rule.toml", &rule("t", "alerts"));
    assert_eq!(definitions.reload_now().added, ["b"]);
    assert!(changes.has_changed().unwrap());
    assert_eq!(*changes.borrow_and_update(), 2);
    fs::remove_file(folder.path().join("a.toml")).unwrap();
    assert_eq!(definitions.reload_now().removed, ["a"]);
    assert_eq!(matching(&definitions, "t"), ["b"]);
    assert!(!definitions.reload_now().changes_rules());
    assert_eq!(*changes.borrow_and_update(), 3);
}

#[test]
fn a_rule_that_is_switched_off_is_listed_and_not_in_force() {
    let (_folder, definitions) = with(&[("a.toml", &format!("enabled = false\n{}", rule("t", "alerts")))]);
    assert_eq!(matching(&definitions, "t"), [""; 0]);
    assert_eq!(definitions.status().len(), 1);
}

#[test]
fn whoever_holds_the_old_rules_keeps_them_whole() {
    let (folder, definitions) = with(&[("a.toml", &rule("t", "alerts"))]);
    let before = definitions.active();
    put(&folder, "a.toml", &rule("u", "alerts"));
    definitions.reload_now();
    let mut seen = 0;
    before.for_each_match("t", |_| seen += 1);
    assert_eq!(seen, 1);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let fault =
        Definitions::open(&missing, DeclaredTargets::default(), Limits::default()).err().expect("no folder");
    assert!(fault.to_string().contains("missing: the folder of rule definitions cannot be read"), "{fault}");
}

#[tokio::test]
async fn a_change_on_disk_comes_in_force_by_itself() {
    let (folder, definitions) = with(&[("a.toml", &rule("old", "alerts"))]);
    let mut changes = definitions.changes();
    let watching = tokio::spawn(Arc::clone(&definitions).watch(Duration::from_millis(5)));
    put(&folder, "a.toml", &rule("new", "alerts"));
    let changed = tokio::time::timeout(
        Duration::from_secs(10),
        changes.wait_for(|_| !matching(&definitions, "new").is_empty()),
    );
    changed.await.expect("within ten seconds").expect("the definitions live");
    fs::remove_file(folder.path().join("a.toml")).unwrap();
    let removed = tokio::time::timeout(
        Duration::from_secs(10),
        changes.wait_for(|_| matching(&definitions, "new").is_empty()),
    );
    removed.await.expect("within ten seconds").expect("the definitions live");
    watching.abort();
}

#[test]
fn who_asks_is_told_of_a_change_before_it_is_in_force() {
    let (folder, definitions) = with(&[("first.toml", &rule("a", "alerts"))]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let (seen, asked) = (Arc::clone(&told), Arc::downgrade(&definitions));
    definitions.before_each_change(move |rules| {
        let names = rules.iter().map(|rule| rule.name.clone()).collect::<Vec<_>>();
        let in_force = asked.upgrade().map(|definitions| definitions.active().generation());
        seen.lock().push((names, rules.generation(), in_force));
    });
    put(&folder, "second.toml", &rule("b", "alerts"));
    definitions.reload_now();
    definitions.reload_now();
    let names = vec!["first".to_owned(), "second".to_owned()];
    assert_eq!(*told.lock(), [(names, 2, Some(1))]);
    assert_eq!(definitions.active().generation(), 2);
}

/// A descriptor file for `message Reading { string id = 1; }` in `kiln.proto`, as `protoc` writes it.
const DESCRIPTOR: &[u8] =
    b"\x0a+\x0a\x0akiln.proto\x22\x15\x0a\x07Reading\x12\x0a\x0a\x02id\x18\x01 \x01(\x09b\x06proto3";

#[test]
fn descriptor_files_come_go_and_stay_in_force_when_they_break() {
    let (rules, files) = (tempfile::tempdir().expect("room"), tempfile::tempdir().expect("room"));
    let sql = "SELECT decode(*, 'proto', 'plant', 'v1/kiln.desc', 'kiln', 'Reading').id AS id FROM 'a'";
    put(&rules, "decoded.toml", &format!("sql = \"{sql}\"\n[[action]]\nqueue = \"alerts\"\n"));
    let targets: DeclaredTargets = [(TargetKind::Queue, "alerts".to_owned())].into_iter().collect();
    let targets = targets.with_descriptors(Some(files.path().to_path_buf()));
    let definitions =
        Definitions::open(rules.path(), targets, Limits::default()).expect("the folder can be read");
    let faults = |definitions: &Definitions| -> Vec<String> {
        definitions.faults().into_iter().map(|fault| fault.message).collect()
    };
    assert_eq!(faults(&definitions), ["there is no descriptor file `plant/v1/kiln.desc`"]);

    put_bytes(&files, "plant/v1/kiln.desc", DESCRIPTOR);
    assert_eq!(definitions.reload_now().added, ["decoded"]);
    assert!(faults(&definitions).is_empty());
    assert_eq!(definitions.reload_now(), Default::default(), "nothing changed since");

    put_bytes(&files, "plant/v1/kiln.desc", b"no descriptor");
    definitions.reload_now();
    assert!(faults(&definitions)[0].contains("no complete descriptor set"), "{:?}", faults(&definitions));
    assert_eq!(matching(&definitions, "a"), ["decoded"], "the version before stays in force");

    fs::remove_file(files.path().join("plant/v1/kiln.desc")).expect("it is there");
    assert_eq!(definitions.reload_now().refused, ["decoded"]);
    assert_eq!(matching(&definitions, "a"), ["decoded"], "a rule in force keeps what it was compiled with");
}

fn put_bytes(folder: &TempDir, file: &str, bytes: &[u8]) {
    let path = folder.path().join(file);
    fs::create_dir_all(path.parent().expect("it is in the folder")).expect("the folder can be written");
    fs::write(path, bytes).expect("the folder can be written");
}

#[test]
fn a_definition_that_was_in_force_is_read_again_without_what_it_asked() {
    let (_folder, definitions) = with(&[]);
    let asking = "sql = \"SELECT count(*) AS count FROM 'a' WHERE aws_lambda('grade', *) = 1 \
                  GROUP BY TUMBLINGWINDOW(ss, 10)\"\n";
    let kept = format!("{asking}[[action]]\nqueue = \"gone\"\n");
    assert!(definitions.parse_kept("counts", &kept).is_ok());
    let broken = kept.replace("count(*)", "cuont(*)");
    assert!(definitions.parse_kept("counts", &broken).is_err());
}
