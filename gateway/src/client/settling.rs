//! Whether what a connection took came to an end: whoever takes its session over begins to publish only then.

use crate::connection::Bell;
use parking_lot::Mutex;
use std::sync::Arc;

/// How far one connection is with what it took.
#[derive(Debug, Default)]
pub(super) struct Settling(Mutex<Stage>);

#[derive(Debug, Default)]
enum Stage {
    /// Something may still be written for it.
    #[default]
    UnderWay,
    /// The same, and the connection that took its session over waits for the end of it.
    Awaited(Arc<Bell>),
    /// Everything has its outcome, and nothing is added any more.
    Over,
}

impl Settling {
    /// It is over, for good.
    pub(super) fn end(&self) {
        let before = std::mem::replace(&mut *self.0.lock(), Stage::Over);
        if let Stage::Awaited(bell) = before {
            bell.ring();
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(*self.0.lock(), Stage::Over)
    }

    /// Rings when it is over, unless it is over now. There is one at most: a connection is replaced by one other.
    pub(super) fn ring_at_end(&self, bell: &Arc<Bell>) {
        let mut stage = self.0.lock();
        if !matches!(*stage, Stage::Over) {
            *stage = Stage::Awaited(Arc::clone(bell));
        }
    }
}
