//! The Lambda Runtime API of one instance over HTTP, API version 2018-06-01.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::error::HandlerError;
use super::exchange::{Answer, Exchange, Violation, Work};

const PREFIX: &str = "/2018-06-01/runtime/";
const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE_MS: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const FUNCTION_ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("lambda-runtime-client-context");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");

/// A runtime uses one or two connections; more than a handful is somebody else's.
const CONNECTIONS_MAX: usize = 16;
/// Most of an error report that is read.
const ERROR_BYTES_MAX: usize = 256 << 10;
/// Most characters of an error type or message that are kept.
const ERROR_TEXT_CHARS_MAX: usize = 1024;
/// How long nothing is accepted after a failed accept, which means that file handles are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the API of one instance needs to know.
pub(super) struct RuntimeApi {
    pub(super) exchange: Arc<Exchange>,
    pub(super) function_arn: String,
    pub(super) response_bytes_max: usize,
}

/// Serves the API until the future is dropped, and with it every connection.
pub(super) async fn serve(listener: TcpListener, api: RuntimeApi) {
    let api = Arc::new(api);
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                let api = Arc::clone(&api);
                connections.spawn(async move {
                    serve_connection(stream, api).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "runtime API can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, api: Arc<RuntimeApi>) {
    // Requests are tiny and one waits for the other.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let api = Arc::clone(&api);
        async move { Ok::<_, Infallible>(api.handle(request).await) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    // Between two requests a handler may work for its whole time limit.
    http.header_read_timeout(None);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "runtime API connection ended");
    }
}

impl RuntimeApi {
    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let path: Vec<&str> =
            parts.uri.path().strip_prefix(PREFIX).map(|rest| rest.split('/').collect()).unwrap_or_default();
        match (&parts.method, path.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", request_id, "response"]) => self.response(request_id, body).await,
            (&Method::POST, ["invocation", request_id, "error"]) => {
                let (error, payload) = read_error(&parts.headers, body).await;
                accepted(self.exchange.answer(request_id, Answer::Failed { error, payload }))
            }
            (&Method::POST, ["init", "error"]) => {
                let (error, _) = read_error(&parts.headers, body).await;
                accepted(self.exchange.cannot_initialise(error))
            }
            _ => refusal(StatusCode::NOT_FOUND, "UnknownEndpoint", "the Runtime API has no such endpoint"),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        match self.exchange.next().await {
            Ok(work) => self.event(work),
            Err(violation) => accepted(Err(violation)),
        }
    }

    fn event(&self, work: Work) -> Response<Full<Bytes>> {
        let deadline_ms = now_ms().saturating_add(work.timeout.as_millis() as u64);
        let mut response = Response::new(Full::new(work.payload));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(DEADLINE_MS, HeaderValue::from(deadline_ms));
        let texts = [
            (REQUEST_ID, Some(work.request_id)),
            (FUNCTION_ARN, Some(self.function_arn.clone())),
            (TRACE_ID, Some(work.trace)),
            (CLIENT_CONTEXT, work.client_context),
        ];
        for (name, text) in texts {
            // What a header can't hold is left out rather than the event.
            if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
                headers.insert(name, value);
            }
        }
        response
    }

    async fn response(&self, request_id: &str, body: Incoming) -> Response<Full<Bytes>> {
        if !self.exchange.is_running(request_id) {
            return accepted(Err(Violation::UnknownRequest));
        }
        let collected = match Limited::new(body, self.response_bytes_max).collect().await {
            Ok(collected) => collected,
            Err(error) if error.is::<LengthLimitError>() => {
                // The caller is told at once; that the program hears of it too is of less weight.
                let _ = self.exchange.answer(request_id, Answer::TooLarge);
                let message = format!("the answer is over {} bytes", self.response_bytes_max);
                return refusal(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message);
            }
            Err(error) => {
                return refusal(StatusCode::BAD_REQUEST, "UnreadableBody", &error.to_string());
            }
        };
        // A streamed answer that breaks off says so in its trailers.
        let failed = collected.trailers().and_then(|trailers| trailers.get(&ERROR_TYPE)).map(text_of);
        let payload = collected.to_bytes();
        let answer = match failed {
            None => Answer::Done(payload),
            Some(error_type) => {
                let message = "the answer broke off in the middle of its stream".to_owned();
                Answer::Failed { error: HandlerError { error_type, message }, payload }
            }
        };
        accepted(self.exchange.answer(request_id, answer))
    }
}

/// The report that Lambda's runtimes send, as far as it is understood, and its text.
async fn read_error(headers: &HeaderMap, body: Incoming) -> (HandlerError, Bytes) {
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Report {
        error_type: Option<String>,
        error_message: Option<String>,
    }

    let payload = match Limited::new(body, ERROR_BYTES_MAX).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let report: Report = serde_json::from_slice(&payload).unwrap_or_default();
    let error_type = report.error_type.or_else(|| headers.get(&ERROR_TYPE).map(text_of));
    let error = HandlerError {
        error_type: shortened(&error_type.unwrap_or_else(|| "Unknown".to_owned())),
        message: shortened(&report.error_message.unwrap_or_else(|| "no message was given".to_owned())),
    };
    (error, payload)
}

fn text_of(value: &HeaderValue) -> String {
    shortened(&String::from_utf8_lossy(value.as_bytes()))
}

fn shortened(text: &str) -> String {
    text.chars().take(ERROR_TEXT_CHARS_MAX).collect()
}

fn accepted(outcome: Result<(), Violation>) -> Response<Full<Bytes>> {
    let Err(violation) = outcome else {
        return json(StatusCode::ACCEPTED, &serde_json::json!({ "status": "OK" }));
    };
    tracing::warn!(%violation, "program does not follow the runtime API");
    match violation {
        Violation::UnknownRequest => {
            refusal(StatusCode::BAD_REQUEST, "InvalidRequestID", &violation.to_string())
        }
        _ => refusal(StatusCode::FORBIDDEN, "InvalidStateTransition", &violation.to_string()),
    }
}

fn refusal(status: StatusCode, error_type: &str, message: &str) -> Response<Full<Bytes>> {
    json(status, &serde_json::json!({ "errorType": error_type, "errorMessage": message }))
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
