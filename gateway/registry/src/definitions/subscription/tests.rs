//! Subscriptions in a folder: what is refused and how, and what is in force after a change.

use super::super::{DeclaredTargets, Definitions, Limits, Subscription};
use rules::definition::TargetKind;
use std::fs;
use std::sync::Arc;
use tempfile::TempDir;

const RULE: &str = "sql = \"SELECT * FROM 'plant/#'\"\n";

fn put(folder: &TempDir, file: &str, text: &str) {
    let path = folder.path().join(file);
    fs::create_dir_all(path.parent().expect("it is in the folder")).expect("the folder can be written");
    fs::write(path, text).expect("the folder can be written");
}

fn open(folder: &TempDir) -> Arc<Definitions> {
    let targets = [(TargetKind::Queue, "alerts"), (TargetKind::Stream, "telemetry")];
    let targets: DeclaredTargets = targets.into_iter().map(|(kind, name)| (kind, name.to_owned())).collect();
    Definitions::open(folder.path(), targets, Limits::default()).expect("the folder can be read")
}

fn with(files: &[(&str, &str)]) -> (TempDir, Arc<Definitions>) {
    let folder = tempfile::tempdir().expect("there is room for a directory");
    files.iter().for_each(|(file, text)| put(&folder, file, text));
    let definitions = open(&folder);
    (folder, definitions)
}

fn faults(folder: &TempDir, definitions: &Definitions) -> Vec<String> {
    let root = format!("{}/", folder.path().display());
    definitions.faults().iter().map(|fault| fault.to_string().replace(&root, "")).collect()
}

fn matching(definitions: &Definitions, rule: &str, event: &str) -> Vec<String> {
    let active = definitions.active();
    let subscriptions = active.subscriptions();
    let judged = subscriptions.judge(rule, event);
    assert_eq!(judged.error, None, "the event can be read");
    let found = judged.wanted;
    assert!(found.is_empty() || subscriptions.concern(rule));
    found.into_iter().map(|subscription| subscription.name.clone()).collect()
}

fn wants(state: &str) -> String {
    format!("pattern = '{{\"detail\":{{\"state\":[\"{state}\"]}}}}'\n[[target]]\nqueue = \"alerts\"\n")
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for case in include_str!("../../../tests/data/subscriptions.txt").split("====\n") {
        let (text, expected) = case.split_once("----\n").expect("a case has two parts");
        let (folder, definitions) = with(&[("readings.toml", RULE), ("hot.subscription.toml", text)]);
        let in_force: Vec<String> = definitions
            .active()
            .subscriptions()
            .iter()
            .map(|it| format!("{} is in force", it.name))
            .collect();
        let told = [faults(&folder, &definitions), in_force].concat();
        assert_eq!(told, expected.lines().collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn subscriptions_stand_beside_rules_in_folders_and_files() {
    let (folder, definitions) = with(&[
        ("readings/rule.toml", RULE),
        ("readings/subscription.toml", &wants("on")),
        ("alone/subscription.toml", &wants("on")),
        ("of_one.subscription.toml", &format!("rules = [\"readings\"]\n{}", wants("on"))),
        ("off.subscription.toml", &format!("enabled = false\n{}", wants("on"))),
        (".hidden.subscription.toml", "not looked at"),
        ("bad name.subscription.toml", "not read"),
        ("twice.subscription.toml", &wants("on")),
        ("twice/subscription.toml", &wants("on")),
    ]);
    let event = r#"{"detail":{"state":"on"}}"#;
    assert_eq!(matching(&definitions, "readings", event), ["alone", "of_one", "readings"]);
    assert_eq!(matching(&definitions, "others", event), ["alone", "readings"]);
    assert_eq!(matching(&definitions, "readings", r#"{"detail":{"state":"off"}}"#), [""; 0]);
    let faults = faults(&folder, &definitions);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].contains("`bad name` cannot be the name of a subscription"), "{faults:?}");
    assert!(faults[1].contains("subscription `twice` is defined twice"), "{faults:?}");
    assert_eq!(definitions.status().len(), 1, "no subscription is a rule");
}

/// Who sends an event must not be able to hide it unseen: each subscription that can't say whether it wants it is named.
#[test]
fn an_event_that_can_not_be_judged_is_a_fault_of_each_subscription_with_a_pattern() {
    let everything = "rules = [\"readings\"]\n[[target]]\nqueue = \"alerts\"\n";
    let (_folder, definitions) = with(&[
        ("readings.toml", RULE),
        ("a.subscription.toml", &wants("on")),
        ("b.subscription.toml", &wants("off")),
        ("of_another.subscription.toml", &format!("rules = [\"others\"]\n{}", wants("on"))),
        ("everything.subscription.toml", everything),
    ]);
    let active = definitions.active();
    let judged = active
        .subscriptions()
        .judge("readings", &format!("{{\"detail\":{{\"state\":[{}0]}}}}", "0,".repeat(100_000)));
    let names = |of: &[&Arc<Subscription>]| of.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&judged.unjudged), ["a", "b"]);
    assert_eq!(names(&judged.wanted), ["everything"], "what has no pattern needs no judgement");
    assert_eq!(judged.error, Some(patterns::EventError::TooManyValues));
}

#[test]
fn a_change_takes_effect_at_once_and_a_broken_one_leaves_the_old_in_force() {
    let (folder, definitions) = with(&[("readings.toml", RULE), ("a.subscription.toml", &wants("on"))]);
    let generation = definitions.active().generation();
    let finds = |state: &str| {
        matching(&definitions, "readings", &format!("{{\"detail\":{{\"state\":\"{state}\"}}}}"))
    };
    assert_eq!(finds("on"), ["a"]);
    put(&folder, "a.subscription.toml", &wants("off"));
    definitions.reload_now();
    assert_eq!((finds("on").len(), finds("off").len()), (0, 1));
    assert!(definitions.active().generation() > generation, "whoever follows changes is told");
    put(&folder, "a.subscription.toml", &wants("on").replace("alerts", "alrets"));
    definitions.reload_now();
    assert_eq!(finds("off"), ["a"], "the old one goes on");
    let status = definitions.subscription_status();
    assert!(status[0].in_force.is_some() && status[0].faults.len() == 1, "{status:?}");
    fs::remove_file(folder.path().join("a.subscription.toml")).expect("it is there");
    definitions.reload_now();
    assert_eq!(finds("off").len(), 0);
    assert_eq!(definitions.faults(), []);
}

#[test]
fn a_rule_that_comes_later_mends_the_subscription_that_names_it() {
    let text = format!("rules = [\"readings\"]\n{}", wants("on"));
    let (folder, definitions) = with(&[("a.subscription.toml", &text)]);
    assert!(faults(&folder, &definitions)[0].contains("there is no rule `readings`"));
    put(&folder, "readings.toml", RULE);
    definitions.reload_now();
    assert_eq!(definitions.faults(), []);
    assert_eq!(matching(&definitions, "readings", r#"{"detail":{"state":"on"}}"#), ["a"]);
}

#[test]
fn a_pattern_that_would_slow_all_others_down_is_named_and_the_others_work() {
    let folder = tempfile::tempdir().expect("there is room for a directory");
    for number in 0..257_u32 {
        let letters: String = (0..9)
            .filter(|bit| number >> bit & 1 == 1)
            .map(|bit| format!("{}*", char::from(b'a' + bit)))
            .collect();
        let text = wants("").replace("[\"\"]", &format!("[{{\"wildcard\":\"*z*{letters}\"}}]"));
        put(&folder, &format!("s{number:03}.subscription.toml"), &text);
    }
    let definitions = open(&folder);
    let faults = faults(&folder, &definitions);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(
        faults[0].starts_with("s256.subscription.toml: subscription `s256` is not in force: wildcard `*z*"),
        "{faults:?}"
    );
    assert_eq!(matching(&definitions, "any", r#"{"detail":{"state":"xz"}}"#), ["s000"]);
}
