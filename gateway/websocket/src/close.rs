//! Why a connection is closed: the status codes of RFC 6455 section 7.4 that a server says or checks.

use crate::Violation;

/// The purpose is fulfilled.
pub(crate) const NORMAL: u16 = 1000;
/// The peer broke the rules of frames.
pub(crate) const PROTOCOL_ERROR: u16 = 1002;
/// Data of a kind that is not carried here.
pub(crate) const UNSUPPORTED_DATA: u16 = 1003;

/// The status code in the payload of a Close frame, if there is one.
///
/// # Errors
/// When the payload is not what RFC 6455 section 5.5.1 allows.
pub(crate) fn status(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::CloseMalformed) };
    };
    let code = u16::from_be_bytes(*code);
    let may_be_sent = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    if !may_be_sent || std::str::from_utf8(reason).is_err() {
        return Err(Violation::CloseMalformed);
    }
    Ok(Some(code))
}
