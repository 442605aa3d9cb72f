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

/// Resident memory: the second number of `/proc/self/statm`, in pages.
pub(super) fn resident_bytes() -> Vec<Sample> {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse::<f64>().ok()));
    pages.map_or_else(Vec::new, |pages| sample(pages * rustix::param::page_size() as f64))
}

/// Open file descriptors.
pub(super) fn open_files() -> Vec<Sample> {
    std::fs::read_dir("/proc/self/fd").map_or_else(|_| Vec::new(), |entries| sample(entries.count() as f64))
}
