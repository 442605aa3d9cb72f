//! The thread that folds: it takes one request after the other, and between them lets time pass.
//!
//! Everything in a [`Fold`] blocks on the disk, so it has a thread of its own, and no lock is needed.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use bus::Outcome;
use journal::Clock;
use parking_lot::Mutex;
use rules::definition::Definition;
use tokio::sync::oneshot;

use crate::fold::Fold;
use crate::row::{Row, RowError};

/// Requests that may wait: a batch of rows, those whose caller went away, and changes of the rules.
const REQUESTS_MAX: usize = 16;

/// Longest sleep while there are windows, so that a clock that jumps is noticed, and a statement that is finished.
const SLEEP_MAX: Duration = if cfg!(test) { SLEEP_MIN } else { Duration::from_secs(1) };

/// Shortest sleep, when something is due that can't be done just now.
const SLEEP_MIN: Duration = Duration::from_millis(if cfg!(test) { 2 } else { 20 });

/// What the thread is asked.
pub(crate) enum Request {
    /// Fold rows.
    Fold { rows: Vec<Result<Row, RowError>>, outcomes: oneshot::Sender<Vec<Outcome>> },
    /// These definitions are in force now. Says whether that is written.
    InForce { definitions: Vec<Arc<Definition>>, noted: SyncSender<bool> },
    /// End.
    End,
}

/// The way to the thread. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Requests(SyncSender<Request>);

impl Requests {
    /// Hands over a request; false when the thread has ended or too many wait.
    pub(crate) fn try_send(&self, request: Request) -> bool {
        match self.0.try_send(request) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// Hands over a request, and waits for room. Blocks. False when the thread has ended.
    pub(crate) fn send(&self, request: Request) -> bool {
        self.0.send(request).is_ok()
    }
}

/// The thread itself.
pub(crate) struct Folder {
    requests: Requests,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Folder {
    pub(crate) fn start(fold: Fold, clock: Clock) -> std::io::Result<Self> {
        let (requests, received) = sync_channel(REQUESTS_MAX);
        let builder = std::thread::Builder::new().name("windows".to_owned());
        let thread = builder.spawn(move || run(fold, &clock, &received))?;
        Ok(Self { requests: Requests(requests), thread: Mutex::new(Some(thread)) })
    }

    pub(crate) fn requests(&self) -> Requests {
        self.requests.clone()
    }

    /// Ends the thread once it has done what it was asked. Blocks.
    pub(crate) fn end(&self) {
        let Some(thread) = self.thread.lock().take() else { return };
        self.requests.send(Request::End);
        if thread.join().is_err() {
            tracing::error!("the thread of the windows ended unexpectedly");
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.end();
    }
}

fn run(mut fold: Fold, clock: &Clock, requests: &Receiver<Request>) {
    loop {
        let request = match sleep(&fold, clock) {
            None => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(sleep) => requests.recv_timeout(sleep),
        };
        match request {
            Ok(Request::Fold { rows, outcomes }) => {
                // Who does not wait any more asks again, and is told that they are folded.
                let _ = outcomes.send(fold.fold(&rows, clock.now_ms()));
            }
            Ok(Request::InForce { definitions, noted }) => {
                let is_written = fold.in_force(&definitions, clock.now_ms()).is_ok();
                let _ = noted.send(is_written);
            }
            Ok(Request::End) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        // What is not written is tried again, after the sleep or with the next rows.
        let _ = fold.tick(clock.now_ms());
    }
}

/// How long nothing is due; none when nothing will be.
fn sleep(fold: &Fold, clock: &Clock) -> Option<Duration> {
    if fold.is_idle() {
        return None;
    }
    let due = fold.next_due_ms().map(|at| Duration::from_millis(at.saturating_sub(clock.now_ms())));
    Some(due.unwrap_or(SLEEP_MAX).clamp(SLEEP_MIN, SLEEP_MAX))
}
