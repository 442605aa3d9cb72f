//! SCRAM-SHA-256, the server's side (RFC 5802, RFC 7677): a client proves that it knows a password, and learns that the server knows what
//! belongs to it, without the password on the wire or in the server's files.
//!
//! ```text
//! client-first  n,,n=user,r=…             ClientFirst::parse
//! server-first  r=…,s=salt,i=iterations   Exchange::begin
//! client-final  c=biws,r=…,p=proof        Exchange::finish
//! server-final  v=signature
//! ```
//!
//! - Channel binding is not offered: `p=` is refused, `n` and `y` are taken. An authorisation identity must be empty or the user itself.
//! - Names are ASCII without control characters. SASLprep leaves such names as they are, so nothing has to be prepared; others are
//!   refused. Passwords are printable ASCII for the same reason.
//! - A name that nobody has gets a [`Credential::decoy`], so that only the end of the exchange fails, as with a wrong password.
//!
//! It must not know packets, files or clocks, and has no randomness of its own: the nonce is an argument.

mod credential;
mod exchange;
mod message;

pub use credential::{
    Credential, CredentialError, ITERATIONS_DEFAULT, ITERATIONS_MAX, ITERATIONS_MIN, PASSWORD_BYTES_MAX,
    PasswordError, SALT_BYTES,
};
pub use exchange::{Exchange, NONCE_BYTES, Nonce};
pub use message::{ClientFirst, MESSAGE_BYTES_MAX};

/// The name of the mechanism: the Authentication Method of MQTT.
pub const METHOD: &str = "SCRAM-SHA-256";

/// Why an exchange fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A message over [`MESSAGE_BYTES_MAX`].
    #[error("a SCRAM message is longer than {MESSAGE_BYTES_MAX} bytes")]
    TooLong,
    /// Not what the grammar of RFC 5802, section 7, has.
    #[error("malformed SCRAM message: {0}")]
    Malformed(&'static str),
    /// `p=`: the client insists on channel binding.
    #[error("the client asks for channel binding, which is not offered; use SCRAM-SHA-256 without -PLUS")]
    ChannelBinding,
    /// `m=`: an extension that must be understood.
    #[error("the client asks for a mandatory extension of SCRAM, and none is known")]
    Extension,
    /// The client wants to act as somebody else.
    #[error("the authorisation identity differs from the user; leave it empty")]
    OtherIdentity,
    /// The last message answers another challenge.
    #[error("the nonce or the header differs from that of the first messages")]
    OtherExchange,
    /// The proof is not that of the password.
    #[error("wrong password")]
    WrongProof,
}

impl Fault {
    /// The fault as the value of a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::WrongProof => "wrong_password",
            _ => "malformed",
        }
    }
}

#[cfg(test)]
mod tests;
