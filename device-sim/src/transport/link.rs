//! One connection, driven by whoever polls its socket.

use std::io::{self, Read, Write};
use std::net::IpAddr;

use mio::net::TcpStream;

use super::{Buffers, Endpoint, Failure, socket};

/// What may wait to be sent. More than a window of messages; a server that lets so much wait does not read.
const UNSENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What one call reads at most, so that one link does not keep the others waiting.
const READ_BYTES_MAX: usize = 256 * 1024;

/// What a poll said about a link's socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// There may be something to read.
    pub readable: bool,
    /// There may be room to write.
    pub writable: bool,
    /// The other side will send no more; what it sent is still there to be read.
    pub read_closed: bool,
}

impl From<&mio::event::Event> for Readiness {
    fn from(event: &mio::event::Event) -> Self {
        Self {
            readable: event.is_readable() || event.is_error(),
            writable: event.is_writable() || event.is_error(),
            read_closed: event.is_read_closed(),
        }
    }
}

/// What [`Link::advance`] achieved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The link became open with this call.
    pub opened: bool,
    /// There may be more to read although no poll will say so: call again, after the other links had their turn.
    pub again: bool,
}

/// One connection. Poll [`socket`](Self::socket) for reading and writing, edge-triggered, from when it is made, and
/// tell [`advance`](Self::advance) what the poll said. Dropping a link closes its socket.
#[derive(Debug)]
pub struct Link {
    socket: TcpStream,
    open: bool,
    /// In the form in which it goes to the socket. Without capacity when nothing waits.
    unsent: Vec<u8>,
}

impl Link {
    /// Begins to connect. `source` is the address of this machine to come from; none lets the system choose.
    ///
    /// # Errors
    /// When there is no socket to have, or the network says at once that it cannot be done.
    pub fn open(endpoint: &Endpoint, source: Option<IpAddr>) -> Result<Self, Failure> {
        let socket = socket::connect(endpoint.address, source)?;
        Ok(Self { socket, open: false, unsent: Vec::new() })
    }

    /// For a poll to register.
    pub fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Whether bytes can be sent.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Does what can be done without waiting: connects, reads what has arrived to the end of `received`, and writes
    /// what waits.
    ///
    /// # Errors
    /// When the link cannot go on. What had arrived before that is in `received` nevertheless.
    pub fn advance(
        &mut self,
        ready: Readiness,
        buffers: &mut Buffers,
        received: &mut Vec<u8>,
    ) -> Result<Progress, Failure> {
        let mut progress = Progress::default();
        if !self.open {
            if !socket::is_connected(&self.socket)? {
                return Ok(progress);
            }
            self.open = true;
            progress.opened = true;
        }
        if ready.readable || ready.read_closed {
            progress.again = self.read(ready.read_closed, buffers, received)?;
        }
        if ready.writable {
            self.flush()?;
        }
        Ok(progress)
    }

    /// Sends `bytes`: what the socket does not take at once waits, and is written by [`advance`](Self::advance) when
    /// there is room. Several packets in one call are one write.
    ///
    /// # Errors
    /// When the link cannot go on; [`Failure::Unread`] when too much waits already.
    pub fn send(&mut self, bytes: &[u8], _buffers: &mut Buffers) -> Result<(), Failure> {
        debug_assert!(self.open, "a link is sent to when it is open");
        let written = if self.unsent.is_empty() { write(&mut self.socket, bytes)? } else { 0 };
        let rest = &bytes[written..];
        if self.unsent.len() + rest.len() > UNSENT_BYTES_MAX {
            return Err(Failure::Unread);
        }
        self.unsent.extend_from_slice(rest);
        Ok(())
    }

    /// Bytes that wait for room in the socket. Whoever sends more than a little should wait until it is 0.
    pub fn unsent_bytes(&self) -> usize {
        self.unsent.len()
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let written = write(&mut self.socket, &self.unsent)?;
        if written == self.unsent.len() {
            self.unsent = Vec::new();
        } else {
            self.unsent.drain(..written);
        }
        Ok(())
    }

    /// Whether there may be more to read.
    fn read(
        &mut self,
        to_the_end: bool,
        buffers: &mut Buffers,
        received: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        let mut left = READ_BYTES_MAX;
        while left > 0 {
            let read = match self.socket.read(&mut buffers.incoming) {
                Ok(0) => return Err(Failure::Closed),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            received.extend_from_slice(&buffers.incoming[..read]);
            // A short read emptied the socket: whatever comes later is told by a new event.
            if read < buffers.incoming.len() && !to_the_end {
                return Ok(false);
            }
            left = left.saturating_sub(read);
        }
        Ok(true)
    }
}

/// Writes until the socket is full; how much it took.
fn write(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match socket.write(&bytes[written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}
