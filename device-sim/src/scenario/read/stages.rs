//! `[[stage]]` and `[[hook]]`.

use std::time::Duration;

use super::section::Section;
use crate::scenario::{Hook, Stage, StageKind};

const STAGES_MAX: usize = 1024;
const HOOKS_MAX: usize = 256;
/// No stage publishes faster than so many times the rate.
const FACTOR_MAX: f64 = 10_000.0;
const WORDS_MAX: usize = 256;

pub(super) fn read(scenario: &Section<'_, '_>) -> Vec<Stage> {
    let mut stages = Vec::new();
    for section in scenario.sections("stage", "a stage", STAGES_MAX) {
        stages.extend(stage(&section));
        section.finish();
    }
    stages
}

fn stage(section: &Section<'_, '_>) -> Option<Stage> {
    let kind = section.choice("kind", StageKind::ALL);
    if !section.has("kind") {
        section.missing("kind", "kind = \"hold\"");
    }
    let lasts = section.some_secs("secs");
    if !section.has("secs") {
        section.missing("secs", "secs = 30");
    }
    let factor = |key, default| section.number(key, 0.0..=FACTOR_MAX).map_or(default, |(factor, _)| factor);
    let default_from = if kind == Some(StageKind::Spike) { 1.0 } else { 0.0 };
    let (from, to) = (factor("from", default_from), factor("to", 1.0));
    Some(Stage { kind: kind?, lasts: lasts?, from, to })
}

/// In the order of their time.
pub(super) fn read_hooks(scenario: &Section<'_, '_>) -> Vec<Hook> {
    let mut hooks = Vec::new();
    for section in scenario.sections("hook", "a hook", HOOKS_MAX) {
        hooks.extend(hook(&section));
        section.finish();
    }
    hooks.sort_by_key(|hook| hook.at);
    hooks
}

fn hook(section: &Section<'_, '_>) -> Option<Hook> {
    let at = section.secs("at_secs");
    if !section.has("at_secs") {
        section.missing("at_secs", "at_secs = 20");
    }
    let example = "command = [\"systemctl\", \"stop\", \"mosquitto\"]";
    let words = section.texts("command");
    if !section.has("command") {
        section.missing("command", example);
    }
    let name = section.text("name");
    let longest = section.number("secs_max", 0.1..=3600.0).map_or(30.0, |(secs, _)| secs);
    let command: Vec<String> = words?.iter().map(|(word, _)| (*word).to_owned()).collect();
    if command.len() > WORDS_MAX || command.first().is_none_or(String::is_empty) {
        let message = format!(
            "`command` is a program and at most {WORDS_MAX} arguments; write for example `{example}`"
        );
        section.reader.refuse(section.span.clone(), message);
        return None;
    }
    let name = name.map_or_else(|| command.join(" "), |(name, _)| name.to_owned());
    Some(Hook { at: at?, command, name, longest: Duration::from_secs_f64(longest) })
}
