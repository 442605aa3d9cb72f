//! How others tell the task of a connection that there is something to look at.
//!
//! One task waits at a bell, and its waker stays where it is from one wait to the next: most waits end for another reason, and taking a
//! place in a list and giving it back each time would cost more than what the task woke for.

use futures::task::AtomicWaker;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// The bell of one task.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    has_rung: AtomicBool,
    task: AtomicWaker,
}

impl Bell {
    /// Wakes the task, now or when it comes to wait. Rung twice before that, it wakes once.
    pub(crate) fn ring(&self) {
        self.has_rung.store(true, Ordering::Release);
        self.task.wake();
    }

    /// Ready once for every time it rang while nobody heard. For one task only: the last that waits is the one that is woken.
    pub(crate) async fn rung(&self) {
        poll_fn(|context| self.poll_rung(context)).await;
    }

    fn poll_rung(&self, context: &Context<'_>) -> Poll<()> {
        if !self.hear() {
            self.task.register(context.waker());
            // It may have rung in between, for the waker that was there before.
            if !self.hear() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    fn hear(&self) -> bool {
        // Mostly it has not rung, and a look is cheaper than an exchange.
        self.has_rung.load(Ordering::Acquire) && self.has_rung.swap(false, Ordering::AcqRel)
    }
}

impl broker::Wake for Bell {
    fn wake(&self) {
        self.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    #[tokio::test]
    async fn a_bell_that_rang_before_is_heard_once() {
        let bell = Bell::default();
        bell.ring();
        bell.ring();
        bell.rung().await;
        let again = tokio::time::timeout(Duration::from_millis(1), bell.rung()).await;
        assert!(again.is_err(), "it was heard already");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_ring_is_missed() {
        const ROUNDS: usize = 10_000;
        let (there, back) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
        let (ours, theirs) = (Arc::clone(&there), Arc::clone(&back));
        let answering = tokio::spawn(async move {
            for _ in 0..ROUNDS {
                ours.rung().await;
                theirs.ring();
            }
        });
        let asking = async {
            for _ in 0..ROUNDS {
                there.ring();
                back.rung().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), asking).await.unwrap();
        answering.await.unwrap();
    }
}
