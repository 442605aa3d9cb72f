//! One connection to the gateway: whole packets in and out, every wait bounded.

use crate::read;
use end_to_end::{Web, wait};
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

/// How clients come to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Road {
    Tcp(SocketAddr),
    WebSocket(SocketAddr),
}

/// More than any frame of a WebSocket holds in these cases.
const READ_BYTES: usize = 256 * 1024;
/// Where a write is cut into two frames, so that frames and packets do not begin together `[MQTT-6.0.0-2]`.
const CUT_AT: usize = 3;

enum Stream {
    Tcp(TcpStream),
    WebSocket(Box<Web>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Tcp(socket) => socket,
            Self::WebSocket(web) => web.socket(),
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(bytes),
            Self::WebSocket(web) => web.read(bytes),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.write_all(bytes),
            Self::WebSocket(web) => {
                let (first, rest) = bytes.split_at(bytes.len().min(CUT_AT));
                web.write_all(first)?;
                if rest.is_empty() { Ok(()) } else { web.write_all(rest) }
            }
        }
    }
}

/// A connection.
pub(crate) struct Wire {
    stream: Stream,
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
    /// As TCP and WebSocket have them.
    pub(crate) fn open(road: Road, version: u8) -> anyhow::Result<Self> {
        let stream = match road {
            Road::Tcp(address) => Stream::Tcp(TcpStream::connect_timeout(&address, wait::SOON)?),
            Road::WebSocket(address) => {
                let mut web = Web::plain(address)?;
                web.upgrade("/mqtt")?;
                Stream::WebSocket(Box::new(web))
            }
        };
        stream.socket().set_nodelay(true)?;
        stream.socket().set_write_timeout(Some(wait::SOON))?;
        Ok(Self { stream, buffer: Vec::new(), version, sent: Instant::now() })
    }

    /// Sends bytes. That the gateway has closed meanwhile is no error here: what is expected next shows it.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
        self.sent = Instant::now();
    }

    /// Cuts the connection without a word.
    pub(crate) fn lose(self) {
        let _ = self.stream.socket().shutdown(Shutdown::Both);
    }

    /// The next packet, or what there is instead within `bound`.
    ///
    /// # Errors
    /// When what came can't be cut into packets.
    pub(crate) fn next(&mut self, bound: Duration) -> anyhow::Result<Next> {
        let deadline = Instant::now() + bound;
        let mut bytes = vec![0; READ_BYTES];
        loop {
            if let Some(packet) = self.take()? {
                return Ok(Next::Packet(packet));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Next::Silence);
            }
            self.stream.socket().set_read_timeout(Some(left))?;
            match self.stream.read(&mut bytes) {
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
