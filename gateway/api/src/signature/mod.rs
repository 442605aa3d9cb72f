//! AWS Signature Version 4: proves that a request was made by the holder of a secret key.
//!
//! The verifier rebuilds the canonical request from what arrived, signs it with the secret of the key that the
//! request names and compares in constant time. It takes the time as an argument and must not know which protocol
//! the request speaks: an operation decides what a [`Caller`] may do.

mod authorization;
mod canonical;
mod refusal;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

use axum::http::{HeaderMap, Method, Uri};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

pub use refusal::Refusal;

use authorization::Authorization;

/// How far the signing time may lie from ours, to either side. AWS allows the same quarter of an hour.
pub const SKEW_SECS_MAX: i64 = 15 * 60;

/// The header that carries the signing time, as `20150830T123600Z`.
const DATE_HEADER: &str = "x-amz-date";

/// The header in which a client may repeat the digest of the body it signed.
const CONTENT_DIGEST_HEADER: &str = "x-amz-content-sha256";

/// One key pair that may sign requests.
#[derive(Clone)]
pub struct AccessKey {
    /// The public half, named in every request, as `AKIDEXAMPLE`.
    pub id: String,
    /// The secret half, which never travels.
    pub secret: String,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Who made a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The request was signed with this key.
    Key(String),
    /// Signatures are not asked for here.
    Anonymous,
}

impl Caller {
    /// The name given to consumers as `SenderId`.
    pub fn name(&self) -> &str {
        match self {
            Self::Key(id) => id,
            Self::Anonymous => "anonymous",
        }
    }
}

/// The parts of a request that a signature covers.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The HTTP method.
    pub method: &'a Method,
    /// Path and query as they arrived, still percent-encoded.
    pub uri: &'a Uri,
    /// Every header.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

/// Checks signatures against a fixed set of keys.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: HashMap<String, AccessKey>,
    regions: Vec<String>,
}

impl Verifier {
    /// A verifier that knows `keys`. Credentials scoped to a region outside `regions` are refused; an empty list
    /// accepts every region, since the region of a gateway means something only to its owner.
    pub fn new(keys: impl IntoIterator<Item = AccessKey>, regions: Vec<String>) -> Self {
        Self { keys: keys.into_iter().map(|key| (key.id.clone(), key)).collect(), regions }
    }

    /// Checks that `request` was signed for `service` at about `now_secs` (Unix time) with a key we know.
    ///
    /// # Errors
    /// The [`Refusal`] that AWS would give: nothing signed, an unreadable signature, an unknown key, a signing time
    /// too far away, or a signature that is not the one the key's holder would make.
    pub fn verify(&self, request: Request<'_>, service: &str, now_secs: i64) -> Result<Caller, Refusal> {
        let authorization = Authorization::of(request)?;
        let key =
            self.keys.get(authorization.key_id).ok_or_else(|| Refusal::unknown_key(authorization.key_id))?;
        self.check_scope(&authorization, service)?;
        check_age(&authorization, now_secs)?;
        canonical::check_signed_headers(request.headers, &authorization.signed_headers)?;
        let digest = body_digest(request)?;
        let canonical = canonical::request(request, &authorization.signed_headers, &digest)?;
        let to_sign = format!(
            "{}\n{}\n{}\n{}",
            authorization::ALGORITHM,
            authorization.date_time,
            authorization.scope(),
            hex::encode(Sha256::digest(canonical.as_bytes())),
        );
        signing_key(&key.secret, &authorization)
            .chain_update(to_sign)
            .verify_slice(&authorization.signature)
            .map_err(|_| Refusal::Mismatch { key_id: key.id.clone() })?;
        Ok(Caller::Key(key.id.clone()))
    }

    fn check_scope(&self, authorization: &Authorization<'_>, service: &str) -> Result<(), Refusal> {
        if authorization.service != service {
            return Err(Refusal::incomplete(format!(
                "credential is scoped to service `{}`; this operation belongs to `{service}`",
                authorization.service
            )));
        }
        if self.regions.is_empty() || self.regions.iter().any(|region| region == authorization.region) {
            return Ok(());
        }
        Err(Refusal::incomplete(format!(
            "credential is scoped to region `{}`; this gateway answers for `{}`",
            authorization.region,
            self.regions.join("`, `")
        )))
    }
}

fn check_age(authorization: &Authorization<'_>, now_secs: i64) -> Result<(), Refusal> {
    let away_secs = now_secs.saturating_sub(authorization.signed_at_secs);
    if away_secs.abs() > SKEW_SECS_MAX {
        return Err(Refusal::Expired { date_time: authorization.date_time.to_owned(), away_secs });
    }
    Ok(())
}

/// The digest of the body that arrived, in hexadecimal. A client that names a digest must name this one: neither
/// protocol here has requests whose body may go unsigned.
fn body_digest(request: Request<'_>) -> Result<String, Refusal> {
    let actual = hex::encode(Sha256::digest(request.body));
    match request.headers.get(CONTENT_DIGEST_HEADER) {
        Some(named) if named.as_bytes().eq_ignore_ascii_case(actual.as_bytes()) => Ok(actual),
        Some(named) if named.as_bytes() == b"UNSIGNED-PAYLOAD" => Err(Refusal::incomplete(
            "the body must be signed; `UNSIGNED-PAYLOAD` is not accepted here".to_owned(),
        )),
        Some(_) => Err(Refusal::incomplete(format!(
            "the digest in `{CONTENT_DIGEST_HEADER}` is not that of the body received"
        ))),
        None => Ok(actual),
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn digest_with(key: &[u8], data: &str) -> impl AsRef<[u8]> + use<> {
    keyed(key).chain_update(data).finalize().into_bytes()
}

fn signing_key(secret: &str, authorization: &Authorization<'_>) -> Hmac<Sha256> {
    let by_date = digest_with(format!("AWS4{secret}").as_bytes(), authorization.date());
    let by_region = digest_with(by_date.as_ref(), authorization.region);
    let by_service = digest_with(by_region.as_ref(), authorization.service);
    keyed(digest_with(by_service.as_ref(), authorization::TERMINATOR).as_ref())
}
