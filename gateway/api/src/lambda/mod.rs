//! The Lambda API, REST with JSON, as far as calling functions goes: `Invoke` and what describes functions. Functions are declared in the
//! settings, so nothing here makes or changes one.
//!
//! | Read | for |
//! | --- | --- |
//! | [`invoke`] | `Invoke` in its three types |
//! | [`describe`] | listing functions and their limits |
//! | [`name`] | the ways to name a function |
//! | [`faults`] | errors in the shape and under the names of Lambda |

mod describe;
mod faults;
#[cfg(test)]
pub(crate) mod fixture;
mod invoke;
mod name;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use crate::aws::{Admitted, Aws, Fault, Places, admit};

/// The service that a signature is scoped to.
const SERVICE: &str = "lambda";

/// The paths of the API.
pub(crate) fn router() -> Router<Arc<Aws>> {
    Router::new()
        .route("/2015-03-31/functions", get(describe::list))
        .route("/2015-03-31/functions/", get(describe::list))
        .route("/2015-03-31/functions/{function}", get(describe::function))
        .route("/2015-03-31/functions/{function}/configuration", get(describe::configuration))
        .route("/2015-03-31/functions/{function}/invocations", post(invoke::invoke))
        .route("/2019-09-30/functions/{function}/concurrency", get(describe::concurrency))
        .route("/2019-09-25/functions/{function}/event-invoke-config", get(describe::event_invoke_config))
}

/// A request that is read and believed. Its places among requests and bodies are taken while this lives.
struct Asked<'a> {
    /// Version 7, so that a queued invocation keeps it as its id.
    request_id: Uuid,
    body: Bytes,
    headers: axum::http::HeaderMap,
    _places: Places<'a>,
}

/// Reads and believes a request, answers it, and names it in the answer.
async fn serve<'a, F>(aws: &'a Aws, request: Request, answer: impl FnOnce(Asked<'a>) -> F) -> Response
where
    F: Future<Output = Result<Response, Fault>>,
{
    let request_id = Uuid::now_v7();
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let outcome = async {
        let Admitted { body, places, .. } = admit(aws, SERVICE, &parts, body).await?;
        answer(Asked { request_id, body, headers: parts.headers, _places: places }).await
    };
    let mut response = outcome.await.unwrap_or_else(|fault| {
        crate::aws::log(&path, &fault, &request_id.to_string());
        faults::response(&fault)
    });
    if let Ok(request_id) = HeaderValue::try_from(request_id.to_string()) {
        response.headers_mut().insert("x-amzn-requestid", request_id);
    }
    response
}

fn json(value: &Value) -> Response {
    let mut response = (StatusCode::OK, Body::from(value.to_string())).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
