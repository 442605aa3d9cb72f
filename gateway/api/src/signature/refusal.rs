//! Why a request was not believed, in AWS's names.

use axum::http::StatusCode;

/// A request that is refused before any operation sees it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing was signed.
    #[error(
        "request is missing an authentication token; sign it with an access key from the gateway's settings"
    )]
    Missing,
    /// The signature can't be read, or leaves out what it must cover.
    #[error("{why}")]
    Incomplete {
        /// What is wrong with it.
        why: String,
    },
    /// The key is not in the settings.
    #[error("access key `{key_id}` is not known to this gateway")]
    UnknownKey {
        /// The key the request names.
        key_id: String,
    },
    /// The signature is not the one that the key's holder would make for this request.
    #[error(
        "the signature does not match what access key `{key_id}` signs for this request; check the secret key"
    )]
    Mismatch {
        /// The key the request names.
        key_id: String,
    },
    /// The signing time is too far from ours.
    #[error(
        "signature of `{date_time}` is {away_secs} s away from the gateway's clock; the limit is 900 s, \
         check both clocks"
    )]
    Expired {
        /// The signing time as sent.
        date_time: String,
        /// Our time minus the signing time.
        away_secs: i64,
    },
}

impl Refusal {
    pub(super) fn incomplete(why: String) -> Self {
        Self::Incomplete { why }
    }

    pub(super) fn unknown_key(key_id: &str) -> Self {
        Self::UnknownKey { key_id: key_id.to_owned() }
    }

    /// AWS's name for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationToken",
            Self::Incomplete { .. } => "IncompleteSignature",
            Self::UnknownKey { .. } => "InvalidClientTokenId",
            Self::Mismatch { .. } => "SignatureDoesNotMatch",
            Self::Expired { .. } => "RequestExpired",
        }
    }

    /// The HTTP status AWS gives with it.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Incomplete { .. } | Self::Expired { .. } => StatusCode::BAD_REQUEST,
            Self::Missing | Self::UnknownKey { .. } | Self::Mismatch { .. } => StatusCode::FORBIDDEN,
        }
    }
}
