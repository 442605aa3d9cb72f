//! Errors in the shape and under the names of Lambda.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use targets::IntakeError;
use targets::function::InvokeError;

use crate::aws::Fault;

const THROTTLED: &str = "TooManyRequestsException";

fn with_status(status: StatusCode, code: &'static str, message: impl Into<String>) -> Fault {
    Fault { status, ..Fault::sender(code, message) }
}

pub(super) fn not_found(message: impl Into<String>) -> Fault {
    with_status(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
}

pub(super) fn invalid(message: impl Into<String>) -> Fault {
    Fault::sender("InvalidParameterValueException", message)
}

pub(super) fn no_json(error: &serde_json::Error) -> Fault {
    let message = format!("Could not parse request body into json: {error}");
    Fault::sender("InvalidRequestContentException", message)
}

pub(super) fn too_large(bytes: usize, kind: &str, bytes_max: usize) -> Fault {
    let message =
        format!("{bytes} byte payload is too large for the {kind} invocation type (limit {bytes_max} bytes)");
    with_status(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", message)
}

/// Why a function was not called.
pub(super) fn of_call(error: &InvokeError) -> Fault {
    match error {
        InvokeError::PayloadTooLarge { bytes, bytes_max } => too_large(*bytes, "RequestResponse", *bytes_max),
        InvokeError::Throttled { .. } | InvokeError::Busy { .. } => {
            with_status(StatusCode::TOO_MANY_REQUESTS, THROTTLED, "Rate Exceeded.")
        }
        _ => Fault { code: "ServiceException", ..Fault::unavailable(error.to_string()) },
    }
}

/// Why an invocation was not queued.
pub(super) fn of_intake(error: &IntakeError) -> Fault {
    if error.is_temporary() {
        Fault { code: "ServiceException", ..Fault::unavailable(error.to_string()) }
    } else {
        Fault { code: "ServiceException", ..Fault::internal(error.to_string()) }
    }
}

/// A fault as Lambda's SDKs read it.
pub(super) fn response(fault: &Fault) -> Response {
    let side = if fault.status.is_server_error() { "Service" } else { "User" };
    let body = if fault.code == THROTTLED {
        json!({
            "Type": side, "message": fault.message,
            "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
        })
    } else {
        json!({ "Type": side, "Message": fault.message })
    };
    let mut response = (fault.status, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-amzn-errortype", HeaderValue::from_static(fault.code));
    response
}
