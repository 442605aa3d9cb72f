//! The windows of one statement, as the fold uses them.

use rules::definition::Definition;
use rules::window::{Added, Change, Closed, Refusal, Row, Windows};

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is in its windows.
    Counted,
    /// Its windows were closed already.
    Late(&'static str),
    /// No window can take it.
    Refused(&'static str),
}

/// What is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// Groups, over all windows.
    pub groups: u64,
    /// When the first of them ends, in milliseconds since the Unix epoch.
    pub first_end_ms: Option<i64>,
}

/// See the module.
pub(crate) struct Machine {
    windows: Windows,
}

impl Machine {
    /// No windows yet; none when the statement has none.
    pub(crate) fn new(definition: &Definition) -> Option<Self> {
        let windows = Windows::new(&definition.statement, definition.window?)?;
        Some(Self { windows })
    }

    /// The windows as they were kept.
    ///
    /// # Errors
    /// They were kept by another version, or are damaged.
    pub(crate) fn restore(definition: &Definition, groups: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Self, String> {
        let windows = Windows::restore(&definition.statement, definition.window.unwrap_or_default(), groups);
        windows.map(|windows| Self { windows }).map_err(|error| error.to_string())
    }

    /// Folds one row.
    ///
    /// # Errors
    /// The bytes are no row that this version reads.
    pub(crate) fn add(&mut self, row: &[u8], arrived_ms: u64) -> Result<Taken, String> {
        let row = Row::decode(row).map_err(|error| error.to_string())?;
        Ok(match self.windows.add(&row, arrived_ms) {
            Added::Counted { .. } => Taken::Counted,
            Added::Late => Taken::Late("window_closed"),
            Added::Refused(Refusal::Future) => Taken::Refused("future"),
            Added::Refused(Refusal::Groups) => Taken::Refused("groups_max"),
            Added::Refused(Refusal::Bytes) => Taken::Refused("state_bytes_max"),
            Added::Refused(Refusal::OtherStatement) => Taken::Refused("other_statement"),
        })
    }

    /// Lets time come to `now_ms`, and gives what that closes, at most `most` at once.
    pub(crate) fn advance(&mut self, now_ms: u64, most: usize) -> Vec<Closed> {
        self.windows.advance(now_ms, most)
    }

    /// When [`advance`](Self::advance) closes something at the earliest; zero when there is something to close now.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        self.windows.next_due()
    }

    /// What changed since this was asked last.
    pub(crate) fn changes(&mut self) -> Vec<Change> {
        self.windows.changes()
    }

    /// Closes whatever is open, and begins anew: gives what that closes, and the changes that leave nothing behind.
    pub(crate) fn begin_anew(&mut self, definition: &Definition) -> (Vec<Closed>, Vec<Change>) {
        let closed = self.windows.advance(u64::MAX, usize::MAX);
        // Whatever is left then is how far time has come, and that is what is to be forgotten.
        let changes = self.windows.changes().into_iter();
        let changes = changes.map(|change| Change { value: None, ..change }).collect();
        if let Some(anew) = Self::new(definition) {
            *self = anew;
        }
        (closed, changes)
    }

    /// What is open.
    pub(crate) fn open(&self) -> Open {
        Open { groups: self.windows.groups() as u64, first_end_ms: self.windows.first_end_ms() }
    }
}
