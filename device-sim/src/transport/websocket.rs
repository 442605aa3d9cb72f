//! The client's side of WebSocket (RFC 6455) as a layer between bytes and bytes: the request, then binary frames.
//!
//! MQTT does not care where frames begin [MQTT-6.0.0-2], so none is collected: payload is handed on as it comes, and
//! what is sent at once is one frame.

mod frame;
mod handshake;

use super::{Endpoint, Failure};
use frame::Reader;
use handshake::Asked;

/// What a server may say before it agrees to WebSocket.
const ANSWER_BYTES_MAX: usize = 8 * 1024;

#[derive(Debug)]
pub(super) struct WebSocket {
    stage: Stage,
    masks: frame::Masks,
}

#[derive(Debug)]
enum Stage {
    /// The request and the beginning of the answer.
    Asking(Box<Asked>),
    Open(Reader),
}

impl WebSocket {
    pub(super) fn new(endpoint: &Endpoint) -> Self {
        let mut masks = frame::Masks::new();
        let asked = Asked::new(&endpoint.host(), &endpoint.path, masks.key());
        Self { stage: Stage::Asking(Box::new(asked)), masks }
    }

    /// The request, for the layer below as soon as it is open. Empty when it was taken before.
    pub(super) fn take_request(&mut self) -> Vec<u8> {
        match &mut self.stage {
            Stage::Asking(asked) => std::mem::take(&mut asked.request),
            Stage::Open(_) => Vec::new(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    /// Takes `input`; payload goes to the end of `payload`, and what WebSocket itself has to say, framed, to the end
    /// of `outgoing`. Whether the server said goodbye.
    pub(super) fn receive(
        &mut self,
        mut input: &[u8],
        payload: &mut Vec<u8>,
        outgoing: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        if let Stage::Asking(asked) = &mut self.stage {
            if !asked.answered(&mut input)? {
                return Ok(false);
            }
            self.stage = Stage::Open(Reader::default());
        }
        match &mut self.stage {
            Stage::Open(reader) => reader.read(input, payload, |frame| self.masks.frame(frame, outgoing)),
            Stage::Asking(_) => Ok(false),
        }
    }

    /// Appends `payload` as one frame to `outgoing`.
    pub(super) fn send(&mut self, payload: &[u8], outgoing: &mut Vec<u8>) {
        self.masks.frame(frame::Frame { kind: frame::BINARY, payload }, outgoing);
    }

    /// Appends the goodbye of WebSocket to `outgoing`.
    pub(super) fn close(&mut self, outgoing: &mut Vec<u8>) {
        // 1000: in order.
        self.masks.frame(frame::Frame { kind: frame::CLOSE, payload: &1000_u16.to_be_bytes() }, outgoing);
    }
}
