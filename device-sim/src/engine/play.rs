//! All devices of a run: starts them, ends them, collects what they leave behind.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, sleep_until};

use super::clock::Clock;
use super::device::{Device, Outcome};
use super::faults::Calendar;
use super::hooks;
use super::reach::Reach;
use super::role::{Role, Run, micros};
use super::worker::{Shared, Worker};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::scenario::{Fleet, Scenario};
use crate::truth::{MarkKind, Tally};

/// How often it is looked whether anybody still has something to send.
const LOOK: Duration = Duration::from_millis(20);
/// How often a sample of what was counted is taken.
const SAMPLE: Duration = Duration::from_secs(1);

/// What ends a run beside its own end. A signal always does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ending {
    /// Standard input is closed.
    pub(crate) stdin_closed: bool,
}

/// A run that was played.
pub(crate) struct Played {
    /// In the order of the devices.
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) took: Duration,
}

/// Threads for the devices of a scenario: as many as this process may use, if there is work for them.
pub(crate) fn workers(scenario: &Scenario) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.min(usize::try_from(scenario.devices()).unwrap_or(usize::MAX)).max(1)
}

/// Plays a scenario. `names` has the client id of each device, counted through all fleets; the tally has a shard for
/// each of the workers.
pub(crate) async fn play(
    scenario: &Scenario,
    run: &str,
    names: &[Arc<str>],
    credentials: Option<Credentials>,
    tally: &Arc<Tally>,
    ending: Ending,
) -> Result<Played, Error> {
    raise_open_files_limit();
    let reach = tokio::task::block_in_place(|| Reach::prepare(scenario, credentials))?;
    let interrupted = Interrupted::new()?;
    let shared = Arc::new(Shared {
        clock: Clock::start(),
        tally: Arc::clone(tally),
        reach,
        stop: AtomicBool::new(false),
        senders: AtomicUsize::new(0),
    });
    let started = Instant::now();
    let mut parts = divide(&roles(scenario, run)?, names, workers(scenario));
    let senders = parts.iter().flatten().filter(|device| device.is_sender()).count();
    shared.senders.store(senders, Ordering::Relaxed);
    let mut playing = Vec::new();
    for (number, devices) in parts.drain(..).enumerate() {
        let worker = Worker::new(Arc::clone(&shared), number, devices, Calendar::new(&scenario.faults))
            .map_err(set_up("a thread for devices"))?;
        playing.push(spawn(number, worker)?);
    }
    let ended = async {
        tokio::select! {
            () = time_is_over(scenario.end()) => {}
            () = interrupted.reached() => {}
            () = stdin_closed(), if ending.stdin_closed => {}
            () = nobody_sends(&shared), if senders > 0 => {}
        }
        tally.mark(Duration::from_micros(shared.clock.now()), MarkKind::End, "end");
        shared.stop.store(true, Ordering::Relaxed);
        std::future::pending::<()>().await;
    };
    let all = async {
        let mut outcomes = Vec::with_capacity(names.len());
        for worker in playing {
            outcomes.extend(
                worker.await.expect("a worker sends its outcomes").map_err(set_up("a worker's poll"))?,
            );
        }
        Ok::<_, Error>(outcomes)
    };
    let outcomes = tokio::select! {
        outcomes = all => outcomes?,
        () = ended => Vec::new(),
        () = sample(&shared) => Vec::new(),
        () = mark_stages(scenario, started, tally) => Vec::new(),
        () = mark_faults(scenario, started, tally) => Vec::new(),
        () = hooks::run(scenario, started, tally) => Vec::new(),
    };
    let took = Duration::from_micros(shared.clock.now());
    tally.sample_last(took);
    Ok(Played { outcomes: in_order(outcomes), took })
}

/// The fleets of a scenario as their devices see them.
fn roles(scenario: &Scenario, name: &str) -> Result<Vec<Arc<Role>>, Error> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let run = Arc::new(Run::new(scenario, name, micros(started)));
    let role = |(number, fleet): (usize, &Arc<Fleet>)| {
        let password = fleet.password_environment.as_ref();
        let password = password
            .map(|variable| std::env::var(variable).map_err(|_| Error::Password(variable.clone())))
            .transpose()?;
        Ok(Arc::new(Role::new(Arc::clone(&run), number, Arc::clone(fleet), password)))
    };
    scenario.fleets.iter().enumerate().map(role).collect()
}

/// Gives each worker every so manyth device, so that all of them grow together while devices connect.
fn divide(roles: &[Arc<Role>], names: &[Arc<str>], workers: usize) -> Vec<Vec<Device>> {
    let mut parts: Vec<Vec<Device>> = (0..workers).map(|_| Vec::new()).collect();
    let devices = roles.iter().flat_map(|role| (0..role.fleet.devices).map(move |place| (role, place)));
    for (index, ((role, place), name)) in devices.zip(names).enumerate() {
        parts[index % workers].push(Device::new(Arc::clone(role), place, Arc::clone(name)));
    }
    parts
}

/// Puts outcomes, which come worker by worker, into the order of the devices.
fn in_order(mut outcomes: Vec<Outcome>) -> Vec<Outcome> {
    outcomes.sort_by_key(|outcome| outcome.index);
    outcomes
}

type Playing = tokio::sync::oneshot::Receiver<io::Result<Vec<Outcome>>>;

fn spawn(number: usize, worker: Worker) -> Result<Playing, Error> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name(format!("devices-{number}"))
        .spawn(move || drop(sender.send(worker.run())))
        .map_err(set_up("a thread for devices"))?;
    Ok(receiver)
}

fn set_up(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::SetUp { what, source }
}

async fn time_is_over(end: Option<Duration>) {
    match end {
        Some(end) => tokio::time::sleep(end).await,
        None => std::future::pending().await,
    }
}

/// Waits until all messages that were to be sent are, and what can be known about them is known.
async fn nobody_sends(shared: &Shared) {
    while shared.senders.load(Ordering::Relaxed) > 0 {
        tokio::time::sleep(LOOK).await;
    }
}

/// Samples what was counted, until it is dropped.
async fn sample(shared: &Shared) {
    let mut ticks = tokio::time::interval_at(Instant::now() + SAMPLE, SAMPLE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        shared.tally.sample(Duration::from_micros(shared.clock.now()));
    }
}

/// Marks the beginning of each stage; never ends.
async fn mark_stages(scenario: &Scenario, started: Instant, tally: &Tally) {
    for (at, stage) in scenario.stages.begins() {
        sleep_until(started + at).await;
        tally.mark(at, MarkKind::Stage, stage.kind.name());
    }
    std::future::pending::<()>().await;
}

/// Marks the begin and the end of each fault; never ends.
async fn mark_faults(scenario: &Scenario, started: Instant, tally: &Tally) {
    let mut calendar = Calendar::new(&scenario.faults);
    while let Some(at) = calendar.next_at() {
        sleep_until(started + Duration::from_micros(at)).await;
        while let Some(turning) = calendar.due(at) {
            let (lasts, name) = (!turning.fault.lasts.is_zero(), turning.fault.kind.name());
            let kind = if turning.begins { MarkKind::Fault } else { MarkKind::FaultEnd };
            if turning.begins || lasts {
                tally.mark(Duration::from_micros(at), kind, name);
            }
        }
    }
    std::future::pending::<()>().await;
}

/// The signals that end a run.
struct Interrupted {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Interrupted {
    fn new() -> Result<Self, Error> {
        let listen = |kind| signal(kind).map_err(set_up("the signal handler"));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn reached(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

async fn stdin_closed() {
    let mut input = tokio::io::stdin();
    let mut ignored = [0; 256];
    while matches!(input.read(&mut ignored).await, Ok(1..)) {}
}

/// Each device needs a file descriptor, and many systems allow 1024 unless asked.
fn raise_open_files_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // If it is refused, the fleet runs into the limit later and says so as a reason for failed connects.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
