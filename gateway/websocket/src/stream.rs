//! A WebSocket as a stream of bytes.

use crate::close;
use crate::frame::{Opcode, OutHeader, Violation};
use crate::input::{Control, Input};
use bytes::{Buf, Bytes, BytesMut};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Payload of one frame to the client at most: what its header announces has to be kept until the client takes it.
const FRAME_BYTES_MAX: usize = 16 * 1024;
/// Reads without payload, after which others get a turn: a client may send nothing but pings.
const EMPTY_READS_MAX: usize = 16;

/// What is read is the payload of the client's binary frames; what is written goes to it in binary frames. Pings are answered while reading;
/// shutting down sends the Close frame.
#[derive(Debug)]
pub struct Stream<S> {
    inner: S,
    /// What came together with the handshake and was not looked at yet.
    early: Bytes,
    input: Input,
    /// Parts of frames that the client has not taken yet.
    staged: BytesMut,
    /// The payload of the last ping that is not answered yet: one answer to several is enough, RFC 6455 section 5.5.3.
    pong: Option<Box<[u8]>>,
    /// Whether the answer to a ping may still be in a buffer below.
    unflushed: bool,
    /// Whether our Close frame was sent, or staged; nothing may follow it.
    closing: bool,
    /// Whether the client will send no more.
    ended: bool,
}

impl<S> Stream<S> {
    /// A WebSocket whose handshake is done. `early` is what was read beyond it.
    pub fn new(inner: S, early: Bytes) -> Self {
        Self {
            inner,
            // Nothing of a buffer may still be all of its memory.
            early: if early.is_empty() { Bytes::new() } else { early },
            input: Input::default(),
            staged: BytesMut::new(),
            pong: None,
            unflushed: false,
            closing: false,
            ended: false,
        }
    }

    /// Bytes held on the heap; none while the connection is idle.
    pub fn held_bytes(&self) -> usize {
        let pong = self.pong.as_ref().map_or(0, |pong| pong.len());
        self.early.len() + self.staged.capacity() + pong + self.input.held_bytes()
    }

    fn stage(&mut self, opcode: Opcode, payload: &[u8]) {
        self.staged.extend_from_slice(OutHeader::new(opcode, payload.len()).as_bytes());
        self.staged.extend_from_slice(payload);
    }

    fn stage_close(&mut self, status: Option<u16>) {
        if !self.closing {
            self.closing = true;
            self.pong = None;
            let payload = status.map(u16::to_be_bytes);
            self.stage(Opcode::Close, payload.as_ref().map_or(&[], |payload| payload));
        }
    }

    fn obey(&mut self, control: Control) {
        match control {
            Control::Ping(payload) if !self.closing => self.pong = Some(payload),
            Control::Ping(_) => {}
            Control::Close(status) => {
                self.ended = true;
                self.stage_close(status);
            }
        }
    }

    /// Makes payload of what was read behind the first `before` bytes of `buffer`.
    fn unwrap(&mut self, buffer: &mut ReadBuf<'_>, before: usize) -> Result<usize, Violation> {
        let mut input = std::mem::take(&mut self.input);
        let unwrapped = input.unwrap(&mut buffer.filled_mut()[before..], |control| self.obey(control));
        self.input = input;
        let kept = unwrapped.inspect_err(|violation| {
            self.ended = true;
            self.stage_close(Some(violation.status()));
        });
        buffer.set_filled(before + kept.unwrap_or(0));
        kept
    }
}

impl<S: AsyncRead + Unpin> Stream<S> {
    /// Reads as the client sent it; gives how many bytes.
    fn poll_raw(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let before = buffer.filled().len();
        if self.early.is_empty() {
            ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        } else {
            let some = self.early.len().min(buffer.remaining());
            buffer.put_slice(&self.early[..some]);
            self.early.advance(some);
            if self.early.is_empty() {
                self.early = Bytes::new();
            }
        }
        Poll::Ready(Ok(buffer.filled().len() - before))
    }
}

impl<S: AsyncWrite + Unpin> Stream<S> {
    /// Writes what is staged, and the answer to a ping.
    fn poll_staged(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.staged.is_empty() {
                let count = ready!(Pin::new(&mut self.inner).poll_write(context, &self.staged))?;
                if count == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.staged.advance(count);
                self.unflushed = true;
            }
            self.staged = BytesMut::new();
            match self.pong.take() {
                Some(payload) => self.stage(Opcode::Pong, &payload),
                None => return Poll::Ready(Ok(())),
            }
        }
    }

    fn poll_everything(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_staged(context))?;
        ready!(Pin::new(&mut self.inner).poll_flush(context))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    /// What is to be sent without anybody writing: answers to control frames. When the client does not take it, the task is woken when it does.
    fn answer(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.staged.is_empty() && self.pong.is_none() && !self.unflushed {
            return Ok(());
        }
        match self.poll_everything(context) {
            // A client that has said goodbye need not be there to hear ours.
            Poll::Ready(Err(error)) if !self.ended => Err(error),
            Poll::Ready(_) | Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        stream.answer(context)?;
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        for _ in 0..EMPTY_READS_MAX {
            if stream.ended {
                return Poll::Ready(Ok(()));
            }
            let before = buffer.filled().len();
            if ready!(stream.poll_raw(context, buffer))? == 0 {
                stream.ended = true;
                return Poll::Ready(Ok(()));
            }
            let kept = stream.unwrap(buffer, before);
            let answered = stream.answer(context);
            let kept = kept.map_err(|violation| io::Error::new(io::ErrorKind::InvalidData, violation))?;
            if kept > 0 {
                return Poll::Ready(Ok(()));
            }
            answered?;
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    /// Takes up to a frame's worth. What the layer below does not take of that frame is kept, so a frame is never left half written by a
    /// caller that has nothing more to say.
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        ready!(stream.poll_staged(context))?;
        if stream.closing {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let payload = &bytes[..bytes.len().min(FRAME_BYTES_MAX)];
        if payload.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let header = OutHeader::new(Opcode::Binary, payload.len());
        let header = header.as_bytes();
        let frame = [IoSlice::new(header), IoSlice::new(payload)];
        let written = ready!(Pin::new(&mut stream.inner).poll_write_vectored(context, &frame))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        stream.staged.extend_from_slice(header.get(written..).unwrap_or_default());
        stream.staged.extend_from_slice(&payload[written.saturating_sub(header.len())..]);
        Poll::Ready(Ok(payload.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_everything(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        stream.stage_close(Some(close::NORMAL));
        ready!(stream.poll_everything(context))?;
        Pin::new(&mut stream.inner).poll_shutdown(context)
    }
}
