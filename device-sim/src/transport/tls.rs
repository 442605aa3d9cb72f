//! TLS as a layer between bytes and bytes. It keeps bytes of its own only while a record or a handshake message is not
//! whole; everything else passes through the buffers of the thread.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::HandshakeKind;
use rustls::client::UnbufferedClientConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};
use rustls_pki_types::ServerName;

use super::Failure;

/// Of a record, over its content: header, content type, tag and what older versions add.
const RECORD_OVERHEAD_BYTES: usize = 64;
/// The content of one record.
const RECORD_BYTES_MAX: usize = 16 * 1024;

/// How a TLS handshake went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// With certificates and signatures.
    Full,
    /// From what an earlier connection left.
    Resumed,
}

pub(super) struct Tls {
    connection: UnbufferedClientConnection,
    /// Received, and not whole yet. It must be in front of what is received next.
    partial: Vec<u8>,
}

/// A run through the states of a connection.
#[derive(Default)]
struct Run {
    /// Bytes of the input that are done with.
    used: usize,
    closed: bool,
}

/// Without keys.
impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let handshake = self.handshake();
        let held = self.partial.len();
        formatter.debug_struct("Tls").field("handshake", &handshake).field("held_bytes", &held).finish()
    }
}

impl Tls {
    pub(super) fn new(config: &Arc<ClientConfig>, name: &ServerName<'static>) -> Result<Self, Failure> {
        let connection = UnbufferedClientConnection::new(Arc::clone(config), name.clone())?;
        Ok(Self { connection, partial: Vec::new() })
    }

    /// Whether application data can be sent.
    pub(super) fn is_open(&self) -> bool {
        !self.connection.is_handshaking()
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.partial.capacity()
    }

    pub(super) fn handshake(&self) -> Option<Handshake> {
        match self.connection.handshake_kind()? {
            HandshakeKind::Resumed => Some(Handshake::Resumed),
            _ => Some(Handshake::Full),
        }
    }

    /// Puts what is not whole in front of what will be read next; how much that is.
    pub(super) fn restore(&mut self, incoming: &mut [u8]) -> usize {
        let held = self.partial.len();
        incoming[..held].copy_from_slice(&self.partial);
        held
    }

    /// Takes `input`, which begins with what [`restore`](Self::restore) put there; decrypts to the end of `plaintext`, and appends to
    /// `outgoing` what TLS itself has to say. On failure that is the alert that tells the server why. Whether the server
    /// said goodbye.
    pub(super) fn receive(
        &mut self,
        input: &mut [u8],
        plaintext: &mut Vec<u8>,
        outgoing: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        let mut run = Run::default();
        if let Err(error) = run.through(&mut self.connection, input, &[], plaintext, outgoing) {
            // The alert waits to be encoded; that the connection has failed is known already.
            let _ = run.through(&mut self.connection, input, &[], plaintext, outgoing);
            return Err(error.into());
        }
        let rest = &input[run.used..];
        self.partial = if rest.is_empty() { Vec::new() } else { rest.to_vec() };
        Ok(run.closed)
    }

    /// Encrypts `plaintext` to the end of `outgoing`.
    pub(super) fn send(&mut self, plaintext: &[u8], outgoing: &mut Vec<u8>) -> Result<(), Failure> {
        let mut none = Vec::new();
        let mut run = Run::default();
        run.through(&mut self.connection, &mut self.partial, plaintext, &mut none, outgoing)?;
        debug_assert!(run.used == 0 && none.is_empty(), "what is whole was taken when it was received");
        Ok(())
    }

    /// Appends the goodbye of TLS to `outgoing`.
    pub(super) fn close(&mut self, outgoing: &mut Vec<u8>) {
        let UnbufferedStatus { state, .. } = self.connection.process_tls_records(&mut self.partial);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state {
            // A connection that can say nothing any more needs no goodbye.
            let _ = append(outgoing, RECORD_OVERHEAD_BYTES, |room| {
                traffic.queue_close_notify(room).map_err(Short::from)
            });
        }
    }
}

impl Run {
    /// Goes through the states until nothing is left to do without more input. What is left of the input must be
    /// there at the next run, at the same place.
    fn through(
        &mut self,
        connection: &mut UnbufferedClientConnection,
        input: &mut [u8],
        send: &[u8],
        plaintext: &mut Vec<u8>,
        outgoing: &mut Vec<u8>,
    ) -> Result<(), rustls::Error> {
        loop {
            let UnbufferedStatus { discard, state } = connection.process_tls_records(&mut input[self.used..]);
            self.used += discard;
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        self.used += record.discard;
                        plaintext.extend_from_slice(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    append(outgoing, 0, |room| data.encode(room).map_err(Short::from))?;
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.closed = true,
                ConnectionState::WriteTraffic(mut traffic) => {
                    if !send.is_empty() {
                        let records = send.len() / RECORD_BYTES_MAX + 1;
                        let room = send.len() + records * RECORD_OVERHEAD_BYTES;
                        let mut encrypt = |room: &mut [u8]| traffic.encrypt(send, room);
                        append(outgoing, room, |room| encrypt(room).map_err(Short::from))?;
                    }
                    return Ok(());
                }
                // Blocked until more arrives, or over. Early data is a server's business.
                _ => return Ok(()),
            }
        }
    }
}

/// Why nothing was written.
enum Short {
    Room(usize),
    Exhausted,
}

impl From<EncodeError> for Short {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => {
                Self::Room(required_size)
            }
            EncodeError::AlreadyEncoded => Self::Exhausted,
        }
    }
}

impl From<EncryptError> for Short {
    fn from(error: EncryptError) -> Self {
        match error {
            EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
                Self::Room(required_size)
            }
            EncryptError::EncryptExhausted => Self::Exhausted,
        }
    }
}

/// Lets `write` write to the end of `out`, first into `room` bytes, and if that is too little, into as many as it asks
/// for.
fn append(
    out: &mut Vec<u8>,
    room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Short>,
) -> Result<(), rustls::Error> {
    let start = out.len();
    out.resize(start + room, 0);
    let written = match write(&mut out[start..]) {
        Err(Short::Room(needed)) => {
            out.resize(start + needed, 0);
            write(&mut out[start..])
        }
        written => written,
    };
    let written = written.map_err(|_| rustls::Error::EncryptError);
    out.truncate(start + *written.as_ref().unwrap_or(&0));
    written.map(|_| ())
}
