//! A development public key infrastructure: authority, server, device and revocation list.
//!
//! For demonstrations, tests and small installations. All certificates are ECDSA P-256, signed directly by one
//! authority. This crate makes files and keeps the books about them; it must not know how they are used: no sockets,
//! no registry, no command line.
//!
//! # Directory of an authority
//!
//! ```text
//! authority.crt          certificate of the authority, PEM; give it to devices and to the gateway
//! authority.key          private key of the authority, PEM (PKCS#8), mode 0600
//! crl.pem                current revocation list, PEM; always present, at first empty
//! issued.jsonl           what was issued and revoked, append only, one JSON value per line
//! server.crt server.key  the latest server certificate and its key (mode 0600)
//! devices/NAME.crt       a device's certificate, by its common name
//! devices/NAME.key       its private key, mode 0600
//! ```
//!
//! Every file is written whole or not at all: to a temporary file that is flushed and then renamed. A private key is
//! created with mode 0600, so there is no moment at which others can read it. Two processes may work in one
//! directory: each change is made under a lock on `issued.jsonl`.

mod authority;
mod error;
mod files;
mod fingerprint;
mod index;
mod issue;
mod issued;
mod names;
mod revoke;
mod validity;

#[cfg(test)]
mod tests;

pub use authority::{Authority, DEVICE_NAME_CHARACTERS_MAX, REVOCATION_LIST_DAYS};
pub use error::Error;
pub use fingerprint::{Fingerprint, NotAFingerprint};
pub use issue::{Credentials, DeviceRequest};
pub use issued::{Issued, Kind, NotAReason, Reason, Revocation, Status};
pub use names::{check_device_name, check_organization};
pub use revoke::{RevocationList, Revoked};
pub use validity::Validity;
