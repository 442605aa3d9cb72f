//! Memory that all links of one thread share.

/// How much is read from a socket at once.
const READ_BYTES: usize = 32 * 1024;

/// One for each thread that drives links.
#[derive(Debug)]
pub struct Buffers {
    /// As long as one read may be.
    pub(super) incoming: Vec<u8>,
}

impl Buffers {
    /// Buffers for any number of links.
    pub fn new() -> Self {
        Self { incoming: vec![0; READ_BYTES] }
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new()
    }
}
