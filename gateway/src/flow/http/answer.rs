//! Answers in the form of AWS IoT Core's HTTPS endpoint: a JSON object with `message` and `traceId`, and the name of a fault in a header.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};
use mqtt::ReasonCode;
use std::fmt::Display;
use uuid::Uuid;

/// The body of an answer.
pub(super) type Body = Full<Bytes>;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Why a request was not served.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    /// AWS IoT's name for it.
    name: &'static str,
    /// For the log.
    message: String,
    /// Whether the client is not told what the log says: it is about its certificate.
    is_for_the_log: bool,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Fault {
    fn new(status: StatusCode, name: &'static str, message: impl Into<String>) -> Self {
        Self { status, name, message: message.into(), is_for_the_log: false, header: None }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidRequestException", message)
    }

    pub(super) fn forbidden(why: &(impl ToString + ?Sized)) -> Self {
        Self::new(StatusCode::FORBIDDEN, "ForbiddenException", why.to_string())
    }

    /// A certificate that may not publish, or none that can be read. What is wrong with it is for who runs the gateway.
    pub(super) fn not_admitted(why: &(impl ToString + ?Sized)) -> Self {
        Self { is_for_the_log: true, ..Self::forbidden(why) }
    }

    pub(super) fn not_found(path: &str) -> Self {
        let message = format!(
            "nothing is at `{path}`; publish with `POST /topics/{{topic}}`, or ask for a WebSocket at `/mqtt`"
        );
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
    }

    pub(super) fn method(method: &Method) -> Self {
        let message = format!("`{method}` is not what topics take; publish with `POST`");
        let header = Some((header::ALLOW, HeaderValue::from_static("POST")));
        Self { header, ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowedException", message) }
    }

    pub(super) fn too_large(message: impl Into<String>) -> Self {
        let header = Some((header::CONNECTION, HeaderValue::from_static("close")));
        Self { header, ..Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLargeException", message) }
    }

    pub(super) fn too_slow(message: impl Into<String>) -> Self {
        let header = Some((header::CONNECTION, HeaderValue::from_static("close")));
        Self { header, ..Self::new(StatusCode::REQUEST_TIMEOUT, "RequestTimeoutException", message) }
    }

    /// The same, as the last answer on its connection.
    pub(super) fn closing(self) -> Self {
        Self { header: Some((header::CONNECTION, HeaderValue::from_static("close"))), ..self }
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", message)
    }

    pub(super) fn websocket(refused: &websocket::Refused) -> Self {
        let name = match refused.status() {
            StatusCode::METHOD_NOT_ALLOWED => "MethodNotAllowedException",
            _ => "InvalidRequestException",
        };
        Self { header: refused.header(), ..Self::new(refused.status(), name, refused.to_string()) }
    }

    /// What an MQTT client would have been told with this reason code.
    pub(super) fn refused(reason: ReasonCode, message: String) -> Self {
        match reason {
            ReasonCode::NotAuthorized => Self::forbidden(&message),
            ReasonCode::PacketTooLarge => Self::too_large(message),
            ReasonCode::TopicNameInvalid | ReasonCode::PayloadFormatInvalid => Self::invalid(message),
            ReasonCode::QuotaExceeded | ReasonCode::MessageRateTooHigh => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "ThrottlingException", message)
            }
            ReasonCode::ServerShuttingDown | ReasonCode::ServerBusy | ReasonCode::ServerUnavailable => {
                Self::unavailable(message)
            }
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailureException", message),
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// What happened, for the log.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The answer. Where denials are not revealed none says why.
    pub(super) fn response(self, trace_id: Uuid, reveal_denials: bool) -> Response<Body> {
        let told = match self.status {
            StatusCode::FORBIDDEN if !reveal_denials => "Forbidden",
            _ if self.is_for_the_log => "this certificate may not publish",
            _ => &self.message,
        };
        let mut response = response(self.status, told, trace_id);
        response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(self.name));
        response.headers_mut().extend(self.header);
        response
    }
}

/// The answer to a publish that was accepted.
pub(super) fn ok(trace_id: Uuid) -> Response<Body> {
    response(StatusCode::OK, "OK", trace_id)
}

fn response(status: StatusCode, message: impl Display, trace_id: Uuid) -> Response<Body> {
    let trace_id = trace_id.to_string();
    let body = serde_json::json!({ "message": message.to_string(), "traceId": trace_id }).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(REQUEST_ID, HeaderValue::try_from(trace_id).expect("a UUID is legal in a header"));
    response
}
