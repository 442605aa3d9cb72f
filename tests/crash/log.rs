//! What a gateway may say at the level ERROR, and when.

use crate::schedule::Schedule;
use end_to_end::Log;
use std::collections::BTreeSet;

/// Parts of lines that a full disk explains.
const FULL_DISK: [&str; 5] = [
    "journal refuses records until the disk takes them",
    "No space left on device",
    "takes no more changes since a write failed",
    "disk_bytes_max",
    "disk is full",
];

/// Lines that nothing in the schedule explains, each once.
pub(crate) fn complaints(log: &Log, schedule: &Schedule) -> Vec<String> {
    let text = log.text();
    let mut complaints: BTreeSet<String> = BTreeSet::new();
    for line in text.lines() {
        if line.contains("panicked") {
            complaints.insert(format!("panic: {line}"));
        }
        let Ok(said) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let is_explained = schedule.fills_disk() && FULL_DISK.iter().any(|part| line.contains(part));
        if said["level"] == "ERROR" && !is_explained {
            complaints.insert(format!("ERROR without a reason: {} {}", said["message"], said["error"]));
        }
        if said["message"] == "journal opened with damage" {
            complaints.insert(format!("a torn tail is no damage: {line}"));
        }
    }
    complaints.into_iter().take(10).collect()
}
