//! A target that nobody reaches for an hour's worth of traffic, scaled down: what comes in goes on, memory stays flat, the journal keeps to its budget,
//! the other targets do not notice, and afterwards the backlog drains faster than it grew, in order.
//!
//! `UNREACHABLE_MESSAGES` (300,000) pass while the target is down, `UNREACHABLE_PER_SECOND` (1,500) of them; with an optimised gateway that
//! takes about five minutes:
//! `cargo nextest run --profile full -p end-to-end -E 'test(unreachable)' --no-capture`.

use anyhow::{Context, ensure};
use end_to_end::{
    Gateway, Metrics, Pace, Percentiles, Read, Site, follow, latest, publish_paced, run_command, wait,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read as _, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const DEVICES: u64 = 16;
const PAYLOAD_BYTES: usize = 200;
/// What the journal may take on disk, of each message that passes: its record with four routes, and room for the segments' ends.
const DISK_BYTES_EACH: u64 = 1_500;
const DISK_BYTES_LEAST: u64 = 128 << 20;
/// How long after the last message was due its record may be missing.
const GIVEN_UP: Duration = Duration::from_secs(120);
/// How much more memory the gateway may need at the end of the outage than when a tenth of it had passed.
const GROWTH_BYTES_MAX: f64 = 64e6;
/// The other targets may be so much slower at p99 than before, and so much in any case: other tests' processes may share the machine.
const SLOWER_MAX: u64 = 10;
const SLOWER_MICROS: u64 = 250_000;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A server behind an HTTP target. What it takes is noted by publisher, in order.
#[derive(Default)]
struct Taken {
    by_publisher: Mutex<BTreeMap<String, Vec<Read>>>,
    count: AtomicU64,
}

impl Taken {
    fn listen(self: &Arc<Self>, listener: TcpListener, epoch: Instant) {
        let taken = Arc::clone(self);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let taken = Arc::clone(&taken);
                std::thread::spawn(move || while taken.answer(&stream, epoch).is_ok() {});
            }
        });
    }

    fn answer(&self, mut stream: &TcpStream, epoch: Instant) -> anyhow::Result<()> {
        let mut reader = BufReader::new(stream);
        let (mut length, mut line) = (0, String::new());
        while line != "\r\n" {
            line.clear();
            ensure!(reader.read_line(&mut line)? > 0, "closed");
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let now = epoch.elapsed().as_micros() as u64;
        let data: Value = serde_json::from_slice(&body)?;
        let publisher = data["publisher"].as_str().context("publisher")?.to_string();
        let due = data["due_micros"].as_u64().context("due")?;
        let read =
            Read { number: data["number"].as_u64().context("number")?, took_micros: now.saturating_sub(due) };
        self.by_publisher
            .lock()
            .expect("nobody panics while noting")
            .entry(publisher)
            .or_default()
            .push(read);
        self.count.fetch_add(1, SeqCst);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
        Ok(())
    }

    /// Every message of every device, in order; repeats are possible.
    fn check(&self, each: u64) -> anyhow::Result<()> {
        let taken = self.by_publisher.lock().expect("nobody panics while noting");
        ensure!(taken.len() as u64 == DEVICES, "{} publishers", taken.len());
        for (publisher, reads) in taken.iter() {
            let mut next = 0;
            for read in reads {
                ensure!(read.number <= next, "{publisher}: #{} came before #{next}", read.number);
                next = next.max(read.number + 1);
            }
            ensure!(next == each, "{publisher}: {next} of {each}");
        }
        Ok(())
    }

    fn all(&self) -> Vec<Read> {
        self.by_publisher.lock().expect("nobody panics while noting").values().flatten().copied().collect()
    }
}

/// A port where nobody listens, but which can be listened on later.
fn nobody() -> anyhow::Result<SocketAddr> {
    end_to_end::free_port()
}

fn site(near: SocketAddr, gone: SocketAddr, disk_bytes_max: u64) -> anyhow::Result<Site> {
    let http = |name: &str, address: SocketAddr| {
        format!("[[http]]\nname = \"{name}\"\nurl = \"http://{address}/\"\nconcurrency = 16\n")
    };
    let site = Site::new(&format!(
        "[log]\nlevel = \"warn\"\nformat = \"json\"\n\
         [journal]\nsegment_bytes = 8388608\ndisk_bytes_max = {disk_bytes_max}\n\
         [delivery]\nbackoff_max_ms = 500\nattempts_max = 100000\n\
         [[stream]]\nname = \"telemetry\"\nshards = 1\n{}{}",
        http("near", near),
        http("gone", gone)
    ))?;
    for (rule, action) in [
        ("stream", "stream = { name = \"telemetry\", partition_key = \"${publisher}\" }"),
        ("near", "http = \"near\""),
        ("gone", "http = \"gone\""),
    ] {
        site.write_rule(rule, "SELECT * FROM 'plant/+/telemetry'", action)?;
    }
    Ok(site)
}

/// What was seen of the gateway while the target was down.
#[derive(Default)]
struct Watch {
    samples: Vec<(Duration, f64, f64)>,
}

impl Watch {
    fn sample(&mut self, at: Duration, metrics: &Metrics) {
        let resident = metrics.sum("process_resident_memory_bytes", "");
        self.samples.push((at, resident, metrics.sum("iot_gateway_journal_disk_bytes", "")));
    }

    /// The most memory between two moments.
    fn resident(&self, from: Duration, to: Duration) -> f64 {
        let within = self.samples.iter().filter(|(at, ..)| (from..=to).contains(at));
        within.map(|(_, resident, _)| *resident).fold(0.0, f64::max)
    }

    fn disk(&self) -> f64 {
        self.samples.iter().map(|(.., disk)| *disk).fold(0.0, f64::max)
    }
}

/// The phases of the run, as numbers of messages of one device.
struct Phases {
    /// The target is there up to here.
    before: u64,
    /// And there again from here on.
    during: u64,
    all: u64,
}

impl Phases {
    fn percentiles(&self, reads: &[Read]) -> [Percentiles; 3] {
        let of = |from: u64, to: u64| {
            let within = reads.iter().filter(|read| (from..to).contains(&read.number));
            Percentiles::of(within.map(|read| read.took_micros).collect())
        };
        // The first tenth of the time before is when everything begins.
        [of(self.before / 10, self.before), of(self.before, self.during), of(self.during, self.all)]
    }
}

fn tell(name: &str, [before, during, after]: [Percentiles; 3]) {
    eprintln!("{name}: before {before}\n{name}: during {during}\n{name}: after  {after}");
    for (phase, found) in [("during", during), ("after", after)] {
        let allowed = before.p99 * SLOWER_MAX + SLOWER_MICROS;
        assert!(found.p99 <= allowed, "{name} {phase}: p99 {} µs, allowed {allowed} µs", found.p99);
    }
}

#[test]
fn an_unreachable_target_is_nobody_elses_trouble() -> anyhow::Result<()> {
    let (messages, per_second) =
        (number("UNREACHABLE_MESSAGES", 300_000), number("UNREACHABLE_PER_SECOND", 1_500));
    let during = messages / DEVICES;
    let phases = Phases { before: during / 5, during: during / 5 + during, all: during / 5 * 2 + during };
    let disk_bytes_max = DISK_BYTES_LEAST.max(phases.all * DEVICES * DISK_BYTES_EACH);
    let near_listener = TcpListener::bind("127.0.0.1:0")?;
    let (gone_address, epoch) = (nobody()?, Instant::now());
    let site = site(near_listener.local_addr()?, gone_address, disk_bytes_max)?;
    let (near, gone) = (Arc::new(Taken::default()), Arc::new(Taken::default()));
    near.listen(near_listener, epoch);
    let gateway = Gateway::start(&site)?;
    let place = latest(&gateway.consumer, "telemetry", "shardId-000000000000")?;
    let interval = Duration::from_secs_f64(DEVICES as f64 / per_second as f64);
    let begins = epoch.elapsed() + Duration::from_millis(500);
    let moment = |message: u64| begins + interval.mul_f64(message as f64);
    let failed = AtomicBool::new(false);
    let mut watch = Watch::default();
    let reads = std::thread::scope(|scope| -> anyhow::Result<Vec<Read>> {
        let consumer = gateway.consumer.clone();
        let (failed, address) = (&failed, site.plain_address);
        let total = phases.all * DEVICES;
        let given_up = moment(phases.all) + GIVEN_UP;
        let reader = scope.spawn(move || {
            follow(&consumer, place, epoch, |all| {
                all.len() as u64 >= total || failed.load(SeqCst) || epoch.elapsed() > given_up
            })
        });
        let devices: Vec<_> = (0..DEVICES)
            .map(|device| {
                let client_id = format!("device{device}");
                let topic = format!("plant/{client_id}/telemetry");
                let begins = begins + interval.mul_f64(device as f64 / DEVICES as f64);
                let (first, messages, payload_bytes) = (0, phases.all, PAYLOAD_BYTES);
                let pace = Pace { client_id, topic, epoch, begins, interval, first, messages, payload_bytes };
                scope.spawn(move || publish_paced(address, &pace).inspect_err(|_| failed.store(true, SeqCst)))
            })
            .collect();
        let watched = under_way(&gateway, gone_address, &gone, epoch, &phases, &moment, &mut watch);
        // Nobody waits for what does not come.
        failed.fetch_or(watched.is_err(), SeqCst);
        let reads = reader.join().expect("the reader does not panic");
        for device in devices {
            device.join().expect("a device does not panic")?;
        }
        watched.and(reads)
    })?;
    ensure!(reads.len() as u64 == phases.all * DEVICES, "{} of the records were read", reads.len());
    wait::for_true("the last of the backlog", Duration::from_secs(120), || {
        gone.count.load(SeqCst) >= phases.all * DEVICES && near.count.load(SeqCst) >= phases.all * DEVICES
    })?;
    near.check(phases.all).context("near")?;
    gone.check(phases.all).context("gone")?;
    let (early, late) = (moment(phases.before + during / 10), moment(phases.before + during / 4));
    let (beginning, rest) = (watch.resident(early, late), watch.resident(late, moment(phases.during)));
    eprintln!(
        "memory: {:.0} MB early in the outage, at most {:.0} MB later; journal: {:.0} MB on disk at most, {:.0} MB allowed",
        beginning / 1e6,
        rest / 1e6,
        watch.disk() / 1e6,
        disk_bytes_max as f64 / 1e6
    );
    assert!(rest <= beginning + GROWTH_BYTES_MAX, "memory grew with the backlog");
    assert!(watch.disk() <= disk_bytes_max as f64, "the journal went beyond its budget");
    tell("stream", phases.percentiles(&reads));
    tell("near", phases.percentiles(&near.all()));
    let settings = site.settings_file().display().to_string();
    wait::for_true("books that balance and agree with the journal", wait::SOON, || {
        run_command(&["ledger", "--audit", "--config", &settings]).is_ok()
    })?;
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    Ok(())
}

/// Takes samples while the target is down (from the beginning, to have its backlog grow from nothing), then lets it come and sees the backlog drain.
fn under_way(
    gateway: &Gateway,
    gone_address: SocketAddr,
    gone: &Arc<Taken>,
    epoch: Instant,
    phases: &Phases,
    moment: &dyn Fn(u64) -> Duration,
    watch: &mut Watch,
) -> anyhow::Result<()> {
    // Before: the target is there.
    let listener = Arc::new(Switch::new(gone_address)?);
    listener.serve(gone, epoch);
    let mut down_since = None;
    let sampled = |watch: &mut Watch| -> anyhow::Result<f64> {
        let metrics = gateway.consumer.metrics()?;
        watch.sample(epoch.elapsed(), &metrics);
        Ok(metrics.sum("iot_gateway_events_waiting", "target=\"http/gone\""))
    };
    while epoch.elapsed() < moment(phases.during) {
        if epoch.elapsed() >= moment(phases.before) && down_since.is_none() {
            listener.is_down.store(true, SeqCst);
            down_since = Some(epoch.elapsed());
        }
        sampled(watch)?;
        wait::let_pass(Duration::from_millis(250));
    }
    let grown_for = epoch.elapsed() - down_since.context("the target was never down")?;
    let backlog = sampled(watch)?;
    let due = ((phases.during - phases.before) * DEVICES) as f64;
    ensure!(backlog > due * 0.9, "{backlog} wait of {due}: what comes in was held up");
    listener.is_down.store(false, SeqCst);
    let begun = Instant::now();
    wait::for_true("the backlog to drain", grown_for.max(Duration::from_secs(30)), || {
        wait::let_pass(Duration::from_millis(50));
        // What came in a moment ago always waits.
        sampled(watch).is_ok_and(|waiting| waiting < backlog / 100.0)
    })?;
    let (grew, drained) = (backlog / grown_for.as_secs_f64(), backlog * 0.99 / begun.elapsed().as_secs_f64());
    eprintln!(
        "backlog: {backlog:.0} events, grew by {grew:.0}/s, drained by {drained:.0}/s while as many came in as before"
    );
    ensure!(drained > grew, "the backlog drained slower than it grew: {drained:.0}/s, {grew:.0}/s");
    Ok(())
}

/// A server that can be there and not there, on one port.
struct Switch {
    address: SocketAddr,
    is_down: Arc<AtomicBool>,
    open: Mutex<Vec<TcpStream>>,
}

impl Switch {
    fn new(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self { address, is_down: Arc::default(), open: Mutex::default() })
    }

    /// Listens, or does not. It ends with the test's process.
    fn serve(self: &Arc<Self>, taken: &Arc<Taken>, epoch: Instant) {
        let (switch, taken) = (Arc::clone(self), Arc::clone(taken));
        std::thread::spawn(move || {
            loop {
                if switch.is_down.load(SeqCst) {
                    wait::let_pass(Duration::from_millis(5));
                    continue;
                }
                if let Ok(listener) = TcpListener::bind(switch.address) {
                    switch.accept(&listener, &taken, epoch);
                }
            }
        });
    }

    fn accept(&self, listener: &TcpListener, taken: &Arc<Taken>, epoch: Instant) {
        if listener.set_nonblocking(true).is_err() {
            return;
        }
        while !self.is_down.load(SeqCst) {
            let Ok((stream, _)) = listener.accept() else {
                wait::let_pass(Duration::from_millis(2));
                continue;
            };
            let is_ready = stream.set_nonblocking(false).and_then(|()| stream.set_nodelay(true));
            let Some(kept) = is_ready.and_then(|()| stream.try_clone()).ok() else { continue };
            self.open.lock().expect("nobody panics with a connection").push(kept);
            let taken = Arc::clone(taken);
            std::thread::spawn(move || while taken.answer(&stream, epoch).is_ok() {});
        }
        for stream in self.open.lock().expect("nobody panics with a connection").drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}
