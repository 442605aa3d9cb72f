//! What this process itself takes of the machine, so that a run can say whether it measured the server or itself.

use std::time::Duration;

/// What the process has taken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of all threads, in user mode and in the kernel.
    pub processor: Duration,
    /// Memory that is resident now; zero where the system doesn't tell.
    pub resident_bytes: u64,
}

impl Usage {
    /// As it is now.
    pub fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let secs = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
        Self { processor: Duration::new(secs, nanos), resident_bytes: resident_bytes().unwrap_or_default() }
    }
}

fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_and_memory_are_seen() {
        let before = Usage::now();
        let mut numbers = vec![1_u64; 4_000_000];
        while Usage::now().processor < before.processor + Duration::from_millis(5) {
            numbers.iter_mut().for_each(|number| *number = number.rotate_left(1) ^ 1);
        }
        let after = Usage::now();
        assert!(after.resident_bytes > before.resident_bytes + 16_000_000, "{before:?} {after:?}");
        assert!(numbers.iter().any(|number| *number != 0));
    }
}
