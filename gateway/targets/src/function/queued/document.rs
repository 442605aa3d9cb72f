//! What a destination is told about a queued invocation: Lambda's invocation record, version 1.0.

use bus::event::rfc3339;
use serde_json::{Value, json};

use super::super::error::InvokeError;
use super::super::invoke::Response;
use super::{Ending, as_json};

/// The invocation that the document is about.
pub(super) struct About<'a> {
    pub(super) request_id: &'a str,
    pub(super) function_arn: &'a str,
    pub(super) payload: &'a [u8],
    /// How often the function was called.
    pub(super) invoke_count: u32,
    pub(super) now_ms: u64,
}

impl Ending {
    fn condition(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
        }
    }
}

/// The document; `last` is what came of the last call, if there was one.
pub(super) fn document(
    about: &About<'_>,
    ending: Ending,
    last: Option<&Result<Response, InvokeError>>,
) -> Value {
    let mut document = json!({
        "version": "1.0",
        "timestamp": rfc3339(about.now_ms),
        "requestContext": {
            "requestId": about.request_id,
            "functionArn": format!("{}:$LATEST", about.function_arn),
            "condition": ending.condition(),
            "approximateInvokeCount": about.invoke_count,
        },
        "requestPayload": as_json(about.payload),
    });
    let Some(last) = last else { return document };
    let (payload, failed) = match last {
        Ok(response) => (as_json(&response.payload), response.error.is_some()),
        Err(error) => (error.as_lambda(about.request_id), true),
    };
    let mut context = json!({ "statusCode": 200, "executedVersion": "$LATEST" });
    if failed {
        context["functionError"] = "Unhandled".into();
    }
    document["responseContext"] = context;
    document["responsePayload"] = payload;
    document
}
