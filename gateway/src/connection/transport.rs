//! Bytes in and out of one connection. An idle connection holds no buffer: what is read goes through the stack, and what is
//! kept is kept only while a packet is incomplete or a peer does not read.
//!
//! It must not know sessions; it knows packets only as far as cutting them out of the bytes.

use super::traffic::{Direction, Traffic};
use bytes::{Buf, BytesMut};
use mqtt::{DecodeError, Packet, Version};
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Read at once at most; a TLS record holds at most 16 KiB.
const READ_BYTES: usize = 8 * 1024;

/// How long a peer that was told goodbye may be silent before its side is taken for closed.
const LAST_READ_TIME_MAX: Duration = Duration::from_millis(500);

/// What the connection's task waits for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Bytes came: look for packets.
    Readable,
    /// The peer has taken everything that was to be written.
    Flushed,
    /// The peer closed its side.
    Closed,
}

/// One stream with what is half read and half written.
#[derive(Debug)]
pub(crate) struct Transport<S> {
    stream: S,
    input: BytesMut,
    output: BytesMut,
    flushing: bool,
    /// Nothing more may be written.
    mute: bool,
    packet_bytes_max: usize,
    /// The largest packet that the peer takes, as its CONNECT said.
    peer_packet_bytes_max: usize,
    traffic: Arc<Traffic>,
    /// Bytes of the output whose packets were counted.
    counted: usize,
    /// Bytes the peer took so far, wrapping.
    taken: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport<S> {
    pub(crate) fn new(stream: S, packet_bytes_max: usize, traffic: Arc<Traffic>) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            flushing: false,
            mute: false,
            packet_bytes_max,
            peer_packet_bytes_max: usize::MAX,
            traffic,
            counted: 0,
            taken: 0,
        }
    }

    /// Sets the largest packet that the peer takes, in bytes.
    pub(crate) fn set_peer_packet_bytes_max(&mut self, bytes: usize) {
        self.peer_packet_bytes_max = bytes;
    }

    /// The largest packet that the peer takes, in bytes: what is to be written is the business of who writes it.
    pub(crate) fn peer_packet_bytes_max(&self) -> usize {
        self.peer_packet_bytes_max
    }

    /// The next whole packet among the bytes that were read. `version` is `None` before the CONNECT.
    pub(crate) fn next_packet(&mut self, version: Option<Version>) -> Result<Option<Packet>, DecodeError> {
        if self.input.is_empty() {
            return Ok(None);
        }
        let packet = mqtt::decode(&mut self.input, version, self.packet_bytes_max)
            .map_err(mqtt::fault_seen_by_server)?;
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        if let Some(packet) = &packet {
            self.traffic.packet(Direction::Received, packet.packet_type());
        }
        Ok(packet)
    }

    /// Whether a packet was begun and is not whole; right after [`Transport::next_packet`] gave none.
    pub(crate) fn has_part_of_a_packet(&self) -> bool {
        !self.input.is_empty()
    }

    /// Where packets for the peer are written.
    pub(crate) fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Bytes that the peer has not taken yet.
    pub(crate) fn unwritten(&self) -> usize {
        self.output.len()
    }

    /// A number that changes whenever the peer takes bytes.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Writes what there is to write and, when `reading`, waits for bytes. Safe to cancel: nothing is lost between two calls.
    ///
    /// # Errors
    /// When the stream fails; the connection is then over.
    pub(crate) async fn next_event(&mut self, reading: bool) -> io::Result<Event> {
        self.next_event_within(reading, usize::MAX).await
    }

    /// The same, reading only while less than `unwritten_bytes_max` wait for the peer. What was just written counts no more, so that a
    /// peer for whom there is always more is heard between two rounds of it.
    ///
    /// # Errors
    /// As [`Transport::next_event`].
    pub(crate) async fn next_event_within(
        &mut self,
        reading: bool,
        unwritten_bytes_max: usize,
    ) -> io::Result<Event> {
        poll_fn(|context| self.poll_event(context, reading, unwritten_bytes_max)).await
    }

    fn poll_event(
        &mut self,
        context: &mut Context<'_>,
        reading: bool,
        unwritten_bytes_max: usize,
    ) -> Poll<io::Result<Event>> {
        let had_output = !self.output.is_empty() || self.flushing;
        let written = self.poll_write_all(context)?;
        if reading
            && self.output.len() < unwritten_bytes_max
            && let Poll::Ready(count) = self.poll_read_some(context)?
        {
            return Poll::Ready(Ok(if count == 0 { Event::Closed } else { Event::Readable }));
        }
        match written {
            Poll::Ready(()) if had_output => Poll::Ready(Ok(Event::Flushed)),
            _ => Poll::Pending,
        }
    }

    fn poll_write_all(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.count_output();
        while !self.output.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, &self.output)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(count) => {
                    self.output.advance(count);
                    self.counted -= count;
                    self.taken = self.taken.wrapping_add(count as u64);
                    self.traffic.bytes(Direction::Sent, count);
                    self.flushing = true;
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.output.capacity() > 0 {
            self.output = BytesMut::new();
        }
        if self.flushing {
            std::task::ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.flushing = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Only whole packets are put in the output.
    fn count_output(&mut self) {
        self.traffic.packets_sent(&self.output[self.counted..]);
        self.counted = self.output.len();
    }

    fn poll_read_some(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [const { MaybeUninit::<u8>::uninit() }; READ_BYTES];
        let mut read = ReadBuf::uninit(&mut space);
        std::task::ready!(Pin::new(&mut self.stream).poll_read(context, &mut read))?;
        self.input.extend_from_slice(read.filled());
        self.traffic.bytes(Direction::Received, read.filled().len());
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Throws away what was not written yet. If a part of it was, the peer would take what comes next for the rest of it, so nothing may
    /// come next.
    pub(crate) fn forget_output(&mut self) {
        self.output = BytesMut::new();
        self.counted = 0;
        self.mute = self.mute || self.flushing;
    }

    /// Writes what is left and says goodbye to the peer. The caller bounds the time.
    pub(crate) async fn close(&mut self) {
        if !self.mute {
            let _ = poll_fn(|context| self.poll_write_all(context)).await;
        }
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut self.stream).await;
        // Closing a socket with bytes unread resets it, and the reset can overtake the DISCONNECT that says why. A client that is busy
        // answering what came before it may need a while to get there, and sends meanwhile.
        loop {
            self.input.clear();
            let read = poll_fn(|context| self.poll_read_some(context));
            match tokio::time::timeout(LAST_READ_TIME_MAX, read).await {
                Ok(Ok(0) | Err(_)) | Err(_) => return,
                Ok(Ok(_)) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn pair() -> (Transport<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (ours, peer) = tokio::io::duplex(64);
        (Transport::new(ours, 1024, Arc::default()), peer)
    }

    #[tokio::test]
    async fn packets_are_cut_out_of_the_bytes() {
        let (mut transport, mut peer) = pair();
        peer.write_all(&[0xC0, 0x00, 0xC0]).await.unwrap();
        assert_eq!(transport.next_event(true).await.unwrap(), Event::Readable);
        assert_eq!(transport.next_packet(Some(Version::V5)).unwrap(), Some(Packet::PingReq));
        assert_eq!(transport.next_packet(Some(Version::V5)).unwrap(), None);
        peer.write_all(&[0x00]).await.unwrap();
        assert_eq!(transport.next_event(true).await.unwrap(), Event::Readable);
        assert_eq!(transport.next_packet(Some(Version::V5)).unwrap(), Some(Packet::PingReq));
        assert_eq!(transport.input.capacity(), 0, "an idle connection holds no read buffer");
        let received = transport.traffic.totals(Direction::Received);
        assert_eq!((received.bytes, received.packets_all()), (4, 2));
    }

    #[tokio::test]
    async fn a_peer_for_whom_there_is_always_more_is_heard() {
        let (mut transport, mut peer) = pair();
        peer.write_all(&[0xC0, 0x00]).await.unwrap();
        transport.output().extend_from_slice(&[7; 64]);
        // As much as may be unwritten is: it is written first, and then there is room to read.
        assert_eq!(transport.next_event_within(true, 64).await.unwrap(), Event::Readable);
        assert_eq!(transport.next_packet(Some(Version::V5)).unwrap(), Some(Packet::PingReq));
        assert_eq!(transport.taken(), 64);
    }

    #[tokio::test]
    async fn a_peer_that_reads_slowly_gets_everything() {
        let (mut transport, mut peer) = pair();
        transport.output().extend_from_slice(&[7; 1000]);
        let reader = tokio::spawn(async move {
            let mut all = vec![0; 1000];
            peer.read_exact(&mut all).await.unwrap();
            (peer, all)
        });
        assert_eq!(transport.next_event(true).await.unwrap(), Event::Flushed);
        let (peer, all) = reader.await.unwrap();
        assert_eq!(all, vec![7; 1000]);
        assert_eq!(transport.traffic.totals(Direction::Sent).bytes, 1000);
        assert_eq!(transport.output.capacity(), 0, "an idle connection holds no write buffer");
        drop(peer);
        assert_eq!(transport.next_event(true).await.unwrap(), Event::Closed);
    }
}
