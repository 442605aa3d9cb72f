//! The two steps of the server.

use super::message::ClientFinal;
use super::{ClientFirst, Credential, Fault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use subtle::ConstantTimeEq;

/// Random bytes in the server's part of the nonce.
pub const NONCE_BYTES: usize = 18;

/// The server's part of the nonce; a new one for each exchange.
#[derive(Clone, Debug)]
pub struct Nonce(String);

impl Nonce {
    /// From random bytes.
    pub fn new(random: [u8; NONCE_BYTES]) -> Self {
        Self(BASE64.encode(random))
    }

    #[cfg(test)]
    pub(super) fn literal(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// An exchange that waits for the client's last message.
#[derive(Debug)]
pub struct Exchange {
    credential: Credential,
    header: String,
    nonce: String,
    /// What is signed, without what is still to come: `client-first-bare,server-first,`.
    signed: String,
}

impl Exchange {
    /// Answers the first message: the exchange, and the server's first message.
    pub fn begin(first: &ClientFirst, credential: Credential, nonce: &Nonce) -> (Self, String) {
        let nonce = format!("{}{}", first.nonce, nonce.0);
        let (salt, iterations) = (BASE64.encode(credential.salt()), credential.iterations());
        let challenge = format!("r={nonce},s={salt},i={iterations}");
        let signed = format!("{},{challenge},", first.bare);
        (Self { credential, header: first.header.clone(), nonce, signed }, challenge)
    }

    /// Checks the last message of the client; gives the server's last message, which proves that the server knows the password's
    /// credential.
    ///
    /// # Errors
    /// When the message is malformed, belongs to another exchange, or proves another password.
    pub fn finish(self, last: &[u8]) -> Result<String, Fault> {
        let last = ClientFinal::parse(last)?;
        let is_same_nonce: bool = last.nonce.as_bytes().ct_eq(self.nonce.as_bytes()).into();
        if !is_same_nonce || last.header != self.header.as_bytes() {
            return Err(Fault::OtherExchange);
        }
        let signed = [self.signed.as_bytes(), last.without_proof.as_bytes()];
        if !self.credential.is_proof(&last.proof, &signed) {
            return Err(Fault::WrongProof);
        }
        Ok(format!("v={}", BASE64.encode(self.credential.server_signature(&signed))))
    }
}
