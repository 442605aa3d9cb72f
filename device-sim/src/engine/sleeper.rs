//! Waiting for sockets until a moment that is known to the microsecond, which a poll alone knows to the millisecond.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// A wait is never longer, so that a thread notices whatever it is not woken for.
const WAIT_MICROS_MAX: u64 = 100_000;
/// A shorter wait is none.
const WAIT_MICROS_MIN: u64 = 20;
/// What the poll says when the time is over.
pub(super) const TIME: Token = Token(usize::MAX);

/// A poll with a precise alarm.
pub(super) struct Sleeper {
    poll: Poll,
    timer: OwnedFd,
}

impl Sleeper {
    pub(super) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), TIME, Interest::READABLE)?;
        Ok(Self { poll, timer })
    }

    pub(super) fn poll(&self) -> &Poll {
        &self.poll
    }

    /// Waits until something happens or the time is over.
    pub(super) fn wait(&mut self, events: &mut Events, micros: u64) -> io::Result<()> {
        let micros = micros.min(WAIT_MICROS_MAX);
        let timeout = if micros < WAIT_MICROS_MIN {
            Some(Duration::ZERO)
        } else {
            let value = Timespec {
                tv_sec: 0,
                tv_nsec: i64::try_from(micros * 1000).expect("a tenth of a second at most"),
            };
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            timerfd_settime(
                &self.timer,
                TimerfdTimerFlags::empty(),
                &Itimerspec { it_interval: zero, it_value: value },
            )?;
            None
        };
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            result => result,
        }
    }
}
