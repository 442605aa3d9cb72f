//! HTTP and WebSocket as a client speaks them, right or wrong: written by hand, for the same reason as the packets.

use crate::client::{Client, Gone, Stream, open, tls};
use crate::tls::TlsOptions;
use crate::wait;
use anyhow::Context;
use base64::Engine;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// An answer to a request.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Response {
    /// A header field; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

/// One connection that speaks HTTP first.
pub struct Web {
    stream: Box<dyn Stream>,
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Web {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Web").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// What every client says that asks for a WebSocket, but for the subprotocol.
pub const UPGRADE: &str = "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                           Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const MASK: [u8; 4] = [0x12, 0xA5, 0x00, 0xFF];

impl Web {
    /// A TCP connection.
    ///
    /// # Errors
    /// As TCP has them.
    pub fn plain(address: SocketAddr) -> io::Result<Self> {
        let socket = open(address)?;
        Ok(Self { stream: Box::new(socket.try_clone()?), socket, buffer: Vec::new() })
    }

    /// A TLS connection.
    ///
    /// # Errors
    /// As TCP and TLS have them.
    pub fn tls(address: SocketAddr, options: &TlsOptions) -> io::Result<Self> {
        let socket = open(address)?;
        let stream = tls(&socket, options)?;
        Ok(Self { stream: Box::new(stream), socket, buffer: Vec::new() })
    }

    /// The socket below: for timeouts, and to cut it.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Sends the head of a request: its first line, and header fields that end with `\r\n`; and a body. Gives the answer.
    ///
    /// # Errors
    /// When none comes.
    pub fn request(&mut self, line: &str, headers: &str, body: &[u8]) -> anyhow::Result<Response> {
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        self.send(format!("{line} HTTP/1.1\r\n{headers}{length}\r\n").as_bytes())?;
        self.send(body)?;
        self.response()
    }

    /// The next answer.
    ///
    /// # Errors
    /// When none comes.
    pub fn response(&mut self) -> anyhow::Result<Response> {
        let end = loop {
            match self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(end) => break end,
                None => self.fill()?,
            }
        };
        let head = String::from_utf8(self.buffer.drain(..end + 4).collect())?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("a status")?.parse()?;
        let fields = lines.filter_map(|line| line.split_once(": "));
        let headers: Vec<_> = fields.map(|(name, value)| (name.to_lowercase(), value.to_string())).collect();
        let mut response = Response { status, headers, body: String::new() };
        let length = response.header("content-length").parse().unwrap_or(0);
        while self.buffer.len() < length {
            self.fill()?;
        }
        response.body = String::from_utf8(self.buffer.drain(..length).collect())?;
        Ok(response)
    }

    /// Asks for a WebSocket at `path` and gets it.
    ///
    /// # Errors
    /// What the answer says otherwise.
    pub fn upgrade(&mut self, path: &str) -> anyhow::Result<()> {
        let headers = format!("{UPGRADE}Sec-WebSocket-Protocol: mqtt\r\n");
        let response = self.request(&format!("GET {path}"), &headers, b"")?;
        anyhow::ensure!(response.status == 101, "no WebSocket: {response:?}");
        anyhow::ensure!(response.header("sec-websocket-protocol") == "mqtt", "{response:?}");
        anyhow::ensure!(
            response.header("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "{response:?}"
        );
        Ok(())
    }

    /// Sends a masked frame: its first byte, and its payload.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send_frame(&mut self, first: u8, payload: &[u8]) -> io::Result<()> {
        self.send(&frame(first, payload))
    }

    /// The next frame of the server: its first byte, and its payload.
    ///
    /// # Errors
    /// When none comes, or it is masked.
    pub fn frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        loop {
            match take_frame(&mut self.buffer)? {
                Some(frame) => return Ok(frame),
                None => self.fill()?,
            }
        }
    }

    /// Waits for the other side to close.
    ///
    /// # Errors
    /// When it does not close soon.
    pub fn wait_for_the_end(&mut self) -> anyhow::Result<()> {
        loop {
            match self.fill() {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    anyhow::bail!("the gateway did not close the connection");
                }
                Err(_) => return Ok(()),
                Ok(()) => {}
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16 * 1024];
        self.socket.set_read_timeout(Some(wait::SOON))?;
        match self.stream.read(&mut bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.buffer.extend_from_slice(&bytes[..count]);
                Ok(())
            }
        }
    }

    /// A device that speaks through the WebSocket that was opened.
    ///
    /// # Errors
    /// As TCP has them.
    pub fn into_client(self) -> io::Result<Client> {
        let socket = self.socket.try_clone()?;
        Ok(Client::over(Box::new(self), socket))
    }
}

impl Client {
    /// A device that speaks through a WebSocket, with TLS or without.
    ///
    /// # Errors
    /// When there is none.
    pub fn websocket(address: SocketAddr, options: Option<&TlsOptions>) -> anyhow::Result<Self> {
        let mut web = match options {
            Some(options) => Web::tls(address, options)?,
            None => Web::plain(address)?,
        };
        web.upgrade("/mqtt")?;
        Ok(web.into_client()?)
    }
}

/// A WebSocket as a stream of bytes. Binary frames alone are data; a Close frame is the end.
impl Read for Web {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            match take_frame(&mut self.buffer)? {
                Some((0x82, payload)) => {
                    // The tests' client reads with more room than any frame has.
                    bytes[..payload.len()].copy_from_slice(&payload);
                    return Ok(payload.len());
                }
                Some((0x88, _)) => return Ok(0),
                Some(_) => {}
                None => {
                    let mut some = [0; 4096];
                    match self.stream.read(&mut some)? {
                        0 => return Ok(0),
                        count => self.buffer.extend_from_slice(&some[..count]),
                    }
                }
            }
        }
    }
}

impl Write for Web {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write_all(&frame(0x82, bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match u16::try_from(payload.len()) {
        Ok(len @ 0..=125) => bytes.push(0x80 | len as u8),
        Ok(len) => {
            bytes.push(0x80 | 126);
            bytes.extend(len.to_be_bytes());
        }
        Err(_) => {
            bytes.push(0x80 | 127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn take_frame(buffer: &mut Vec<u8>) -> io::Result<Option<(u8, Vec<u8>)>> {
    let [first, length, rest @ ..] = buffer.as_slice() else { return Ok(None) };
    let extended = match length {
        0..=125 => 0,
        126 => 2,
        127 => 8,
        _ => return Err(io::Error::other("a frame of the server is masked")),
    };
    if rest.len() < extended {
        return Ok(None);
    }
    let (number, rest) = rest.split_at(extended);
    let length = match extended {
        0 => usize::from(*length),
        _ => number.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)),
    };
    if rest.len() < length {
        return Ok(None);
    }
    let frame = (*first, rest[..length].to_vec());
    buffer.drain(..2 + extended + length);
    Ok(Some(frame))
}

/// The value of a header that is base64.
pub fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

impl From<io::Error> for Gone {
    fn from(error: io::Error) -> Self {
        Self::Closed(error.to_string())
    }
}
