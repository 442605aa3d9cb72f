//! Connections that have one client's session after one another publish after one another.
//!
//! A client that lost its connection sends again what was not acknowledged, while the connection before it may still have some of that in
//! its hands: decoded, waiting for room, or on its way to the disk. Were both to go on side by side, a message could come twice with two
//! event ids, or behind what came after it. So a connection takes no PUBLISH before the one whose session it took over has an outcome for
//! everything, and takes nothing more. Everything else goes on meanwhile.

use crate::client::Client;
use crate::connection::Bell;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a PUBLISH waits for the connection before. That one waits for the disk alone, so this is a disk that hangs.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// When a connection may publish, and that it says when the next one may: at the latest when this is dropped.
pub(super) struct Turn {
    client: Client,
    /// Seldom there, so it takes little room.
    before: Option<Box<Before>>,
}

/// The connection whose session was taken over.
struct Before {
    client: Client,
    until: Instant,
}

impl Turn {
    /// The turn of `client`, after that of the connection that it took the session from; `bell` rings when it has come.
    pub(super) fn new(client: Client, taken_over_from: Option<Client>, bell: &Arc<Bell>) -> Self {
        let before = taken_over_from.map(|client| {
            client.ring_when_settled(bell);
            Box::new(Before { client, until: Instant::now() + WAIT_MAX })
        });
        Self { client, before }
    }

    /// Whether this connection may publish.
    pub(super) fn has_come(&mut self) -> bool {
        self.before.take_if(|before| before.client.is_settled());
        self.before.is_none()
    }

    /// When a PUBLISH has waited long enough, unless the turn has come.
    pub(super) fn overdue_at(&self) -> Option<Instant> {
        self.before.as_ref().map(|before| before.until)
    }

    /// Nothing that this connection took waits for an outcome any more, and it takes nothing more: the next one may go on.
    pub(super) fn pass(&mut self) {
        if self.has_come() {
            self.client.settle();
        }
    }

    /// Waits for the turn of a connection that ends before it came: who comes after it has to wait for both. Not for ever, see
    /// [`WAIT_MAX`].
    pub(super) async fn wait(&mut self, bell: &Bell) {
        if !self.wait_within(bell, WAIT_MAX).await {
            tracing::warn!(
                client_id = self.client.client_id(),
                wait_secs = WAIT_MAX.as_secs(),
                "a connection that was taken over still has publishes without an outcome"
            );
        }
    }

    /// Whether the turn came in this time.
    async fn wait_within(&mut self, bell: &Bell, wait_max: Duration) -> bool {
        let until = Instant::now() + wait_max;
        while !self.has_come() {
            if tokio::time::timeout_at(until, bell.rung()).await.is_err() {
                return self.has_come();
            }
        }
        true
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.client.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::Presence;
    use access::{Certificate, Principal};

    fn client() -> Client {
        let principal = Principal {
            certificate: Arc::new(Certificate::absent()),
            user: None,
            things: Arc::from([]),
            policies: Arc::from([]),
        };
        Client::new(&principal, "kiln", "192.0.2.7:1883".parse().unwrap(), Arc::from([]), Presence::past())
    }

    fn turn(taken_over_from: Option<&Turn>) -> (Turn, Arc<Bell>) {
        let bell = Arc::new(Bell::default());
        let before = taken_over_from.map(|turn| turn.client.clone());
        (Turn::new(client(), before, &bell), bell)
    }

    #[tokio::test]
    async fn the_next_connection_is_woken_when_the_one_before_passes_its_turn() {
        let (mut first, _) = turn(None);
        assert!(first.has_come() && first.overdue_at().is_none());
        let (mut second, bell) = turn(Some(&first));
        assert!(!second.has_come());
        first.pass();
        bell.rung().await;
        assert!(second.has_come() && second.overdue_at().is_none());
    }

    #[test]
    fn a_task_that_is_gone_has_passed_its_turn() {
        let (first, _) = turn(None);
        let (mut second, _) = turn(Some(&first));
        drop(first);
        assert!(second.has_come());
    }

    #[test]
    fn who_took_over_from_one_that_never_had_its_turn_waits_for_both() {
        let (mut first, _) = turn(None);
        let (mut second, _) = turn(Some(&first));
        let (mut third, _) = turn(Some(&second));
        second.pass();
        assert!(!third.has_come(), "the first may still write");
        first.pass();
        second.pass();
        assert!(third.has_come());
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let (mut first, _) = turn(None);
        let begun = Instant::now();
        let (mut second, bell) = turn(Some(&first));
        assert!(second.overdue_at() >= Some(begun + WAIT_MAX));
        assert!(!second.wait_within(&bell, Duration::from_millis(1)).await);
        first.pass();
        assert!(second.wait_within(&bell, WAIT_MAX).await);
    }
}
