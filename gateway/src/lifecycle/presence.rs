//! What one connection was said to be: so that its end is told once, whoever notices it first, and after its beginning.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

/// The part of a connection in lifecycle events.
#[derive(Debug)]
pub(crate) struct Presence {
    /// Grows with each connection of a client id, over restarts too.
    pub(super) version_number: u64,
    stage: Mutex<Stage>,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Nothing was said about it yet.
    Arriving,
    /// Said to be connected, in this session.
    Connected(Uuid),
    /// Over. Nothing more is said.
    Over,
}

impl Presence {
    pub(super) fn new(version_number: u64) -> Self {
        Self { version_number, stage: Mutex::new(Stage::Arriving) }
    }

    /// Of a connection of an earlier process, and of whoever publishes by request: nothing more is said about it.
    pub(crate) fn past() -> Self {
        Self { version_number: 0, stage: Mutex::new(Stage::Over) }
    }

    /// The connection began: `say` it, unless it was replaced already. What is said while this lock is held comes before what is said
    /// under it later, so it must not wait.
    pub(super) fn begin(&self, session: Uuid, say: impl FnOnce()) {
        let mut stage = self.stage.lock();
        if matches!(*stage, Stage::Arriving) {
            *stage = Stage::Connected(session);
            say();
        }
    }

    /// The connection is over: `say` it, if it is the first to notice and the beginning was told.
    pub(super) fn end(&self, say: impl FnOnce(Uuid)) {
        let mut stage = self.stage.lock();
        if let Stage::Connected(session) = std::mem::replace(&mut *stage, Stage::Over) {
            say(session);
        }
    }

    /// The session, while the connection lasts.
    pub(super) fn session(&self) -> Option<Uuid> {
        match *self.stage.lock() {
            Stage::Connected(session) => Some(session),
            Stage::Arriving | Stage::Over => None,
        }
    }
}

/// Gives out version numbers: the time in milliseconds, or one more than the last. So they grow over restarts and nothing has to be kept.
#[derive(Debug, Default)]
pub(crate) struct Versions(AtomicU64);

impl Versions {
    pub(super) fn next(&self, now_ms: u64) -> u64 {
        let last = self.0.fetch_update(Relaxed, Relaxed, |last| Some(now_ms.max(last + 1)));
        let last = last.unwrap_or_else(|last| last);
        now_ms.max(last + 1)
    }
}

/// Names a session for as long as it lives. A session that outlives its connection keeps its name over restarts too, since its key does.
pub(super) fn session_identifier(client_id: &str, session_key: u64, connection: Option<u64>) -> Uuid {
    let mut digest = Xxh3::new();
    digest.update(&session_key.to_le_bytes());
    digest.update(&connection.unwrap_or(0).to_le_bytes());
    digest.update(client_id.as_bytes());
    uuid::Builder::from_custom_bytes(digest.digest128().to_be_bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of one connection, whatever happens in which order.
    fn said(happenings: &str) -> String {
        let presence = Presence::new(1);
        let mut said = String::new();
        for happening in happenings.split(' ') {
            match happening {
                "begin" => presence.begin(Uuid::nil(), || said.push('+')),
                "end" => presence.end(|_| said.push('-')),
                other => panic!("{other}"),
            }
        }
        said
    }

    #[test]
    fn a_connection_begins_once_and_ends_once() {
        let cases = [
            ("begin", "+"),
            ("begin end", "+-"),
            ("begin end end", "+-"),
            // Replaced before it was told of: as though it had never been.
            ("end begin end", ""),
            ("end", ""),
        ];
        for (happenings, expected) in cases {
            assert_eq!(said(happenings), expected, "{happenings}");
        }
    }

    #[test]
    fn version_numbers_grow_whatever_the_clock_does() {
        let versions = Versions::default();
        let numbers = [1_000, 1_000, 999, 1_500, 1_400].map(|now_ms| versions.next(now_ms));
        assert_eq!(numbers, [1_000, 1_001, 1_002, 1_500, 1_501]);
    }

    #[test]
    fn a_session_has_one_name_and_another_session_another() {
        let name = session_identifier("kiln", 7, None);
        assert_eq!(name, session_identifier("kiln", 7, None));
        assert_ne!(name, session_identifier("kiln", 8, None));
        assert_ne!(name, session_identifier("oven", 7, None));
        assert_ne!(name, session_identifier("kiln", 7, Some(1)));
    }
}
