//! How far the journal has come, told in two ways.
//!
//! *Settled* is what producers wait for: every record before it is durable or has failed. *Durable* is how far readers go: one past the
//! last durable record. The difference matters to whoever keeps a cursor. Records that failed may be found again by the next
//! process, whole, when the last one died before it could write where its segment ends; a cursor beyond them would pass over
//! them then, another one would not, and no two counts would agree. So no reader goes beyond a record that failed before
//! a durable record stands behind it, for then the failed one is gone for good.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::format::Offset;

/// Both, with those who follow them.
#[derive(Debug)]
pub(crate) struct Frontier {
    end: AtomicU64,
    durable: watch::Sender<Offset>,
    settled: watch::Sender<Offset>,
}

impl Frontier {
    /// `end` is one past the last record that was found, `next` the offset of the next one: offsets may have gaps.
    pub(crate) fn new(end: Offset, next: Offset) -> Self {
        Self {
            end: AtomicU64::new(end.0),
            durable: watch::Sender::new(end),
            settled: watch::Sender::new(next),
        }
    }

    /// One past the last durable record.
    pub(crate) fn end(&self) -> Offset {
        Offset(self.end.load(Ordering::SeqCst))
    }

    pub(crate) fn durable(&self) -> watch::Receiver<Offset> {
        self.durable.subscribe()
    }

    pub(crate) fn settled(&self) -> watch::Receiver<Offset> {
        self.settled.subscribe()
    }

    /// A batch is durable; its producers are not told yet.
    pub(crate) fn extend(&self, end: Offset) {
        self.end.store(end.0, Ordering::SeqCst);
        self.durable.send_replace(end);
    }

    /// Producers were told of everything before `next`.
    pub(crate) fn settle(&self, next: Offset) {
        self.settled.send_replace(next);
    }
}
