//! `SCENARIOS.md` says what the reader reads.

use super::*;
use crate::scenario::{Fake, MEASURES, READY, StageKind};

const PAGE: &str = include_str!("../../../../SCENARIOS.md");

/// The examples that are marked as TOML.
fn examples() -> Vec<&'static str> {
    PAGE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn every_example_can_be_read() {
    assert!(examples().len() >= 6);
    for example in examples() {
        // What is no whole scenario stands beside the least one.
        let text =
            if example.contains("[[fleet]]") { example.to_owned() } else { format!("{LEAST}{example}") };
        good(&text, &[]);
    }
}

/// The keys of a document, at every depth.
fn keys(value: &toml::Value, found: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                found.push(key.clone());
                // These are names that the scenario's author chose.
                let chosen = key == "values" || key == "map";
                match value {
                    toml::Value::Table(members) if chosen => {
                        members.values().for_each(|value| keys(value, found));
                    }
                    _ => keys(value, found),
                }
            }
        }
        toml::Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

#[test]
fn every_key_and_every_name_is_explained() {
    let mut names = Vec::new();
    keys(&toml::Value::Table(toml::from_str(EVERYTHING).unwrap()), &mut names);
    names.extend(FaultKind::NAMES.iter().map(|name| (*name).to_owned()));
    names.extend(Fake::ALL.iter().map(|(name, _)| (*name).to_owned()));
    names.extend(StageKind::ALL.iter().map(|(name, _)| (*name).to_owned()));
    names.extend(MEASURES.iter().map(|measure| measure.name.to_owned()));
    let words: Vec<&str> =
        PAGE.split(|character: char| !character.is_ascii_alphanumeric() && character != '_').collect();
    let missing: Vec<&String> = names.iter().filter(|name| !words.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "not in SCENARIOS.md: {missing:?}");
}

#[test]
fn the_page_names_ready_scenarios_that_exist() {
    let named = PAGE.lines().filter_map(|line| line.strip_prefix("device-sim scenarios "));
    let names: Vec<&str> =
        named.filter_map(|rest| rest.split_whitespace().next()).filter(|word| *word != "#").collect();
    assert!(!names.is_empty());
    assert!(names.iter().all(|name| READY.iter().any(|ready| ready.name == *name)), "{names:?}");
}
