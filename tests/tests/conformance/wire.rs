//! One TCP connection to the gateway: whole packets in and out, every wait bounded.

use crate::read;
use end_to_end::wait;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What comes next from the gateway.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Packet(Vec<u8>),
    /// The gateway closed the connection.
    Closed,
    /// Nothing came in time.
    Silence,
}

/// A connection.
pub(crate) struct Wire {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// 4 or 5, as its CONNECT said.
    pub(crate) version: u8,
    /// When something was last sent.
    pub(crate) sent: Instant,
}

impl Wire {
    /// Opens a connection.
    ///
    /// # Errors
    /// As TCP has them.
    pub(crate) fn open(address: SocketAddr, version: u8) -> io::Result<Self> {
        let socket = TcpStream::connect_timeout(&address, wait::SOON)?;
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(wait::SOON))?;
        Ok(Self { socket, buffer: Vec::new(), version, sent: Instant::now() })
    }

    /// Sends bytes. That the gateway has closed meanwhile is no error here: what is expected next shows it.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
        self.sent = Instant::now();
    }

    /// Cuts the connection without a word.
    pub(crate) fn lose(self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// The next packet, or what there is instead within `bound`.
    ///
    /// # Errors
    /// When what came can't be cut into packets.
    pub(crate) fn next(&mut self, bound: Duration) -> anyhow::Result<Next> {
        let deadline = Instant::now() + bound;
        let mut bytes = [0; 16 * 1024];
        loop {
            if let Some(packet) = self.take()? {
                return Ok(Next::Packet(packet));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Next::Silence);
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.read(&mut bytes) {
                Ok(0) => return Ok(Next::Closed),
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => return Ok(Next::Closed),
                    _ => return Err(error.into()),
                },
            }
        }
    }

    fn take(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        if self.buffer.len() < 2 {
            return Ok(None);
        }
        let Some((length, used)) = read::variable(&self.buffer[1..])? else { return Ok(None) };
        let end = 1 + used + length;
        Ok((self.buffer.len() >= end).then(|| self.buffer.drain(..end).collect()))
    }
}
