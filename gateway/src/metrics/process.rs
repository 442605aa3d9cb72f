//! What the process itself uses, as the system tells it. Where it does not, the metric is left out.

use super::exposition::Sample;

fn sample(value: f64) -> Vec<Sample> {
    vec![Sample { suffix: "", labels: Vec::new(), value }]
}

/// Processor time of all threads, user and system.
pub(super) fn cpu_seconds() -> Vec<Sample> {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    sample(usage.tv_sec as f64 + usage.tv_nsec as f64 / 1e9)
}

/// Resident memory.
pub(super) fn resident_bytes() -> Vec<Sample> {
    memory().map_or_else(Vec::new, |memory| sample(memory.resident_bytes as f64))
}

/// Open file descriptors.
pub(super) fn open_files() -> Vec<Sample> {
    std::fs::read_dir("/proc/self/fd").map_or_else(|_| Vec::new(), |entries| sample(entries.count() as f64))
}

/// Memory of the process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) resident_bytes: u64,
    /// The most it ever was.
    pub(crate) resident_bytes_most: u64,
}

/// The memory of this moment, from `/proc/self/status`.
pub(crate) fn memory() -> Option<Memory> {
    parse_memory(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn parse_memory(status: &str) -> Option<Memory> {
    let bytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    Some(Memory { resident_bytes: bytes("VmRSS:")?, resident_bytes_most: bytes("VmHWM:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_linux_writes_it() {
        let memory = parse_memory("Name:\tiot\nVmHWM:\t   20 kB\nVmRSS:\t    16 kB\nThreads:\t9\n").unwrap();
        assert_eq!((memory.resident_bytes, memory.resident_bytes_most), (16 * 1024, 20 * 1024));
        assert!(parse_memory("Name:\tiot\n").is_none());
    }
}
