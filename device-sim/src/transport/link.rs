//! One connection, driven by whoever polls its socket.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::ClientConfig;

use super::tls::Tls;
use super::websocket::WebSocket;
use super::{Buffers, Endpoint, Failure, Handshake, socket};

/// What may wait to be sent. More than a window of messages; a server that lets so much wait does not read.
const UNSENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What one call reads at most, so that one link does not keep the others waiting.
const READ_BYTES_MAX: usize = 256 * 1024;
/// What the system keeps for a link that reads slowly, near enough.
const SLOW_RECEIVE_BUFFER_BYTES: usize = 4096;

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
    stage: Stage,
    tls: Option<Box<Tls>>,
    websocket: Option<Box<WebSocket>>,
    /// In the form in which it goes to the socket. Without capacity when nothing waits.
    unsent: Vec<u8>,
    reading: Reading,
    /// The other side has sent all it will; a poll says so once, and there may be more to read than one call reads.
    read_closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    /// TLS and WebSocket come to terms.
    Agreeing,
    Open,
}

/// How a link treats what arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Freely,
    /// No more than so many bytes.
    Allowed(usize),
    /// Neither reads nor writes.
    Silent,
}

impl Link {
    /// Begins to connect. `source` is the address of this machine to come from; none lets the system choose. `tls` says
    /// whom to trust and which certificate to show; an endpoint with TLS needs it, another does not look at it.
    ///
    /// # Errors
    /// When there is no socket to have, or the network says at once that it cannot be done.
    pub fn open(
        endpoint: &Endpoint,
        source: Option<IpAddr>,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Self, Failure> {
        let tls = match (endpoint.transport.has_tls(), tls) {
            (false, _) => None,
            (true, Some(config)) => Some(Box::new(Tls::new(config, &endpoint.server_name)?)),
            (true, None) => return Err(Failure::NoAuthority),
        };
        let websocket = endpoint.transport.has_websocket().then(|| Box::new(WebSocket::new(endpoint)));
        let socket = socket::connect(endpoint.address, source)?;
        let (stage, reading) = (Stage::Connecting, Reading::Freely);
        Ok(Self { socket, stage, tls, websocket, unsent: Vec::new(), reading, read_closed: false })
    }

    /// For a poll to register.
    pub fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Whether bytes can be sent.
    pub fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// How the TLS handshake went, once that is known.
    pub fn handshake(&self) -> Option<Handshake> {
        self.tls.as_ref().and_then(|tls| tls.handshake())
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
        let was_open = self.is_open();
        self.read_closed |= ready.read_closed;
        if self.reading == Reading::Silent {
            return Ok(progress);
        }
        if self.stage == Stage::Connecting {
            if !socket::is_connected(&self.socket)? {
                return Ok(progress);
            }
            self.stage = Stage::Agreeing;
            self.take_in(0, buffers, received)?;
        }
        if ready.readable || self.read_closed {
            progress.again = self.read(self.read_closed, buffers, received)?;
        }
        if ready.writable
            && let Err(failure) = self.flush()
        {
            return Err(self.explain(failure, buffers));
        }
        progress.opened = !was_open && self.is_open();
        Ok(progress)
    }

    /// Sends `bytes`: what the socket does not take at once waits, and is written by [`advance`](Self::advance) when
    /// there is room. Several packets in one call are one write.
    ///
    /// # Errors
    /// When the link cannot go on; [`Failure::Unread`] when too much waits already.
    pub fn send(&mut self, bytes: &[u8], buffers: &mut Buffers) -> Result<(), Failure> {
        debug_assert!(self.is_open(), "a link is sent to when it is open");
        if self.reading == Reading::Silent {
            return Ok(());
        }
        let sent = if self.tls.is_none() && self.websocket.is_none() {
            self.write(bytes)
        } else {
            self.seal(bytes, buffers)?;
            self.write_outgoing(buffers)
        };
        sent.map_err(|failure| self.explain(failure, buffers))
    }

    /// Says goodbye in TLS and WebSocket, after what was sent. Keep the link, and advance it, until
    /// [`unsent_bytes`](Self::unsent_bytes) is 0 or it fails, then drop it.
    pub fn close(&mut self, buffers: &mut Buffers) {
        if !self.is_open() || self.reading == Reading::Silent {
            return;
        }
        if let Some(websocket) = &mut self.websocket {
            buffers.framed.clear();
            websocket.close(&mut buffers.framed);
            match &mut self.tls {
                Some(tls) => drop(tls.send(&buffers.framed, &mut buffers.outgoing)),
                None => buffers.outgoing.extend_from_slice(&buffers.framed),
            }
        }
        if let Some(tls) = &mut self.tls {
            tls.close(&mut buffers.outgoing);
        }
        // Whoever closes a link has no use for a failure.
        drop(self.write_outgoing(buffers));
    }

    /// Bytes that wait for room in the socket. Whoever sends more than a little should wait until it is 0.
    pub fn unsent_bytes(&self) -> usize {
        self.unsent.len()
    }

    /// Bytes that this link keeps in memory of its own: unsent ones, and received ones that are not whole.
    pub fn held_bytes(&self) -> usize {
        self.unsent.capacity() + self.tls.as_ref().map_or(0, |tls| tls.held_bytes())
    }

    /// A slow reader: from now on no more than `bytes` are read, until this is called again; then call
    /// [`advance`](Self::advance) with `readable`, for no poll will say so. `None` lets the link read freely again.
    pub fn limit_reading(&mut self, bytes: Option<usize>) {
        if self.reading == Reading::Freely && bytes.is_some() {
            // So that the server feels it soon. The system takes it as advice, and so may refuse.
            let _ = socket2::SockRef::from(&self.socket).set_recv_buffer_size(SLOW_RECEIVE_BUFFER_BYTES);
        }
        self.reading = bytes.map_or(Reading::Freely, Reading::Allowed);
    }

    /// A half-open peer: from now on nothing is read and nothing written, and the socket stays until the link is
    /// dropped. What is sent is lost.
    pub fn fall_silent(&mut self) {
        self.reading = Reading::Silent;
        self.unsent = Vec::new();
    }

    /// Goes on with whichever layer is not agreed yet, when the one below it is.
    fn agree(&mut self, buffers: &mut Buffers) -> Result<(), Failure> {
        if self.stage != Stage::Agreeing || self.tls.as_ref().is_some_and(|tls| !tls.is_open()) {
            return Ok(());
        }
        match &mut self.websocket {
            Some(websocket) if !websocket.is_open() => {
                let request = websocket.take_request();
                match &mut self.tls {
                    Some(tls) if !request.is_empty() => tls.send(&request, &mut buffers.outgoing)?,
                    _ => buffers.outgoing.extend_from_slice(&request),
                }
            }
            _ => self.stage = Stage::Open,
        }
        Ok(())
    }

    /// Appends what `bytes` become in TLS and WebSocket to what goes to the socket.
    fn seal(&mut self, bytes: &[u8], buffers: &mut Buffers) -> Result<(), Failure> {
        let Buffers { framed, outgoing, .. } = buffers;
        match (&mut self.websocket, &mut self.tls) {
            (None, None) => outgoing.extend_from_slice(bytes),
            (Some(websocket), None) => websocket.send(bytes, outgoing),
            (None, Some(tls)) => tls.send(bytes, outgoing)?,
            (Some(websocket), Some(tls)) => {
                framed.clear();
                websocket.send(bytes, framed);
                tls.send(framed, outgoing)?;
            }
        }
        Ok(())
    }

    /// Takes the first `filled` bytes of what was read, answers what the layers have to answer, and goes on agreeing.
    fn take_in(
        &mut self,
        filled: usize,
        buffers: &mut Buffers,
        received: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let taken = self.unseal(filled, buffers, received);
        let agreed = taken.and_then(|closed| self.agree(buffers).map(|()| closed));
        // Even after a failure: then it is the alert that tells the server why.
        let written = self.write_outgoing(buffers);
        match (agreed?, written) {
            (true, _) => Err(Failure::Closed),
            // The reason may be behind what was read so far.
            (false, Err(Failure::Socket(_))) => Ok(()),
            (false, written) => written,
        }
    }

    /// Whether the server said goodbye.
    fn unseal(
        &mut self,
        filled: usize,
        buffers: &mut Buffers,
        received: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        let Buffers { incoming, opened, framed, outgoing } = buffers;
        let input = &mut incoming[..filled];
        match (&mut self.tls, &mut self.websocket) {
            (None, None) => {
                received.extend_from_slice(input);
                Ok(false)
            }
            (None, Some(websocket)) => websocket.receive(input, received, outgoing),
            (Some(tls), None) => tls.receive(input, received, outgoing),
            (Some(tls), Some(websocket)) => {
                opened.clear();
                framed.clear();
                let failed = tls.receive(input, opened, outgoing);
                let closed = websocket.receive(opened, received, framed)?;
                if !framed.is_empty() {
                    tls.send(framed, outgoing)?;
                }
                Ok(failed? || closed)
            }
        }
    }

    fn write_outgoing(&mut self, buffers: &mut Buffers) -> Result<(), Failure> {
        if buffers.outgoing.is_empty() {
            return Ok(());
        }
        let written = self.write(&buffers.outgoing);
        buffers.outgoing.clear();
        written
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = if self.unsent.is_empty() { write(&mut self.socket, bytes)? } else { 0 };
        let rest = &bytes[written..];
        if self.unsent.len() + rest.len() > UNSENT_BYTES_MAX {
            return Err(Failure::Unread);
        }
        self.unsent.extend_from_slice(rest);
        Ok(())
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
            let held = self.tls.as_mut().map_or(0, |tls| tls.restore(&mut buffers.incoming));
            let room = buffers.incoming.len() - held;
            let room = match self.reading {
                Reading::Freely => room,
                Reading::Allowed(bytes) => room.min(bytes),
                Reading::Silent => 0,
            };
            if room == 0 {
                return if self.reading == Reading::Freely { Err(Failure::TooLong) } else { Ok(false) };
            }
            let read = match self.socket.read(&mut buffers.incoming[held..held + room]) {
                Ok(0) => return Err(Failure::Closed),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if let Reading::Allowed(bytes) = &mut self.reading {
                *bytes -= read;
            }
            self.take_in(held + read, buffers, received)?;
            // A short read emptied the socket: whatever comes later is told by a new event.
            if read < room && !to_the_end {
                return Ok(false);
            }
            left = left.saturating_sub(read);
        }
        Ok(true)
    }

    /// With TLS 1.3 a refused client certificate is told after the handshake. If writing failed first, the alert that
    /// says why may still wait to be read.
    fn explain(&mut self, failure: Failure, buffers: &mut Buffers) -> Failure {
        if matches!(failure, Failure::Socket(_)) && self.tls.is_some() {
            let mut unheard = Vec::new();
            if let Err(reason @ Failure::Tls(_)) = self.read(true, buffers, &mut unheard) {
                return reason;
            }
        }
        failure
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
