//! What is shown while a run goes on: a screen or lines, and metrics for Prometheus.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::metrics::Server;
use super::screen::{self, About};
use super::tell;
use crate::error::Error;
use crate::truth::{Sample, Tally};

const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// When there is a screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    /// On a terminal, if anything is shown at all.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never: lines instead.
    Off,
}

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    /// Time between two lines; `None` for none.
    pub(crate) progress: Option<Duration>,
    pub(crate) screen: When,
    /// Where metrics are answered.
    pub(crate) prometheus: Option<String>,
}

impl Live {
    /// Starts what others look at. It ends when it is dropped.
    pub(crate) async fn start(&self, tally: &Arc<Tally>) -> Result<Option<Server>, Error> {
        let Some(address) = &self.prometheus else { return Ok(None) };
        let server = Server::start(address, Arc::clone(tally)).await?;
        tell(&format!("metrics are at http://{}/metrics", server.address()));
        Ok(Some(server))
    }

    /// Shows the run until it is dropped.
    pub(crate) async fn show(&self, tally: &Tally, about: &About) -> Infallible {
        let screen = match self.screen {
            When::Auto => self.progress.is_some() && screen::is_possible(),
            When::On => true,
            When::Off => false,
        };
        match self.progress {
            _ if screen => screen::show(tally, about).await,
            Some(every) => progress(tally, every).await,
            None => std::future::pending().await,
        }
    }
}

/// Prints a line every so often, until it is dropped.
async fn progress(tally: &Tally, every: Duration) -> Infallible {
    // Figures change with the second; in between there is no doubt which one they are of.
    let mut ticks = tokio::time::interval_at(Instant::now() + every + HALF_A_SECOND, every);
    let mut before = Sample::default();
    loop {
        ticks.tick().await;
        let now = tally.snapshot().so_far;
        tell(&line(&before, &now));
        before = now;
    }
}

/// How it stands, and what was done since it stood otherwise.
fn line(before: &Sample, now: &Sample) -> String {
    let secs = now.at_secs - before.at_secs;
    let rate = |now: u64, before: u64| {
        if secs > 0.0 { now.saturating_sub(before) as f64 / secs } else { 0.0 }
    };
    format!(
        "connected {}  sent {} ({:.0}/s)  acknowledged {} ({:.0}/s)  outstanding {}  p99 {:.1} ms  \
         connect failures {}  disconnects {}  not sent {}",
        now.connected,
        now.sent,
        rate(now.sent, before.sent),
        now.acknowledged,
        rate(now.acknowledged, before.acknowledged),
        now.sent.saturating_sub(now.acknowledged),
        now.puback_micros.p99 as f64 / 1000.0,
        now.connect_failures,
        now.disconnects,
        now.not_sent,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_it_stands() {
        let before = Sample { at_secs: 1.0, sent: 100, ..Sample::default() };
        let now = Sample { at_secs: 3.0, sent: 300, acknowledged: 290, connected: 7, ..Sample::default() };
        let expected = "connected 7  sent 300 (100/s)  acknowledged 290 (145/s)  outstanding 10  p99 0.0 ms  \
                        connect failures 0  disconnects 0  not sent 0";
        assert_eq!(line(&before, &now), expected);
        assert!(line(&now, &now).contains("sent 300 (0/s)"));
    }
}
