//! Links against servers on this machine.

mod tcp;
mod tls;
mod websocket;

use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::*;

/// A link, polled by a test.
#[derive(Debug)]
pub(super) struct Driven {
    pub(super) link: Link,
    pub(super) buffers: Buffers,
    pub(super) received: Vec<u8>,
    poll: Poll,
    again: bool,
}

impl Driven {
    pub(super) fn open(endpoint: &Endpoint) -> Result<Self, Failure> {
        Self::of(Link::open(endpoint, None, None)?)
    }

    pub(super) fn of(mut link: Link) -> Result<Self, Failure> {
        let poll = Poll::new()?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(link.socket(), Token(0), interest)?;
        Ok(Self { link, buffers: Buffers::new(), received: Vec::new(), poll, again: false })
    }

    /// Drives the link until `done`, or it fails, or ten seconds have gone.
    pub(super) fn until(&mut self, mut done: impl FnMut(&Self) -> bool) -> Result<(), Failure> {
        let end = Instant::now() + Duration::from_secs(10);
        let mut events = Events::with_capacity(4);
        while !done(self) {
            assert!(Instant::now() < end, "nothing more happens; {} bytes received", self.received.len());
            let wait = if self.again { Duration::ZERO } else { Duration::from_millis(100) };
            self.poll.poll(&mut events, Some(wait))?;
            let mut ready = Readiness { readable: std::mem::take(&mut self.again), ..Readiness::default() };
            for event in &events {
                let told = Readiness::from(event);
                ready.readable |= told.readable;
                ready.writable |= told.writable;
                ready.read_closed |= told.read_closed;
            }
            let progress = self.link.advance(ready, &mut self.buffers, &mut self.received)?;
            self.again = progress.again;
        }
        Ok(())
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.link.send(bytes, &mut self.buffers)
    }
}
