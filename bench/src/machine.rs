//! Where it was measured, and which processors are whose.

use serde::{Deserialize, Serialize};
use std::fs::read_to_string;

/// The machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
    /// The load of the last minute before the comparison began: more than a tenth of a processor is somebody else's.
    pub(crate) load_before: f64,
}

impl Machine {
    /// This one.
    pub(crate) fn here() -> Self {
        let cpu = read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor =
            cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
        let memory = read_to_string("/proc/meminfo").unwrap_or_default();
        let kibibytes = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
        let kibibytes = kibibytes.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0);
        let load = read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            processor: processor.trim_start_matches([' ', '\t', ':']).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kibibytes / 1024,
            kernel: read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            load_before: load.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0.0),
        }
    }

    /// Short enough for the name of a folder.
    pub(crate) fn slug(&self) -> String {
        let name: String = self.processor.to_lowercase().replace("(r)", "").replace("(tm)", "");
        let words =
            name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let words: Vec<_> = words.filter(|word| !["cpu", "processor"].contains(word)).take(3).collect();
        format!("{}-cores-{}", self.cores, words.join("-"))
    }
}

/// Which processors the servers and the load have, as `taskset` takes them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cores {
    pub(crate) server: String,
    pub(crate) load: String,
}

impl Cores {
    /// The first half for the servers, the second for the load.
    pub(crate) fn halves(cores: usize) -> Self {
        let half = cores / 2;
        if half == 0 {
            return Self { server: "0".to_owned(), load: "0".to_owned() };
        }
        let range =
            |from: usize, to: usize| if from == to { format!("{from}") } else { format!("{from}-{to}") };
        Self { server: range(0, half - 1), load: range(half, cores - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_halved() {
        for (cores, server, load) in [(1, "0", "0"), (2, "0", "1"), (4, "0-1", "2-3"), (5, "0-1", "2-4")] {
            let halves = Cores::halves(cores);
            assert_eq!((halves.server.as_str(), halves.load.as_str()), (server, load));
        }
    }

    #[test]
    fn a_folder_is_named_after_the_processor() {
        let mut machine = Machine::here();
        machine.cores = 2;
        machine.processor = "Intel(R) Xeon(R) Processor @ 2.60GHz".to_owned();
        assert_eq!(machine.slug(), "2-cores-intel-xeon-2");
    }
}
