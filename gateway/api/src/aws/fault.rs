//! Errors in the shape that AWS SDKs read.

use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::signature::Refusal;

/// An answer that says why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    /// AWS's name for it, as `QueueDoesNotExist`.
    pub(crate) code: &'static str,
    /// The name that the older protocol of SQS had for it, which its SDKs still show.
    pub(crate) query_code: Option<&'static str>,
    pub(crate) message: String,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "__type")]
    code: &'a str,
    message: &'a str,
}

impl Fault {
    /// The caller's fault.
    pub(crate) fn sender(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, query_code: None, message: message.into() }
    }

    /// Ours, or the disk's; the details are for the log.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self { status, code: "InternalFailure", query_code: None, message: message.into() }
    }

    /// Nobody's; the same may work later, and SDKs try again by themselves.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self { status, code: "ServiceUnavailable", query_code: None, message: message.into() }
    }

    fn side(&self) -> &'static str {
        if self.status.is_server_error() { "Receiver" } else { "Sender" }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.status(),
            code: refusal.code(),
            query_code: None,
            message: refusal.to_string(),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = Body { code: self.code, message: &self.message };
        let body = serde_json::to_vec(&body).expect("two texts are always JSON");
        let mut response = (self.status, body).into_response();
        let error = format!("{};{}", self.query_code.unwrap_or(self.code), self.side());
        let headers = response.headers_mut();
        headers.insert("x-amzn-errortype", HeaderValue::from_static(self.code));
        if let Ok(error) = HeaderValue::try_from(error) {
            headers.insert("x-amzn-query-error", error);
        }
        response
    }
}
