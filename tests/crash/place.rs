//! Where a schedule runs: a site whose data directory is a small disk of its own, under a clock of its own.

use crate::handler::Notes;
use crate::receiver::Server;
use crate::schedule::{Function, Schedule, Waiting};
use anyhow::Context;
use end_to_end::{Gateway, Site, run_command};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Debian's libfaketime, which shows one process another time.
const CLOCKS: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];
/// Room for the journal and the state of any schedule.
const DISK_BYTES: u64 = 256 << 20;

/// What this machine can't do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Without {
    /// Disks do not run full.
    pub(crate) disk: bool,
    /// Clocks do not jump.
    pub(crate) clock: bool,
}

/// The library that shows another time.
pub(crate) fn clock_library() -> Option<&'static str> {
    CLOCKS.into_iter().find(|path| Path::new(path).is_file())
}

/// A file system in memory, unmounted when it is dropped.
#[derive(Debug)]
struct Disk {
    folder: PathBuf,
}

impl Disk {
    fn mount(folder: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let size = format!("size={DISK_BYTES}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "iot-gateway-crash"]).arg(&folder).stderr(Stdio::piped());
        let output = mount.output().context("`mount` can't be run")?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(Self { folder })
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Takes what room there is, to the last block.
    fn fill(&self) -> anyhow::Result<()> {
        let file = std::fs::File::options().create(true).append(true).open(self.ballast())?;
        let mut block = 1 << 20;
        let mut bytes = file.metadata()?.len();
        while block >= 1 << 12 {
            match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), bytes, block) {
                Ok(()) => bytes += block,
                Err(_) => block /= 2,
            }
        }
        Ok(())
    }

    fn free(&self) -> anyhow::Result<()> {
        match std::fs::remove_file(self.ballast()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A gateway that was killed a moment ago may still have files open.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}

/// Whether a file system can be mounted here.
///
/// # Errors
/// Why it can't.
pub(crate) fn try_disk() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    Disk::mount(folder.path().join("disk")).map(drop)
}

/// Everything a schedule runs in. Gone when it is dropped.
pub(crate) struct Place {
    // Dropped in this order: who uses a disk goes before it.
    pub(crate) gateway: Gateway,
    disk: Option<Disk>,
    pub(crate) servers: Vec<Server>,
    pub(crate) notes: Notes,
    has_clock: bool,
    offset_secs: i64,
    pub(crate) site: Site,
}

impl Place {
    /// Writes settings and rules and starts the gateway.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn new(schedule: &Schedule, without: Without) -> anyhow::Result<Self> {
        let started = schedule.receivers.iter().map(|receiver| Server::start(receiver.poison));
        let servers: Vec<Server> = started.collect::<anyhow::Result<_>>()?;
        // The handlers' folder has to be known before the site is there.
        let site = Site::new("")?;
        let notes = Notes::in_folder(&site.path("handlers"))?;
        let text = std::fs::read_to_string(site.settings_file())?;
        site.write("gateway.toml", &format!("{text}{}", settings(schedule, &servers, &site)?))?;
        rules(schedule, &site)?;
        let disk = if without.disk { None } else { Some(Disk::mount(site.path("data"))?) };
        site.write("clock", "+0")?;
        let library = if without.clock { None } else { clock_library() };
        let environment =
            library.map(|library| faked_clock(library, &site.path("clock"))).unwrap_or_default();
        let gateway = Gateway::start_with(&site, environment)?;
        Ok(Self { gateway, disk, servers, notes, has_clock: library.is_some(), offset_secs: 0, site })
    }

    /// Makes the clock jump.
    pub(crate) fn jump(&mut self, secs: i64) -> anyhow::Result<()> {
        if self.has_clock {
            self.offset_secs += secs;
            self.site.write("clock", &format!("{:+}", self.offset_secs))?;
        }
        Ok(())
    }

    /// Leaves no room on the disk.
    pub(crate) fn fill_disk(&self) -> anyhow::Result<()> {
        self.disk.as_ref().map_or(Ok(()), Disk::fill)
    }

    /// Gives it back.
    pub(crate) fn free_disk(&self) -> anyhow::Result<()> {
        self.disk.as_ref().map_or(Ok(()), Disk::free)
    }

    /// Runs a command of the gateway against it, and gives the JSON it printed.
    pub(crate) fn ask(&self, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
        let settings = self.site.settings_file().display().to_string();
        let arguments: Vec<&str> =
            [&arguments[..1], &["--config", &settings], &arguments[1..], &["--json"]].concat();
        Ok(serde_json::from_str(&run_command(&arguments)?)?)
    }
}

fn faked_clock(library: &str, file: &Path) -> Vec<(String, String)> {
    let file = file.display().to_string();
    // The monotonic clock goes on as it is, and files keep the times they have: what jumps is the time of day.
    let pairs = [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", &file),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ];
    pairs.map(|(name, value)| (name.to_string(), value.to_string())).to_vec()
}

fn settings(schedule: &Schedule, servers: &[Server], site: &Site) -> anyhow::Result<String> {
    let limits = &schedule.limits;
    let mut text = String::new();
    writeln!(text, "[mqtt]\npayload_bytes_max = 4096")?;
    let (segment, disk) = (limits.segment_bytes, limits.disk_bytes_max);
    writeln!(text, "[journal]\nsegment_bytes = {segment}\ndisk_bytes_max = {disk}")?;
    let (attempts, age) = (limits.attempts_max, limits.age_secs_max);
    writeln!(text, "[delivery]\nattempts_max = {attempts}\nage_secs_max = {age}")?;
    writeln!(text, "backoff_first_ms = 20\nbackoff_max_ms = 200")?; // A message that somebody took and did not delete is there again soon.
    for name in ["every", "errors"] {
        writeln!(text, "[[queue]]\nname = \"{name}\"\nvisibility_timeout_secs = 1")?;
    }
    if let Some(shards) = schedule.stream_shards {
        writeln!(text, "[[stream]]\nname = \"s\"\nshards = {shards}")?;
    }
    for (number, (receiver, server)) in schedule.receivers.iter().zip(servers).enumerate() {
        let (address, timeout) = (server.address, receiver.timeout_ms);
        writeln!(
            text,
            "[[http]]\nname = \"h{number}\"\nurl = \"http://{address}/\"\ntimeout_ms = {timeout}"
        )?;
        writeln!(text, "concurrency = {}\n{}", receiver.concurrency, waiting(receiver.waiting))?;
    }
    if let Some(function) = &schedule.function {
        writeln!(text, "{}", function_settings(function, site)?)?;
    }
    Ok(text)
}

fn waiting(waiting: Waiting) -> String {
    let Waiting { overflow, events_max } = waiting;
    format!("delivery = {{ overflow = \"{}\", waiting_events_max = {events_max} }}", overflow.name())
}

fn function_settings(function: &Function, site: &Site) -> anyhow::Result<String> {
    let program = std::env::current_exe()?;
    let poison = function.poison.map(|poison| format!(", \"--poison\", \"{poison}\"")).unwrap_or_default();
    let Function { batch_size, concurrency, waiting: may_wait, .. } = function;
    Ok(format!(
        "[[function]]\nname = \"f\"\ncommand = [\"{}\", \"handle\", \"{}\"{poison}]\nbatch_size = {batch_size}\n\
         concurrency = {concurrency}\ntimeout_secs = 2\n{}",
        program.display(),
        site.path("handlers").display(),
        waiting(*may_wait),
    ))
}

/// One rule for each target, so that each has books of its own.
fn rules(schedule: &Schedule, site: &Site) -> anyhow::Result<()> {
    let error_action = if schedule.error_action { "\n[error_action]\nqueue = \"errors\"" } else { "" };
    let rule = |name: &str, action: &str| {
        site.write_rule(name, "SELECT * FROM 'crash/#'", &format!("{action}{error_action}"))
    };
    rule("every", "queue = \"every\"")?;
    if schedule.stream_shards.is_some() {
        let key = "partition_key = \"${publisher}-${key}\"";
        rule("s", &format!("stream = {{ name = \"s\", {key} }}\nformat = \"cloudevents\""))?;
    }
    for number in 0..schedule.receivers.len() {
        rule(&format!("h{number}"), &format!("http = \"h{number}\""))?;
    }
    if schedule.function.is_some() {
        rule("f", "function = \"f\"")?;
    }
    Ok(())
}
