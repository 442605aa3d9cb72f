//! What carries the bytes of MQTT: a connection as it is, or the WebSocket in it. Whoever reads and writes does not know which.

use listener::{Accepted, Stream};
use rustls::pki_types::CertificateDer;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that speaks MQTT from here on.
pub(crate) struct Arrived {
    pub(crate) carrier: Carrier,
    pub(crate) peer: SocketAddr,
    /// The chain that the client showed, its own certificate first; empty without TLS.
    pub(crate) certificates: Arc<[CertificateDer<'static>]>,
    /// As in [`Accepted`].
    pub(crate) trust_generation: u64,
    /// Whether nobody else can read it.
    pub(crate) is_tls: bool,
}

impl From<Accepted> for Arrived {
    fn from(accepted: Accepted) -> Self {
        let Accepted { stream, peer, certificates, trust_generation, version, .. } = accepted;
        let (carrier, certificates) = (Carrier::Bare(stream), certificates.into());
        Self { carrier, peer, certificates, trust_generation, is_tls: version.is_some() }
    }
}

/// The stream of bytes of one connection.
#[derive(Debug)]
pub(crate) enum Carrier {
    /// TLS, or TCP alone.
    Bare(Stream),
    /// Frames in one of those. Boxed, so that other connections do not pay for it.
    WebSocket(Box<websocket::Stream<Stream>>),
}

/// Calls the same method on whichever it is.
macro_rules! either {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Carrier::Bare(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Carrier::WebSocket(stream) => {
                let $stream = Pin::new(&mut **stream);
                $call
            }
        }
    };
}

impl AsyncRead for Carrier {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Carrier {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Bare(stream) => stream.is_write_vectored(),
            Self::WebSocket(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(context))
    }
}
