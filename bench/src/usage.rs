//! What a server has cost, from `/proc`: processor time and memory of a process and all its descendants, and how many connections it has.

use crate::wait;
use std::collections::BTreeMap;
use std::time::Duration;

/// The ids of a process and its descendants, each with the time it was started, so that an id that was given anew is told apart.
pub(crate) fn tree(root: u32) -> BTreeMap<u32, u64> {
    let mut all = BTreeMap::new();
    let Ok(folder) = std::fs::read_dir("/proc") else { return BTreeMap::new() };
    for entry in folder.flatten() {
        if let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
            && let Some(stat) = stat(id)
        {
            all.insert(id, stat);
        }
    }
    let mut found = BTreeMap::new();
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        let Some(stat) = all.get(&id) else { continue };
        if found.insert(id, stat.started).is_none() {
            open.extend(all.iter().filter(|(_, stat)| stat.parent == id).map(|(id, _)| *id));
        }
    }
    found
}

/// Whether the process that was started at `started` still has this id, and is more than an entry that nobody has collected.
pub(crate) fn runs(id: u32, started: u64) -> bool {
    stat(id).is_some_and(|stat| stat.started == started && stat.state != 'Z')
}

/// Processor time of a process and its descendants since they were started, user and system, children that ended included.
pub(crate) fn processor_time(root: u32) -> Duration {
    let ticks: u64 = tree(root).keys().filter_map(|id| stat(*id)).map(|stat| stat.ticks).sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Memory of a process and its descendants, in bytes: their proportional share of what is in memory.
pub(crate) fn memory_bytes(root: u32) -> u64 {
    tree(root).keys().filter_map(|id| proportional_bytes(*id)).sum()
}

/// How many connections a port of this machine has that are established, or that the peer has closed and the server not yet.
pub(crate) fn connections(port: u16) -> usize {
    let text = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    text.lines().filter(|line| is_open_on(line, port)).count()
}

/// Waits until a process needs next to no processor time, for at most `bound`, and gives what it has needed by then.
///
/// # Errors
/// When somebody asked for the end.
pub(crate) fn settle(root: u32, bound: Duration) -> anyhow::Result<Duration> {
    /// Below a twentieth of a processor counts as quiet; servers that do nothing still tick.
    const SPAN: Duration = Duration::from_millis(200);
    const QUIET: Duration = Duration::from_millis(10);
    let mut left = bound;
    let mut before = processor_time(root);
    loop {
        wait::let_pass(SPAN)?;
        let cpu = processor_time(root);
        left = left.saturating_sub(SPAN);
        if cpu.saturating_sub(before) <= QUIET || left.is_zero() {
            return Ok(cpu);
        }
        before = cpu;
    }
}

struct Stat {
    state: char,
    parent: u32,
    ticks: u64,
    started: u64,
}

fn stat(id: u32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

/// `proc_pid_stat(5)`: the second field is a name in brackets that may itself hold brackets and spaces.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let ticks = [11, 12, 13, 14].into_iter().map(number).sum::<Option<u64>>()?;
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: u32::try_from(number(1)?).ok()?,
        ticks,
        started: number(19)?,
    })
}

fn proportional_bytes(id: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// A line of `/proc/net/tcp`: number, local address, remote address, state (01 is established, 08 waits for the server to close).
fn is_open_on(line: &str, port: u16) -> bool {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1).and_then(|address| address.rsplit_once(':'));
    let state = fields.nth(1);
    matches!(state, Some("01" | "08"))
        && local.is_some_and(|(_, text)| u16::from_str_radix(text, 16) == Ok(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name_holds() {
        let line = "4711 (odd ) name) S 12 4711 4711 0 -1 4194560 100 200 0 0 30 4 2 1 20 0 5 0 987654 1 2 3";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.state, stat.parent, stat.ticks, stat.started), ('S', 12, 37, 987_654));
        for wrong in ["", "4711 (name", "4711 (name) S", "4711 (name) S x 1"] {
            assert!(parse_stat(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn open_connections_of_the_port_count() {
        let line = |local: &str, state: &str| {
            format!("  1: {local} 0100007F:C350 {state} 00000000:00000000 00:00000000 00000000 0 0 1")
        };
        assert!(is_open_on(&line("0100007F:075B", "01"), 1883));
        assert!(!is_open_on(&line("0100007F:075B", "0A"), 1883));
        assert!(!is_open_on(&line("0100007F:075C", "01"), 1883));
        assert!(!is_open_on("  sl  local_address rem_address   st", 1883));
    }

    #[test]
    fn this_process_is_a_tree_that_needs_memory() {
        let id = std::process::id();
        let tree = tree(id);
        assert!(runs(id, tree[&id]));
        assert!(!runs(id, tree[&id] + 1));
        assert!(memory_bytes(id) > 100_000);
    }
}
