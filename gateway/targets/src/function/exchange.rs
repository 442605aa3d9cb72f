//! The Runtime API of one instance as a state machine: one event at a time goes out, its answer comes back.
//!
//! It knows no sockets and no processes, and does not watch the time; a call that nobody answers is given up by whoever
//! waits for it.

use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};

use super::error::HandlerError;

/// One event on its way to the program.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    /// How long the program has, counted from when it takes the event.
    pub(super) timeout: Duration,
    /// An X-Ray trace header.
    pub(super) trace: String,
    /// JSON in ASCII.
    pub(super) client_context: Option<String>,
}

/// What the program made of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done(Bytes),
    Failed {
        error: HandlerError,
        payload: Bytes,
    },
    /// It can't serve at all.
    CannotInitialise(HandlerError),
    TooLarge,
    /// It asked for the next event instead.
    NotAnswered,
}

/// The program did what the Runtime API does not allow at this moment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    #[error("no call with this request id is running")]
    UnknownRequest,
    #[error("the call before has not been answered")]
    NotAnswered,
    #[error("the program has asked for events already, so it can't fail to initialise any more")]
    InitialisedAlready,
}

/// The two moments that the caller of the function waits for.
#[derive(Debug)]
pub(super) struct Ticket {
    /// Resolves when the program takes the event.
    pub(super) taken: oneshot::Receiver<()>,
    pub(super) answer: oneshot::Receiver<Answer>,
}

struct Offer {
    work: Work,
    taken: oneshot::Sender<()>,
    answer: oneshot::Sender<Answer>,
}

struct Running {
    request_id: String,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct State {
    last_taken: Option<String>,
    offer: Option<Offer>,
    running: Option<Running>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Exchange {
    initialised: watch::Sender<bool>,
    state: Mutex<State>,
    offered: Notify,
}

impl Exchange {
    /// Offers an event. A former one that nobody waits for any more is forgotten.
    pub(super) fn offer(&self, work: Work) -> Ticket {
        let (taken, when_taken) = oneshot::channel();
        let (answer, when_answered) = oneshot::channel();
        self.state.lock().offer = Some(Offer { work, taken, answer });
        self.offered.notify_one();
        Ticket { taken: when_taken, answer: when_answered }
    }

    /// Waits for an event and takes it: `GET …/invocation/next`.
    pub(super) async fn next(&self) -> Result<Work, Violation> {
        loop {
            let offered = self.offered.notified();
            if let Some(work) = self.take()? {
                return Ok(work);
            }
            offered.await;
        }
    }

    fn take(&self) -> Result<Option<Work>, Violation> {
        self.initialised.send_if_modified(|is| !std::mem::replace(is, true));
        let mut state = self.state.lock();
        if let Some(running) = state.running.take() {
            // Nobody may wait any more, which is all the same.
            let _ = running.answer.send(Answer::NotAnswered);
            return Err(Violation::NotAnswered);
        }
        let Some(Offer { work, taken, answer }) = state.offer.take() else { return Ok(None) };
        state.last_taken = Some(work.request_id.clone());
        state.running = Some(Running { request_id: work.request_id.clone(), answer });
        let _ = taken.send(());
        Ok(Some(work))
    }

    /// Hands the answer of the call `request_id` to whoever waits for it.
    pub(super) fn answer(&self, request_id: &str, answer: Answer) -> Result<(), Violation> {
        let mut state = self.state.lock();
        let running = state.running.take_if(|running| running.request_id == request_id);
        let running = running.ok_or(Violation::UnknownRequest)?;
        let _ = running.answer.send(answer);
        Ok(())
    }

    /// The program can't serve: `POST …/init/error`.
    pub(super) fn cannot_initialise(&self, error: HandlerError) -> Result<(), Violation> {
        let mut state = self.state.lock();
        if *self.initialised.borrow() {
            return Err(Violation::InitialisedAlready);
        }
        if let Some(offer) = state.offer.take() {
            let _ = offer.answer.send(Answer::CannotInitialise(error));
        }
        Ok(())
    }

    /// True while the call `request_id` waits for its answer.
    pub(super) fn is_running(&self, request_id: &str) -> bool {
        self.state.lock().running.as_ref().is_some_and(|running| running.request_id == request_id)
    }

    /// The call that the program took last, for the log: what it printed before it answered is often read after that.
    pub(super) fn last_taken(&self) -> Option<String> {
        self.state.lock().last_taken.clone()
    }

    /// Waits until the program has asked for an event for the first time.
    pub(super) async fn initialised(&self) {
        let mut initialised = self.initialised.subscribe();
        // Fails only when the exchange is gone, and it is borrowed here.
        let _ = initialised.wait_for(|is| *is).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(request_id: &str) -> Work {
        Work {
            request_id: request_id.to_owned(),
            payload: Bytes::from_static(b"{}"),
            timeout: Duration::from_secs(3),
            trace: String::new(),
            client_context: None,
        }
    }

    fn error() -> HandlerError {
        HandlerError { error_type: "E".to_owned(), message: "m".to_owned() }
    }

    #[tokio::test]
    async fn an_event_is_taken_once_and_answered_once() {
        let exchange = Exchange::default();
        let mut ticket = exchange.offer(work("a"));
        assert!(ticket.taken.try_recv().is_err());
        assert_eq!(exchange.next().await.unwrap().request_id, "a");
        assert!(ticket.taken.try_recv().is_ok());
        assert_eq!(exchange.last_taken().as_deref(), Some("a"));

        assert_eq!(exchange.answer("b", Answer::TooLarge), Err(Violation::UnknownRequest));
        assert_eq!(exchange.answer("a", Answer::Done(Bytes::new())), Ok(()));
        assert_eq!(ticket.answer.await.unwrap(), Answer::Done(Bytes::new()));
        assert_eq!(exchange.answer("a", Answer::TooLarge), Err(Violation::UnknownRequest));
    }

    #[tokio::test]
    async fn whoever_asks_for_the_next_event_first_gets_it_when_it_comes() {
        let exchange = Exchange::default();
        let (taken, _ticket) = tokio::join!(exchange.next(), async { exchange.offer(work("a")) });
        assert_eq!(taken.unwrap().request_id, "a");
    }

    #[tokio::test]
    async fn asking_again_without_an_answer_fails_the_call() {
        let exchange = Exchange::default();
        let ticket = exchange.offer(work("a"));
        exchange.next().await.unwrap();
        assert_eq!(exchange.next().await.unwrap_err(), Violation::NotAnswered);
        assert_eq!(ticket.answer.await.unwrap(), Answer::NotAnswered);
    }

    #[tokio::test]
    async fn only_a_program_that_never_asked_can_fail_to_initialise() {
        let exchange = Exchange::default();
        let ticket = exchange.offer(work("a"));
        assert_eq!(exchange.cannot_initialise(error()), Ok(()));
        assert_eq!(ticket.answer.await.unwrap(), Answer::CannotInitialise(error()));

        let exchange = Exchange::default();
        let _ticket = exchange.offer(work("a"));
        exchange.next().await.unwrap();
        assert_eq!(exchange.cannot_initialise(error()), Err(Violation::InitialisedAlready));
    }
}
