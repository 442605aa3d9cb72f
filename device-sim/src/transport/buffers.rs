//! Memory that all links of one thread share.

/// How much is read from a socket at once. A handshake message of TLS, which may have 64 KiB, must fit with room for
/// the record that ends it.
const READ_BYTES: usize = 96 * 1024;

/// One for each thread that drives links.
#[derive(Debug)]
pub struct Buffers {
    /// What was read from the socket. Always as long as one read may be.
    pub(super) incoming: Vec<u8>,
    /// What TLS made of it, on its way to WebSocket.
    pub(super) opened: Vec<u8>,
    /// What WebSocket made of what is sent, on its way to TLS.
    pub(super) framed: Vec<u8>,
    /// On its way to the socket.
    pub(super) outgoing: Vec<u8>,
}

impl Buffers {
    /// Buffers for any number of links.
    pub fn new() -> Self {
        Self { incoming: vec![0; READ_BYTES], opened: Vec::new(), framed: Vec::new(), outgoing: Vec::new() }
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new()
    }
}
