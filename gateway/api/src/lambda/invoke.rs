//! `Invoke`: now and with an answer (`RequestResponse`), later (`Event`), or not at all (`DryRun`).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use targets::function::queued::PAYLOAD_BYTES_MAX;
use targets::function::{self, Declared, Invocation, Invoked};

use super::{Asked, faults, name, serve};
use crate::aws::{Aws, Fault};

/// Most bytes of a client context, as in Lambda.
const CLIENT_CONTEXT_BYTES_MAX: usize = 3_583;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Qualified {
    pub(super) qualifier: Option<String>,
}

pub(super) async fn invoke(
    State(aws): State<Arc<Aws>>,
    Path(named): Path<String>,
    Query(qualified): Query<Qualified>,
    request: Request,
) -> Response {
    let (aws, named, qualifier) = (aws.as_ref(), named.as_str(), qualified.qualifier.as_deref());
    serve(aws, request, |asked| async move {
        let declared = name::find(aws, named, qualifier)?;
        let header = |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok());
        let wants_log = match header("x-amz-log-type") {
            None | Some("None") => false,
            Some("Tail") => true,
            Some(other) => {
                return Err(faults::invalid(format!("`{other}` is no log type; use `None` or `Tail`")));
            }
        };
        let invocation = invocation(&asked)?;
        match header("x-amz-invocation-type").unwrap_or("RequestResponse") {
            "RequestResponse" => call(declared, &asked, invocation, wants_log).await,
            "Event" => queue(declared, &asked, invocation).await,
            "DryRun" => Ok(StatusCode::NO_CONTENT.into_response()),
            other => Err(faults::invalid(format!(
                "`{other}` is no invocation type; use `RequestResponse`, `Event` or `DryRun`"
            ))),
        }
    })
    .await
}

fn invocation(asked: &Asked<'_>) -> Result<Invocation, Fault> {
    // What is not there reaches a handler as an empty object, as in Lambda.
    let payload = if asked.body.is_empty() { Bytes::from_static(b"{}") } else { asked.body.clone() };
    serde_json::from_slice::<IgnoredAny>(&payload).map_err(|error| faults::no_json(&error))?;
    Ok(Invocation {
        payload,
        client_context: client_context(&asked.headers)?,
        traceparent: asked
            .headers
            .get("x-amzn-trace-id")
            .and_then(|value| value.to_str().ok())
            .and_then(function::traceparent),
    })
}

fn client_context(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get("x-amz-client-context").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let unreadable = || {
        Fault::sender(
            "InvalidRequestContentException",
            "Client context must be a valid Base64-encoded JSON object.",
        )
    };
    if value.len() > CLIENT_CONTEXT_BYTES_MAX {
        return Err(faults::invalid(format!("the client context is over {CLIENT_CONTEXT_BYTES_MAX} bytes")));
    }
    let context = STANDARD.decode(value.as_bytes()).map_err(|_| unreadable())?;
    let context: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&context).map_err(|_| unreadable())?;
    Ok(Some(function::ascii(&serde_json::Value::Object(context))))
}

async fn call(
    declared: &Declared,
    asked: &Asked<'_>,
    invocation: Invocation,
    wants_log: bool,
) -> Result<Response, Fault> {
    let request_id = asked.request_id.to_string();
    let call = function::Asked { request_id: request_id.clone(), invocation, wants_log };
    let Invoked { result, log_tail } = declared.function.invoke_now(call).await;
    let (payload, failed) = match result {
        Ok(response) => (response.payload, response.error.is_some()),
        Err(error) if error.is_of_function() => (Bytes::from(error.as_lambda(&request_id).to_string()), true),
        Err(error) => return Err(faults::of_call(&error)),
    };
    let mut response = (StatusCode::OK, Body::from(payload)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-amz-executed-version", HeaderValue::from_static(name::LATEST));
    if failed {
        headers.insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
    }
    if let Some(tail) = log_tail.and_then(|tail| HeaderValue::try_from(STANDARD.encode(tail)).ok()) {
        headers.insert("x-amz-log-result", tail);
    }
    Ok(response)
}

async fn queue(declared: &Declared, asked: &Asked<'_>, invocation: Invocation) -> Result<Response, Fault> {
    let bytes = invocation.payload.len();
    if bytes > PAYLOAD_BYTES_MAX {
        return Err(faults::too_large(bytes, "Event", PAYLOAD_BYTES_MAX));
    }
    let submitted = declared.queued.submit(asked.request_id, invocation).await;
    submitted.map_err(|error| faults::of_intake(&error))?;
    Ok(StatusCode::ACCEPTED.into_response())
}
