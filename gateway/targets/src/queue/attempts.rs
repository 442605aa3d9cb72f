//! Receives of a FIFO queue that can be repeated: a consumer that never saw the answer asks again under the same attempt
//! id, and gets the same messages under the same handles.
//!
//! Kept in memory for five minutes. After a restart a repeated receive is a new one: what the lost answer held comes
//! again when its visibility timeout has passed.

use std::collections::{HashMap, VecDeque};

use bus::Position;

/// How long a receive can be repeated: SQS's five minutes.
const REPEATABLE_MS: u64 = 5 * 60 * 1000;

/// One message as a receive handed it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Handed {
    pub(super) position: Position,
    pub(super) receives: u32,
    /// Until when it was hidden; when this is different by now, somebody changed it.
    pub(super) hidden_until_ms: u64,
    pub(super) handle: String,
}

#[derive(Debug)]
struct Attempt {
    until_ms: u64,
    handed: Vec<Handed>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    attempts: HashMap<String, Attempt>,
    /// Ids by when they end; holds some that were forgotten since.
    order: VecDeque<(u64, String)>,
    attempts_max: usize,
}

impl Attempts {
    pub(super) fn new(attempts_max: usize) -> Self {
        Self { attempts_max, ..Self::default() }
    }

    /// Takes out what a receive handed out, if it can still be repeated.
    pub(super) fn take(&mut self, id: &str, now_ms: u64) -> Option<Vec<Handed>> {
        let attempt = self.attempts.remove(id)?;
        (now_ms < attempt.until_ms).then_some(attempt.handed)
    }

    /// Remembers what a receive handed out.
    pub(super) fn remember(&mut self, id: &str, handed: Vec<Handed>, now_ms: u64) {
        while let Some((until_ms, oldest)) = self.order.front()
            && (self.order.len() >= self.attempts_max || *until_ms <= now_ms)
        {
            // Unless it was repeated since.
            if self.attempts.get(oldest).is_some_and(|attempt| attempt.until_ms == *until_ms) {
                self.attempts.remove(oldest);
            }
            self.order.pop_front();
        }
        let until_ms = now_ms.saturating_add(REPEATABLE_MS);
        self.attempts.insert(id.to_owned(), Attempt { until_ms, handed });
        self.order.push_back((until_ms, id.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use journal::Offset;

    use super::*;

    fn handed(offset: u64) -> Vec<Handed> {
        let position = Position { offset: Offset(offset), ordinal: 0 };
        vec![Handed { position, receives: 1, hidden_until_ms: 5, handle: "h".into() }]
    }

    #[test]
    fn attempts_end_and_are_bounded() {
        let mut attempts = Attempts::new(2);
        attempts.remember("a", handed(1), 0);
        assert_eq!(attempts.take("a", REPEATABLE_MS - 1), Some(handed(1)));
        assert_eq!(attempts.take("a", 0), None, "whoever takes it puts it back");
        attempts.remember("a", handed(1), 10);
        assert_eq!(attempts.take("a", REPEATABLE_MS + 10), None);
        for (number, id) in ["b", "c", "d"].into_iter().enumerate() {
            attempts.remember(id, handed(number as u64), 20);
        }
        assert_eq!(attempts.attempts.len(), 2);
        assert_eq!(attempts.order.len(), 2);
        assert_eq!(attempts.take("b", 21), None);
    }
}
