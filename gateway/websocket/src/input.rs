//! From the bytes that a client sent to the bytes that it meant. It must not know where they come from.

use crate::close;
use crate::frame::{CONTROL_BYTES_MAX, Collected, Header, Opcode, Violation};

/// What a control frame wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// An answer with the same payload.
    Ping(Box<[u8]>),
    /// The end, with this status code.
    Close(Option<u16>),
}

/// Where in its frames the client is.
#[derive(Debug, Default)]
pub(crate) struct Input {
    header: Collected,
    payload: Option<Payload>,
    /// Whether a message has begun that has not had its last frame.
    unfinished: bool,
    /// The payload of a control frame that is not whole.
    control: Option<Box<ControlPayload>>,
    closed: bool,
}

/// What is left of a frame after its header.
#[derive(Debug)]
struct Payload {
    opcode: Opcode,
    /// Turned so that its first byte is for the next byte of payload.
    mask: [u8; 4],
    left: u64,
}

#[derive(Debug)]
struct ControlPayload {
    bytes: [u8; CONTROL_BYTES_MAX],
    len: usize,
}

impl Input {
    /// Turns `bytes` as they were read into payload, in place: it stands at their beginning, and the result says how much it is. What control
    /// frames want goes to `wanted`. After a Close frame nothing is looked at any more.
    ///
    /// # Errors
    /// When the client broke the rules; the connection is then to be closed.
    pub(crate) fn unwrap(
        &mut self,
        bytes: &mut [u8],
        mut wanted: impl FnMut(Control),
    ) -> Result<usize, Violation> {
        let (mut read, mut kept) = (0, 0);
        while read < bytes.len() && !self.closed {
            let Some(payload) = &mut self.payload else {
                let (taken, header) = self.header.take(&bytes[read..])?;
                read += taken;
                if let Some(header) = header {
                    self.begin(&header)?;
                    self.end_if_whole(&mut wanted)?;
                }
                continue;
            };
            let room = bytes.len() - read;
            let some = usize::try_from(payload.left).map_or(room, |left| left.min(room));
            payload.unmask(&mut bytes[read..read + some]);
            match &mut self.control {
                Some(control) => control.extend(&bytes[read..read + some]),
                None => {
                    bytes.copy_within(read..read + some, kept);
                    kept += some;
                }
            }
            read += some;
            self.end_if_whole(&mut wanted)?;
        }
        Ok(kept)
    }

    fn begin(&mut self, header: &Header) -> Result<(), Violation> {
        match header.opcode {
            Opcode::Continuation if !self.unfinished => return Err(Violation::StrayContinuation),
            Opcode::Binary if self.unfinished => return Err(Violation::Interleaved),
            Opcode::Continuation | Opcode::Binary => self.unfinished = !header.is_last,
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                self.control = Some(Box::new(ControlPayload { bytes: [0; CONTROL_BYTES_MAX], len: 0 }));
            }
        }
        let Header { opcode, mask, payload_bytes, .. } = *header;
        self.payload = Some(Payload { opcode, mask, left: payload_bytes });
        Ok(())
    }

    fn end_if_whole(&mut self, wanted: &mut impl FnMut(Control)) -> Result<(), Violation> {
        let Some(Payload { opcode, left: 0, .. }) = self.payload else { return Ok(()) };
        self.payload = None;
        let Some(control) = self.control.take() else { return Ok(()) };
        match opcode {
            Opcode::Ping => wanted(Control::Ping(control.as_bytes().into())),
            Opcode::Close => {
                let status = close::status(control.as_bytes())?;
                self.closed = true;
                wanted(Control::Close(status));
            }
            Opcode::Pong | Opcode::Binary | Opcode::Continuation => {}
        }
        Ok(())
    }

    /// Bytes held on the heap.
    pub(crate) fn held_bytes(&self) -> usize {
        self.control.as_ref().map_or(0, |control| size_of_val(&**control))
    }
}

impl Payload {
    /// Takes the mask from bytes that follow those of the last call.
    fn unmask(&mut self, bytes: &mut [u8]) {
        let mut whole = bytes.chunks_exact_mut(4);
        for four in &mut whole {
            for (byte, mask) in four.iter_mut().zip(self.mask) {
                *byte ^= mask;
            }
        }
        let rest = whole.into_remainder();
        for (byte, mask) in rest.iter_mut().zip(self.mask) {
            *byte ^= mask;
        }
        self.mask.rotate_left(rest.len());
        self.left -= bytes.len() as u64;
    }
}

impl ControlPayload {
    fn extend(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
