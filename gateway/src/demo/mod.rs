//! `iot-gateway demo`: the whole thing at work on one machine.
//!
//! Three processes, as in real life: the gateway (`serve`, with a settings file that stays behind to look at), the fleet
//! (`device-sim`, real MQTT clients over mutual TLS) and this one, which consumes through the public protocols and shows what
//! arrives. It knows nothing of the gateway's inside.

mod arguments;
mod balance;
mod consumers;
mod display;
mod prepare;
mod process;
mod sequences;
mod tally;

pub(crate) use arguments::Arguments;

use balance::Balance;
use prepare::Prepared;
use process::{Fleet, Supervised};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally::Tally;
use tokio::task::JoinSet;

/// How long the last messages may take to arrive after the fleet has stopped.
const DRAIN: Duration = Duration::from_secs(60);

/// The three places where every reading must arrive.
#[derive(Debug, Clone)]
struct Tallies {
    queue: Arc<Tally>,
    stream: Arc<Tally>,
    function: Arc<Tally>,
}

impl Tallies {
    fn new(run: &str) -> anyhow::Result<Self> {
        Ok(Self {
            queue: Arc::new(Tally::new(run)?),
            stream: Arc::new(Tally::new(run)?),
            function: Arc::new(Tally::new(run)?),
        })
    }

    /// The tallies with the names people know them by.
    fn named(&self) -> [(&'static str, &Arc<Tally>); 3] {
        [("queue", &self.queue), ("stream", &self.stream), ("function", &self.function)]
    }
}

/// Runs the demo until its time is up or Ctrl-C.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let prepared = prepare::prepare(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let balance = runtime.block_on(show(&prepared))?;
    balance.print(prepared.arguments.json)?;
    Ok(if balance.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn show(prepared: &Prepared) -> anyhow::Result<Balance> {
    let mut gateway = Supervised::start(prepared)?;
    gateway.wait_until_ready().await?;
    let tallies = Tallies::new(&prepared.run)?;
    let mut consumers = consume(prepared, &tallies)?;
    let mut fleet = Fleet::start(prepared)?;
    display::introduce(prepared);

    let started = Instant::now();
    let mut display = display::Display::new(prepared);
    let mut tick = tokio::time::interval(display.interval());
    let mut interrupted = Box::pin(interrupted());
    loop {
        tokio::select! {
            _ = tick.tick() => {
                gateway.restart_if_gone()?;
                display.show(&gateway, &fleet.progress(), &tallies);
                if prepared.arguments.seconds.is_some_and(|seconds| started.elapsed().as_secs() >= seconds) {
                    break;
                }
                anyhow::ensure!(!fleet.is_gone()?, "the fleet ended by itself; its log is {}", prepared.fleet_log().display());
            }
            () = &mut interrupted => break,
        }
    }

    display.remark("stopping the fleet and waiting for the last messages");
    let report = fleet.stop(&mut gateway).await?;
    drain(&mut gateway, &report, &tallies).await?;
    display.show(&gateway, &fleet.progress(), &tallies);
    let balance = Balance::strike(prepared, &report, &tallies, gateway.restarts()).await;
    consumers.shutdown().await;
    gateway.stop().await?;
    balance
}

fn consume(prepared: &Prepared, tallies: &Tallies) -> anyhow::Result<JoinSet<()>> {
    let aws = consumers::AwsProtocols::new(&prepared.api_url())?;
    let mut consumers = JoinSet::new();
    for _ in 0..2 {
        consumers.spawn(consumers::queue(aws.clone(), prepare::QUEUE, Arc::clone(&tallies.queue)));
    }
    consumers.spawn(consumers::stream(aws, prepare::STREAM, Arc::clone(&tallies.stream)));
    consumers.spawn(consumers::function(prepared.receipts(), Arc::clone(&tallies.function)));
    Ok(consumers)
}

/// Waits until everything acknowledged has arrived everywhere, or for [`DRAIN`].
async fn drain(
    gateway: &mut Supervised<'_>,
    report: &process::Report,
    tallies: &Tallies,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + DRAIN;
    while Instant::now() < deadline {
        let arrived =
            tallies.named().iter().all(|(_, tally)| tally.moment().delivered >= report.acknowledged);
        if arrived {
            return Ok(());
        }
        gateway.restart_if_gone()?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
