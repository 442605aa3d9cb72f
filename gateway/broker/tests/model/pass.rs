//! Time passes, and the process is killed.

use super::client::Feed;
use super::{Balance, CLIENTS, World, dropped, topics};

impl World {
    pub(super) fn pass(&mut self, ms: u64) {
        self.log(format!("+{ms}ms"));
        let now_ms = self.stage.now_ms + ms;
        self.time_is(now_ms);
        self.stage.pass(ms);
        self.observe();
    }

    /// Ends what is over at `now_ms`.
    fn time_is(&mut self, now_ms: u64) {
        for at in 0..CLIENTS {
            let session = self.clients[at].session.as_ref();
            if session.and_then(|session| session.expires_at_ms).is_some_and(|at_ms| at_ms <= now_ms) {
                self.end_session(at);
            }
        }
        self.retained.retain(|_, kept| kept.expires_at_ms.is_none_or(|at_ms| at_ms > now_ms));
    }

    /// kill -9, and a new process.
    pub(super) fn restart(&mut self) {
        self.log("restart");
        self.restarted = true;
        self.dropped_before += dropped(&self.stage.broker.stats());
        self.held.clear();
        let now_ms = self.stage.now_ms;
        for at in 0..CLIENTS {
            let left = self.clients[at].connection.take().map(|connection| connection.will);
            let kept = self.session_is_kept(at);
            let client_id = self.clients[at].id.clone();
            let stored = self.stage.stored(&client_id);
            match &mut self.clients[at].session {
                Some(session) if kept => {
                    session.committing.clear();
                    let is_over = |feed: &Feed| {
                        stored
                            .is_none_or(|stored| stored.feeds.iter().all(|held| *held.filter != *feed.filter))
                    };
                    session.feeds.retain(|feed| !is_over(feed));
                    for feed in &mut session.feeds {
                        feed.is_whole = false;
                        // It goes on with what is retained by now, as far as that did not come live.
                        let matching =
                            self.retained.iter().filter(|(topic, _)| topics::matches(&feed.filter, topic));
                        feed.labels.extend(matching.map(|(_, kept)| kept.label.clone()));
                    }
                    if left.is_some() {
                        session.will = left.clone().flatten();
                        session.begin_wait(now_ms);
                    }
                    if let Some(label) = left.flatten() {
                        self.will_is_due(&label);
                    }
                }
                session => {
                    let waited = session.take().and_then(|session| session.will);
                    for label in left.flatten().into_iter().chain(waited) {
                        self.will_is_due(&label);
                    }
                }
            }
        }
        let stored = self.clients.iter().filter_map(|client| self.stage.stored(&client.id));
        let owed = self.stage.owed() + stored.map(|session| session.carried.len()).sum::<usize>();
        self.balance = Balance { made: owed as u64, ..Balance::default() };
        self.time_is(now_ms);
        self.stage.restart();
        for at in 0..CLIENTS {
            // What came from the retained messages, or was late, is not in the journal.
            self.forget_given_up(at, |flight| flight.may_go && !flight.released);
        }
        self.observe();
    }
}
