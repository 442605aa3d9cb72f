//! What was measured, as it is kept: `results.json`. Tables and plots are made from it and from nothing else.

use crate::machine::{Cores, Machine};
use crate::peer::PEERS;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The number of the file's format.
pub(crate) const FORMAT: u32 = 1;

/// A whole comparison.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) format: u32,
    /// When it began, UTC.
    pub(crate) date: String,
    pub(crate) machine: Machine,
    pub(crate) cores: Cores,
    pub(crate) rounds: u32,
    pub(crate) secs: u64,
    pub(crate) fixed_per_second: f64,
    /// By the name of a server, what it calls itself; the load and what it was built from are among them.
    pub(crate) versions: BTreeMap<String, String>,
    /// What a server's part is, where that has to be known to compare.
    pub(crate) remarks: Vec<Remark>,
    pub(crate) runs: Vec<Run>,
    /// Why it ended before everything was measured.
    pub(crate) ended_early: Option<String>,
}

/// What a reader has to know.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Remark {
    pub(crate) scenario: String,
    pub(crate) peer: String,
    pub(crate) text: String,
}

/// One server, one scenario, one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) scenario: String,
    pub(crate) peer: String,
    /// From 1.
    pub(crate) round: u32,
    pub(crate) metrics: BTreeMap<String, f64>,
    pub(crate) notes: Vec<String>,
    /// Why it failed, or what is missing failed; or why it was not tried.
    pub(crate) failed: Option<String>,
}

impl Results {
    /// Reads them from their folder.
    ///
    /// # Errors
    /// When there are none, or they are of another format.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("results.json");
        let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        let results: Self = serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?;
        anyhow::ensure!(
            results.format == FORMAT,
            "`{}` has format {}, not {FORMAT}",
            path.display(),
            results.format
        );
        Ok(results)
    }

    /// Writes them, whole or not at all.
    ///
    /// # Errors
    /// About the file.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let (path, new) = (folder.join("results.json"), folder.join("results.json.new"));
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        std::fs::write(&new, text).with_context(|| format!("{}", new.display()))?;
        std::fs::rename(&new, &path).with_context(|| format!("{}", path.display()))
    }

    /// The values of a metric, one for each round in which it was measured.
    pub(crate) fn values(&self, scenario: &str, peer: &str, metric: &str) -> BTreeMap<u32, f64> {
        let runs = self.runs.iter().filter(|run| run.scenario == scenario && run.peer == peer);
        runs.filter_map(|run| Some((run.round, *run.metrics.get(metric)?))).collect()
    }

    /// The servers of a scenario, in the order of the list of servers.
    pub(crate) fn peers(&self, scenario: &str) -> Vec<&'static str> {
        let played = |name: &str| self.runs.iter().any(|run| run.scenario == scenario && run.peer == name);
        PEERS.iter().map(|peer| peer.name()).filter(|name| played(name)).collect()
    }
}
