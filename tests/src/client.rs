//! A device that does what the test tells it, right or wrong.

use crate::packet::{Packet, Publish, frame, kind, properties, text};
use crate::tls::TlsOptions;
use crate::wait;
use rustls::{ClientConnection, HandshakeKind, StreamOwned};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a CONNECT says.
#[derive(Debug, Clone)]
pub struct Connect {
    /// 4 is MQTT 3.1.1, 5 is MQTT 5.
    pub version: u8,
    /// Client identifier.
    pub client_id: String,
    /// Clean session, or clean start.
    pub clean: bool,
    /// Seconds; 0 is off.
    pub keep_alive_secs: u16,
    /// Raw properties, of MQTT 5 alone.
    pub properties: Vec<u8>,
    /// The will.
    pub will: Option<Will>,
    /// The user name.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
}

/// A will at QoS 1.
#[derive(Debug, Clone)]
pub struct Will {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Connect {
    /// A clean session without keep alive.
    pub fn clean(version: u8, client_id: impl Into<String>) -> Self {
        let client_id = client_id.into();
        Self {
            version,
            client_id,
            clean: true,
            keep_alive_secs: 0,
            properties: Vec::new(),
            will: None,
            username: None,
            password: None,
        }
    }

    /// A session that outlives its connections by an hour.
    pub fn durable(version: u8, client_id: impl Into<String>) -> Self {
        let mut connect = Self::clean(version, client_id);
        connect.clean = false;
        if version == 5 {
            // Session Expiry Interval.
            connect.properties = vec![0x11, 0, 0, 0x0e, 0x10];
        }
        connect
    }

    /// The same with user name and password.
    #[must_use]
    pub fn named(mut self, username: &str, password: &str) -> Self {
        self.username = Some(username.to_string());
        self.password = Some(password.to_string());
        self
    }

    /// The packet.
    pub fn bytes(&self) -> Vec<u8> {
        let named = u8::from(self.username.is_some()) << 7 | u8::from(self.password.is_some()) << 6;
        let flags = named | u8::from(self.clean) << 1 | if self.will.is_some() { 0b0000_1100 } else { 0 };
        let mut body = [text("MQTT"), vec![self.version, flags]].concat();
        body.extend(self.keep_alive_secs.to_be_bytes());
        body.extend(properties(self.version, &self.properties));
        body.extend(text(&self.client_id));
        if let Some(will) = &self.will {
            body.extend(properties(self.version, &[]));
            body.extend(text(&will.topic));
            body.extend(text(&will.payload));
        }
        self.username.iter().chain(&self.password).for_each(|part| body.extend(text(part)));
        frame(kind::CONNECT << 4, &body)
    }
}

/// Why there is no packet.
#[derive(Debug)]
pub enum Gone {
    /// The other side closed, or TLS or TCP broke off.
    Closed(String),
    /// Nothing came in time.
    Silent,
}

impl std::fmt::Display for Gone {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed(why) => write!(formatter, "the connection is closed: {why}"),
            Self::Silent => formatter.write_str("nothing came in time"),
        }
    }
}

impl std::error::Error for Gone {}

pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// One connection.
pub struct Client {
    stream: Box<dyn Stream>,
    socket: TcpStream,
    buffer: Vec<u8>,
    /// Packets that were read while another was waited for.
    set_aside: VecDeque<Packet>,
    /// The version it connected with.
    pub version: u8,
    next_id: u16,
    resumed: bool,
    server_certificate: Vec<u8>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Client {
    /// A bare TCP connection.
    ///
    /// # Errors
    /// As TCP has them.
    pub fn plain(address: SocketAddr) -> io::Result<Self> {
        let socket = open(address)?;
        Ok(Self::over(Box::new(socket.try_clone()?), socket))
    }

    /// A TLS connection, its handshake done as far as this side can tell.
    ///
    /// # Errors
    /// As TCP and TLS have them.
    pub fn tls(address: SocketAddr, options: &TlsOptions) -> io::Result<Self> {
        let socket = open(address)?;
        let stream = tls(&socket, options)?;
        let connection = &stream.conn;
        let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
        let certificate =
            connection.peer_certificates().and_then(|chain| chain.first()).map(|der| der.to_vec());
        let certificate = certificate.unwrap_or_default();
        let mut client = Self::over(Box::new(stream), socket);
        client.resumed = resumed;
        client.server_certificate = certificate;
        Ok(client)
    }

    pub(crate) fn over(stream: Box<dyn Stream>, socket: TcpStream) -> Self {
        Self {
            stream,
            socket,
            buffer: Vec::new(),
            set_aside: VecDeque::new(),
            version: 4,
            next_id: 0,
            resumed: false,
            server_certificate: Vec::new(),
        }
    }

    /// Connects without TLS and is let in.
    ///
    /// # Errors
    /// When it is not.
    pub fn connect_plain(address: SocketAddr, connect: &Connect) -> anyhow::Result<Self> {
        let mut client = Self::plain(address)?;
        client.let_in(connect)?;
        Ok(client)
    }

    /// Connects with TLS and is let in.
    ///
    /// # Errors
    /// When it is not.
    pub fn connect_tls(address: SocketAddr, options: &TlsOptions, connect: &Connect) -> anyhow::Result<Self> {
        let mut client = Self::tls(address, options)?;
        client.let_in(connect)?;
        Ok(client)
    }

    fn let_in(&mut self, connect: &Connect) -> anyhow::Result<Packet> {
        let answer = self.connect(connect)?;
        anyhow::ensure!(answer.reason() == 0, "not let in, code {:#04x}: {answer:?}", answer.reason());
        Ok(answer)
    }

    /// Whether its TLS session was resumed.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The certificate that the server showed, DER; empty without TLS.
    pub fn server_certificate(&self) -> &[u8] {
        &self.server_certificate
    }

    /// Sends CONNECT and reads the answer, whatever it says.
    ///
    /// # Errors
    /// When none comes.
    pub fn connect(&mut self, connect: &Connect) -> Result<Packet, Gone> {
        self.version = connect.version;
        self.send(&connect.bytes())?;
        self.expect(kind::CONNACK)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.stream
            .write_all(bytes)
            .and_then(|()| self.stream.flush())
            .map_err(|error| Gone::Closed(error.to_string()))
    }

    /// Sends a packet made of its first byte and its body.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send_packet(&mut self, first: u8, body: &[u8]) -> Result<(), Gone> {
        self.send(&frame(first, body))
    }

    /// The next packet identifier.
    pub fn next_id(&mut self) -> u16 {
        self.next_id = self.next_id % 0xffff + 1;
        self.next_id
    }

    /// The bytes of a PUBLISH.
    pub fn publish_bytes(&self, publish: &Publish) -> Vec<u8> {
        let mut body = text(&publish.topic);
        if publish.qos > 0 {
            body.extend(publish.id.to_be_bytes());
        }
        body.extend(properties(self.version, &publish.properties));
        body.extend(&publish.payload);
        let flags = u8::from(publish.dup) << 3 | publish.qos << 1 | u8::from(publish.retain);
        frame(kind::PUBLISH << 4 | flags, &body)
    }

    /// Sends a PUBLISH and does not wait. Gives its packet identifier.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send_publish(&mut self, topic: &str, payload: impl AsRef<[u8]>, qos: u8) -> Result<u16, Gone> {
        let id = if qos > 0 { self.next_id() } else { 0 };
        let bytes = self.publish_bytes(&Publish { id, qos, ..message(topic, payload) });
        self.send(&bytes).map(|()| id)
    }

    /// Publishes at QoS 1 and waits for the acknowledgement. Gives its reason; that nobody was there to get it is a success like another.
    ///
    /// # Errors
    /// When none comes.
    pub fn publish(&mut self, topic: &str, payload: impl AsRef<[u8]>) -> Result<u8, Gone> {
        let id = self.send_publish(topic, payload, 1)?;
        self.expect_answer(kind::PUBACK, id).map(|answer| taken(answer.reason()))
    }

    /// Publishes a retained message at QoS 1 and waits for the acknowledgement.
    ///
    /// # Errors
    /// When none comes.
    pub fn retain(&mut self, topic: &str, payload: impl AsRef<[u8]>) -> Result<u8, Gone> {
        let id = self.next_id();
        let bytes = self.publish_bytes(&Publish { id, qos: 1, retain: true, ..message(topic, payload) });
        self.send(&bytes)?;
        self.expect_answer(kind::PUBACK, id).map(|answer| taken(answer.reason()))
    }

    /// Subscribes and waits for the answer. Gives its code.
    ///
    /// # Errors
    /// When none comes.
    pub fn subscribe(&mut self, filter: &str, qos: u8) -> Result<u8, Gone> {
        let id = self.next_id();
        let body = [&id.to_be_bytes()[..], &properties(self.version, &[]), &text(filter), &[qos]].concat();
        self.send_packet(kind::SUBSCRIBE << 4 | 2, &body)?;
        let answer = self.expect_answer(kind::SUBACK, id)?;
        Ok(answer.codes(self.version).first().copied().unwrap_or(0xff))
    }

    /// Unsubscribes and waits for the answer.
    ///
    /// # Errors
    /// When none comes.
    pub fn unsubscribe(&mut self, filters: &[&str]) -> Result<Packet, Gone> {
        let id = self.next_id();
        let mut body = [&id.to_be_bytes()[..], &properties(self.version, &[])].concat();
        filters.iter().for_each(|filter| body.extend(text(filter)));
        self.send_packet(kind::UNSUBSCRIBE << 4 | 2, &body)?;
        self.expect_answer(kind::UNSUBACK, id)
    }

    /// Answers a packet: PUBACK, PUBREC, PUBREL or PUBCOMP.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn answer(&mut self, kind: u8, id: u16) -> Result<(), Gone> {
        let flags = if kind == crate::kind::PUBREL { 2 } else { 0 };
        self.send_packet(kind << 4 | flags, &id.to_be_bytes())
    }

    /// Says goodbye.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn disconnect(mut self) -> Result<(), Gone> {
        self.send(&[kind::DISCONNECT << 4, 0])?;
        // The gateway closes last, so that the end of the session is not a matter of chance.
        match self.read_within(wait::SOON) {
            Err(Gone::Closed(_)) => Ok(()),
            _ => Err(Gone::Closed("the gateway did not close after DISCONNECT".to_string())),
        }
    }

    /// Makes sure the gateway has dealt with everything sent before.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn ping(&mut self) -> Result<(), Gone> {
        self.send(&[kind::PINGREQ << 4, 0])?;
        self.expect(kind::PINGRESP).map(drop)
    }

    /// The next packet.
    ///
    /// # Errors
    /// When none comes soon.
    pub fn read(&mut self) -> Result<Packet, Gone> {
        self.read_within(wait::SOON)
    }

    /// The next packet, if it comes within `bound`.
    ///
    /// # Errors
    /// When it does not.
    pub fn read_within(&mut self, bound: Duration) -> Result<Packet, Gone> {
        if let Some(packet) = self.set_aside.pop_front() {
            return Ok(packet);
        }
        self.read_new(bound)
    }

    /// The next packet off the wire.
    fn read_new(&mut self, bound: Duration) -> Result<Packet, Gone> {
        let deadline = Instant::now() + bound;
        let mut bytes = [0; 16 * 1024];
        loop {
            if let Some(packet) = Packet::take(&mut self.buffer) {
                return Ok(packet);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Gone::Silent);
            }
            self.socket.set_read_timeout(Some(left)).map_err(|error| Gone::Closed(error.to_string()))?;
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(Gone::Closed("end of stream".to_string())),
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Gone::Closed(error.to_string())),
            }
        }
    }

    /// The next packet of this type; others are kept for later.
    ///
    /// # Errors
    /// When none comes soon.
    pub fn expect(&mut self, kind: u8) -> Result<Packet, Gone> {
        self.expect_that(|packet| packet.kind == kind)
    }

    /// The answer of this type to the packet `id`; others are kept for later.
    ///
    /// # Errors
    /// When none comes soon.
    pub fn expect_answer(&mut self, kind: u8, id: u16) -> Result<Packet, Gone> {
        self.expect_that(|packet| packet.kind == kind && packet.id() == id)
    }

    fn expect_that(&mut self, wanted: impl Fn(&Packet) -> bool) -> Result<Packet, Gone> {
        if let Some(at) = self.set_aside.iter().position(&wanted) {
            return self.set_aside.remove(at).ok_or(Gone::Silent);
        }
        loop {
            let packet = self.read_new(wait::SOON)?;
            if wanted(&packet) {
                return Ok(packet);
            }
            self.set_aside.push_back(packet);
        }
    }

    /// The next message, acknowledged as its QoS wants.
    ///
    /// # Errors
    /// When none comes soon.
    pub fn receive(&mut self) -> anyhow::Result<Publish> {
        let publish = self.expect(kind::PUBLISH)?.publish(self.version)?;
        match publish.qos {
            1 => self.answer(kind::PUBACK, publish.id)?,
            2 => {
                self.answer(kind::PUBREC, publish.id)?;
                self.expect_answer(kind::PUBREL, publish.id)?;
                self.answer(kind::PUBCOMP, publish.id)?;
            }
            _ => {}
        }
        Ok(publish)
    }

    /// Waits for the other side to close; packets before that are given back.
    ///
    /// # Errors
    /// When it does not close soon.
    pub fn wait_for_the_end(&mut self) -> anyhow::Result<Vec<Packet>> {
        let mut before = Vec::new();
        loop {
            match self.read() {
                Ok(packet) => before.push(packet),
                Err(Gone::Closed(_)) => return Ok(before),
                Err(Gone::Silent) => {
                    anyhow::bail!("the gateway did not close the connection; it sent {before:?}")
                }
            }
        }
    }
}

/// 0 for 0x10, no matching subscribers (section 3.4.2.1).
fn taken(reason: u8) -> u8 {
    if reason == 0x10 { 0 } else { reason }
}

/// A message at QoS 0, to be changed.
pub(crate) fn message(topic: &str, payload: impl AsRef<[u8]>) -> Publish {
    Publish {
        topic: topic.to_string(),
        payload: payload.as_ref().to_vec(),
        qos: 0,
        dup: false,
        retain: false,
        id: 0,
        properties: Vec::new(),
    }
}

impl Publish {
    /// A message at QoS 0, to be changed.
    pub fn new(topic: &str, payload: impl AsRef<[u8]>) -> Self {
        message(topic, payload)
    }
}

/// TLS on an open connection, its handshake done as far as this side can tell.
pub(crate) fn tls(
    mut socket: &TcpStream,
    options: &TlsOptions,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = "localhost".try_into().expect("a legal name");
    let mut connection = ClientConnection::new(Arc::clone(&options.0), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(connection, socket.try_clone()?))
}

pub(crate) fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, wait::SOON)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(wait::SOON))?;
    socket.set_write_timeout(Some(wait::SOON))?;
    Ok(socket)
}
