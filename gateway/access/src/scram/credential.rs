//! What is kept of a password: enough to check a proof, not enough to make one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;

/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;
/// The fewest iterations that are taken (RFC 7677, section 4).
pub const ITERATIONS_MIN: u32 = 4_096;
/// The count that RFC 7677, section 4, derives from its rule of thumb.
pub const ITERATIONS_DEFAULT: u32 = 15_000;
/// More would let one CONNECT keep a processor busy for a second.
pub const ITERATIONS_MAX: u32 = 1_000_000;
/// The longest password, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 256;

/// The first word of a stored credential.
const SCHEME: &str = "SCRAM-SHA-256";

/// What is kept of one password (RFC 5802, section 3). Written as PostgreSQL writes it: `SCRAM-SHA-256$15000:salt$StoredKey:ServerKey`,
/// the three in base64. Who knows StoredKey can check a proof; who has seen a proof as well can make one, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    salt: [u8; SALT_BYTES],
    iterations: u32,
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

/// Why text is not a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a password is 1 to {PASSWORD_BYTES_MAX} printable ASCII characters; this one is not")]
pub struct PasswordError;

/// Why text is not a stored credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Not of the form.
    #[error("a credential is `{SCHEME}$iterations:salt$StoredKey:ServerKey`")]
    Form,
    /// A count out of bounds.
    #[error("a credential has {ITERATIONS_MIN} to {ITERATIONS_MAX} iterations, not `{0}`")]
    Iterations(u32),
}

impl Credential {
    /// What is to be kept of a password. Takes milliseconds of a processor: it belongs on a blocking thread.
    ///
    /// # Errors
    /// When the password has characters that clients might prepare differently, is empty or too long.
    ///
    /// # Panics
    /// When the iterations are not within [`ITERATIONS_MIN`] and [`ITERATIONS_MAX`]: the settings were to see to that.
    pub fn derive(password: &str, salt: [u8; SALT_BYTES], iterations: u32) -> Result<Self, PasswordError> {
        assert!((ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations), "{iterations} iterations");
        let printable = password.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if password.is_empty() || password.len() > PASSWORD_BYTES_MAX || !printable {
            return Err(PasswordError);
        }
        let salted = salted_password(password.as_bytes(), &salt, iterations);
        Ok(Self {
            salt,
            iterations,
            stored_key: stored_key(&salted),
            server_key: mac(&salted, &[b"Server Key"]),
        })
    }

    /// What a user that does not exist has: the same for the same name, and not to be told from a real one without the secret of this
    /// installation. No password belongs to it.
    pub fn decoy(secret: &[u8; 32], user: &str, iterations: u32) -> Self {
        let make = |what: &[u8]| mac(secret, &[what, b"\0", user.as_bytes()]);
        let mut salt = [0; SALT_BYTES];
        salt.copy_from_slice(&make(b"salt")[..SALT_BYTES]);
        Self { salt, iterations, stored_key: make(b"stored key"), server_key: make(b"server key") }
    }

    /// Whether this is the password. As slow as [`derive`](Self::derive), whatever the answer.
    pub fn is_password(&self, password: &[u8]) -> bool {
        let salted = salted_password(password, &self.salt, self.iterations);
        self.is_stored_key(&stored_key(&salted))
    }

    /// The salt; every password has its own.
    pub fn salt(&self) -> &[u8; SALT_BYTES] {
        &self.salt
    }

    /// How often the password is hashed.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Whether `proof` is that of the client for this exchange.
    pub(super) fn is_proof(&self, proof: &[u8; 32], authentication_message: &[&[u8]]) -> bool {
        let mut client_key = mac(&self.stored_key, authentication_message);
        client_key.iter_mut().zip(proof).for_each(|(byte, proof)| *byte ^= proof);
        self.is_stored_key(&Sha256::digest(client_key).into())
    }

    /// What proves to the client that the server knows the credential.
    pub(super) fn server_signature(&self, authentication_message: &[&[u8]]) -> [u8; 32] {
        mac(&self.server_key, authentication_message)
    }

    fn is_stored_key(&self, other: &[u8; 32]) -> bool {
        self.stored_key.ct_eq(other).into()
    }
}

fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, iterations)
}

fn stored_key(salted: &[u8; 32]) -> [u8; 32] {
    Sha256::digest(mac(salted, &[b"Client Key"])).into()
}

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credential").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl FromStr for Credential {
    type Err = CredentialError;

    fn from_str(text: &str) -> Result<Self, CredentialError> {
        let form = || {
            let (scheme, rest) = text.split_once('$')?;
            let (cost, keys) = rest.split_once('$')?;
            let ((iterations, salt), (stored_key, server_key)) =
                (cost.split_once(':')?, keys.split_once(':')?);
            let digits = iterations.bytes().all(|byte| byte.is_ascii_digit());
            let iterations = Some(iterations).filter(|_| digits && scheme == SCHEME)?.parse().ok()?;
            Some(Self {
                salt: bytes(salt)?,
                iterations,
                stored_key: bytes(stored_key)?,
                server_key: bytes(server_key)?,
            })
        };
        let credential: Self = form().ok_or(CredentialError::Form)?;
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&credential.iterations) {
            return Err(CredentialError::Iterations(credential.iterations));
        }
        Ok(credential)
    }
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64.decode(text).ok()?.try_into().ok()
}

impl serde::Serialize for Credential {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [salt, stored_key, server_key] =
            [&self.salt[..], &self.stored_key, &self.server_key].map(|bytes| BASE64.encode(bytes));
        serializer.collect_str(&format_args!("{SCHEME}${}:{salt}${stored_key}:{server_key}", self.iterations))
    }
}

impl<'de> serde::Deserialize<'de> for Credential {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
