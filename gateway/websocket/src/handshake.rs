//! The opening handshake, RFC 6455 section 4.2.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use sha1::{Digest, Sha1};

/// What the server's answer proves that it understood the key, RFC 6455 section 1.3.
const ACCEPT_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why a request for a WebSocket is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Only GET asks for a WebSocket.
    #[error("the method is `{0}`; a WebSocket is asked for with `GET`")]
    Method(Method),
    /// HTTP/1.0 knows no upgrade.
    #[error("the request is older than HTTP/1.1, which knows no upgrade")]
    HttpVersion,
    /// The header `Connection` has to name the upgrade.
    #[error("the header `connection` does not contain `upgrade`")]
    Connection,
    /// There is one version.
    #[error("the header `sec-websocket-version` is not `13`")]
    Version,
    /// The key is 16 bytes in base64.
    #[error("the header `sec-websocket-key` is missing or not 16 bytes in base64")]
    Key,
    /// The client does not offer what is spoken here.
    #[error("the header `sec-websocket-protocol` does not offer `{0}`")]
    Subprotocol(String),
}

impl Refused {
    /// The status to answer with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::HttpVersion | Self::Connection | Self::Key | Self::Subprotocol(_) => {
                StatusCode::BAD_REQUEST
            }
        }
    }

    /// A header that the answer must have, RFC 6455 section 4.4 and RFC 9110 section 15.5.6.
    pub fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Method(_) => Some((header::ALLOW, HeaderValue::from_static("GET"))),
            Self::Version => Some((header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))),
            _ => None,
        }
    }
}

/// Whether the request asks for a WebSocket, well or badly.
pub fn is_asked_for(headers: &HeaderMap) -> bool {
    contains(headers, &header::UPGRADE, "websocket", str::eq_ignore_ascii_case)
}

/// The answer `101 Switching Protocols` to a request for a WebSocket that offers `subprotocol`; what follows is a [`Stream`](crate::Stream). The
/// client has to offer it `[MQTT-6.0.0-3]`, and it is what is chosen whatever else the client offers `[MQTT-6.0.0-4]`.
///
/// # Errors
/// Why there is no WebSocket.
pub fn accept<B>(request: &Request<B>, subprotocol: &'static str) -> Result<Response<()>, Refused> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(Refused::Method(request.method().clone()));
    }
    if request.version() < Version::HTTP_11 {
        return Err(Refused::HttpVersion);
    }
    if !contains(headers, &header::CONNECTION, "upgrade", str::eq_ignore_ascii_case) {
        return Err(Refused::Connection);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refused::Version);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(Refused::Key)?;
    if STANDARD.decode(key).map_or(0, |key| key.len()) != 16 {
        return Err(Refused::Key);
    }
    if !contains(headers, &header::SEC_WEBSOCKET_PROTOCOL, subprotocol, str::eq) {
        return Err(Refused::Subprotocol(subprotocol.to_string()));
    }
    let proof = STANDARD.encode(Sha1::new().chain_update(key).chain_update(ACCEPT_SUFFIX).finalize());
    let proof = HeaderValue::from_str(&proof).expect("base64 is legal in a header");
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().extend([
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, proof),
        (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol)),
    ]);
    Ok(response)
}

/// Whether `word` is in the list that the header is; the header may come several times.
fn contains(headers: &HeaderMap, name: &HeaderName, word: &str, same: fn(&str, &str) -> bool) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|found| same(found.trim(), word))
}
