//! All devices of a run: start them, end them, collect what they leave behind.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::AsyncReadExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bridge::Bridge;
use crate::device::Device;
use crate::error::Error;
use crate::load::Outcome;
use crate::report::{self, Account, Summary};
use crate::scenario::Thresholds;
use crate::settings::Settings;
use crate::tally::Tally;
use crate::truth::{Ledger, Timeline};

/// What every device of a run can see.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) tally: Arc<Tally>,
    pub(crate) bridge: Option<Arc<Bridge>>,
    pub(crate) started: Instant,
    pub(crate) started_at_micros: u64,
    /// Cancelled when nothing more is to become due.
    pub(crate) stop: CancellationToken,
}

/// Plays a whole run and compares it with what arrived.
pub(crate) async fn play(mut settings: Settings) -> Result<Summary, Error> {
    raise_open_files_limit();
    let tally = Arc::new(Tally::default());
    let bridge = match settings.tls.take() {
        Some(tls) => {
            let gateway = format!("{}:{}", settings.host, settings.port);
            Some(Bridge::start(gateway, tls, Arc::clone(&tally))?)
        }
        None => None,
    };
    let (bridge, serving) = bridge.unzip();
    let started_at_micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let shared = Arc::new(Shared {
        settings,
        tally,
        bridge,
        started: Instant::now(),
        started_at_micros: u64::try_from(started_at_micros).unwrap_or_default(),
        stop: CancellationToken::new(),
    });
    let outcomes = supervise(&shared).await?;
    if let Some(serving) = serving {
        serving.abort();
    }
    conclude(&shared, &outcomes).await
}

/// Runs all devices to their end while listening for what ends them.
async fn supervise(shared: &Arc<Shared>) -> Result<Vec<Outcome>, Error> {
    let ending = Ending::new(shared)?;
    let mut playing = JoinSet::new();
    for index in 0..shared.settings.names.len() {
        let index = u32::try_from(index).expect("the number of devices came from a `u32`");
        let shared = Arc::clone(shared);
        // The device is made in its task, so that a large fleet's memory grows with its connections.
        playing.spawn(async move {
            let device = Box::pin(Device::new(shared, index).play());
            (index, device.await)
        });
    }
    let all = async {
        let mut outcomes = Vec::with_capacity(playing.len());
        while let Some(ended) = playing.join_next().await {
            outcomes.push(ended.expect("a device's task does not panic and is not cancelled"));
        }
        outcomes
    };
    let progress = async {
        match shared.settings.report.progress {
            Some(every) => report::progress(&shared.tally, every).await,
            None => std::future::pending().await,
        }
    };
    let stop = async {
        ending.reached().await;
        shared.stop.cancel();
        std::future::pending::<()>().await;
    };
    let mut outcomes = tokio::select! {
        outcomes = all => outcomes,
        () = progress => Vec::new(),
        () = stop => Vec::new(),
    };
    outcomes.sort_by_key(|(index, _)| *index);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

/// What ends a run from outside a device.
struct Ending {
    interrupt: Signal,
    terminate: Signal,
    at: Option<Instant>,
    stdin_closed: bool,
}

impl Ending {
    fn new(shared: &Shared) -> Result<Self, Error> {
        let set_up = |source| Error::SetUp { what: "the signal handler", source };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(set_up)?,
            terminate: signal(SignalKind::terminate()).map_err(set_up)?,
            at: shared.settings.end.after.map(|after| shared.started + after),
            stdin_closed: shared.settings.end.stdin_closed,
        })
    }

    async fn reached(mut self) {
        let time = async {
            match self.at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let closed =
            async { if self.stdin_closed { stdin_closed().await } else { std::future::pending().await } };
        tokio::select! {
            () = time => {}
            () = closed => {}
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

async fn conclude(shared: &Shared, outcomes: &[Outcome]) -> Result<Summary, Error> {
    let settings = &shared.settings;
    let took = shared.started.elapsed();
    if let Some(path) = &settings.report.acknowledged_file {
        report::write_acknowledged(path, outcomes)?;
    }
    let (mut ledger, mut read_back_error) = (None, None);
    if let Some(read_back) = &settings.read_back {
        let names = outcomes.iter().map(|outcome| Arc::clone(&outcome.name));
        let books = ledger.insert(Ledger::new(&settings.message.run, names));
        for (outcome, device) in outcomes.iter().zip(0..) {
            books.settle(device, outcome.last_sequence, outcome.acknowledged.clone());
        }
        if settings.report.progress.is_some() {
            report::tell(&format!("reading back {}", read_back.describe()));
        }
        read_back_error = read_back.read(books).await.err();
    }
    Ok(Summary::of(Account {
        run: settings.message.run.clone(),
        scenario: None,
        devices: settings.names.len(),
        seed: settings.plan.seed,
        qos: Some(settings.message.qos as u8),
        took,
        totals: shared.tally.totals(),
        timeline: Timeline::default(),
        unacknowledged: outcomes.iter().map(|outcome| outcome.unacknowledged).sum(),
        ledger,
        read_back_error,
        thresholds: Thresholds::default(),
    }))
}

/// Each device needs up to four file descriptors, and many systems allow 1024 unless asked.
fn raise_open_files_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // If it is refused, the fleet runs into the limit later and says so as a reason for failed connects.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// How long a stopping runtime waits for what still runs in the background.
pub(crate) const SHUTDOWN: Duration = Duration::from_millis(200);
