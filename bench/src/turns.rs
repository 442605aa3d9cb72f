//! The comparison as a whole: every round plays every scenario against every server, one after the other, and keeps what it found.

use crate::command::Arguments;
use crate::machine::{Cores, Machine};
use crate::measure::{Findings, Setting, measure};
use crate::peer::{PEERS, Peer, Programs};
use crate::results::{FORMAT, Remark, Results, Run};
use crate::scenario::{SCENARIOS, Scenario, devices_max};
use crate::site::Certificates;
use crate::{interrupt, plot, table};
use anyhow::Context;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// Does what the command line says.
///
/// # Errors
/// When the settings are wrong, or results can't be written; a server that fails is a result.
pub(crate) fn play(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.list {
        return say(&list());
    }
    if let Some(folder) = &arguments.render {
        return render(&Results::read(folder)?, folder);
    }
    let scenarios = chosen_scenarios(&arguments.only)?;
    let peers = chosen_peers(&arguments.peers)?;
    let absolute = |path: &Path| std::path::absolute(path).with_context(|| format!("{}", path.display()));
    let programs = Programs {
        gateway: absolute(&arguments.gateway)?,
        device_sim: absolute(&arguments.device_sim)?,
        installed: absolute(&arguments.installed)?,
    };
    anyhow::ensure!(
        programs.device_sim.exists(),
        "`{}` is not there: `cargo build --release -p device-sim`",
        programs.device_sim.display()
    );
    let now = OffsetDateTime::now_utc();
    let machine = Machine::here();
    let folder = results_folder(&arguments.results, now, &machine)?;
    let mut results = begin(arguments, now, machine);
    let (here, missing) = versions(&peers, &programs, &mut results);
    configurations(&folder, &peers)?;
    let scratch = Scratch::new(arguments.keep)?;
    let certificates = Certificates::make(&scratch.folder.join("pki"), devices_max())?;
    let setting = Setting {
        programs: &programs,
        cores: &results.cores.clone(),
        certificates: &certificates,
        folder: &scratch.folder,
        secs: arguments.secs as f64,
        fixed_per_second: arguments.fixed_per_second,
        keep: arguments.keep,
    };
    let plan = Plan { scenarios: &scenarios, here: &here, missing: &missing };
    let deadline = Instant::now() + Duration::from_secs_f64(arguments.minutes * 60.0);
    let played = rounds(&setting, &plan, deadline, &mut results, &folder);
    results.write(&folder)?;
    render(&results, &folder)?;
    say(&format!("{}\n", folder.display()))?;
    played
}

/// What is played.
struct Plan<'a> {
    scenarios: &'a [&'static Scenario],
    here: &'a [&'static dyn Peer],
    /// Servers that are not there, and why.
    missing: &'a [(&'static str, String)],
}

fn rounds(
    setting: &Setting<'_>,
    plan: &Plan<'_>,
    deadline: Instant,
    results: &mut Results,
    folder: &Path,
) -> anyhow::Result<()> {
    for scenario in plan.scenarios {
        for (peer, reason) in plan.missing {
            results.runs.push(not_tried(scenario, peer, reason));
        }
        for peer in plan.here {
            if let Some(reason) = peer.refusal(scenario.role) {
                results.runs.push(not_tried(scenario, peer.name(), reason));
            }
        }
    }
    for round in 1..=results.rounds {
        for scenario in plan.scenarios.iter().filter(|scenario| round == 1 || !scenario.once) {
            for peer in plan.here.iter().filter(|peer| peer.refusal(scenario.role).is_none()) {
                let late = Instant::now() >= deadline;
                if late || interrupt::asked() {
                    let why = if late { "the time was up" } else { "it was interrupted" };
                    results.ended_early = Some(format!("{why} in round {round}, at `{}`", scenario.name));
                    return Ok(());
                }
                let run = one(setting, *peer, scenario, round);
                tell(&run);
                results.runs.push(run);
                results.write(folder)?;
            }
        }
        render(results, folder)?;
    }
    Ok(())
}

/// Measures one server in one scenario; whatever happens is what was found.
fn one(setting: &Setting<'_>, peer: &dyn Peer, scenario: &Scenario, round: u32) -> Run {
    let mut findings = Findings::default();
    let failed = measure(setting, peer, scenario, round, &mut findings).err();
    Run {
        scenario: scenario.name.to_owned(),
        peer: peer.name().to_owned(),
        round,
        metrics: findings.metrics,
        notes: findings.notes,
        // Whoever reads the results has other folders than this machine.
        failed: failed.map(|error| format!("{error:#}").replace(&setting.folder.display().to_string(), "…")),
    }
}

fn not_tried(scenario: &Scenario, peer: &str, reason: &str) -> Run {
    Run {
        scenario: scenario.name.to_owned(),
        peer: peer.to_owned(),
        round: 1,
        metrics: BTreeMap::new(),
        notes: Vec::new(),
        failed: Some(reason.to_owned()),
    }
}

fn tell(run: &Run) {
    let metrics: Vec<_> = run.metrics.iter().map(|(key, value)| format!("{key} {value:.2}")).collect();
    let failed = run.failed.as_ref().map_or(String::new(), |reason| format!(" FAILED: {reason}"));
    eprintln!("{}. {} {}: {}{failed}", run.round, run.scenario, run.peer, metrics.join(", "));
}

fn begin(arguments: &Arguments, now: OffsetDateTime, machine: Machine) -> Results {
    Results {
        format: FORMAT,
        date: format!("{} {:02}:{:02} UTC", now.date(), now.hour(), now.minute()),
        cores: Cores::halves(machine.cores),
        machine,
        rounds: arguments.rounds,
        secs: arguments.secs,
        fixed_per_second: arguments.fixed_per_second,
        versions: BTreeMap::new(),
        remarks: Vec::new(),
        runs: Vec::new(),
        ended_early: None,
    }
}

/// Asks every server for its version, and sets those aside that are not there.
fn versions(
    peers: &[&'static dyn Peer],
    programs: &Programs,
    results: &mut Results,
) -> (Vec<&'static dyn Peer>, Vec<(&'static str, String)>) {
    let (mut here, mut missing) = (Vec::new(), Vec::new());
    for peer in peers {
        match peer.version(programs) {
            Ok(version) => {
                results.versions.insert(peer.name().to_owned(), version);
                here.push(*peer);
            }
            Err(error) => {
                eprintln!("{}: {error:#}", peer.name());
                missing.push((peer.name(), "it is not installed here".to_owned()));
            }
        }
    }
    if let Some(commit) = commit() {
        results.versions.insert("built from commit".to_owned(), commit);
    }
    for scenario in SCENARIOS {
        for peer in peers.iter().filter(|peer| peer.refusal(scenario.role).is_none()) {
            if let Some(text) = peer.remark(scenario.role) {
                let (scenario, peer) = (scenario.name.to_owned(), peer.name().to_owned());
                results.remarks.push(Remark { scenario, peer, text: text.to_owned() });
            }
        }
    }
    (here, missing)
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    Some(if changed { format!("{commit}, with changes") } else { commit })
}

/// `DIR/DATE-MACHINE`, or with a number behind it when that is taken.
fn results_folder(parent: &Path, now: OffsetDateTime, machine: &Machine) -> anyhow::Result<PathBuf> {
    const TRIES: u32 = 1000;
    let name = format!("{}-{}", now.date(), machine.slug());
    let candidates = (1..=TRIES)
        .map(|number| parent.join(if number == 1 { name.clone() } else { format!("{name}-{number}") }));
    let folder = candidates.into_iter().find(|folder| !folder.exists());
    let folder = folder.with_context(|| format!("`{}` is full of results of today", parent.display()))?;
    std::fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    Ok(folder)
}

/// Keeps the configurations and the scenario files beside the results, as they stand in the repository.
fn configurations(folder: &Path, peers: &[&'static dyn Peer]) -> anyhow::Result<()> {
    for peer in peers {
        let of_peer = folder.join("configurations").join(peer.name());
        std::fs::create_dir_all(&of_peer)?;
        for (name, text) in peer.configurations() {
            std::fs::write(of_peer.join(name), text)?;
        }
    }
    let scenarios = folder.join("configurations").join("scenarios");
    std::fs::create_dir_all(&scenarios)?;
    for (name, text) in crate::load::files() {
        std::fs::write(scenarios.join(format!("{name}.toml")), text)?;
    }
    Ok(())
}

fn render(results: &Results, folder: &Path) -> anyhow::Result<()> {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("{}", path.display()))
    };
    write("table.md", &table::page(results))?;
    plot::plots(results).iter().try_for_each(|(name, text)| write(name, text))
}

fn chosen_scenarios(only: &[String]) -> anyhow::Result<Vec<&'static Scenario>> {
    for name in only {
        let known = SCENARIOS.iter().any(|scenario| scenario.name.starts_with(name.as_str()));
        anyhow::ensure!(known, "no scenario begins with `{name}`; --list shows them");
    }
    let is = |scenario: &Scenario, name: &str| match SCENARIOS.iter().any(|scenario| scenario.name == name) {
        true => scenario.name == name,
        false => scenario.name.starts_with(name),
    };
    let wanted = |scenario: &&Scenario| only.is_empty() || only.iter().any(|name| is(scenario, name));
    Ok(SCENARIOS.iter().filter(wanted).collect())
}

fn chosen_peers(names: &[String]) -> anyhow::Result<Vec<&'static dyn Peer>> {
    for name in names {
        let known = PEERS.iter().any(|peer| peer.name() == name);
        anyhow::ensure!(known, "there is no server `{name}`; --list shows them");
    }
    Ok(PEERS
        .into_iter()
        .filter(|peer| names.is_empty() || names.iter().any(|name| peer.name() == name))
        .collect())
}

fn list() -> String {
    let scenarios = SCENARIOS.iter().map(|scenario| format!("{:<22}{}\n", scenario.name, scenario.title));
    let peers = PEERS.iter().map(|peer| format!("{}\n", peer.name()));
    scenarios.chain(std::iter::once("\n".to_owned())).chain(peers).collect()
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// The folder in which servers run. Gone when it is dropped, unless it is kept.
struct Scratch {
    folder: PathBuf,
    keep: bool,
}

impl Scratch {
    fn new(keep: bool) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("compare-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
        Ok(Self { folder, keep })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("what servers said is in {}", self.folder.display());
        } else {
            // Nothing that is left in it is worth failing for.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_chosen_by_how_their_names_begin() {
        let names = |only: &[&str]| {
            let only: Vec<_> = only.iter().map(|name| (*name).to_owned()).collect();
            chosen_scenarios(&only)
                .map(|chosen| chosen.iter().map(|scenario| scenario.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap().len(), SCENARIOS.len());
        assert_eq!(names(&["idle", "kill"]).unwrap(), ["idle-tls", "idle-plain", "kill"]);
        assert_eq!(names(&["durable-rule-tls"]).unwrap(), ["durable-rule-tls"]);
        assert!(names(&["nothing"]).is_err());
        assert!(chosen_peers(&["nobody".to_owned()]).is_err());
    }

    #[test]
    fn results_of_one_day_do_not_overwrite_each_other() {
        let parent = tempfile::tempdir().unwrap();
        let (now, machine) = (OffsetDateTime::UNIX_EPOCH, Machine::here());
        let first = results_folder(parent.path(), now, &machine).unwrap();
        let second = results_folder(parent.path(), now, &machine).unwrap();
        assert!(first.ends_with(format!("1970-01-01-{}", machine.slug())));
        assert!(second.ends_with(format!("1970-01-01-{}-2", machine.slug())));
    }
}
